"""Puts a wheel's files below a root folder, as an installer would into the system, but for compiled files.

The record of installed files is that of the wheel with scripts and data where they are put.
"""

import argparse
import base64
import configparser
import hashlib
import os
import stat
import zipfile

parser = argparse.ArgumentParser()
parser.add_argument("--root", required=True)
parser.add_argument("--prefix", default="/usr")
parser.add_argument("--purelib", required=True)
parser.add_argument("--platlib", required=True)
parser.add_argument("--python", default="/usr/bin/python3", help="what scripts name in their first line")
parser.add_argument("--record", action="store_true", help="keeps the record of files")
parser.add_argument("wheels", nargs="+")
options = parser.parse_args()

SCRIPT = """#!{python}
import re
import sys

from {module} import {first}

if __name__ == "__main__":
    sys.argv[0] = re.sub(r"(-script\\.pyw|\\.exe)?$", "", sys.argv[0])
    sys.exit({call}())
"""


class Installation:
    """Files below the root, and what the record says of them."""

    def __init__(self, site):
        self.site = site
        self.record = []

    def write(self, path, data, executable=False):
        target = options.root + path
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "wb") as file:
            file.write(data)
        os.chmod(target, 0o755 if executable else 0o644)
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        self.record.append((os.path.relpath(path, self.site), f"sha256={digest}", str(len(data))))


def scripts(text):
    """The commands of entry_points.txt, as (name, module, object)."""
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str
    parser.read_string(text)
    for section in ("console_scripts", "gui_scripts"):
        for name, value in parser.items(section) if parser.has_section(section) else []:
            module, _, call = value.split("[")[0].strip().partition(":")
            yield name, module.strip(), call.strip()


def install(path):
    with zipfile.ZipFile(path) as wheel:
        names = [name for name in wheel.namelist() if not name.endswith("/")]
        info = next(name.split("/")[0] for name in names if name.endswith(".dist-info/WHEEL"))
        pure = any(line.lower().replace(" ", "") == "root-is-purelib:true"
                   for line in wheel.read(f"{info}/WHEEL").decode().splitlines())
        site = options.purelib if pure else options.platlib
        project = info.rsplit("-", 1)[0]
        to = Installation(site)
        folders = {
            "purelib": options.purelib, "platlib": options.platlib, "scripts": f"{options.prefix}/bin",
            "data": options.prefix,
            "headers": f"{options.prefix}/include/{os.path.basename(os.path.dirname(options.purelib))}/{project}",
        }
        for name in names:
            first, _, rest = name.partition("/")
            data = wheel.read(name)
            executable = bool(wheel.getinfo(name).external_attr >> 16 & stat.S_IXUSR)
            if name == f"{info}/RECORD" or name.startswith(f"{info}/RECORD."):
                continue
            if first.endswith(".data") and rest:
                kind, _, rest = rest.partition("/")
                if kind == "scripts":
                    executable = True
                    if data.startswith((b"#!python", b"#!pythonw")):
                        data = f"#!{options.python}\n".encode() + data.partition(b"\n")[2]
                to.write(f"{folders[kind]}/{rest}", data, executable)
            else:
                to.write(f"{site}/{name}", data, executable)
        if f"{info}/entry_points.txt" in names:
            for name, module, call in scripts(wheel.read(f"{info}/entry_points.txt").decode()):
                text = SCRIPT.format(python=options.python, module=module, first=call.split(".")[0], call=call)
                to.write(f"{options.prefix}/bin/{name}", text.encode(), True)
        to.write(f"{site}/{info}/INSTALLER", b"rpm\n")
        if options.record:
            to.record.append((f"{info}/RECORD", "", ""))
            lines = "".join(",".join(f'"{field}"' if "," in field else field for field in row) + "\n"
                            for row in sorted(to.record))
            to.write(f"{site}/{info}/RECORD", lines.encode())


for path in options.wheels:
    install(path)
