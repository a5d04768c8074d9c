"""Packs the functions' one binary as Lambda wants it: a zip with `bootstrap`.

    package.py BINARY ZIP

The same binary gives the same zip, byte for byte, so that a deployment of an
unchanged binary changes nothing. Symbols are left out of the copy where `strip`
is at hand: they only make cold starts slower.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile


def main(binary: pathlib.Path, archive: pathlib.Path) -> None:
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "bootstrap"
        shutil.copyfile(binary, copy)
        if shutil.which("strip"):
            subprocess.run(["strip", str(copy)], check=False, capture_output=True)
        entry = zipfile.ZipInfo("bootstrap", date_time=(1980, 1, 1, 0, 0, 0))
        entry.external_attr = 0o755 << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        partial = archive.with_suffix(".partial")
        with zipfile.ZipFile(partial, "w", compresslevel=1) as zipped:
            zipped.writestr(entry, copy.read_bytes())
        partial.replace(archive)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
