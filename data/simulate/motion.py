"""A hand-held camera: its path over the time of a bracket, and the light each exposure gathers along it.

Time runs in sub-frames of about 1.3 ms (1/32 of a video frame at 24 frames/s; specification of BracketIRE,
9.2). Exposure n takes the next 4^n sub-frames, without dead time: 0, 1 to 4, 5 to 20, 21 to 84, 85 to 340.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from data.simulate.warp import Picture, warp_affine

SUBFRAME_SECONDS = 1 / (24 * 32)
TREMOR_HERTZ = 10.0  # the frequency above which a hand hardly shakes
SHAKE_PIXELS = (6.0, 12.0)  # largest distance from the start, mosaic px
SHAKE_RADIANS = (math.radians(0.05), math.radians(0.4))  # largest roll


def exposure_spans(count: int = 5) -> list[range]:
    """The sub-frames of each of `count` exposures of 1, 4, 16, ... sub-frames in sequence."""
    starts = [(4**index - 1) // 3 for index in range(count + 1)]
    return [range(start, stop) for start, stop in pairwise(starts)]


def draw_path(rng: np.random.Generator, steps: int, extent: float, rotation: float) -> np.ndarray:
    """A smooth random path of the camera, float64 (steps, 3): x and y in px, angle in radians.

    It starts at 0. The farthest point of the translation is `extent` px from the start and the largest angle
    is `rotation` radians. The spectrum falls as 1/f (a drift) and is cut smoothly at the frequency of
    physiologic tremor; the period is four times the path, so that the path does not close.
    """
    length = 4 * steps
    frequency = np.fft.rfftfreq(length, SUBFRAME_SECONDS)[1:]
    amplitude = np.exp(-((frequency / TREMOR_HERTZ) ** 2)) / frequency
    phases = rng.standard_normal((3, len(frequency))) + 1j * rng.standard_normal((3, len(frequency)))
    spectrum = np.concatenate([np.zeros((3, 1)), amplitude * phases], axis=1)
    path = np.fft.irfft(spectrum, length, axis=1)[:, :steps].T
    path = path - path[0]
    path[:, :2] *= extent / np.hypot(path[:, 0], path[:, 1]).max()
    path[:, 2] *= rotation / np.abs(path[:, 2]).max()
    return path


def draw_shake(rng: np.random.Generator, steps: int, scale: float = 1.0) -> np.ndarray:
    """The path of a hand that holds still as well as it can: `draw_path` of a random extent and rotation.

    The extent is `scale` times that of a mosaic.
    """
    return draw_path(rng, steps, scale * rng.uniform(*SHAKE_PIXELS), rng.uniform(*SHAKE_RADIANS))


def canvas_size(size: tuple[int, int], scale: float = 1.0) -> tuple[int, int]:
    """Height and width of a scene in which a camera of `size` px stays while it shakes (`draw_shake`)."""
    margin = math.ceil(scale * SHAKE_PIXELS[1] + SHAKE_RADIANS[1] * math.hypot(*size) / 2) + 1
    return size[0] + 2 * margin, size[1] + 2 * margin


def view(scene: Picture, pose: np.ndarray, size: tuple[int, int]) -> Picture:
    """What the camera sees at one pose (x and y in px, angle in radians): float32 (*size, C).

    `scene` (H, W, C) float32 is larger than `size` by an even number of px, and the pose 0 looks at its
    centre: an exact crop. Elsewhere the light is interpolated bilinearly, which keeps it positive, and
    mirrored at the border.
    """
    return warp_affine(scene, to_scene(scene.shape[:2], pose, size), size)


def photosites(
    colours: Sequence[Picture], pose: np.ndarray, size: tuple[int, int], sites: Sequence
) -> list[Picture]:
    """As `view`, but only at the photosites of a mosaic: planes (size / 2), one for each of `sites`.

    `colours` (H, W) are the scene's; a site is its (row, column) in the cell of 2x2 px and its colour.
    """
    matrix = to_scene(colours[0].shape[:2], pose, size)
    half = (size[0] // 2, size[1] // 2)
    planes = []
    for (row, column), colour in sites:
        cell_to_px = np.array([[2, 0, column], [0, 2, row], [0, 0, 1]])
        planes.append(warp_affine(colours[colour], matrix @ cell_to_px, half))
    return planes


def to_scene(scene: tuple[int, int], pose: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The map (2, 3) of a view's places (x, y, 1) to those of the scene, both by their height and width."""
    x, y, angle = pose
    cosine, sine = np.cos(angle), np.sin(angle)
    view_y, view_x = (size[0] - 1) / 2, (size[1] - 1) / 2
    scene_y, scene_x = (scene[0] - 1) / 2, (scene[1] - 1) / 2
    return np.array(
        [
            [cosine, -sine, scene_x + x - cosine * view_x + sine * view_y],
            [sine, cosine, scene_y + y - sine * view_x - cosine * view_y],
        ]
    )
