"""wheel_build.py FOLDER [-C KEY=VALUE]... [SOURCE]: has the backend that pyproject.toml names build a wheel.

The modules of the running interpreter are all there is: nothing is downloaded, and no version is compared.
"""

import importlib
import os
import sys

try:
    import tomllib
except ImportError:
    import tomli as tomllib


def backend():
    """The object with the backend's hooks, for the project in the current folder."""
    system = {}
    if os.path.exists("pyproject.toml"):
        with open("pyproject.toml", "rb") as file:
            system = tomllib.load(file).get("build-system", {})
    sys.path[:0] = [os.path.abspath(folder) for folder in system.get("backend-path", [])]
    module, _, path = system.get("build-backend", "setuptools.build_meta:__legacy__").partition(":")
    found = importlib.import_module(module)
    for name in filter(None, path.split(".")):
        found = getattr(found, name)
    return found


def settings(words):
    """The settings for the backend, of words such as KEY=VALUE; a key that is given again has a list."""
    found = {}
    for word in words:
        key, _, value = word.partition("=")
        if key in found:
            found[key] = (found[key] if isinstance(found[key], list) else [found[key]]) + [value]
        else:
            found[key] = value
    return found


def main(arguments):
    folder, words, source = os.path.abspath(arguments[0]), [], "."
    rest = iter(arguments[1:])
    for word in rest:
        if word in ("-C", "--config-settings", "--global-option"):
            words.append(next(rest))
        elif word.startswith("-C"):
            words.append(word[2:])
        else:
            source = word
    os.makedirs(folder, exist_ok=True)
    os.chdir(source)
    sys.path = [path for path in sys.path if path != os.path.dirname(os.path.abspath(__file__))]
    name = backend().build_wheel(folder, settings(words) or None)
    print("wheel:", name)


if __name__ == "__main__":
    main(sys.argv[1:])
