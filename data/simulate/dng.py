"""Writes mosaics as DNG files, and simulated samples in the published layout of real brackets.

Tags: Adobe's Digital Negative Specification 1.4. Layout: BracketIRE specification, 5.4.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tifffile

from data.simulate.camera import SRGB_TO_XYZ, Camera
from data.simulate.noise import WHITE_LEVEL
from data.simulate.sampling import EXPOSURES, Sample
from util.files import WholeFile, save_array, write_atomically
from util.imaging import dng_tags
from util.imaging.bayer import PLANES, pack, unpack
from util.imaging.dng_tags import COLOUR_FILTER_ARRAY, DAYLIGHT, DOUBLE, SHORT, Tag, rationals

TUNGSTEN = 17  # EXIF LightSource of standard light A
CAMERA = "Bracketeer simulated camera"
REAL_CFA, REAL_ISO = "GRBG", 1600
SHORTEST_TIME = 1 / 1024  # s


def write_dng(
    path: str | Path,
    mosaic: np.ndarray,
    *,
    black: float,
    white: int,
    cfa: str,
    neutral: Sequence[float],
    color_matrices: Sequence[np.ndarray],
    illuminants: Sequence[int],
    exposure_time: float | None = None,
    iso: int | None = None,
    f_number: float | None = None,
    noise: tuple[float, float] | None = None,
    extra: Sequence[Tag] = (),
) -> None:
    """Write a Bayer mosaic (H, W) uint16 as an uncompressed DNG, which raw converters read bit by bit.

    Args:
        black, white: levels of the mosaic. cfa: its pattern, such as "RGGB".
        neutral: camera RGB of white. color_matrices: one or two (3, 3), XYZ to camera RGB.
        illuminants: EXIF LightSource of each matrix.
        exposure_time: in s. The file is silent about what is None.
        noise: shot and read level: the variance of a value x, black 0 and white 1, is shot * x + read.
        extra: further tags; one that is written anyway is replaced.

    Raises:
        UserError: the file cannot be written.
    """
    tags = [
        *dng_tags.pattern_tags(PLANES[cfa]),
        *dng_tags.file_tags(CAMERA, black, white, (1, 1)),
        *dng_tags.colour_tags(neutral, color_matrices, illuminants),
        *_shot_tags(exposure_time, iso, f_number),
        *([(51041, DOUBLE, 2, noise, True)] if noise else []),  # NoiseProfile
    ]
    replaced = {tag[0] for tag in extra}
    with write_atomically(path) as temporary, WholeFile(temporary) as file:
        tifffile.imwrite(
            file,
            mosaic,
            photometric=COLOUR_FILTER_ARRAY,
            metadata=None,
            extratags=[*(tag for tag in tags if tag[0] not in replaced), *extra],
        )


def _shot_tags(exposure_time: float | None, iso: int | None, f_number: float | None) -> list[Tag]:
    tags: list[Tag] = []
    for code, value in ((33434, exposure_time), (33437, f_number)):
        tags += [(code, *rationals([value]), True)] if value is not None else []
    return tags + ([(34855, SHORT, 1, iso, True)] if iso is not None else [])


def write_real_sample(folder: Path, sample: Sample, black: int = 64) -> None:
    """Write a simulated sample as five DNG, `exposure.txt` and `raw_gt.npy` into a new folder.

    The files are as those of the published real set: 10 bits, GRBG, white 1023. The mosaic is the sample's
    without its first and last column, so that a sample of packed width w gives brackets of width w - 1. The
    target, float32 (h, w - 1, 4) packed by colour, is on the scale of the third bracket.

    Raises:
        OSError, UserError: it cannot be written.
    """
    folder.mkdir(parents=True)
    brackets = zip(EXPOSURES, sample.frames, sample.noise[1], strict=True)
    for number, (exposure, frame, noise) in enumerate(brackets, 1):
        levels = black + _as_grbg(frame) * ((WHITE_LEVEL - black) / WHITE_LEVEL)
        write_dng(
            folder / f"{number}.dng",
            unpack(np.rint(levels).astype(np.uint16), REAL_CFA),
            black=black,
            white=WHITE_LEVEL,
            cfa=REAL_CFA,
            **colour_tags(sample.camera),
            exposure_time=SHORTEST_TIME * exposure,
            iso=REAL_ISO,
            noise=noise,
        )
    (folder / "exposure.txt").write_text("".join(f"{exposure}\n" for exposure in EXPOSURES))
    save_array(folder / "raw_gt.npy", np.ascontiguousarray(_as_grbg(sample.gt).transpose(1, 2, 0)))


def _as_grbg(planes: np.ndarray) -> np.ndarray:
    """Packed RGGB (h, w, 4) -> packed GRBG (4, h, w - 1): the same mosaic from its second column on."""
    return pack(unpack(planes.transpose(2, 0, 1))[:, 1:-1], REAL_CFA)


def colour_tags(camera: Camera) -> dict[str, Sequence]:
    """Tags by which a converter finds exactly the simulated colours: the light is D65, the sRGB white.

    The published reader of real brackets asks for a second matrix, which is that of light A here. It is the
    same, as the simulated camera has one matrix whatever the light.
    """
    gains = np.array([camera.red_gain, 1.0, camera.blue_gain])
    matrix = np.diag(1 / gains) @ camera.rgb2cam @ np.linalg.inv(SRGB_TO_XYZ)
    return {"neutral": 1 / gains, "color_matrices": [matrix, matrix], "illuminants": [TUNGSTEN, DAYLIGHT]}
