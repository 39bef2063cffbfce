"""import_all.py [-t] [-e GLOB]... [-f FILE]... [MODULE]...: imports these modules.

With -t only those without a dot; those that match a GLOB are left out. Ends with an error at the first that cannot be
imported, and when there are none.
"""

import argparse
import fnmatch
import importlib
import re
import site
import os

parser = argparse.ArgumentParser()
parser.add_argument("-t", "--top-level", action="store_true")
parser.add_argument("-e", "--exclude", action="append", default=[])
parser.add_argument("-f", "--file", action="append", default=[])
parser.add_argument("modules", nargs="*")
options = parser.parse_args()

names = [name for word in options.modules for name in re.split(r"[\s,]+", word) if name]
for path in options.file:
    with open(path) as file:
        names += [line.strip() for line in file if line.strip()]
if options.top_level:
    names = [name for name in names if "." not in name]
names = [name for name in names if not any(fnmatch.fnmatchcase(name, glob) for glob in options.exclude)]
if not names:
    raise SystemExit("there are no modules to import")
# Files *.pth of the package count, too.
for folder in os.environ.get("PYTHONPATH", "").split(":"):
    if folder:
        site.addsitedir(folder)
for name in names:
    print("import", name)
    importlib.import_module(name)
