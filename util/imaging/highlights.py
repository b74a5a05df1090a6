"""White highlights where a sensor saturates.

After the white balance each colour saturates at another level: white light that is too bright becomes
magenta, because green stays behind. Cutting everything at the lowest of these levels, as the published
pictures do, loses up to a stop of red and blue. `neutral_highlights` keeps all that was measured.
"""

import numpy as np

COLOUR_PLANES = ([0], [1, 2], [3])  # of packed red, green, blue
NEAR, SATURATED = 0.9, 0.98  # of the level of saturation: where the correction begins, and is whole


def neutral_highlights(planes: np.ndarray, gains: np.ndarray, saturation: float) -> np.ndarray:
    """Balanced packed planes (4, h, w) >= 0 -> the same with saturated white neutral; `planes` is kept.

    The rule: a colour that saturates can only be darker than it was, so it may be raised, and nothing is cut.
    Of the three levels at which the balanced colours saturate, take the lowest and the middle one. Where both
    of their colours saturate, the middle one is raised to the third; where the lowest saturates, it is raised
    to the mean of the other two in its cell. White light that saturates all ends as grey at the highest
    level; a coloured lamp, which saturates one colour, keeps its colour.

    Args:
        gains: white balance of the planes (4,), by which they have been multiplied.
        saturation: value at which they saturated before that.
    """
    levels = np.array([gains[planes_of[0]] for planes_of in COLOUR_PLANES]) * saturation
    lowest, middle, highest = (COLOUR_PLANES[colour] for colour in np.argsort(levels, kind="stable"))
    fullness = planes / (gains * saturation)[:, None, None]
    share = np.clip((fullness - NEAR) / (SATURATED - NEAR), 0, 1).astype(np.float32)
    result = planes.copy()
    third = planes[highest].mean(axis=0)
    result[middle] += share[lowest].min(axis=0) * share[middle] * np.maximum(third - planes[middle], 0)
    others = (result[middle].mean(axis=0) + third) / 2
    result[lowest] += share[lowest] * np.maximum(others - planes[lowest], 0)
    return result
