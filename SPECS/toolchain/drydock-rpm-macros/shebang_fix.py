"""shebang_fix.py PYTHON FLAGS PATH...: scripts below these paths name this interpreter in their first line.

Only first lines that name some Python are changed; flags that are there stay. Files of a folder count when their name
ends with .py, files that are given count by what is in them.
"""

import os
import re
import stat
import sys


def fixed(line, python, flags):
    """The first line as it shall be, or None when it is that of no Python script."""
    match = re.match(rb"#!\s*(?:\S*/env\s+(?:-S\s+)?)?\S*python[\d.]*(?:[ \t]+(.*?))?\s*$", line.rstrip(b"\r\n"))
    if not match:
        return None
    had = (match.group(1) or b"").decode()
    letters = "".join(flag for flag in flags if not re.search(rf"(^|\s)-[A-Za-z]*{flag}", had))
    if had.startswith("-") and not had.startswith("--"):
        words = "-" + letters + had[1:]
    else:
        words = " ".join(part for part in ("-" + letters if letters else "", had) if part)
    return f"#!{python} {words}".rstrip().encode() + b"\n"


def fix(path, python, flags):
    with open(path, "rb") as file:
        first, rest = file.readline(), file.read()
    line = fixed(first, python, flags)
    if line is None or line == first:
        return
    status = os.stat(path)
    with open(path, "wb") as file:
        file.write(line + rest)
    os.chmod(path, stat.S_IMODE(status.st_mode))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def main(python, flags, *paths):
    for path in paths:
        if os.path.isdir(path):
            for folder, _, names in os.walk(path):
                for name in names:
                    file = os.path.join(folder, name)
                    if name.endswith(".py") and not os.path.islink(file):
                        fix(file, python, flags)
        elif not os.path.islink(path):
            fix(path, python, flags)


main(*sys.argv[1:])
