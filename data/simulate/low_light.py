"""A still scene in low light before a camera on a tripod: a long raw exposure and short ones of the same ISO.

Files are as those of SID's Sony subset (ExposureDiffusion specification, 4.2), the noise is that of SonyA7S2
in the physical order of the noise model (section 3).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.simulate.camera import Camera, respond
from data.simulate.dng import colour_tags, write_dng
from data.simulate.sampling import Scene, as_array
from data.simulate.sensor_noise import C, NoiseLevels, NoiseModel, levels_at
from data.simulate.sensors import named_sensor
from util.imaging.bayer import unpack

LONG, LONG_TIME = "10", 10.0  # s, as files are named and as EXIF has it
SHORT_TIMES = {"0.1": 1 / 10, "0.04": 1 / 25, "0.033": 1 / 30}
ISOS = (800, 1600, 3200)
BLACK, WHITE = 512, 16383
NOISE = NoiseModel("P+G+r")  # rounding to whole numbers does the rest
BRIGHT = 0.9  # share of the photosites that are darker than the bright parts
LEVELS = (0.15, 0.5)  # of these parts in the long exposure


@dataclass(frozen=True)
class Exposures:
    """Stored values of a scene, packed RGGB (4, h, w) uint16: the long one, and short ones by their name.

    `levels` is the noise of all of them, `level` the clean value of the bright parts of the long one, where
    1 = C above black.
    """

    long: np.ndarray
    shorts: dict[str, np.ndarray]
    iso: int
    level: float
    levels: NoiseLevels
    camera: Camera

    def drawn(self) -> dict[str, object]:
        """What was drawn, in JSON's types."""
        noise = self.levels._asdict() | {"bias": [float(value) for value in self.levels.bias]}
        return {"iso": self.iso, "level": self.level, "noise": noise}


def take_exposures(scene: Scene, camera: Camera, rng: np.random.Generator) -> Exposures:
    """The exposures of the first moment of a scene, which is brought to a random brightness."""
    light = np.maximum(as_array(respond(next(scene.views(range(1))), camera)).transpose(2, 0, 1), 0)
    level = float(np.exp(rng.uniform(*np.log(LEVELS))))
    bright = float(np.quantile(light.max(axis=0), BRIGHT))
    clean = np.float32(light * (level / max(bright, 1e-6)))
    iso, sensor = int(rng.choice(ISOS)), named_sensor("SonyA7S2")
    levels = levels_at(sensor, sensor.gain_of_iso(iso), rng)
    shorts = {name: stored(clean, LONG_TIME / time, levels, rng) for name, time in SHORT_TIMES.items()}
    return Exposures(stored(clean, 1.0, levels, rng), shorts, iso, level, levels, camera)


def stored(clean: np.ndarray, ratio: float, levels: NoiseLevels, rng: np.random.Generator) -> np.ndarray:
    """What a file has of clean planes (4, h, w) at 1 / ratio of their exposure, uint16."""
    amplified = NOISE.add(clean, ratio, levels, rng)
    return np.clip(np.rint(amplified * np.float32(C / ratio)) + BLACK, 0, WHITE).astype(np.uint16)


def write_exposures(root: Path, number: str, exposures: Exposures) -> None:
    """Write `short/<number>_00_<t>s.dng` and `long/<number>_00_10s.dng` of a scene.

    Raises:
        UserError: they cannot be written.
    """
    files = {("short", name): (exposures.shorts[name], time) for name, time in SHORT_TIMES.items()}
    files["long", LONG] = exposures.long, LONG_TIME
    for (folder, name), (planes, time) in files.items():
        write_dng(
            root / folder / f"{number}_00_{name}s.dng",
            unpack(planes),
            black=BLACK,
            white=WHITE,
            cfa="RGGB",
            **colour_tags(exposures.camera),
            exposure_time=time,
            iso=exposures.iso,
        )
