"""Pairs of exposures of photographs that move by a known flow, and how well they are aligned."""

from typing import NamedTuple

import cv2
import numpy as np
import skimage.data

from data.alignment.frames import Flow, align, contradicted, flow_views
from util.imaging.tonemap import srgb_decode

PHOTOGRAPHS = ("astronaut", "coffee", "rocket", "chelsea")
GAIN = 1.6  # light of a photograph's white in the reference, which clips at 1
SHOT, READ = 1e-4, 1e-7  # noise: the variance of light x is SHOT * x + READ


class Pair(NamedTuple):
    """Gamma-coded pictures float32 (H, W, 3): first(p) = second(p + flow(p)), for equal exposures.

    Attributes:
        ratio: exposure of `moving` by that of `reference`. truth: what `moving` would be without motion.
        judged: (H, W), seen by both, and neither clipped nor black.
    """

    reference: np.ndarray
    moving: np.ndarray
    ratio: float
    truth: np.ndarray
    flow: np.ndarray
    judged: np.ndarray


def smooth_flow(size: tuple[int, int], seed: int, largest: float = 25.0) -> np.ndarray:
    """A shift, a rotation, a slow wave and a bump of 10 px (H, W, 2); up to about `largest` px long."""
    rng, (height, width) = np.random.default_rng(seed), size
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    angle, turn = rng.uniform(0, 2 * np.pi), rng.uniform(-0.3, 0.3)
    phase = rng.uniform(0, 2 * np.pi, 2)
    flow = np.stack([np.cos(angle) + turn * -y, np.sin(angle) + turn * x], axis=-1)
    flow += 0.3 * np.stack([np.sin(2 * y + phase[0]), np.sin(2 * x + phase[1])], axis=-1)
    flow *= 0.6 * largest / np.linalg.norm(flow, axis=2).mean()
    centre, direction = rng.uniform(-0.5, 0.5, 2), rng.uniform(0, 2 * np.pi)
    bump = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * 0.2**2))
    return (flow + 10 * bump[..., None] * (np.cos(direction), np.sin(direction))).astype(np.float32)


def moved_pair(photograph: np.ndarray, flow: np.ndarray, ratio: float) -> Pair:
    """The pair of a photograph uint8 (H, W, 3) that moves as a whole; the moving frame sees it as it is."""
    light, (height, width) = _light(photograph), flow.shape[:2]
    rows, columns = np.indices((height, width), np.float32)
    x, y = columns + flow[..., 0], rows + flow[..., 1]
    still = np.maximum(cv2.remap(light, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101), 0)
    return _pair(still, light, flow, ratio, (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1))


def passing_pair(photograph: np.ndarray, other: np.ndarray, shift: int, ratio: float) -> Pair:
    """The pair of a photograph that stands still, before which a disc of another one moves to the right."""
    still, moving = _light(photograph), _light(photograph)
    height, width = still.shape[:2]
    flow, inside = np.zeros((height, width, 2), np.float32), np.ones((height, width), bool)
    rows, columns = np.indices((height, width))
    disc = np.hypot(rows - height / 2, columns - width / 2) < height / 6
    front = _light(cv2.resize(other, (width, height)))
    still[disc] = front[disc]
    flow[disc] = shift, 0
    passed = np.roll(disc, shift, axis=1)
    moving[passed] = np.roll(front, shift, axis=1)[passed]
    return _pair(still, moving, flow, ratio, inside & ~(passed & ~disc))


def _light(photograph: np.ndarray) -> np.ndarray:
    return GAIN * srgb_decode(photograph.astype(np.float32) / 255)


def _pair(still: np.ndarray, moved: np.ndarray, flow: np.ndarray, ratio: float, seen: np.ndarray) -> Pair:
    """Both are exposed, clipped, noisy and quantised to 16 bits; the truth is exposed and clipped."""
    rng = np.random.default_rng(0)
    brightest = max(ratio, 1) * still
    judged = seen & (brightest.max(2) < 0.95) & (brightest.mean(2) > 0.005)
    reference, moving = (_exposed(light, rng) for light in (still, moved * ratio))
    return Pair(reference, moving, ratio, np.clip(still * ratio, 0, 1) ** (1 / 2.2), flow, judged)


def _exposed(light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    noisy = light + np.sqrt(SHOT * light + READ) * rng.standard_normal(light.shape)
    coded = np.clip(noisy, 0, 1) ** (1 / 2.2)
    return (np.minimum(np.rint(coded * 65536), 65535) / 65536).astype(np.float32)


class Score(NamedTuple):
    """End-point error in px, its mean and 95th percentile; PSNR (dB) of the moving frame before and after."""

    error: float
    largest: float
    before: float
    after: float


def score(pair: Pair, flow: Flow, check: bool = False) -> Score:
    """How well a flow aligns a pair; the error is that of what is judged."""
    found = flow(*flow_views(pair.reference, pair.moving, pair.ratio))
    errors = np.linalg.norm(found - pair.flow, axis=2)[pair.judged]
    aligned = align(pair.reference, pair.moving, pair.ratio, flow, check)
    return Score(
        float(errors.mean()),
        float(np.percentile(errors, 95)),
        psnr(pair.moving, pair.truth),
        psnr(aligned, pair.truth),
    )


def flagged(pair: Pair, flow: Flow) -> tuple[float, float, float]:
    """Share of what is judged that the flow back contradicts; mean error (px) of it and of the rest."""
    views = flow_views(pair.reference, pair.moving, pair.ratio)
    found = flow(*views)
    refused = contradicted(found, flow(*reversed(views)))
    errors = np.linalg.norm(found - pair.flow, axis=2)
    parts = [errors[pair.judged & part] for part in (refused, ~refused)]
    return len(parts[0]) / pair.judged.sum(), *(float(part.mean()) if part.size else 0.0 for part in parts)


def no_flow(first: np.ndarray, _second: np.ndarray) -> np.ndarray:
    """The flow of what does not move."""
    return np.zeros((*first.shape, 2), np.float32)


def psnr(picture: np.ndarray, truth: np.ndarray) -> float:
    """dB, peak 1."""
    return float(-10 * np.log10(np.mean((picture - truth) ** 2)))


def photograph(name: str) -> np.ndarray:
    """A photograph of scikit-image, uint8 (H, W, 3)."""
    return getattr(skimage.data, name)()
