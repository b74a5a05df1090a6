#!/usr/bin/env bash
# Bicubic warps of OpenCV and Pillow move a straight ramp by a twentieth and a tenth of a px; bilinear ones do not.
#
# Versions   opencv-python-headless 5.0.0.93, pillow 13.0.0, scipy 1.17.1, numpy 2.4.6, Python 3.11
# Behaviour  The guess: a cubic does what a line does and better, so that light that rises evenly comes back exactly,
#            wherever between px it is asked for. That holds for Keys's kernel of a = -0.5 alone. OpenCV's INTER_CUBIC
#            has a = -0.75, Pillow's transform BICUBIC a = -1: the ramp is off by up to 0.048 and 0.096 of its step,
#            towards the next px below half of one and back above it. Pillow's resize BICUBIC, of the same name, has
#            a = -0.5 and is exact, as are scipy's splines.
# Output     shift   bilinear  OpenCV cubic  Pillow transform  Pillow resize  scipy spline
#             0.10     0.0000        0.0360            0.0720         0.0000        0.0000
#             0.20     0.0000        0.0480            0.0960         0.0000        0.0000
#             0.50     0.0000        0.0000            0.0000         0.0000        0.0000
#             0.80     0.0000       -0.0480           -0.0960         0.0000        0.0000
# Matters    Frames of a burst or bracket are warped by fractions of a px, to be merged or to supervise a network, and
#            alignment is scored in hundredths of one. What bicubic warping adds depends on the fraction alone: it looks
#            like motion that was estimated wrongly, and no average over frames of one shift removes it.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check opencv-python-headless==5.0.0.93 pillow==13.0.0 \
    scipy==1.17.1 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PY'
import cv2
import numpy as np
from PIL import Image
from scipy import ndimage

HEIGHT, WIDTH = 16, 64
ramp = np.tile(np.arange(WIDTH, dtype=np.float32), (HEIGHT, 1))
picture = Image.fromarray(ramp)


def opencv(shift, kind):
    matrix = np.float32([[1, 0, shift], [0, 1, 0]])
    return cv2.warpAffine(ramp, matrix, (WIDTH, HEIGHT), flags=kind | cv2.WARP_INVERSE_MAP)


def resized(shift):
    part = picture.resize((WIDTH - 8, HEIGHT), Image.Resampling.BICUBIC, box=(shift, 0, WIDTH - 8 + shift, HEIGHT))
    return np.pad(np.asarray(part), ((0, 0), (0, 8)))


methods = {
    "bilinear": lambda shift: opencv(shift, cv2.INTER_LINEAR),
    "OpenCV cubic": lambda shift: opencv(shift, cv2.INTER_CUBIC),
    "Pillow transform": lambda shift: picture.transform(
        (WIDTH, HEIGHT), Image.Transform.AFFINE, (1, 0, shift, 0, 1, 0), resample=Image.Resampling.BICUBIC
    ),
    "Pillow resize": resized,
    "scipy spline": lambda shift: ndimage.shift(ramp, (0, -shift), order=3),
}
inner = (HEIGHT // 2, slice(20, 40))
print("shift ", *(f"{name:>{len(name) + 2}}" for name in methods), sep="")
found = {}
for shift in (0.1, 0.2, 0.5, 0.8):
    for name, warp in methods.items():
        found[name, shift] = float(np.mean((np.asarray(warp(shift)) - ramp)[inner])) - shift
    print(f"{shift:5.2f} ", *(f"{round(found[name, shift], 4) + 0.0:{len(name) + 2}.4f}" for name in methods), sep="")
for shift, side in ((0.2, 1), (0.8, -1)):
    for name in methods:
        expected = side * {"OpenCV cubic": 0.048, "Pillow transform": 0.096}.get(name, 0.0)
        assert abs(found[name, shift] - expected) < 0.002, f"{name} at {shift} is no longer off by {expected}"
PY
