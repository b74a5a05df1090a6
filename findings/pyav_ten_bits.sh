#!/usr/bin/env bash
# PyAV's rgb24 of 10-bit video has 219 levels and no white; its 16-bit RGB ends at 255/256.
#
# Versions   av 18.1.0 (PyAV), numpy 2.4.6, Python 3.11, wheels for Linux x86-64
# Behaviour  The guess: code 940 of a 10-bit file is white, thus 255 or 65535, and what lies between is right to
#            half a step. From 4:2:0, rgb24 has white at 253 and 219 of 256 levels, all but black too dark; bgr24 of the
#            same frame is another picture, with a pattern in flat areas. rgb48le is 0.4 % too dark throughout.
#            interpolation="BICUBIC" does not help. gray16le is right, and so is rgb24 with
#            interpolation=Interpolation.FULL_CHR_H_INT, which speaks of colour and is needed for grey as well.
# Output     a grey ramp of 877 codes, yuv420p10le, BT.709
#            format                 white in 1/255  levels  mean error  largest error
#            rgb24                  253.00..253.00     219       -1.63           2.57
#            bgr24                  253.00..255.00     256       -0.53           2.57
#            rgb24, BICUBIC         253.00..253.00     219       -1.63           2.57
#            rgb48le                254.02..254.02     877       -0.49           0.98
#            gray16le               255.00..255.00     877        0.00           0.01
#            rgb24, FULL_CHR_H_INT  255.00..255.00     256        0.00           0.50
# Matters    10-bit footage is chosen for its levels, as ground truth and to simulate brackets. Px that the camera
#            clipped are 253 or 0.996 and no longer pass as white, so masks of clipped light come out empty; shadows
#            lose a code or two, 30 % of their light at code 10; rgb24 here and bgr24 there differ by up to 2 codes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check av==18.1.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PY'
import av
import numpy as np
from av.video.reformatter import Interpolation

PIXELS, BLACK, WHITE, HEIGHT = "yuv420p10le", 64, 940, 64
codes = np.tile(np.arange(BLACK, WHITE + 1, dtype="<u2").repeat(2), (HEIGHT, 1))
true = (codes - BLACK) / (WHITE - BLACK)
width = codes.shape[1]

frame = av.VideoFrame(width, HEIGHT, PIXELS)
for plane, values in zip(frame.planes, (codes, 512, 512)):
    lines = np.zeros((plane.height, plane.line_size // 2), "<u2")
    lines[:, : plane.width] = values
    plane.update(lines.tobytes())
with av.open("ramp.mkv", "w") as file:
    stream = file.add_stream("ffv1", rate=25)  # lossless
    stream.width, stream.height, stream.pix_fmt = width, HEIGHT, PIXELS
    coder = stream.codec_context
    coder.colorspace, coder.color_primaries, coder.color_trc, coder.color_range = 1, 1, 1, 1
    file.mux([*stream.encode(frame), *stream.encode(None)])
with av.open("ramp.mkv") as file:
    decoded = next(file.decode(video=0))
assert np.array_equal(np.frombuffer(decoded.planes[0], "<u2").reshape(HEIGHT, -1)[:, :width], codes)

CASES = {
    "rgb24": ("rgb24", 255, None),
    "bgr24": ("bgr24", 255, None),
    "rgb24, BICUBIC": ("rgb24", 255, "BICUBIC"),
    "rgb48le": ("rgb48le", 65535, None),
    "gray16le": ("gray16le", 65535, None),
    "rgb24, FULL_CHR_H_INT": ("rgb24", 255, Interpolation.FULL_CHR_H_INT),
}
print(f"a grey ramp of {WHITE - BLACK + 1} codes, {PIXELS}, BT.709")
print("format                 white in 1/255  levels  mean error  largest error")
found = {}
for name, (layout, scale, interpolation) in CASES.items():
    values = decoded.to_ndarray(format=layout, interpolation=interpolation) / scale
    values = values[:, :, 1] if values.ndim == 3 else values
    white, error, levels = values[:, -2:] * 255, (values - true) * 255, len(np.unique(values))
    found[name] = float(white.min()), float(white.max()), levels, float(error.mean()), float(np.abs(error).max())
    low, high, levels, mean, largest = found[name]
    print(f"{name:<22} {low:6.2f}..{high:6.2f} {levels:7} {mean + 0.0:11.2f} {largest:14.2f}")

for name in ("gray16le", "rgb24, FULL_CHR_H_INT"):
    assert found[name][0] > 254.99 and found[name][4] < 0.51, f"{name} is no longer right"
for name in ("rgb24", "rgb24, BICUBIC"):
    assert found[name][1] < 254 and found[name][2] < 225 and found[name][3] < -1, f"{name} is no longer too dark"
assert found["bgr24"] != found["rgb24"] and found["bgr24"][0] < 254, "bgr24 is now as rgb24, or white"
assert 253.9 < found["rgb48le"][1] < 254.1, "white of rgb48le is no longer 255/256"
PY
