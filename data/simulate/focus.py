"""What is out of focus: each point of light becomes a disc."""

from dataclasses import replace

import cv2
import numpy as np

from data.simulate.foreground import Covered
from data.simulate.sampling import Scene

RADII = (1.0, 10.0)  # px of the discs
EVERYWHERE = 0.5  # share of the defocused scenes of which nothing is sharp
PATCH_SHARE = 0.25  # of the things that move are out of focus themselves
SLOPES = (0.05, 0.2)  # 1/px, of the passage from what is sharp to what is not


def defocused(light: np.ndarray, radius: float) -> np.ndarray:
    """Light (H, W, C) of a plane out of focus, float32; `radius` of its discs in px, mirrored outside."""
    reach = int(np.ceil(radius))
    rows, columns = np.ogrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.clip(radius + 0.5 - np.hypot(rows, columns), 0, 1)  # the part of each px inside, about
    return cv2.filter2D(light, -1, disc / disc.sum(), borderType=cv2.BORDER_REFLECT_101)


def draw_focus(rng: np.random.Generator, light: np.ndarray) -> np.ndarray:
    """Light (H, W, 3) of which all, or what lies beyond a random line, is out of focus."""
    soft = defocused(light, draw_radius(rng))
    if rng.uniform() < EVERYWHERE:
        return soft
    height, width = light.shape[:2]
    rows, columns = np.ogrid[:height, :width]
    row, column, angle = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(0, 2 * np.pi)
    across = np.cos(angle) * (rows - row) + np.sin(angle) * (columns - column)
    share = 1 / (1 + np.exp(-rng.uniform(*SLOPES) * across))
    return np.float32(light + share[..., None] * (soft - light))


def draw_radius(rng: np.random.Generator) -> float:
    """A radius of discs, px; small ones are as frequent as large ones."""
    return float(np.exp(rng.uniform(*np.log(RADII))))


def draw_patch_focus(rng: np.random.Generator, scene: Scene) -> Scene:
    """The scene, of which what moves before it, if anything does, is out of focus now and then."""
    if not isinstance(scene, Covered) or rng.uniform() >= PATCH_SHARE:
        return scene
    radius = draw_radius(rng)
    margin = int(np.ceil(radius)) + 1
    light = cv2.copyMakeBorder(scene.patch.light, *[margin] * 4, cv2.BORDER_CONSTANT)
    return replace(scene, patch=replace(scene.patch, light=defocused(light, radius)))
