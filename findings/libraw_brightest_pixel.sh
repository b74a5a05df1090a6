#!/usr/bin/env bash
# "Linear" development by rawpy takes its white from the brightest pixel: a lamp makes the rest of the frame brighter.
#
# Versions   rawpy 0.28.0 with its LibRaw 0.22.2, tifffile 2026.3.3, numpy 2.4.6, Python 3.11
# Behaviour  The guess: with gamma=(1, 1) and no_auto_bright=True a sensor value always becomes the same output value,
#            set by the levels of black and white in the file. But a frame whose brightest pixel lies between 75 % and
#            100 % of white is stretched until that pixel is 65535. Below 75 % it is not: the output jumps by a third
#            as the highlight goes from 3000 to 3100. raw.white_level says 4095 throughout; adjust_maximum_thr=0
#            turns it off.
# Output     sensor value 1000 developed, white level 4095
#            brightest 3000: 16003    brightest 3100: 21140    brightest 3500: 18724    brightest 4095: 16003
#            the same with adjust_maximum_thr=0: 16003 16003 16003 16003
# Matters    Brackets developed one by one no longer differ by the ratio of their exposure times, so a merge ghosts
#            where nothing moved, and a flickering lamp changes the exposure of the whole sequence. Pairs of a noisy
#            and a clean frame, made with the usual two switches, differ in gain by up to a third.
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
    (50717, "I", 1, 4095, True),  # white level
    (50721, "2i", 9, IDENTITY, True),  # XYZ to camera
    (50728, "2I", 3, (1, 1) * 3, True),  # neutral
]


def developed(brightest, **options):
    mosaic = np.full((64, 96), 1000, np.uint16)
    mosaic[10:14, 10:14] = brightest
    tifffile.imwrite("frame.dng", mosaic, photometric=32803, metadata=None, extratags=TAGS)
    linear = {"gamma": (1, 1), "no_auto_bright": True, "output_bps": 16, "use_camera_wb": True}
    with rawpy.imread("frame.dng") as raw:
        assert raw.white_level == 4095
        return int(raw.postprocess(**linear, output_color=rawpy.ColorSpace.raw, **options)[40, 60, 1])


HIGHLIGHTS = (3000, 3100, 3500, 4095)
print("sensor value 1000 developed, white level 4095")
default = [developed(value) for value in HIGHLIGHTS]
fixed = [developed(value, adjust_maximum_thr=0) for value in HIGHLIGHTS]
print(*(f"brightest {value}: {out}" for value, out in zip(HIGHLIGHTS, default)), sep="    ")
print("the same with adjust_maximum_thr=0:", *fixed)

assert len(set(fixed)) == 1 and default[0] == default[3] == fixed[0], "the fixed scale is no longer 1000 / 4095"
assert abs(default[1] / fixed[0] - 4095 / 3100) < 1e-3, "a highlight of 3100 no longer stretches the frame"
assert abs(default[2] / fixed[0] - 4095 / 3500) < 1e-3, "a highlight of 3500 no longer stretches the frame"
PY
