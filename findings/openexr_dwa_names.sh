#!/usr/bin/env bash
# DWAA in OpenEXR goes by the names of channels: of the planes R, G1, G2, B two turn lossy, and part of a lamp inf.
#
# Versions   OpenEXR 3.5.3, numpy 2.4.6, Python 3.11
# Behaviour  The guess: a lossy compression treats all float channels of a file alike, and 32-bit channels keep the
#            range of 32 bits. Only channels named R, G, B, Y, RY or BY (after the last dot, in capitals) are made
#            lossy; any other name is kept to the bit. The lossy ones pass through 16-bit floats: above 65504 some
#            pixels come back clipped and some as inf, in a channel that still calls itself 32-bit.
# Output     R  float32  largest error 0.0059  lamp of 80000 -> 64704.0 to inf
#            G1 float32  largest error 0.0000  lamp of 80000 -> 80000.0 to 80000.0
#            G2 float32  largest error 0.0000  lamp of 80000 -> 80000.0 to 80000.0
#            B  float32  largest error 0.0059  lamp of 80000 -> 64704.0 to inf
# Matters    Bayer planes stored this way lose the noise of red and blue but not that of green, so noise models,
#            denoisers and scores per plane see a sensor that does not exist. Radiance merged in units of the longest
#            exposure passes 65504 in a night scene with lamps; one inf makes every loss inf or NaN.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check OpenEXR==3.5.3 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PY'
import numpy as np
import OpenEXR

LAMP = slice(32, 37), slice(32, 37)
NAMES = ("R", "G1", "G2", "B")
plane = (np.random.default_rng(0).random((64, 64)) / 4 + 0.01).astype(np.float32)
bright = plane.copy()
bright[LAMP] = 80000


def stored(pixels):
    header = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.DWAA_COMPRESSION}
    with OpenEXR.File(header, {name: pixels.copy() for name in NAMES}) as file:
        file.write("planes.exr")
    channels = OpenEXR.File("planes.exr", separate_channels=True).channels()
    return {name: channels[name].pixels for name in NAMES}


dark, lit = stored(plane), stored(bright)
error = {name: np.abs(dark[name] - plane).max() for name in NAMES}
for name in NAMES:
    kind, lamp = dark[name].dtype, lit[name][LAMP]
    print(f"{name:<2} {kind}  largest error {error[name]:.4f}  lamp of 80000 -> {lamp.min()} to {lamp.max()}")

for name in ("R", "B"):
    assert error[name] > 0.001, f"{name} is no longer lossy"
    assert lit[name].dtype == np.float32, f"{name} no longer calls itself 32-bit"
    assert np.isinf(lit[name][LAMP]).any(), f"80000 in {name} is no longer inf anywhere"
for name in ("G1", "G2"):
    assert error[name] == 0 and np.array_equal(lit[name], bright), f"{name} is no longer exact"
PY
