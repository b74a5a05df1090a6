"""How a camera samples a scene: five exposures one after the other, the noise on them, and the ideal picture.

Source: specification of BracketIRE, sections 9.2 to 9.4, and the Recipe below for what differs from it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from data.simulate import camera as sensor
from data.simulate.camera import Camera
from data.simulate.motion import exposure_spans, view
from data.simulate.noise import draw_noise_levels, measure

EXPOSURES = (1, 4, 16, 64, 256)
SPANS = exposure_spans(len(EXPOSURES))
STEPS = SPANS[-1].stop  # sub-frames of a bracket


class Scene(Protocol):
    """Something to take pictures of."""

    def views(self, steps: range) -> Iterator[np.ndarray]:
        """Linear sRGB light at these sub-frames, float32 (2h, 2w, 3); 1 = white of the third frame."""


@dataclass(frozen=True)
class HandHeld:
    """A still scene (H, W, 3) before a moving camera; `path` (STEPS, 3) holds x, y in px and the angle."""

    light: np.ndarray
    path: np.ndarray
    size: tuple[int, int]  # of the mosaic, px

    def views(self, steps: range) -> Iterator[np.ndarray]:
        return (
            view(self.light, pose, self.size) for pose in self.path[steps.start : steps.stop : steps.step]
        )


@dataclass(frozen=True)
class Recipe:
    """Two faults of the published data, as choices; without them the data are as a sensor makes them.

    Attributes:
        clip_subframes: clip every sub-frame before the mean over an exposure, not the exposure as a whole,
            and protect highlights from the inverse white balance (9.2, 9.3).
        drifting_x4: reduce by bicubic interpolation between aligned corners, which moves the picture by up to
            1.5 px, not by exactly registered means (9.4).
    """

    clip_subframes: bool = False
    drifting_x4: bool = False


PUBLISHED = Recipe(clip_subframes=True, drifting_x4=True)


@dataclass(frozen=True)
class Sample:
    """Five measured frames (h, w, 4) uint16, their x4 reduced forms, the target on the scale of frame 3.

    `noise` and `noise_x4` are the shot and read levels of each frame.
    """

    frames: list[np.ndarray]
    frames_x4: list[np.ndarray]
    gt: np.ndarray
    scene_max: float
    camera: Camera
    noise: list[tuple[float, float]]
    noise_x4: list[tuple[float, float]]


def expose(scene: Scene, camera: Camera, clip_subframes: bool = False) -> list[np.ndarray]:
    """Clean frames without a white level: a list of five packed (h, w, 4) float32, 1 = white.

    Frame n is exposed 4^(n-2) times as long as the middle one, n = 0..4. With `clip_subframes` each sub-frame
    is unprocessed and so clipped by itself (specification, 9.2).
    """
    frames = []
    for n, span in enumerate(SPANS):
        gain = np.float32(4.0 ** (n - 2))
        if clip_subframes:
            frames.append(mean(sensor.unprocess(light * gain, camera) for light in scene.views(span)))
        else:  # the response is linear: one of the mean light will do
            frames.append(sensor.respond(mean(scene.views(span)) * gain, camera))
    return frames


def mean(images: Iterable[np.ndarray]) -> np.ndarray:
    """The mean of float32 images, one of which is held at a time beside their sum."""
    total, count = None, 0
    for image in images:
        total = image.copy() if total is None else cv2.accumulate(image, total)
        count += 1
    return total / np.float32(count)


def target(first: np.ndarray, camera: Camera, protect_highlights: bool = False) -> np.ndarray:
    """The ground truth: linear sRGB (2h, 2w, 3) of the first moment -> packed (h, w, 4), not clipped.

    The published one protects highlights relative to the brightest value of the scene (9.3).
    """
    if not protect_highlights:
        return sensor.respond(first, camera)
    scene_max = first.max()
    return sensor.unprocess(first / scene_max, camera) * scene_max


def reduce(frames: list[np.ndarray], drifting: bool = False) -> list[np.ndarray]:
    """Clean frames (4h, 4w, 4) at a quarter of the size."""
    return [(sensor.reduce_x4_published if drifting else sensor.reduce_x4)(frame) for frame in frames]


def measured(
    frames: list[np.ndarray], rng: np.random.Generator
) -> tuple[list[np.ndarray], list[tuple[float, float]]]:
    """What the converter delivers for clean frames, uint16, each at its own noise; and these noise levels."""
    result, levels = [], []
    for frame in frames:
        shot, read = draw_noise_levels(rng)
        result.append(measure(np.clip(frame, 0, 1), shot, read, rng))
        levels.append((shot, read))
    return result, levels


def take(
    scene: Scene,
    camera: Camera,
    rng: np.random.Generator,
    rng_x4: np.random.Generator,
    recipe: Recipe = Recipe(),
) -> Sample:
    """A bracket of a scene at both sizes, with its target; the generators draw the noise of either size."""
    clean = expose(scene, camera, recipe.clip_subframes)
    frames, noise = measured(clean, rng)
    frames_x4, noise_x4 = measured(reduce(clean, recipe.drifting_x4), rng_x4)
    first = next(scene.views(range(1)))
    return Sample(
        frames=frames,
        frames_x4=frames_x4,
        gt=target(first, camera, protect_highlights=recipe.clip_subframes),
        scene_max=float(first.max()),
        camera=camera,
        noise=noise,
        noise_x4=noise_x4,
    )
