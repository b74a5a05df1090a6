#!/usr/bin/env bash
# scikit-image's optical flow finds no motion in dark frames, however clean: the scale of the floats decides.
#
# Versions   scikit-image 0.26.0 with scipy 1.17.1, numpy 2.4.6, Python 3.11
# Behaviour  The guess: iterative Lucas-Kanade solves a least-squares problem in which a factor common to both frames
#            cancels, and floats keep their digits at any scale; so two noiseless frames times 1/256 give the motion
#            they gave before. Where the image is dim the result is 0 instead, as the solver takes small gradients for
#            none; float64 does not help. TV-L1, whose weights do depend on the scale, starts to shrink motions sooner.
#            No warning, and the documentation of neither names a range. phase_cross_correlation does not care.
# Output     linear frames in 0..1 that move by 2 px, both times a factor; share of px within 0.25 px of the truth
#            factor  median iLK  median TV-L1  right iLK  right TV-L1  correlation
#            4             2.00          2.00       1.00         1.00          2.0
#            1             2.00          2.00       1.00         1.00          2.0
#            1/4           2.00          2.00       0.99         1.00          2.0
#            1/16          2.00          2.00       0.89         1.00          2.0
#            1/64          1.99          1.02       0.62         0.00          2.0
#            1/256         0.00          0.05       0.14         0.00          2.0
# Matters    The short exposures of a bracket are such frames, as long as they are in the unit of the long ones: five
#            frames in steps of 4 span 1/256. A flow of 0 looks like a tripod: ghosts are put down to the merge, and a
#            scene is sorted in as static. Within a frame, lights are aligned and shadows are not.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check scikit-image==0.26.0 scipy==1.17.1 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PY'
import numpy as np
from skimage import data, registration

MOTION, BORDER = 2, 16
picture = (data.camera()[100:228, 150:278] / 255) ** 2.2
moved = np.roll(picture, MOTION, axis=1)
METHODS = {"iLK": registration.optical_flow_ilk, "TV-L1": registration.optical_flow_tvl1}

print(f"linear frames in 0..1 that move by {MOTION} px, both times a factor;", end=" ")
print("share of px within 0.25 px of the truth")
print("factor  median iLK  median TV-L1  right iLK  right TV-L1  correlation")
found = {}
for name in ("4", "1", "1/4", "1/16", "1/64", "1/256"):
    factor = 4 ** (1 - len(found))
    pair = (picture * factor, moved * factor)
    medians, shares = [], []
    for method in METHODS.values():
        flow = method(*pair, dtype=np.float64)[1, BORDER:-BORDER, BORDER:-BORDER]
        medians.append(float(np.median(flow)))
        shares.append(float(np.mean(np.abs(flow - MOTION) < 0.25)))
    whole = -registration.phase_cross_correlation(*pair, upsample_factor=10)[0][1]
    found[name] = medians, shares, whole
    print(f"{name:<6}{medians[0]:12.2f}{medians[1]:14.2f}{shares[0]:11.2f}{shares[1]:13.2f}{whole:13.1f}")

assert all(abs(whole - MOTION) < 0.05 for _, _, whole in found.values()), "the frames hold another motion"
assert min(found["1"][1]) > 0.95, "the flow of bright frames is no longer right"
assert abs(found["1/256"][0][0]) < 0.1 and found["1/64"][1][0] < 0.8, "iLK no longer fails on dark frames"
assert found["1/64"][1][1] < 0.1 and found["1/256"][0][1] < 0.2, "TV-L1 no longer shrinks the motion of dark frames"
PY
