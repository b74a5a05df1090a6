"""Brackets of any kind that photographers take: how many frames, how far apart, at which ISO, raw or not.

A source's light is in units of the third frame's white in the published data; the shortest exposure is drawn
so that the longest is not far from that of a photographer.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from data.simulate.camera import Camera
from data.simulate.noise import add_noise, draw_noise_levels
from data.simulate.sampling import SPANS, STEPS, Scene, as_array, target
from data.simulate.tone_curve import draw_tone_curve
from data.simulate.warp import mean
from util.imaging.tonemap import srgb_decode, srgb_encode

RATIOS = (2, 4, 8)  # of neighbouring exposures
RATIO_SHARES = (0.125, 0.75, 0.125)  # of raw brackets, most of which have five frames, as the published ones
DEVELOPED_RATIO_SHARES = (0.3, 0.4, 0.3)
THREE_SHARE = 0.5  # of the developed brackets; the others have any number of frames
MOST_FRAMES = {2: 7, 4: 5, 8: 4}
AS_PUBLISHED = 0.9
SHORTEST = (1 / 16, 1.0)  # exposure of the first frame, relative to that of the published third one
LONGEST = 16.0  # the same of the last frame, at most
POSES = 32  # of the camera, at most, whose mean an exposure is
ISO_SHOT_NOISE = (5e-5, 8e-3)  # from about ISO 100 of a large sensor to 12800 of a small one
READ_DEVIATE = 0.5  # standard deviation of the logarithm of the variance of read noise about its law
WHITES = (1023, 4095, 16383)  # levels of raw files
DEVELOPED_SHOT_NOISE = (2e-5, 4e-3)  # of pictures, in linear light
SOFTNESS = (0.0, 0.7)  # px, standard deviation of the blur of their noise, which demosaicing correlates
JPEG_SHARE = 0.6  # of the pictures; the others have 16 bits
JPEG_QUALITY = (85, 99)


@dataclass(frozen=True)
class Bracketing:
    """How a bracket is taken.

    Attributes:
        exposure: (T,) rising, relative to that of the published third frame.
        spans: sub-frames of each exposure.
        noise: shot and read noise of each frame, the variance of a value x is shot x + read.
        white: largest level of raw values.
    """

    exposure: np.ndarray
    spans: list[range]
    noise: list[tuple[float, float]]
    white: int

    def clean(self, pictures: Iterator[np.ndarray]) -> list[np.ndarray]:
        """Frames on the scale of their own white: `pictures` are the mean light of each exposure."""
        return [light * np.float32(e) for light, e in zip(pictures, self.exposure, strict=True)]


def draw_bracketing(rng: np.random.Generator, developed: bool) -> Bracketing:
    """A random way to take a bracket; half of the raw ones have the noise of the published data."""
    ratio = int(rng.choice(RATIOS, p=DEVELOPED_RATIO_SHARES if developed else RATIO_SHARES))
    count = int(rng.integers(2, MOST_FRAMES[ratio] + 1))
    if developed and rng.uniform() < THREE_SHARE:
        count = 3
    published = not developed and ratio == 4 and rng.uniform() < AS_PUBLISHED
    if published:
        count, shortest, times = 5, SHORTEST[0], SPANS
    else:
        highest = max(min(SHORTEST[1], LONGEST / ratio ** (count - 1)), SHORTEST[0])
        shortest, times = (
            float(np.exp(rng.uniform(*np.log((SHORTEST[0], highest))))),
            _spans(rng, ratio, count),
        )
    exposure = shortest * float(ratio) ** np.arange(count)
    if published and rng.uniform() < 0.7:
        return Bracketing(exposure, times, [draw_noise_levels(rng) for _ in times], WHITES[0])
    return Bracketing(exposure, times, [_draw_noise(rng, developed)] * count, int(rng.choice(WHITES)))


def _spans(rng: np.random.Generator, ratio: int, count: int) -> list[range]:
    """Sub-frames of exposures in sequence, with random pauses, within the time of the published brackets."""
    lengths = float(ratio) ** np.arange(count)
    lengths = np.maximum(1, np.round(lengths / lengths.sum() * STEPS * rng.uniform(0.1, 0.9))).astype(int)
    pauses = rng.dirichlet(np.ones(count)) * (STEPS - lengths.sum()) * rng.uniform()
    pauses[0] = 0
    starts = np.cumsum(pauses).astype(int) + np.concatenate([[0], np.cumsum(lengths[:-1])])
    return [range(int(start), int(start + length)) for start, length in zip(starts, lengths, strict=True)]


def _draw_noise(rng: np.random.Generator, developed: bool) -> tuple[float, float]:
    shot = np.exp(rng.uniform(*np.log(DEVELOPED_SHOT_NOISE if developed else ISO_SHOT_NOISE)))
    read = 1.869 * np.log(shot) + 0.3276 + READ_DEVIATE * rng.standard_normal()  # as in data.simulate.noise
    return float(shot), float(np.exp(read))


def few(span: range) -> range:
    """Sub-frames of a span, POSES at most, evenly spread."""
    return span[:: -(-len(span) // POSES)]


def take_raw(
    scene: Scene, camera: Camera, how: Bracketing, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Measured packed frames (T, h, w, 4) in [0, 1], and the target (h, w, 4) as with an exposure of 1."""
    clean = how.clean(as_array(mean(scene.raw(few(span), camera))) for span in how.spans)
    frames = []
    for frame, (shot, read) in zip(clean, how.noise, strict=True):
        noisy = add_noise(
            np.clip(frame, 0, 1), shot, read, rng.standard_normal(frame.shape, dtype=np.float32)
        )
        frames.append(np.round(noisy * how.white) / np.float32(how.white))
    return np.stack(frames), as_array(target(next(scene.views(range(1))), camera))


def take_pictures(
    scene: Scene, how: Bracketing, reference: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Developed frames, linear, (T, H, W, 3) in [0, 1], and the light (H, W, 3) when the reference begins.

    They are stored as JPEG files or with 16 bits in between, and what is left of a tone curve is in both.
    """
    curve = draw_tone_curve(rng)
    clean = how.clean(as_array(mean(scene.views(few(span)))) for span in how.spans)
    softness, is_jpeg = rng.uniform(*SOFTNESS), rng.uniform() < JPEG_SHARE
    quality = int(rng.integers(*JPEG_QUALITY))
    frames = []
    for frame, (shot, read) in zip(clean, how.noise, strict=True):
        noise = add_noise(
            np.clip(frame, 0, 1), shot, read, rng.standard_normal(frame.shape, dtype=np.float32)
        )
        noise -= np.clip(frame, 0, 1)
        if softness > 0.2:
            noise = cv2.GaussianBlur(noise, (0, 0), softness)
        codes = srgb_encode(np.clip(curve.apply(frame.clip(0, 1) + noise), 0, 1))
        frames.append(
            srgb_decode(_through_jpeg(codes, quality) if is_jpeg else np.round(codes * 65535) / 65535)
        )
    first = how.spans[reference].start
    light = as_array(next(scene.views(range(first, first + 1))))
    return np.float32(frames), curve.merged(np.maximum(light, 0), how.exposure)


def _through_jpeg(codes: np.ndarray, quality: int) -> np.ndarray:
    """Codes (H, W, 3) in [0, 1] after compression."""
    picture = np.ascontiguousarray(np.round(codes[..., ::-1] * 255).astype(np.uint8))
    _, file = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(file, cv2.IMREAD_COLOR)[..., ::-1].astype(np.float32) / 255
