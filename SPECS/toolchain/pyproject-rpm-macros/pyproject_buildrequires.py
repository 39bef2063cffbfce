"""Writes what the build of the project in the current folder requires, one requirement a line, in RPM's words.

What the backend asks for beyond pyproject.toml is known when the backend is there; RPM calls this again then.
"""

import argparse
import importlib.metadata
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from packaging.requirements import InvalidRequirement, Requirement
from pythondistdeps import rpm_requirement
from wheel_build import backend, settings, tomllib

parser = argparse.ArgumentParser()
parser.add_argument("-r", "--runtime", action="store_true", default=True)
parser.add_argument("-R", "--no-runtime", action="store_false", dest="runtime")
parser.add_argument("-x", "--extras", action="append", default=[])
parser.add_argument("-t", "--tox", action="store_true")
parser.add_argument("-e", "--toxenv", action="append", default=[])
parser.add_argument("-N", "--no-use-build-system", action="store_true")
parser.add_argument("-w", "--wheel", action="store_true")
parser.add_argument("-g", "--dependency-groups", action="append", default=[])
parser.add_argument("-p", "--read-pyproject-dependencies", action="store_true")
parser.add_argument("-C", "--config-settings", action="append", default=[])
parser.add_argument("files", nargs="*")
options = parser.parse_args()
extras = {extra.strip() for word in options.extras for extra in word.split(",") if extra.strip()}


# What backends write is not for RPM: it goes to stderr, and only requirements go to what was stdout.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
sys.stdout = sys.stderr


class Missing(Exception):
    """A requirement is not there yet: what comes after it is asked later."""


def holds(requirement, names=("",)):
    return requirement.marker is None or any(requirement.marker.evaluate({"extra": name}) for name in names)


def require(texts, names=("",)):
    """Writes the requirements whose markers hold; false when one of them is not installed."""
    there = True
    for text in texts:
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            raise SystemExit(f"{text}: {error}") from error
        if not holds(requirement, names):
            continue
        for line in rpm_requirement(requirement, "python3"):
            print(line, file=answers)
        try:
            version = importlib.metadata.version(requirement.name)
            there = there and requirement.specifier.contains(version, prereleases=True)
        except importlib.metadata.PackageNotFoundError:
            there = False
    return there


def lines_of(path):
    """The requirements of a file as pip reads it, without options."""
    with open(path) as file:
        for line in file:
            line = line.split(" #")[0].strip()
            if line.startswith(("-r ", "--requirement ")):
                yield from lines_of(os.path.join(os.path.dirname(path), line.split(None, 1)[1]))
            elif line and not line.startswith(("#", "-")):
                yield line


def build_system(project):
    if not require(project.get("build-system", {}).get("requires", ["setuptools>=40.8"])):
        raise Missing
    hooks = backend()
    asked = getattr(hooks, "get_requires_for_build_wheel", lambda _: [])(settings(options.config_settings) or None)
    if not require(asked):
        raise Missing
    return hooks


def runtime(project, hooks):
    """What the built project requires, as its metadata say."""
    names = {"", *extras}
    table = project.get("project")
    dynamic = (table or {}).get("dynamic", [])
    if table and "dependencies" not in dynamic and "optional-dependencies" not in dynamic:
        found = list(table.get("dependencies", []))
        for extra, texts in table.get("optional-dependencies", {}).items():
            if extra in extras:
                found += texts
        require(found, names)
        return
    with tempfile.TemporaryDirectory() as folder:
        prepare = getattr(hooks, "prepare_metadata_for_build_wheel", None)
        words = settings(options.config_settings) or None
        if prepare is not None:
            path = os.path.join(folder, prepare(folder, words), "METADATA")
            text = open(path, encoding="utf-8").read()
        else:
            import zipfile
            with zipfile.ZipFile(os.path.join(folder, hooks.build_wheel(folder, words))) as wheel:
                name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
                text = wheel.read(name).decode()
    from email.parser import HeaderParser
    require(HeaderParser().parsestr(text).get_all("Requires-Dist", []), names)


def main():
    project = {}
    if os.path.exists("pyproject.toml"):
        with open("pyproject.toml", "rb") as file:
            project = tomllib.load(file)
    for path in options.files:
        require(lines_of(path))
    try:
        hooks = None if options.no_use_build_system else build_system(project)
        if options.tox or options.toxenv:
            require(["tox", "tox-current-env"])
        for group in options.dependency_groups:
            require([text for text in project.get("dependency-groups", {}).get(group, []) if isinstance(text, str)])
        if hooks is not None and (options.runtime or extras):
            runtime(project, hooks)
    except Missing:
        pass
    answers.close()


main()
