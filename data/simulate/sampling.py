"""How a camera samples a scene: five exposures one after the other, the noise on them, and the ideal picture.

Source: specification of BracketIRE, sections 9.2 to 9.4, and the Recipe below for what differs from it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from data.simulate import camera as sensor
from data.simulate.camera import SITES, Camera
from data.simulate.motion import exposure_spans, photosites, view
from data.simulate.noise import draw_noise_levels, measure
from data.simulate.warp import Picture, mean

EXPOSURES = (1, 4, 16, 64, 256)
SPANS = exposure_spans(len(EXPOSURES))
STEPS = SPANS[-1].stop  # sub-frames of a bracket
FACTORS = (1, 2, 4)  # by which the frames of a sample are reduced


class Scene(Protocol):
    """Something to take pictures of. Its light is a NumPy array, or a tensor on any device."""

    def views(self, steps: range) -> Iterator[Picture]:
        """Linear sRGB light at these sub-frames, float32 (2h, 2w, 3); 1 = white of the third frame."""

    def raw(self, steps: range, camera: Camera) -> Iterator[Picture]:
        """What the camera's photosites see of these views, float32 (h, w, 4), without a white level."""


@dataclass(frozen=True)
class HandHeld:
    """A still scene (H, W, 3) before a moving camera; `path` (STEPS, 3) holds x, y in px and the angle."""

    light: Picture
    path: np.ndarray
    size: tuple[int, int]  # of the mosaic, px

    def views(self, steps: range) -> Iterator[Picture]:
        return (view(self.light, pose, self.size) for pose in self._poses(steps))

    def raw(self, steps: range, camera: Camera) -> Iterator[Picture]:
        # The response is linear, so it may come before the motion; then a photosite's own colour will do.
        colours = sensor.colours(self.light, camera)
        for pose in self._poses(steps):
            yield sensor.packed(photosites(colours, pose, self.size, SITES))

    def _poses(self, steps: range) -> np.ndarray:
        return self.path[steps.start : steps.stop : steps.step]


@dataclass(frozen=True)
class Recipe:
    """Two faults of the published data, as choices; without them the data are as a sensor makes them.

    Attributes:
        clip_subframes: clip every sub-frame before the mean over an exposure, not the exposure as a whole,
            and protect highlights from the inverse white balance (9.2, 9.3).
        drifting: make x2 and x4 by bicubic interpolation between aligned corners, which moves the picture by
            up to 1.5 px, not by exactly registered means (9.4).
    """

    clip_subframes: bool = False
    drifting: bool = False


EXACT = Recipe()


@dataclass(frozen=True)
class Sample:
    """Five measured frames (h, w, 4) uint16 at each of FACTORS, and the target on the scale of frame 3.

    `noise` are the shot and read levels of each frame, in the order of the frames.
    """

    reduced: dict[int, list[np.ndarray]]
    noise: dict[int, list[tuple[float, float]]]
    gt: np.ndarray
    scene_max: float
    camera: Camera

    @property
    def frames(self) -> list[np.ndarray]:
        """The frames at full size."""
        return self.reduced[1]


def expose(
    scene: Scene, camera: Camera, clip_subframes: bool = False, count: int = len(SPANS)
) -> list[np.ndarray]:
    """Clean frames without a white level: a list of the first `count`, packed (h, w, 4) float32, 1 = white.

    Frame n is exposed 4^(n-2) times as long as frame 2, n = 0..4. With `clip_subframes` each sub-frame is
    unprocessed and so clipped by itself (specification, 9.2).
    """
    frames = []
    for n, span in enumerate(SPANS[:count]):
        gain = 4.0 ** (n - 2)
        if clip_subframes:
            frame = mean(sensor.unprocess(light * gain, camera) for light in scene.views(span))
        else:
            frame = mean(scene.raw(span, camera)) * gain
        frames.append(as_array(frame))
    return frames


def as_array(picture: Picture) -> np.ndarray:
    """A picture or tensor as a NumPy array of the usual order."""
    return np.ascontiguousarray(picture.cpu().numpy() if isinstance(picture, torch.Tensor) else picture)


def target(first: np.ndarray, camera: Camera, protect_highlights: bool = False) -> np.ndarray:
    """The ground truth: linear sRGB (2h, 2w, 3) of the first moment -> packed (h, w, 4), not clipped.

    The published one protects highlights relative to the brightest value of the scene (9.3).
    """
    if not protect_highlights:
        return sensor.respond(first, camera)
    scene_max = first.max()
    if scene_max <= 0:
        return sensor.unprocess(first, camera)  # black
    return sensor.unprocess(first / scene_max, camera) * scene_max


def reduce(frames: list[np.ndarray], factor: int = 4, drifting: bool = False) -> list[np.ndarray]:
    """Clean frames (factor * h, factor * w, 4) at h x w."""
    if factor == 1:
        return frames
    return [(sensor.reduce_published if drifting else sensor.reduce)(frame, factor) for frame in frames]


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
    noise: Callable[[int], np.random.Generator],
    recipe: Recipe = EXACT,
) -> Sample:
    """A bracket of a scene at all sizes, with its target; `noise` gives the generator for each of FACTORS."""
    clean = expose(scene, camera, recipe.clip_subframes)
    taken = {factor: measured(reduce(clean, factor, recipe.drifting), noise(factor)) for factor in FACTORS}
    first = as_array(next(scene.views(range(1))))
    return Sample(
        reduced={factor: frames for factor, (frames, _) in taken.items()},
        noise={factor: levels for factor, (_, levels) in taken.items()},
        gt=as_array(target(first, camera, protect_highlights=recipe.clip_subframes)),
        scene_max=float(first.max()),
        camera=camera,
    )
