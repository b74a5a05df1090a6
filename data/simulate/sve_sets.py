"""Small sets for HDR of one shot: brackets of still scenes, and shots whose rows are exposed in turn.

Brackets are as in the published set of SVEHDRI (specification, section 6): seven shots 1 EV apart at ISO 800.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.row_exposure import mosaicked
from data.simulate.camera import Camera, balanced
from data.simulate.dng import colour_tags, write_dng
from data.simulate.row_shots import BLACK, ISO, WHITE, RowSensor, ShotRows, write_row_shot
from data.simulate.sampling import Scene, as_array
from util.files import save_array

FRAMES = 7
REFERENCE = 5  # number, from 0, of the frame that light of 1 saturates: the longer one that shots are made of
LONGEST_TIME = 1 / 8  # s


@dataclass(frozen=True)
class StillBracket:
    """Stored numbers of a bracket, uint16 (H, W), mosaics from the shortest exposure on."""

    frames: list[np.ndarray]
    camera: Camera

    def write(self, folder: Path) -> None:
        """Write `1.dng` to `7.dng`; UserError where that fails."""
        for number, frame in enumerate(self.frames, 1):
            write_dng(
                folder / f"{number}.dng",
                frame,
                black=BLACK,
                white=WHITE,
                cfa="RGGB",
                **colour_tags(self.camera),
                exposure_time=LONGEST_TIME * 2.0 ** (number - FRAMES),
                iso=ISO,
                f_number=8.0,
            )


@dataclass(frozen=True)
class RowShot:
    """Camera RGB (H, W, 3) in units of the short exposure's saturation, and how a shot shows it."""

    radiance: np.ndarray
    camera: Camera
    rows: ShotRows
    noise: np.random.Generator

    def write(self, folder: Path) -> None:
        """Write `shot.dng` and `truth.npy`, the radiance; UserError where that fails."""
        write_row_shot(
            folder / "shot.dng", self.radiance, **self.rows._asdict(), seed=self.noise, camera=self.camera
        )
        save_array(folder / "truth.npy", self.radiance)


def take_still_bracket(scene: Scene, camera: Camera, rng: np.random.Generator) -> StillBracket:
    """The bracket of the first moment of a scene."""
    light, sensor = mosaicked(_seen(scene, camera)), RowSensor()
    is_long = np.zeros(len(light), bool)
    exposures = 2.0 ** (np.arange(FRAMES) - REFERENCE)
    return StillBracket([sensor.codes(light * exposure, is_long, 1.0, rng) for exposure in exposures], camera)


def take_row_shot(scene: Scene, camera: Camera, rows: ShotRows, rng: np.random.Generator) -> RowShot:
    """A shot of the first moment of a scene, whose long exposure light of 1 saturates."""
    return RowShot(_seen(scene, camera) / np.float32(rows.ratio), camera, rows, rng)


def _seen(scene: Scene, camera: Camera) -> np.ndarray:
    """Camera RGB (H, W, 3) of the first moment, not negative."""
    return np.maximum(as_array(balanced(next(scene.views(range(1))), camera)), 0)
