"""Something that moves before a photograph: a textured patch with a soft, random outline."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch

from data.simulate import camera as sensor
from data.simulate.camera import SITES, Camera
from data.simulate.lighting import BRIGHTEST_LEVELS, MEDIAN_LEVELS
from data.simulate.motion import draw_path
from data.simulate.photographs import PHOTOGRAPHS, TRAINING_PHOTOGRAPHS, draw_scene, read_photograph
from data.simulate.procedural import draw_picture
from data.simulate.sampling import STEPS, Scene
from data.simulate.warp import Picture, warp_affine

EXTENTS = (0.15, 0.4)  # of the view's shorter side: the patch's sides
TRAVELS = (0.02, 0.2)  # of the view's shorter side: how far the patch gets
TURN = 0.3  # radians, the largest
CORNERS = (4, 9)
SOFT_PIXELS = (0.7, 3.0)  # standard deviation of the blur of its outline
DRAWN_SHARE = 0.3  # of the patches have a drawn texture, the others one of a photograph


@dataclass(frozen=True)
class Patch:
    """What moves.

    Attributes:
        light: (h, w, 4) float32, linear light times cover, and cover in [0, 1], which is 0 at the borders.
        place: x and y of the patch's centre in the view, px, at the start.
        path: (STEPS, 3) its motion in the view: x, y in px and the angle in radians.
    """

    light: Picture
    place: tuple[float, float]
    path: np.ndarray

    def on(self, device: torch.device | None) -> "Patch":
        """The same with its light on a device."""
        return self if device is None else replace(self, light=torch.from_numpy(self.light).to(device))

    def seen(self, step: int, size: tuple[int, int]) -> tuple[slice, slice, Picture]:
        """Rows and columns of a view of `size` where the patch is, of even bounds, and its light there."""
        x, y, angle = self.path[step]
        middle = np.array(self.place) + np.array([x, y])
        reach = np.hypot(*self.light.shape[:2]) / 2 + 2
        lowest = np.clip(np.floor((middle - reach) / 2) * 2, 0, size[::-1]).astype(int)
        highest = np.clip(np.ceil((middle + reach) / 2) * 2, lowest, size[::-1]).astype(int)
        cosine, sine = np.cos(angle), np.sin(angle)
        rotation = np.array([[cosine, sine], [-sine, cosine]])
        centre = (np.array(self.light.shape[1::-1]) - 1) / 2
        to_patch = np.column_stack([rotation, centre + rotation @ (lowest - middle)])
        rows, columns = slice(lowest[1], highest[1]), slice(lowest[0], highest[0])
        extent = (int(highest[1] - lowest[1]), int(highest[0] - lowest[0]))
        if 0 in extent:
            return rows, columns, self.light[:0, :0]
        return rows, columns, warp_affine(self.light, to_patch, extent, border="zeros")


@dataclass(frozen=True)
class Covered:
    """A scene with a patch that moves before it."""

    ground: Scene
    patch: Patch

    def views(self, steps: range) -> Iterator[Picture]:
        for step, view in zip(steps, self.ground.views(steps), strict=True):
            rows, columns, over = self.patch.seen(step, tuple(view.shape[:2]))
            covered = view + 0
            if len(over):
                covered[rows, columns] = view[rows, columns] * (1 - over[..., 3:]) + over[..., :3]
            yield covered

    def raw(self, steps: range, camera: Camera) -> Iterator[Picture]:
        for step, raw in zip(steps, self.ground.raw(steps, camera), strict=True):
            rows, columns, over = self.patch.seen(step, (2 * raw.shape[0], 2 * raw.shape[1]))
            covered = raw + 0
            if len(over):
                cells = (slice(rows.start // 2, rows.stop // 2), slice(columns.start // 2, columns.stop // 2))
                cover = sensor.packed([over[row::2, column::2, 3] for (row, column), _ in SITES])
                covered[cells] = raw[cells] * (1 - cover) + sensor.respond(over[..., :3], camera)
            yield covered


def draw_patch(
    rng: np.random.Generator,
    size: tuple[int, int],
    lamps: bool,
    medians: tuple[float, float] = MEDIAN_LEVELS,
    brightest_levels: tuple[float, float] = BRIGHTEST_LEVELS,
    extents: tuple[float, float] = EXTENTS,
    travels: tuple[float, float] = TRAVELS,
) -> Patch:
    """A random patch for views of `size` px, lit by coloured lamps or not.

    Its texture is drawn, or of a photograph that comes with scikit-image: one of the Train scenes if it is
    lit by lamps, as they are, else one of the Test scenes.
    """
    shorter = min(size)
    height, width = (max(8, round(shorter * rng.uniform(*extents))) for _ in range(2))
    scenes = sorted(TRAINING_PHOTOGRAPHS if lamps else PHOTOGRAPHS["Test"])
    if rng.uniform() < DRAWN_SHARE:
        picture = draw_picture(rng, (height, width))
    else:
        picture = read_photograph(scenes[rng.integers(len(scenes))])
    light = draw_scene(rng, picture, (height, width), lamps, medians, brightest_levels)
    cover = _outline(rng, (height, width))[..., None]
    place = tuple(float(rng.uniform(0.15, 0.85) * side) for side in size[::-1])
    path = draw_path(rng, STEPS, shorter * rng.uniform(*travels), rng.uniform(0, TURN))
    return Patch(np.concatenate([light * cover, cover], axis=-1), place, path)


def _outline(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Cover (*size,) of a random polygon with soft edges, 0 at the borders."""
    softness = rng.uniform(*SOFT_PIXELS)
    angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(*CORNERS)))
    half = (np.array(size[::-1]) - 1) / 2
    reach = np.maximum(half - 4 * softness, 1) * rng.uniform(0.5, 1, (len(angles), 1))
    corners = half + reach * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    mask = np.zeros(size, np.uint8)
    cv2.fillPoly(mask, [np.int32(np.round(16 * corners))], 255, cv2.LINE_AA, shift=4)
    cover = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), softness)
    cover[[0, -1]] = 0
    cover[:, [0, -1]] = 0
    return cover
