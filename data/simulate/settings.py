"""What the samples of a simulated data set depend on, apart from their sources."""

from dataclasses import dataclass

import numpy as np

from data.simulate.interpolation import Interpolator, find_interpolator
from data.simulate.row_shots import USUAL_ROWS, ShotRows
from data.simulate.sampling import EXACT, Recipe

VERSION = 2  # of the simulation: the same settings give other data than an earlier version
LAYOUTS = ("bracketire", "real", "kalantari", "sid", "synburst", "burst_denoise", "sve", "sve_shots")
LDR = "kalantari"  # the layout of LDR triples
LOW_LIGHT = "sid"  # that of long and short raw exposures
SYNBURST = "synburst"  # that of bursts for super-resolution
BURST_DENOISE = "burst_denoise"  # that of bursts for denoising
SVE = "sve"  # that of still brackets of which shots with rows exposed in turn are made
SVE_SHOTS = "sve_shots"  # that of such shots
OF_STILL_SCENES = (LOW_LIGHT, SVE, SVE_SHOTS)
OF_PHOTOGRAPHS = (
    SYNBURST,
    BURST_DENOISE,
)  # layouts made of photographs as they are; those not named are of raw brackets
BUILT_IN_SIZE = (192, 256)  # of the samples of built-in photographs unless told otherwise
LDR_SIZE = (128, 192)  # the same of LDR triples: 256x384 px
SYNBURST_SIZE = (48, 48)  # the same of bursts, as published; of all sources
BURST_DENOISE_SIZE = (64, 64)  # px of a frame of bursts for denoising; of all sources
LDR_SHAKE = 1 / 384  # of the shake of a mosaic per px of a picture's longer side: 6 to 12 px at 384
SMALLEST = 16  # packed px of a sample's sides
STEPS_PER_FRAME = 32  # sub-frames from one frame of footage to the next (specification, 9.2)


@dataclass(frozen=True)
class Settings:
    """Seed, size and physics.

    Attributes:
        size: packed height and width of a sample; None = all of a source's picture.
        steps_per_frame: sub-frames from one frame of footage to the next.
        interpolator: of footage, as `interpolation.find_interpolator` takes it; "" = the built-in one.
        foreground: share of the photographs before which something moves.
        layout: one of LAYOUTS: "real" for brackets as DNG files, "kalantari" for LDR triples,
            "sid" for long and short exposures as DNG files, "synburst" for bursts as PNG files,
            "burst_denoise" for bursts as arrays, "sve" for still brackets as DNG files, "sve_shots" for shots
            with rows exposed in turn as DNG files.
        rows: how these shots are exposed.
    """

    seed: int = 0
    size: tuple[int, int] | None = None
    recipe: Recipe = EXACT
    steps_per_frame: int = STEPS_PER_FRAME
    interpolator: str = ""
    foreground: float = 0.0
    layout: str = "bracketire"
    rows: ShotRows = USUAL_ROWS

    def rng(self, split: str, scene: str, frame: int, purpose: str) -> np.random.Generator:
        """The random numbers of one purpose in one sample, independent of all others."""
        return np.random.default_rng([self.seed, *f"{split}/{scene}/{frame}/{purpose}".encode()])

    @property
    def is_ldr(self) -> bool:
        """Whether the samples are LDR triples, not raw brackets."""
        return self.layout == LDR

    @property
    def is_by_day(self) -> bool:
        """Whether scenes are days, whose contrast two or three exposures hold, not nights."""
        return self.layout in (LDR, SVE, SVE_SHOTS)

    @property
    def built_in_size(self) -> tuple[int, int]:
        """Packed height and width of the samples of built-in photographs where `size` is None."""
        sizes = {LDR: LDR_SIZE, SYNBURST: SYNBURST_SIZE, BURST_DENOISE: BURST_DENOISE_SIZE}
        return sizes.get(self.layout, BUILT_IN_SIZE)

    def shake(self, size: tuple[int, int]) -> float:
        """How far the camera moves for a picture of `size` px, relative to `motion.SHAKE_PIXELS`."""
        return max(size) * LDR_SHAKE if self.is_ldr else 1.0

    def find_interpolator(self) -> Interpolator | None:
        """The interpolator that was named; None for the built-in one."""
        return find_interpolator(self.interpolator) if self.interpolator else None

    def record(self) -> dict[str, object]:
        """What is written beside the data: all of this, in JSON's types."""
        rows = {"rows": self.rows._asdict()} if self.layout == SVE_SHOTS else {}
        return {
            "version": VERSION,
            "seed": self.seed,
            "size": list(self.size) if self.size else None,
            "clip": "per_subframe" if self.recipe.clip_subframes else "integrated",
            "x4": "published" if self.recipe.drifting else "registered",
            "subframes_per_frame": self.steps_per_frame,
            "interpolator": self.interpolator,
            "foreground": self.foreground,
            "layout": self.layout,
            **rows,
        }
