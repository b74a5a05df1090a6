"""The colour component: three aligned exposures merged by the middle one (SelfHDR specification, 3)."""

from typing import TypeVar

from data.reading.ldr_frames import GAMMA

Values = TypeVar("Values")  # np.ndarray or torch.Tensor


def merge_weights(reference: Values) -> tuple[Values, Values, Values]:
    """Weights of the short, the middle and the long frame, of the shape of `reference`; they sum to 1.

    `reference` is the middle frame, gamma-coded, 0..1, each channel by itself: where it is bright the short
    frame is mixed in, where it is dark the long one.
    """
    bright, dark = (2 * reference - 1).clip(min=0), (1 - 2 * reference).clip(min=0)
    return bright, 1 - bright - dark, dark


def merge(light: Values, reference: Values) -> Values:
    """Aligned light (3, ...) of the short, the middle and the long frame -> (...), by `merge_weights`."""
    if len(light) != 3:
        raise ValueError(f"three frames are merged, not {len(light)}")
    weights = merge_weights(reference)
    return sum(weight * frame for weight, frame in zip(weights, light, strict=True))


def colour_component(frames: Values, exposure: Values) -> Values:
    """Aligned frames (3, 3, H, W) in rising order of exposure -> their merged light (3, H, W).

    `frames` are what was measured, linear, 0..1; `exposure` (3,) says on which scale the result is.
    """
    return merge(frames / exposure[:, None, None, None], frames[1] ** (1 / GAMMA))
