#!/usr/bin/env bash
# A slightly negative channel written to Radiance HDR comes back as the brightest of its pixel: yellow turns blue.
#
# Versions   opencv-python-headless 5.0.0.93, imagecodecs 2026.3.6, numpy 2.4.6, Python 3.11, wheels for Linux x86-64
# Behaviour  The guess: the format (.hdr, RGBE) has no sign, so a writer sets negatives to 0. Both writers cast the
#            scaled channel to an unsigned byte, and it wraps: what is one step of the pixel (1/128 to 1/256 of its
#            brightest channel) below 0 comes back as 255 steps. A pixel with no positive channel does become black,
#            so a test with one passes. The cast is one that C leaves open: other processors may do otherwise.
# Output     pixel                     OpenCV                   imagecodecs
#            [ 1.    1.   -0.01]       [1.    1.    1.992]      [1.    1.    1.992]
#            [ 1.073  1.008 -0.119]    [1.07  1.008 1.883]      [1.07  1.008 1.883]
#            [-0.3 -0.2 -0.1]          [0. 0. 0.]               [0. 0. 0.]
# Matters    Negatives are usual: networks overshoot in the dark, cubic enlargement rings, and a saturated colour
#            leaves the gamut when a matrix takes it to sRGB (the second pixel is the yellow of BT.2020). In memory the
#            picture scores well; in the file, dark edges sparkle and yellow lamps are blue.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    opencv-python-headless==5.0.0.93 imagecodecs==2026.3.6 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PY'
import cv2
import imagecodecs
import numpy as np

PIXELS = np.array([[[1, 1, -0.01], [1.073, 1.008, -0.119], [-0.3, -0.2, -0.1]]], np.float32)

cv2.imwrite("picture.hdr", cv2.cvtColor(PIXELS, cv2.COLOR_RGB2BGR))
opencv = cv2.cvtColor(cv2.imread("picture.hdr", cv2.IMREAD_UNCHANGED), cv2.COLOR_BGR2RGB)
codecs = imagecodecs.rgbe_decode(imagecodecs.rgbe_encode(PIXELS))

print(f"{'pixel':<25} {'OpenCV':<24} imagecodecs")
for rows in zip(PIXELS[0], opencv[0], codecs[0]):
    given, first, second = (str(row.round(3)) for row in rows)
    print(f"{given:<25} {first:<24} {second}")

for name, back in {"OpenCV": opencv[0], "imagecodecs": codecs[0]}.items():
    assert np.allclose(back[:2, :2], PIXELS[0, :2, :2], rtol=0.01), f"{name}: positive channels no longer as given"
    assert np.allclose(back[:2, 2], [255 / 128, 241 / 128]), f"{name}: negative channels no longer wrap"
    assert not back[2].any(), f"{name}: a pixel of negatives is no longer black"
PY
