#!/usr/bin/env bash
# cv2.phaseCorrelate with a window darkens the frames it is given, if they have 1080 rows, and not if they have 1079.
#
# Versions   opencv-python-headless 5.0.0.93 (4.12.0.88 gives the same), numpy 2.4.6, Python 3.11
# Behaviour  The guess: two source arrays are read, and the window is applied to copies. It is multiplied into the
#            caller's arrays if height and width suit the DFT as they are (products of 2, 3 and 5: 1080, 720, 480, 256),
#            and into padded copies otherwise. A reference is multiplied once for each frame that is aligned to it.
#            Without a window nothing is.
# Output     mean of a reference, before and after each of four frames is aligned to it; of a frame, before and after
#            1080 x 1920  reference 0.500 0.202 0.125 0.090 0.070  frame 0.500 0.202
#            1079 x 1920  reference 0.500 0.500 0.500 0.500 0.500  frame 0.500 0.500
#            480 x 640    reference 0.500 0.202 0.124 0.090 0.070  frame 0.500 0.202
#            481 x 640    reference 0.500 0.500 0.500 0.500 0.500  frame 0.500 0.500
# Matters    Scripts that turn 8-bit frames into floats for this call lose copies alone. Linear frames are floats
#            already: what is merged after the alignment has the window for a vignette, the more the more often it was
#            a reference, and later frames are aligned to what is left in the centre. Whether it happens hangs on the
#            size: crops of 101 x 151 in a test are safe, and the frames of the camera are not.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check opencv-python-headless==5.0.0.93 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PY'
import cv2
import numpy as np


def aligned(height, width):
    """Align four frames to one; the reference's mean over time, a frame's before and after, and the changed frames."""
    window = cv2.createHanningWindow((width, height), cv2.CV_32F)
    first = np.random.default_rng(0).random((height, width), dtype=np.float32)
    reference, means, frames = first.copy(), [first.mean()], []
    for index in range(4):
        frames.append(np.roll(first, index, axis=1))
        (shift, _), _ = cv2.phaseCorrelate(reference, frames[-1], window)
        assert index or abs(shift) < 0.01
        means.append(reference.mean())
    power = 4 if means[-1] < means[0] / 2 else 0
    assert np.allclose(reference, first * window**power, atol=1e-6), "the reference is neither kept nor windowed"
    assert np.allclose(frames[1], np.roll(first, 1, axis=1) * window ** (power // 4), atol=1e-6)
    return means, (first.mean(), frames[1].mean()), bool(power)


print("mean of a reference, before and after each of four frames is aligned to it; of a frame, before and after")
for size, expected in {(1080, 1920): True, (1079, 1920): False, (480, 640): True, (481, 640): False}.items():
    means, pair, changed = aligned(*size)
    texts = (" ".join(f"{mean:.3f}" for mean in row) for row in (means, pair))
    print(f"{' x '.join(map(str, size)):<12} reference {next(texts)}  frame {next(texts)}")
    assert changed == expected, f"frames of {size} are now {'changed' if changed else 'kept'}"
PY
