#!/usr/bin/env bash
# imageio reads EXR and Radiance HDR files as 8 bits clipped at 1, once PyAV or OpenCV is installed beside it.
#
# Versions   imageio 2.38.1, av 18.1.0 (PyAV), opencv-python-headless 5.0.0.93, OpenEXR 3.5.3, numpy 2.4.6, Python 3.11
# Behaviour  The guess: a file of floats is read as floats, or refused. By itself imageio refuses both, and says that
#            OpenCV, and for EXR also PyAV, might help. With them its default call returns uint8 and nothing warns:
#            light times 255, without a gamma, so that all from 1 is 255 and all below 1/510 is 0; iio.improps says
#            uint8 as well. plugin="pyav" with format="gbrpf32le", or plugin="opencv" with flags=-1, gives floats.
# Output     light in the files: 0.001 0.25 1 4 1000
#            imageio alone      picture.exr refused                  picture.hdr refused
#            and OpenCV         picture.exr refused                  picture.hdr uint8 [0 64 255 255 255]
#            and PyAV           picture.exr uint8 [0 64 255 255 255] picture.hdr uint8 [0 64 255 255 255]
#            asked for floats   picture.exr float32, largest 1000    picture.hdr float32, largest 1000
# Matters    References of HDR data sets are such files, and an environment has PyAV for its videos or OpenCV for its
#            warps. What comes out looks like a picture of the scene, and has no lights, no shadows, and 8 linear bits
#            between. The same script stops with an error in another environment, or clips one of the two formats.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
install() {
    "$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 "$@"
}
cd "$folder"
cat > picture.py <<'PY'
"""Write one row of light as EXR and as RGBE, repeated to 20 x 16 px."""
import numpy as np
import OpenEXR

LIGHT = np.float32([0.001, 0.25, 1, 4, 1000])
picture = np.tile(LIGHT.repeat(4)[:, None], (16, 1, 3))
OpenEXR.File({"type": OpenEXR.scanlineimage}, {"RGB": picture}).write("picture.exr")
mantissa, exponent = np.frexp(picture)
pixels = np.concatenate([mantissa * 256, exponent[:, :, :1] + 128], axis=2).astype(np.uint8)
with open("picture.hdr", "wb") as file:
    file.write(b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 16 +X 20\n" + pixels.tobytes())
print("light in the files:", *(f"{light:g}" for light in LIGHT))
PY
cat > read.py <<'PY'
"""Read both files by the default call, and check that each comes as the arguments say: refused or uint8."""
import sys

import imageio.v3 as iio

title, *expected = sys.argv[1:]
shown = []
for name, kind in zip(("picture.exr", "picture.hdr"), expected):
    try:
        values = iio.imread(name)
        row = values.reshape(-1, 20, 3)[0, 2::4, 0]
        found, text = str(values.dtype), f"{values.dtype} [{' '.join(map(str, row))}]"
        assert iio.improps(name).dtype == values.dtype
        assert found != "uint8" or row.tolist() == [0, 64, 255, 255, 255], f"{name} is clipped otherwise now"
    except OSError:
        found = text = "refused"
    shown.append(f"{name} {text:<24}")
    assert found == kind, f"{title}: {name} is no longer {kind} but {found}"
print(f"{title:<18}", *shown)
PY
install imageio==2.38.1 OpenEXR==3.5.3
venv/bin/python picture.py
venv/bin/python read.py "imageio alone" refused refused
install opencv-python-headless==5.0.0.93
venv/bin/python read.py "and OpenCV" refused uint8
install av==18.1.0
venv/bin/python read.py "and PyAV" uint8 uint8
venv/bin/python - <<'PY'
import imageio.v3 as iio

files = {
    "picture.exr": iio.imread("picture.exr", plugin="pyav", format="gbrpf32le"),
    "picture.hdr": iio.imread("picture.hdr", plugin="opencv", flags=-1),
}
print("asked for floats  ", *(f"{name} {f'{one.dtype}, largest {one.max():g}':<24}" for name, one in files.items()))
assert all(one.dtype == "float32" and one.max() == 1000 for one in files.values()), "floats can no longer be asked for"
PY
