#!/usr/bin/env bash
# LibRaw reads a DNG of floats as integers of 14 bits: the shadows are gone, and one px above white dims all others.
#
# Versions   rawpy 0.28.0 with its LibRaw 0.22.2, tifffile 2026.3.3, numpy 2.4.6, Python 3.11
# Behaviour  The guess: floats of a merged DNG, whose point is their range, arrive as floats or as integers scaled by
#            the white level in the file. They arrive as uint16 of 0 to 16383, so that what is 14 stops or more below
#            white is 0 or 1. And if a px is brighter than white, which floats may be, the scale is that px:
#            raw_image holds other numbers for the same light, white_level stays 16383, adjust_maximum_thr=0 does
#            not help, and nothing warns.
# Output     a px of 0.25 of white; one of 2^-13.5; one of 2^-15.5, in raw_image
#            brightest 1: 4095 1 0    brightest 2: 2047 0 0    brightest 16: 255 0 0
#            0.25 developed to 16 bits: 16380 8188 1020
# Matters    HDR files that were merged to keep shadows lose them on the way in, and those with a lamp get their
#            exposure from the lamp: two views of a scene, or two parts of a panorama, no longer fit together.
#            tifffile gives the floats as they are.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check rawpy==0.28.0 tifffile==2026.3.3 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PY'
import numpy as np
import rawpy
import tifffile

IDENTITY = (1, 1, 0, 1, 0, 1) + (0, 1, 1, 1, 0, 1) + (0, 1, 0, 1, 1, 1)
TAGS = [
    (33421, "H", 2, (2, 2), True),  # size of the mosaic's cell
    (33422, "B", 4, bytes((0, 1, 1, 2)), True),  # RGGB
    (50706, "B", 4, bytes((1, 4, 0, 0)), True),  # DNG 1.4
    (50714, "I", 1, 0, True),  # black level
    (50717, "I", 1, 1, True),  # white level
    (50721, "2i", 9, IDENTITY, True),  # XYZ to camera
    (50728, "2I", 3, (1, 1) * 3, True),  # neutral
]
LINEAR = {"gamma": (1, 1), "no_auto_bright": True, "output_bps": 16, "use_camera_wb": True, "adjust_maximum_thr": 0}


def read(brightest):
    mosaic = np.full((64, 96), 0.25, np.float32)
    mosaic[:8], mosaic[8:16], mosaic[30, 40] = 2.0**-13.5, 2.0**-15.5, brightest
    tifffile.imwrite("merged.dng", mosaic, photometric=32803, metadata=None, extratags=TAGS)
    assert np.array_equal(tifffile.imread("merged.dng"), mosaic)
    with rawpy.imread("merged.dng") as raw:
        stored = raw.raw_image
        assert stored.dtype == np.uint16 and raw.white_level == 16383
        numbers = [int(stored[place]) for place in ((50, 50), (4, 4), (12, 50))]
        developed = raw.postprocess(**LINEAR, output_color=rawpy.ColorSpace.raw)
        return numbers, int(developed[50, 50, 1])


found = {brightest: read(brightest) for brightest in (1, 2, 16)}
print("a px of 0.25 of white; one of 2^-13.5; one of 2^-15.5, in raw_image")
print(*(f"brightest {brightest}: {' '.join(map(str, one[0]))}" for brightest, one in found.items()), sep="    ")
print("0.25 developed to 16 bits:", *(one[1] for one in found.values()))

assert found[1][0] == [4095, 1, 0], "floats are no longer read as integers of 14 bits"
assert found[2][0][0] == 2047 and found[16][0][0] == 255, "a px above white no longer dims the others"
PY
