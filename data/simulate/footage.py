"""A scene that was filmed: its light at every sub-frame, between the frames by interpolation."""

import math
from collections.abc import Iterator
from itertools import groupby

import numpy as np
import torch

from data.simulate import camera as sensor
from data.simulate.camera import SITES, Camera
from data.simulate.interpolation import Interpolator, Motion
from data.simulate.sampling import STEPS
from data.simulate.warp import Picture
from util.errors import UserError


def frames_needed(steps_per_frame: int) -> int:
    """Frames in which a whole bracket takes place: 12 at 32 sub-frames from one to the next."""
    return math.ceil((STEPS - 1) / steps_per_frame) + 1


def intervals(steps: range, steps_per_frame: int) -> Iterator[tuple[int, list[float]]]:
    """The number of the frame before these sub-frames, and their times in [0, 1) until the next frame."""
    for index, group in groupby(steps, lambda step: step // steps_per_frame):
        yield index, [step / steps_per_frame - index for step in group]


class Footage:
    """Frames, linear light float32 (2h, 2w, 3), interpolated as `interpolation.find_interpolator` says."""

    def __init__(self, frames: list[np.ndarray], steps_per_frame: int, interpolator: Interpolator) -> None:
        self.frames, self.steps_per_frame, self.interpolator = frames, steps_per_frame, interpolator

    def views(self, steps: range) -> Iterator[np.ndarray]:
        for index, times in intervals(steps, self.steps_per_frame):
            if times[0] == 0:
                yield self.frames[index]
            if later := [t for t in times if t > 0]:
                yield from self._interpolate(self.frames[index], self.frames[index + 1], later)

    def raw(self, steps: range, camera: Camera) -> Iterator[np.ndarray]:
        return (sensor.respond(light, camera) for light in self.views(steps))

    def _interpolate(self, first: np.ndarray, second: np.ndarray, times: list[float]) -> Iterator[np.ndarray]:
        made = 0
        for light in self.interpolator(first, second, times):
            if getattr(light, "shape", None) != first.shape or light.dtype != np.float32:
                raise UserError(f"--interpolator: gave something else than float32 arrays {first.shape}")
            made += 1
            yield light
        if made != len(times):
            raise UserError(f"--interpolator: gave {made} frames for {len(times)} times")


class MotionFootage:
    """The same with the interpolation of `Motion`, as tensors on a device, or as arrays where it is None."""

    def __init__(
        self, frames: list[np.ndarray], steps_per_frame: int, device: torch.device | None = None
    ) -> None:
        self.frames, self.steps_per_frame, self.device = frames, steps_per_frame, device
        self._known: tuple[int, Motion] | None = None  # exposures begin between the same two frames

    def views(self, steps: range) -> Iterator[Picture]:
        for index, times in intervals(steps, self.steps_per_frame):
            first = self._light(index)
            for t in times:
                yield first if t == 0 else self._motion(index).blend(first, self._light(index + 1), t)

    def raw(self, steps: range, camera: Camera) -> Iterator[Picture]:
        # Response and interpolation are linear: the response comes first, and only own colours are moved.
        for index, times in intervals(steps, self.steps_per_frame):
            first = sensor.colours(self._light(index), camera)
            if times[0] == 0:
                yield sensor.packed([first[colour][row::2, column::2] for (row, column), colour in SITES])
            if not (later := [t for t in times if t > 0]):
                continue
            second = sensor.colours(self._light(index + 1), camera)
            sites = [(self._motion(index).at(site, 2), site, colour) for site, colour in SITES]
            for t in later:
                yield sensor.packed(
                    [motion.blend(first[c], second[c], t, site, 2) for motion, site, c in sites]
                )

    def _light(self, index: int) -> Picture:
        frame = self.frames[index]
        return frame if self.device is None else torch.from_numpy(frame).to(self.device)

    def _motion(self, index: int) -> Motion:
        if self._known is None or self._known[0] != index:
            motion = Motion.between(self.frames[index], self.frames[index + 1])
            self._known = index, motion if self.device is None else motion.to(self.device)
        return self._known[1]
