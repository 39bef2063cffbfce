"""Makes the list of files of a package, from the records of installed Python projects.

What is named is a module, or a glob of such; `+auto` adds everything else that was installed.
"""

import argparse
import csv
import fnmatch
import glob
import os
import re

parser = argparse.ArgumentParser()
for name in ("root", "prefix", "sitelib", "sitearch", "files", "modules"):
    parser.add_argument(f"--{name}", required=True)
parser.add_argument("--assert-license", action="store_true")
parser.add_argument("globs", nargs="+")
options = parser.parse_args()

LANGUAGE = re.compile(r"/locale/([^/]+)/LC_MESSAGES/[^/]+\.mo$")
LICENSE = re.compile(r"\.dist-info/(licenses/.*|(licen[cs]e|copying|notice|authors)[^/]*)$", re.IGNORECASE)
SUFFIX = re.compile(r"(\.cpython-[^/]*|\.abi3)?\.so$")


def listed(path):
    """The line of a file, with the words that RPM knows for it."""
    language = LANGUAGE.search(path)
    path = path.replace("%", "%%")
    if re.search(r"[\s*?\[\]{}\"]", path):
        path = '"' + re.sub(r"([*?\[\]{}\"])", r"\\\1", path) + '"'
    if language:
        return f"%lang({language.group(1)}) {path}"
    if LICENSE.search(path):
        return f"%license {path}"
    return path


def module_of(path):
    """The importable name of a file in the folder of modules, or None."""
    name = SUFFIX.sub(".py", path)
    if not name.endswith(".py"):
        return None
    words = name[: -len(".py")].split("/")
    if words[-1] == "__init__":
        words.pop()
    return ".".join(words) if words and all(word.isidentifier() for word in words) else None


lines, folders, modules, used = set(), set(), set(), set()
wanted = [word for word in options.globs if not word.startswith("+")]
auto = "+auto" in options.globs
licensed = False

for site in sorted({options.sitelib, options.sitearch}):
    for record in sorted(glob.glob(glob.escape(options.root + site) + "/*.dist-info/RECORD")):
        info = os.path.basename(os.path.dirname(record))
        folders.add(f"{site}/{info}")
        with open(record, newline="") as file:
            paths = [row[0] for row in csv.reader(file) if row]
        for path in paths:
            if path == f"{info}/RECORD":
                continue
            full = os.path.normpath(os.path.join(site, path))
            inside = not path.startswith("../")
            top = SUFFIX.sub("", path.split("/")[0])
            top = top[: -len(".py")] if top.endswith(".py") else top
            match = next((word for word in wanted
                          if fnmatch.fnmatchcase(top, word.split(".")[0].split("/")[0])), None) if inside else None
            if path.startswith(f"{info}/"):
                licensed = licensed or bool(LICENSE.search(full))
            elif match is not None:
                used.add(match)
            elif not auto:
                continue
            if inside:
                parent = os.path.dirname(path)
                while parent:
                    folders.add(f"{site}/{parent}")
                    parent = os.path.dirname(parent)
                module = None if path.startswith(f"{info}/") else module_of(path)
                if module:
                    modules.add(module)
            lines.add(listed(full))
            if inside and full.endswith(".py"):
                folder, name = os.path.split(full)
                # The compiled files come later.
                folders.add(f"{folder}/__pycache__") if folder != site else None
                lines.add(f"{folder}/__pycache__/{name[:-3]}.cpython-*.pyc".replace("%", "%%"))
        os.remove(record)

missing = [word for word in wanted if word not in used]
if missing:
    raise SystemExit(f"no installed file matches: {', '.join(missing)}")
if options.assert_license and not licensed:
    raise SystemExit("no installed project has a license file")
with open(options.files, "w") as file:
    file.writelines(f"%dir {path}\n" for path in sorted(folders))
    file.writelines(f"{line}\n" for line in sorted(lines))
with open(options.modules, "w") as file:
    file.writelines(f"{name}\n" for name in sorted(modules))
