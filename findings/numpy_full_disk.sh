#!/usr/bin/env bash
# On a full disk np.save and tifffile end without an error where only the last bytes of an array do not fit.
#
# Versions   numpy 2.4.6, tifffile 2026.3.3, Python 3.11, wheels for Linux x86-64
# Behaviour  The guess: a write that fails raises OSError. ndarray.tofile, by which np.save and tifffile write to files,
#            goes through a buffer of the C library, and does not look at what closing it says: what is still in it,
#            up to 4095 bytes, is lost without a word, whether the disk is full, a quota is used up or a limit reached.
#            An array that fails earlier is told of, by its count of elements, not by the cause. tifffile, besides,
#            passes over all errors of closing a file. A file object given to either does not help.
# Output     tofile of 4088 bytes to a full device: no error        of 4096: 512 requested and 0 written
#            np.save   no error, 2000 of 3728 bytes
#            tifffile  no error, 2000 of 3872 bytes
# Matters    A program that writes to a temporary file and renames it into place replaces a good file by one that is
#            cut off, and ends with status 0. A file object whose fileno() raises makes both write by Python's means.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 tifffile==2026.3.3
cd "$folder"
venv/bin/python - <<'PY'
import io
import resource
import signal
from pathlib import Path

import numpy as np
import tifffile

told = {}
for size in (4088, 4096):
    try:
        np.zeros(size, np.uint8).view(np.float64).tofile("/dev/full")
        told[size] = "no error"
    except OSError as error:
        told[size] = str(error)
print(f"tofile of 4088 bytes to a full device: {told[4088]}        of 4096: {told[4096]}")

picture = np.random.default_rng(0).integers(1, 65535, (20, 30, 3), np.uint16)
writers = {"np.save": np.save, "tifffile": tifffile.imwrite}
sizes = {}
for name, write in writers.items():
    whole = io.BytesIO()
    write(whole, picture)
    sizes[name] = whole.tell()
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))  # as a disk with 2000 bytes left
for name, write in writers.items():
    with Path(name).open("wb") as file:
        write(file, picture)
    print(f"{name:<9} no error, {Path(name).stat().st_size} of {sizes[name]} bytes")


class WithoutDescriptor(io.BufferedWriter):
    def fileno(self):
        raise io.UnsupportedOperation


assert told[4088] == "no error" != told[4096], "the last bytes are no longer lost in silence"
for name, write in writers.items():
    assert Path(name).stat().st_size < sizes[name], f"{name} is no longer cut off in silence"
    try:
        with WithoutDescriptor(io.FileIO(name, "w")) as file:
            write(file, picture)
    except OSError as error:
        assert "File too large" in str(error)
    else:
        raise AssertionError(f"{name}: a file without a descriptor is cut off too")
PY
