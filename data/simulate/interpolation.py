"""Sub-frames between the frames of footage, by motion compensation in linear light.

Another interpolator can take the place of this one, see `find_interpolator`. Source: specification of
BracketIRE, 9.6; the motion at a time between two frames is that of Super SloMo (Jiang et al., CVPR 2018,
equation 4).
"""

import importlib
import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from data.simulate.flow import flow_view, optical_flow
from data.simulate.warp import Picture, displace, weighed
from util.errors import UserError

CONSISTENT_PIXELS = 1.0  # by which forward and backward flow may miss each other
OCCLUSION_BLUR = 2.0  # px, standard deviation
HEDGE = 0.3  # weight that a frame keeps where only the other one shows a place: occlusions are uncertain

Interpolator = Callable[[np.ndarray, np.ndarray, list[float]], Iterable[np.ndarray]]


@dataclass(frozen=True)
class Motion:
    """How things move from one frame to the next.

    Attributes:
        forward: flow (H, W, 2) in px from the first frame to the second.
        both_ways: its sum with the flow from the second to the first.
        preference: weight (H, W) of the first frame against that of the second where both are equally near.
    """

    forward: Picture
    both_ways: Picture
    preference: Picture

    @staticmethod
    def between(first: np.ndarray, second: np.ndarray) -> "Motion":
        """The motion between two frames, linear light (H, W, 3)."""
        views = flow_view(first), flow_view(second)
        forward, backward = optical_flow(*views), optical_flow(*views[::-1])
        hidden = [_inconsistency(forward, backward), _inconsistency(backward, forward)]  # in the other frame
        both = (1 - hidden[0]) * (1 - hidden[1]) + HEDGE
        return Motion(forward, forward + backward, (hidden[0] + both) / (hidden[1] + both))

    def to(self, device: torch.device) -> "Motion":
        """The same as tensors on a device."""
        parts = (self.forward, self.both_ways, self.preference)
        return Motion(*(torch.from_numpy(part).to(device) for part in parts))

    def at(self, site: tuple[int, int], step: int) -> "Motion":
        """The same at every `step`-th px from `site` (row, column) on."""
        rows, columns = slice(site[0], None, step), slice(site[1], None, step)
        parts = (part[rows, columns] for part in (self.forward, self.both_ways, self.preference))
        return Motion(
            *(p.contiguous() if isinstance(p, torch.Tensor) else np.ascontiguousarray(p) for p in parts)
        )

    def blend(
        self, first: Picture, second: Picture, t: float, site: tuple[int, int] = (0, 0), step: int = 1
    ) -> Picture:
        """The picture at time t in [0, 1] between two frames (H, W, C) or (H, W), moved linearly.

        `site` and `step` are those of `at`, if this motion comes from there.
        """
        drift = t * self.both_ways - self.forward  # times t: to the first frame; times t - 1: to the second
        first = displace(first, t * drift, site, step)
        second = displace(second, (t - 1) * drift, site, step)
        share = t / ((1 - t) * self.preference + t)
        return first + weighed(second - first, share)


def _inconsistency(flow: np.ndarray, back: np.ndarray) -> np.ndarray:
    """How surely a place (H, W) is hidden in the other frame, in [0, 1]: the flows do not lead back to it."""
    miss = np.square(flow + displace(back, flow))
    inconsistent = 1 - np.exp(cv2.transform(miss, np.full((1, 2), -(CONSISTENT_PIXELS**-2), np.float32)))
    return cv2.GaussianBlur(inconsistent, (0, 0), OCCLUSION_BLUR)


def interpolate(first: np.ndarray, second: np.ndarray, times: list[float]) -> Iterator[np.ndarray]:
    """Frames at `times` in (0, 1) between two frames, linear light float32 (H, W, 3), in order."""
    motion = Motion.between(first, second)
    return (motion.blend(first, second, t) for t in times)


def find_interpolator(name: str) -> Interpolator:
    """The function `name`, "package.module:function", that takes the place of `interpolate`.

    It is called with two neighbouring frames, linear light float32 (H, W, 3) where 1 is the white of the
    third exposure and nothing is clipped, and the rising times in (0, 1) that are wanted; it gives the
    frames of these times in order, as an iterable of arrays of the same kind.

    Raises:
        UserError: there is no such function, or it cannot be called so.
    """
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function, None)
    except (ImportError, TypeError, ValueError) as error:  # TypeError: a relative name
        raise UserError(f"--interpolator {name}: cannot import {module or 'nothing'}: {error}") from error
    if not callable(found):
        raise UserError(
            f"--interpolator {name}: write package.module:function; {module} has no such function"
        )
    try:
        inspect.signature(found).bind(None, None, [])
    except TypeError as error:
        call = "function(first, second, times)"
        raise UserError(f"--interpolator {name}: cannot be called as {call}: {error}") from error
    except ValueError:  # of compiled code nothing is known
        pass
    return found
