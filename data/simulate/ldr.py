"""Three hand-held exposures of a moving scene as an LDR camera stores them, and the radiance they show.

The frames are those of the data sets for HDR from three dynamic exposures (SelfHDR specification, sections
1.1 and 8.1): relative exposures 1, 2^s and 2^2s, a pure gamma of 2.2, 16 bits. The light of a scene is in
units of the reference's white here; labels are in units of the shortest frame's.
"""

from dataclasses import dataclass

import numpy as np

from data.simulate.noise import add_noise
from data.simulate.sampling import Scene, as_array
from data.simulate.warp import mean

STOPS = (2, 3)  # between two frames
REFERENCE = 1  # the frame whose moment the label shows
STARTS = (8, 170, 320)  # sub-frames of about 1.3 ms: the pauses are 0.2 s
REFERENCE_STEPS = 2  # sub-frames of the reference exposure: 2.6 ms, the longest takes 10 or 21 ms
GAMMA = 2.2
CODES = 65536  # of 16 bits; the reader divides by it
ELECTRONS = (5e3, 3e4)  # that fill a pixel: a camera with large pixels at ISO 100 to 800
READ_ELECTRONS = (2.0, 6.0)  # standard deviation of the read noise


@dataclass(frozen=True)
class Triple:
    """Frames uint16 (H, W, 3), short to long, and what they show, linear sRGB float32 (H, W, 3) in [0, 1].

    Attributes:
        stops: of each frame relative to the shortest.
        shot, read: noise of all frames; the variance of linear light x, where 1 is white, is shot * x + read.
        clipped: share of the px of each frame that have a channel at white.
    """

    frames: list[np.ndarray]
    label: np.ndarray
    stops: tuple[int, ...]
    shot: float
    read: float
    clipped: tuple[float, ...]


def draw_stops(rng: np.random.Generator) -> int:
    """The stops from one frame to the next."""
    return int(rng.choice(STOPS))


def spans(step: int) -> list[range]:
    """The sub-frames of each exposure where `step` stops lie between two."""
    lengths = (max(1, round(REFERENCE_STEPS * 2.0 ** (step * (n - REFERENCE)))) for n in range(len(STARTS)))
    return [range(start, start + length) for start, length in zip(STARTS, lengths, strict=True)]


def draw_noise(rng: np.random.Generator) -> tuple[float, float]:
    """`shot` and `read` noise of a camera whose pixels hold ELECTRONS, the same for a whole triple."""
    shot = 1 / np.exp(rng.uniform(*np.log(ELECTRONS)))
    return float(shot), float((rng.uniform(*READ_ELECTRONS) * shot) ** 2)


def encode(linear: np.ndarray) -> np.ndarray:
    """Linear light, clipped to [0, 1] -> 16-bit codes of the gamma domain (section 1.1)."""
    coded = np.clip(linear, 0, 1).astype(np.float64) ** (1 / GAMMA)
    return np.minimum(np.round(coded * CODES), CODES - 1).astype(np.uint16)


def take_triple(scene: Scene, step: int, rng: np.random.Generator, noisy: bool = True) -> Triple:
    """Three frames, `step` stops apart, of a scene whose light is 1 at the reference's white.

    The label is the light that the reference gathers, as the shortest frame could store it without noise.
    The sensor's noise is added before its white level cuts off, and none where not `noisy`.
    """
    shot, read = draw_noise(rng) if noisy else (0.0, 0.0)
    gathered = [as_array(mean(scene.views(span))) for span in spans(step)]
    frames, clipped = [], []
    for n, light in enumerate(gathered):
        exposed = light * np.float32(2.0 ** (step * (n - REFERENCE)))
        normal = rng.standard_normal(exposed.shape, dtype=np.float32)
        frames.append(encode(add_noise(exposed, shot, read, normal)))
        clipped.append(float((exposed >= 1).any(axis=-1).mean()))
    label = np.clip(gathered[REFERENCE] / np.float32(2.0 ** (step * REFERENCE)), 0, 1)
    stops = tuple(step * n for n in range(len(frames)))
    return Triple(frames, label, stops, shot, read, tuple(clipped))
