#!/usr/bin/env bash
# A black bar at the top makes the whole picture of cv2.createTonemapDrago ten times darker; at the bottom it does not.
#
# Versions   opencv-python-headless 5.0.0.93 (4.12.0.88 gives the same), numpy 2.4.6, Python 3.11, Linux x86-64
# Behaviour  The guess: operators that know no neighbours turn upside down with their picture, and black stays black.
#            Black px become NaN in Drago's and Reinhard's; nothing says so (a warning about matrix expressions comes
#            without black, too). If the first px of the array is one, the rest does not reach 0..1 as it otherwise
#            does, but stays dark.
# Output     mean of the same scene, and its brightest px; gamma as by default
#                                     Drago                   Reinhard
#            no black                 0.078, brightest 1.000  0.237, brightest 1.000
#            black bar at the bottom  0.088, brightest 1.000  0.211, brightest 1.000
#            black bar at the top     0.008, brightest 0.096  0.148, brightest 0.694
#            only the first px black  0.011, brightest 0.138  0.127, brightest 0.665
# Matters    HDR results are shown and scored through these operators. Letterboxes, the borders of warped frames and
#            clipped shadows are exactly 0, and a network's output is not: two pictures that agree wherever there is
#            light get tone curves that differ by a factor, and so do the frames of a video.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check opencv-python-headless==5.0.0.93 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PY'
import cv2
import numpy as np

BAR = 8
scene = (np.exp(np.random.default_rng(0).normal(size=(64, 96, 3))) / 10).astype(np.float32)


def black(part):
    picture = scene.copy()
    picture[part] = 0
    return picture


def toned(operator, picture):
    """Mean and maximum of the px that are never black, and how many px are NaN."""
    out = operator().process(picture)
    inner = out[BAR:-BAR]
    return float(inner.mean()), float(inner.max()), int(np.isnan(out).any(axis=2).sum())


PICTURES = {
    "no black": scene,
    "black bar at the bottom": black(slice(-BAR, None)),
    "black bar at the top": black(slice(BAR)),
    "only the first px black": black((0, 0)),
}
OPERATORS = {"Drago": cv2.createTonemapDrago, "Reinhard": cv2.createTonemapReinhard}
assert np.array_equal(PICTURES["black bar at the top"][BAR:-BAR], scene[BAR:-BAR])
print("mean of the same scene, and its brightest px; gamma as by default")
print(" " * 24, "Drago                   Reinhard")
found = {}
for title, picture in PICTURES.items():
    rows = [toned(operator, picture) for operator in OPERATORS.values()]
    found[title] = dict(zip(OPERATORS, rows))
    print(f"{title:<24}", "  ".join(f"{mean:.3f}, brightest {top:.3f}" for mean, top, _ in rows))

for name, limit in (("Drago", 0.2), ("Reinhard", 0.8)):
    top, bottom = (found[f"black bar at the {side}"][name] for side in ("top", "bottom"))
    assert top[2] == bottom[2] == BAR * 96, f"{name}: black px are no longer NaN"
    assert top[0] < limit * bottom[0], f"{name}: a black bar at the top no longer darkens all"
    assert top[1] < 0.8 and bottom[1] > 0.99, f"{name}: a black bar at the top no longer keeps the rest from white"
    one, none = found["only the first px black"][name], found["no black"][name]
    assert one[0] < limit * none[0], f"{name}: one black px no longer darkens all"
PY
