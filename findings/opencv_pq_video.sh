#!/usr/bin/env bash
# cv2.VideoCapture of OpenCV 5 hands out HDR video (PQ) tone-mapped: all above the white of SDR is 255.
#
# Versions   opencv-python-headless 5.0.0.93, av 18.1.0 (PyAV), numpy 2.4.6, Python 3.11
# Behaviour  The guess: a frame holds the code values of the file, cut to 8 bits, and the PQ curve (SMPTE ST 2084) is
#            left to the caller. VideoCapture goes by the tags and converts to SDR: a level of L cd/m2 becomes
#            255 (L / 203)^(1 / 2.4), and the upper 42 % of all codes are 255. The same bits tagged as BT.709 pass as
#            they are. PyAV does not convert, nor did OpenCV 4.12.0.88, which gave 0 30 62 94 126 158 190 222 here.
# Output     grey ramp, BT.709       OpenCV [  0  30  62  94 126 158 190 222]  PyAV [  0  32  64  96 128 160 192 224]
#            grey ramp, BT.2020 PQ   OpenCV [  0  23  55 106 185 255 255 255]  PyAV [  0  32  64  96 128 160 192 224]
# Matters    HDR footage is the usual source of simulated brackets. Decoded with the PQ curve, these frames are wrong
#            at each level; decoded as sRGB, they look right and contain no highlights at all, so a network trained
#            on them sees light sources flat. An upgrade from 4 to 5 changes a data set without a word.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    opencv-python-headless==5.0.0.93 av==18.1.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PY'
import av
import cv2
import numpy as np

PIXELS = "yuv420p10le"
RAMPS = {"BT.709": (1, 1, 1), "BT.2020 PQ": (9, 9, 16)}  # matrix, primaries, transfer as in ITU-T H.273


def write_ramp(path, tags):
    """One lossless 10-bit frame, grey from black to white over its width."""
    frame = av.VideoFrame(256, 64, PIXELS)
    luma = np.tile(np.linspace(64, 940, 256).round().astype("<u2"), (64, 1))
    for plane, values in zip(frame.planes, (luma, 512, 512)):
        lines = np.zeros((plane.height, plane.line_size // 2), "<u2")
        lines[:, : plane.width] = values
        plane.update(lines.tobytes())
    with av.open(path, "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 256, 64, PIXELS
        coder = stream.codec_context
        coder.colorspace, coder.color_primaries, coder.color_trc, coder.color_range = *tags, 1
        file.mux([*stream.encode(frame), *stream.encode(None)])


seen = {}
for name, tags in RAMPS.items():
    write_ramp("ramp.mkv", tags)
    opencv = cv2.VideoCapture("ramp.mkv", cv2.CAP_FFMPEG).read()[1][32, ::32, 1]
    with av.open("ramp.mkv") as file:
        pyav = next(file.decode(video=0)).to_ndarray(format="bgr24")[32, ::32, 1]
    seen[name] = opencv.astype(int), pyav.astype(int)
    print(f"grey ramp, {name:<11}  OpenCV {opencv}  PyAV {pyav}")

(plain, codes), (mapped, same) = seen["BT.709"], seen["BT.2020 PQ"]
assert np.abs(plain - codes).max() <= 3 and np.array_equal(codes, same), "codes no longer pass as they are"
assert (mapped[5:] == 255).all() and same[5:].max() < 230, "PQ highlights are no longer clipped to white"
assert mapped[4] - same[4] > 40, "PQ mid-tones are no longer bent"
PY
