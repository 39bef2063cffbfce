"""certdata2bundle.py CERTDATA PURPOSE: writes the certificates that Mozilla's list trusts for this purpose, as PEM.

The purpose is `server` or `email`. The list is the text that NSS is built from: objects with attributes, one a line,
binary ones in octal over several lines. Trust is a second object with the same issuer and serial number.
"""

import base64
import re
import sys
import textwrap

PURPOSES = {"server": "CKA_TRUST_SERVER_AUTH", "email": "CKA_TRUST_EMAIL_PROTECTION"}


def objects(lines):
    """Each object as a dictionary of its attributes."""
    found = {}
    lines = iter(lines)
    for line in lines:
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        words = line.split(None, 2)
        if words[0] == "CKA_CLASS" and found:
            yield found
            found = {}
        if len(words) == 2 and words[1] == "MULTILINE_OCTAL":
            octal = []
            for line in lines:
                if line.strip() == "END":
                    break
                octal += re.findall(r"\\([0-7]{3})", line)
            found[words[0]] = bytes(int(number, 8) for number in octal)
        elif len(words) == 3 and words[0].startswith("CKA_"):
            found[words[0]] = words[2]
    if found:
        yield found


def label(text):
    """The name of a certificate: UTF-8 whose bytes beyond ASCII are written as \\x.."""
    text = text.strip('"')
    return re.sub(rb"\\x([0-9a-fA-F]{2})", lambda match: bytes([int(match.group(1), 16)]), text.encode()).decode()


def main(path, purpose):
    with open(path, encoding="utf-8") as file:
        found = list(objects(file))
    trusted = {
        (one["CKA_ISSUER"], one["CKA_SERIAL_NUMBER"])
        for one in found
        if one.get("CKA_CLASS") == "CKO_NSS_TRUST" and one.get(PURPOSES[purpose]) == "CKT_NSS_TRUSTED_DELEGATOR"
    }
    certificates = sorted(
        (label(one["CKA_LABEL"]), one["CKA_VALUE"])
        for one in found
        if one.get("CKA_CLASS") == "CKO_CERTIFICATE" and (one["CKA_ISSUER"], one["CKA_SERIAL_NUMBER"]) in trusted
    )
    if len(certificates) < 50:
        raise SystemExit(f"{path} has {len(certificates)} trusted certificates, which cannot be all")
    out = open(sys.stdout.fileno(), "w", encoding="utf-8", closefd=False)
    for name, value in certificates:
        lines = textwrap.fill(base64.b64encode(value).decode(), 64)
        out.write(f"# {name}\n-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n\n")


main(*sys.argv[1:])
