#!/usr/bin/env bash
# cv2.createMergeDebevec dims coloured lights fourfold, although the shortest exposure shows them unclipped.
#
# Versions   opencv-python-headless 5.0.0.93 (4.12.0.88 gives the same), numpy 2.4.6, Python 3.11
# Behaviour  The guess: each channel is averaged with the weights of its own values, so that a clipped one counts for
#            (almost) nothing, and a channel clipped in no more than the longer exposures is exact. The weight is one
#            for the pixel, the mean over its channels: where green and blue are well exposed, the clipped red of that
#            frame is believed with them. The same red in a grey pixel is right, and so is Robertson's merge.
# Output     linear exposures of 1/16, 1/4 and 1 s, codes of the lamp [159   8   3] [255  32  13] [255 128  51]
#            lamp  true [10.   0.5  0.2]  Debevec [2.547 0.502 0.197]  Robertson [9.938 0.5   0.199]
#            grey  true [10. 10. 10.]    Debevec [9.976 9.976 9.976]  Robertson [9.938 9.938 9.938]
# Matters    It is a baseline that many compare with, and a source of "ground truth" from static brackets: tail
#            lamps, neon and sunsets come out dim and pale, and a network that learns from them, or is measured
#            against them, is taught a false hue. Tests on grey ramps do not notice.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check opencv-python-headless==5.0.0.93 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PY'
import cv2
import numpy as np

TIMES = np.array([1 / 16, 1 / 4, 1], np.float32)
radiance = np.array([[[10, 0.5, 0.2], [10, 10, 10]]], np.float32)  # a red lamp and a grey patch of equal red
frames = [np.clip(np.rint(radiance * time * 255), 0, 255).astype(np.uint8) for time in TIMES]
assert frames[0].max() < 200

# Each merge has its own unit: Debevec gives codes per second, Robertson twice the true radiance. The second patch is
# the same for both, so that units cannot explain what happens to the first.
debevec = cv2.createMergeDebevec().process(frames, TIMES)[0] / 255
robertson = cv2.createMergeRobertson().process(frames, TIMES)[0] / 2

print("linear exposures of 1/16, 1/4 and 1 s, codes of the lamp", *(frame[0, 0] for frame in frames))
for index, name in enumerate(("lamp", "grey")):
    true = str(radiance[0, index])
    print(f"{name}  true {true:<15}  Debevec {debevec[index].round(3)}  Robertson {robertson[index].round(3)}")

assert np.allclose(debevec[1], 10, rtol=0.02), "the grey patch is no longer right"
assert np.allclose(robertson, radiance[0], rtol=0.02), "Robertson's merge is no longer right"
assert np.allclose(debevec[0, 1:], radiance[0, 0, 1:], rtol=0.02), "green and blue of the lamp are no longer right"
assert 2 < debevec[0, 0] < 3, "the red of the lamp is no longer a quarter of the truth"
PY
