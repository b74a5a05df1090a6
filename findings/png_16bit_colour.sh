#!/usr/bin/env bash
# Colour PNG files of 16 bits lose their lower byte in Pillow and scikit-image, gray ones keep it.
#
# Versions   Pillow 13.0.0, scikit-image 0.26.0 with imageio 2.38.1, OpenCV 5.0.0.93, numpy 2.4.6, Python 3.11
# Behaviour  The guess: a reader that knows 16-bit PNG gives 16 bits, or says that it cannot. Both read a gray file as
#            it is, and of the same numbers in three or four channels the upper byte alone, as uint8: no warning, no
#            option, and nothing in the array tells that there was more. OpenCV (IMREAD_UNCHANGED) reads all.
# Output     a ramp of 16384 linear values, 2^14 at white
#            Pillow        gray uint16 16384 levels    RGB uint8 64 levels    RGBA uint8 64 levels
#            scikit-image  gray uint16 16384 levels    RGB uint8 64 levels    RGBA uint8 64 levels
#            OpenCV        gray uint16 16384 levels    RGB uint16 16384 levels    RGBA uint16 16384 levels
# Matters    Raw bursts are published as such files: packed R, G, G, B as RGBA with white at 2^14. Read so, 14 bits of
#            linear light become 6, shadows become black, and who divides by the largest value sees a plausible picture.
#            16-bit results that are scored after being read back are scored as 8-bit ones.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    pillow==13.0.0 scikit-image==0.26.0 imageio==2.38.1 opencv-python-headless==5.0.0.93 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PY'
import cv2
import numpy as np
from PIL import Image
from skimage import io

RAMP = np.arange(1 << 14, dtype=np.uint16).reshape(128, 128)
PLANES = {"gray": RAMP, "RGB": np.stack([RAMP] * 3, axis=2), "RGBA": np.stack([RAMP] * 4, axis=2)}
READERS = {
    "Pillow": lambda path: np.asarray(Image.open(path)),
    "scikit-image": io.imread,
    "OpenCV": lambda path: cv2.imread(path, cv2.IMREAD_UNCHANGED),
}

for name, image in PLANES.items():
    assert cv2.imwrite(f"{name}.png", image)
print("a ramp of 16384 linear values, 2^14 at white")
seen = {}
for reader, read in READERS.items():
    for name in PLANES:
        values = read(f"{name}.png")
        seen[reader, name] = str(values.dtype), len(np.unique(values))
    print(f"{reader:<13}", "    ".join(f"{name} {' '.join(map(str, seen[reader, name]))} levels" for name in PLANES))

for reader in READERS:
    assert seen[reader, "gray"] == ("uint16", 16384), f"{reader} no longer keeps gray"
    for name in ("RGB", "RGBA"):
        kept = ("uint16", 16384) if reader == "OpenCV" else ("uint8", 64)
        assert seen[reader, name] == kept, f"{reader} reads {name} otherwise now"
PY
