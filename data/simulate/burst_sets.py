"""A small set of bursts in the layout of SyntheticBurst, and beside it photographs to make bursts of.

Layout: DeepRep specification, section 6; the photographs lie as those of ZurichRAW2RGB, of sets for denoising
(data/simulate/denoising_sets.py) as those of OpenImages. What a burst says of its camera is in JSON.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.reading.burst_meta import write_burst_meta
from data.reading.plane_png import write_planes
from data.simulate.burst import Burst, take_burst
from data.simulate.scenes import Shot
from data.simulate.settings import BURST_DENOISE
from util.imaging.images import write_png8

FRAMES = 14
LEVELS = 2**14  # of stored numbers: this one is 1


@dataclass(frozen=True)
class SourcePhotograph:
    """A photograph uint8 (H, W, 3) as it is; `scene` is its name."""

    codes: np.ndarray
    scene: str
    folder: str

    def write(self, root: Path, name: str) -> None:
        """Write `<folder>/<scene>.png`; UserError where that fails."""
        write_png8(root / self.folder / f"{self.scene}.png", self.codes)


@dataclass(frozen=True)
class StoredBurst:
    """A burst whose values are rounded to 14 bits, and what it was taken of."""

    burst: Burst
    photograph: SourcePhotograph

    def drawn(self) -> dict[str, object]:
        """What was drawn for its camera, in JSON's types."""
        camera, levels = self.burst.camera, self.burst.levels
        return {
            "rgb2cam": camera.rgb2cam.tolist(),
            "cam2rgb": camera.cam2rgb.tolist(),
            "rgb_gain": float(camera.rgb_gain),
            "red_gain": float(camera.red_gain),
            "blue_gain": float(camera.blue_gain),
            "smoothstep": True,
            "gamma": True,
            "shot_noise_level": levels.shot,
            "read_noise_level": levels.read,
        }

    def write(self, root: Path, name: str) -> None:
        """Write `bursts/<name>/im_raw_<n>.png`, `gt/<name>/` and the photograph; UserError where that
        fails.
        """
        target = root / "gt" / name
        for number, frame in enumerate(self.burst.frames):
            write_planes(root / "bursts" / name / f"im_raw_{number:02d}.png", _stored(frame))
        write_planes(target / "im_rgb.png", _stored(self.burst.gt))
        write_burst_meta(target, self.drawn())
        self.photograph.write(root, name)


def _stored(values: np.ndarray) -> np.ndarray:
    return np.rint(values * LEVELS).astype(np.uint16)


def photographed(codes: np.ndarray, shot: Shot) -> tuple[SourcePhotograph | StoredBurst, dict]:
    """What a photograph uint8 (H, W, 3) becomes in its split, and what was drawn for it."""
    name, split = f"{shot.scene}_{shot.number:06d}", shot.split.lower()
    if shot.settings.layout == BURST_DENOISE:
        return SourcePhotograph(codes, name, split), {}
    photograph = SourcePhotograph(codes, name, f"{split}/canon")
    if shot.split == "Train":
        return photograph, {}
    size = shot.settings.size or shot.settings.built_in_size
    stored = StoredBurst(take_burst(codes, size, FRAMES, shot.rng("burst")), photograph)
    return stored, stored.drawn()
