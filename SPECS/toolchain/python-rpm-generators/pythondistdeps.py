#!/usr/bin/python3
"""Writes what Python modules provide (--provides) or require (--requires) in RPM's words.

The paths of METADATA or PKG-INFO files come as words or, one a line, from stdin.
"""

import os
import re
import sys
from email.parser import HeaderParser

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version


def rpm_version(text):
    """A version as RPM compares it: what comes before a release has `~`, what comes after it `^`."""
    try:
        version = Version(text)
    except InvalidVersion:
        return text.replace("-", "_")
    numbers = list(version.release)
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    found = ".".join(map(str, numbers))
    if version.epoch:
        found = f"{version.epoch}:{found}"
    if version.pre:
        found += "~" + "".join(map(str, version.pre))
    if version.dev is not None and version.post is None:
        found += f"~~dev{version.dev}"
    if version.post is not None:
        found += f"^post{version.post}"
    return found


def parts(name, specifier):
    """The conditions of one specifier, each as RPM says it; all must hold."""
    operator, text = specifier.operator, specifier.version
    if text.endswith(".*"):
        numbers = [int(number) for number in text[:-2].split(".")]
        low, high = text[:-2], ".".join(map(str, numbers[:-1] + [numbers[-1] + 1]))
        low, high = rpm_version(low), rpm_version(high)
        if operator == "!=":
            return [f"({name} < {low} or {name} >= {high})"]
        return [f"{name} >= {low}", f"{name} < {high}"]
    version = rpm_version(text)
    if operator == "~=":
        numbers = [int(number) for number in Version(text).release[:-1]]
        high = rpm_version(".".join(map(str, numbers[:-1] + [numbers[-1] + 1])))
        return [f"{name} >= {version}", f"{name} < {high}"]
    if operator == "!=":
        return [f"({name} < {version} or {name} > {version})"]
    return [f"{name} {'=' if operator in ('==', '===') else operator} {version}"]


def rpm_requirement(requirement, prefix):
    """A requirement as RPM says it, once for each extra that it names."""
    for extra in sorted(requirement.extras) or [None]:
        name = canonicalize_name(requirement.name)
        name = f"{prefix}dist({name}[{extra}])" if extra else f"{prefix}dist({name})"
        found = [part for specifier in sorted(requirement.specifier, key=str) for part in parts(name, specifier)]
        if not found:
            yield name
        elif len(found) == 1:
            yield found[0]
        else:
            yield "(" + " with ".join(found) + ")"


def required_without_metadata(path):
    """What old metadata have in a file of its own, up to the first extra."""
    path = os.path.join(os.path.dirname(path), "requires.txt")
    if not path.endswith(".egg-info/requires.txt") or not os.path.isfile(path):
        return
    with open(path) as file:
        for line in file:
            if line.startswith("["):
                return
            if line.strip():
                yield line.strip()


def dependencies(path, kind):
    version = re.search(r"/python(\d+\.\d+)/", path)
    if not version or not os.path.isfile(path):
        return
    version = version.group(1)
    with open(path, encoding="utf-8") as file:
        metadata = HeaderParser().parse(file)
    if kind == "--provides":
        name = canonicalize_name(metadata["Name"])
        for prefix in ("python3", f"python{version}"):
            yield f"{prefix}dist({name}) = {rpm_version(metadata['Version'])}"
        return
    for text in [*metadata.get_all("Requires-Dist", []), *required_without_metadata(path)]:
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            raise SystemExit(f"{path}: {error}") from error
        if requirement.marker is None or requirement.marker.evaluate({"extra": "", "python_version": version}):
            yield from rpm_requirement(requirement, f"python{version}")


def main(kind, *paths):
    found = set()
    for path in paths or (line.rstrip("\n") for line in sys.stdin):
        found.update(dependencies(path, kind))
    for dependency in sorted(found):
        print(dependency)


if __name__ == "__main__":
    main(*sys.argv[1:])
