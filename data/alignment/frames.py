"""Aligns a frame with the reference by optical flow (SelfHDR specification, 6.2); both are gamma-coded."""

from collections.abc import Callable

import cv2
import numpy as np

from data.reading.ldr_frames import GAMMA
from data.simulate.warp import displace

Flow = Callable[[np.ndarray, np.ndarray], np.ndarray]  # views uint8 (H, W): first(p) = second(p + flow(p))

DARK, BRIGHT = 0.05, 0.95  # luma and brightest channel of the reference between which a flow can be tested


def re_expose(picture: np.ndarray, factor: float) -> np.ndarray:
    """A float32 picture as it would be with `factor` times the exposure, 0..1."""
    light = np.clip(picture, 0, 1) ** np.float32(GAMMA) * np.float32(factor)
    return np.clip(light, 0, 1) ** np.float32(1 / GAMMA)


def luma(picture: np.ndarray) -> np.ndarray:
    """Luma (H, W) of a float32 RGB picture (H, W, 3)."""
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)


def flow_views(reference: np.ndarray, moving: np.ndarray, ratio: float) -> tuple[np.ndarray, np.ndarray]:
    """Luma of both as flow compares them, uint8 (H, W), the less exposed one brought up to the other.

    `ratio` is the exposure of `moving` by that of `reference`.
    """
    pictures = re_expose(reference, max(ratio, 1)), re_expose(moving, max(1 / ratio, 1))
    first, second = (np.round(luma(picture) * 255).astype(np.uint8) for picture in pictures)
    return first, second


def align(
    reference: np.ndarray, moving: np.ndarray, ratio: float, flow: Flow, check: bool = False
) -> np.ndarray:
    """`moving` as it would be where `reference` was taken: float32 (H, W, 3), 0..1, as are both.

    What lies outside `moving` is the reference, exposed as `moving`. With `check`, so is what the flow back
    contradicts, but where the reference is too dark or too bright to tell. Too bright is one channel already,
    unlike in the specification: blue sky that clips in blue alone would be filled with another colour.

    Args:
        ratio: exposure of `moving` by that of `reference`.
        flow: optical flow between two views.
    """
    views = flow_views(reference, moving, ratio)
    forward = flow(*views)
    height, width = forward.shape[:2]
    rows, columns = np.indices((height, width), np.float32)
    x, y = columns + forward[..., 0], rows + forward[..., 1]
    warped = cv2.remap(moving, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    replaced = (x < 0) | (x > width - 1) | (y < 0) | (y > height - 1)
    if check:
        shown = (luma(reference) > DARK) & (reference.max(axis=2) < BRIGHT)
        replaced |= contradicted(forward, flow(*reversed(views))) & shown
    return np.where(replaced[..., None], re_expose(reference, ratio), np.clip(warped, 0, 1))


def contradicted(forward: np.ndarray, backward: np.ndarray) -> np.ndarray:
    """Where (H, W) a flow (H, W, 2) and the flow back do not lead to where they began.

    The test and its constants are those of Sundaram, Brox and Keutzer (ECCV 2010).
    """
    back = displace(backward, forward)
    miss, length = (np.sum(flow**2, axis=2) for flow in (forward + back, np.concatenate([forward, back], 2)))
    return miss > 0.01 * length + 0.5
