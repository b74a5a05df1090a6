"""White highlights where a sensor saturates.

After the white balance each colour saturates at another level: white light that is too bright becomes
magenta, because green stays behind. Cutting everything at the lowest of these levels, as the published
pictures do, loses up to a stop of red and blue. `neutral_highlights` keeps it.
"""

import numpy as np

COLOUR_PLANES = ((0,), (1, 2), (3,))  # of packed red, green, blue
NEAR, SATURATED = 0.9, 0.98  # of the level of saturation: where the correction begins, and is whole


def neutral_highlights(planes: np.ndarray, gains: np.ndarray, saturation: float) -> np.ndarray:
    """Balanced packed planes (4, h, w) >= 0 -> the same with saturated white neutral; `planes` is kept.

    The rule: of the three levels at which the balanced colours saturate, all are cut at the middle one. The
    colour with the lowest level can only be darker than it was where it saturates, so there it is raised to
    the mean of the other two in its cell, if that is brighter. White light that saturates every colour ends
    at the middle level; a coloured lamp keeps its colour.

    Args:
        gains: white balance of the planes (4,), by which they have been multiplied.
        saturation: value at which they saturated before that.
    """
    levels = np.array([gains[colour[0]] for colour in COLOUR_PLANES]) * saturation
    lowest, middle, _ = np.argsort(levels, kind="stable")
    result = np.minimum(planes, np.float32(levels[middle]))
    others = [result[list(COLOUR_PLANES[colour])].mean(axis=0) for colour in range(3) if colour != lowest]
    brighter = (others[0] + others[1]) / 2
    for plane in COLOUR_PLANES[lowest]:
        fullness = (planes[plane] / np.float32(levels[lowest]) - NEAR) / (SATURATED - NEAR)
        share = np.clip(fullness, 0, 1)
        result[plane] += share * np.maximum(brighter - result[plane], 0)
    return result
