#!/usr/bin/env bash
# OpenEXR.File writes a NumPy view as if its memory were one piece: a crop is stored as other pixels.
#
# Versions   OpenEXR 3.5.3, numpy 2.4.6, Python 3.11
# Behaviour  The guess: File takes what NumPy shows, whatever the strides, or refuses it. It looks only at the start
#            of the array and reads on from there. A crop gets the rest of its first row in place of its second, and
#            planes moved last by transpose() stay planes, their numbers dealt out as colours. Shape and type are
#            right, nothing is said. np.ascontiguousarray beforehand cures both.
# Output     crop            given [36, 37, 38, 39, 66, 67, 68, 69]  stored [36, 37, 38, 39, 40, 41, 42, 43]
#            planes moved    given [0, 60, 120, 1, 61, 121]          stored [0, 1, 2, 3, 4, 5]
#            contiguous copy given [0, 60, 120, 1, 61, 121]          stored [0, 60, 120, 1, 61, 121]
# Matters    Cut a tile off its padding, or move the channels of a network's output last, and the radiance on disk is
#            scrambled while the array in memory scores well. Smooth pictures hide it: a tile merely looks sheared.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check OpenEXR==3.5.3 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PY'
import numpy as np
import OpenEXR


def stored(name, pixels):
    with OpenEXR.File({"type": OpenEXR.scanlineimage}, {name: pixels}) as file:
        file.write("picture.exr")
    back = OpenEXR.File("picture.exr").channels()[name].pixels
    assert (back.shape, back.dtype) == (pixels.shape, pixels.dtype)
    return back


def show(title, given, back, count):
    first = [[int(value) for value in pixels.ravel()[:count]] for pixels in (given, back)]
    print(f"{title:<15} given {first[0]!s:<33} stored {first[1]}")


grey = np.arange(6 * 30, dtype=np.float32).reshape(6, 30)
crop = grey[1:3, 6:10]
planes = np.arange(3 * 6 * 10, dtype=np.float32).reshape(3, 6, 10)
moved = planes.transpose(1, 2, 0)
copy = np.ascontiguousarray(moved)

of_crop, of_moved, of_copy = stored("Y", crop), stored("RGB", moved), stored("RGB", copy)
show("crop", crop, of_crop, 8)
show("planes moved", moved, of_moved, 6)
show("contiguous copy", copy, of_copy, 6)

assert np.array_equal(of_crop.ravel(), grey.ravel()[36:44]), "a crop is no longer stored as the run from its start"
assert np.array_equal(of_moved.ravel(), planes.ravel()), "transposed planes are no longer stored in order of memory"
assert np.array_equal(of_copy, moved), "a contiguous copy is no longer stored as it is"
PY
