"""Pictures that are drawn, not photographed: endless colours, edges and textures to train on."""

import cv2
import numpy as np

SHAPES = (4, 24)  # per picture
TEXTURES = ("plain", "gradient", "fractal", "stripes", "checks")
GLYPHS = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"


def draw_picture(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """A random picture, sRGB-coded float32 (*size, 3) in [0, 1].

    A textured ground, and on it textured shapes, lines and letters, each over those before it. Colours reach
    from gray to fully saturated, textures from smooth to one px.
    """
    picture = _texture(rng, size)
    for _ in range(rng.integers(*SHAPES)):
        mask = _shape(rng, size)[..., None]
        picture += mask * (_texture(rng, size) - picture)
    return np.clip(picture, 0, 1)


def _colour(rng: np.random.Generator) -> np.ndarray:
    """A random colour (3,) in [0, 1], from gray to saturated."""
    gray = rng.uniform()
    return (gray + rng.uniform() * (rng.uniform(0, 1, 3) - gray)).astype(np.float32)


def _texture(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """A field of colour (*size, 3), float32: a random one and, by a pattern, the difference of two others."""
    ground, first, second = (_colour(rng) for _ in range(3))
    return ground + _pattern(rng, size).astype(np.float32)[..., None] * (first - second)


def _pattern(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Where a texture leaves its ground colour and how far, an array of `size`, about [0, 1]."""
    kind = rng.choice(TEXTURES)
    if kind == "plain":
        return np.zeros(size, np.float32)
    if kind == "fractal":
        return _fractal(rng, size)
    angle, phase = rng.uniform(0, 2 * np.pi, 2)
    rows, columns = np.ogrid[: size[0], : size[1]]
    along = (np.cos(angle) * columns + np.sin(angle) * rows).astype(np.float32)
    if kind == "gradient":
        return 0.5 + along / np.float32(np.hypot(*size))
    period = np.exp(rng.uniform(np.log(3), np.log(40)))
    waves = np.sin(2 * np.pi / period * along + phase)
    if kind == "checks":
        across = (np.cos(angle) * rows - np.sin(angle) * columns).astype(np.float32)
        waves = waves * np.sin(2 * np.pi / period * across + phase)
    return np.clip(0.5 + rng.uniform(0.5, 4) * waves, 0, 1)


def _fractal(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Noise whose spectrum falls as a random power of the frequency (natural images: about 1)."""
    frequency = np.hypot(np.fft.fftfreq(size[0])[:, None], np.fft.rfftfreq(size[1])[None])
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal(size)) / frequency ** rng.uniform(0.3, 1.8)
    noise = np.fft.irfft2(spectrum, size)
    return np.clip(0.5 + 0.25 * noise / noise.std(), 0, 1)


def _shape(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Cover (*size,) in [0, 1] of a random polygon, ellipse, line or word."""
    mask = np.zeros(size, np.uint8)
    centre = rng.uniform(0, 1, 2) * size[::-1]
    extent = np.exp(rng.uniform(np.log(2), np.log(max(size) / 3)))
    kind = rng.integers(4)
    if kind == 0:
        angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 8)))
        corners = centre + extent * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        cv2.fillPoly(mask, [np.int32(16 * corners)], 255, cv2.LINE_AA, shift=4)
    elif kind == 1:
        axes = np.maximum(1, extent * rng.uniform(0.2, 1, 2)).astype(int)
        angle = rng.uniform(0, 180)
        cv2.ellipse(mask, tuple(map(int, centre)), tuple(map(int, axes)), angle, 0, 360, 255, -1, cv2.LINE_AA)
    elif kind == 2:
        end = centre + rng.normal(0, extent, 2)
        ends = [tuple(map(int, point)) for point in (centre, end)]
        cv2.line(mask, *ends, 255, int(rng.integers(1, 5)), cv2.LINE_AA)
    else:
        word = "".join(rng.choice(list(GLYPHS), rng.integers(1, 7)))
        place, scale = tuple(map(int, centre)), float(rng.uniform(0.3, 2.5))
        thickness = int(rng.integers(1, 4))
        cv2.putText(mask, word, place, cv2.FONT_HERSHEY_DUPLEX, scale, 255, thickness, cv2.LINE_AA)
    return mask.astype(np.float32) / 255
