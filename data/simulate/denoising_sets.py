"""A small set of bursts for denoising, made of the test photographs of a simulated set.

Layout: Deep-Rep specification, section 6, gray as KPN and colour as BPN; files have the `shifts` (M, T, 2) of
the frames besides, as of `burst_noise.Geometry.shifts`.
"""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data.reading.photographs import FOLDERS, find_photographs
from data.simulate.burst_noise import Geometry, NoisyBurst, take_noisy_burst
from data.simulate.settings import Settings
from data.simulate.unprocessing import NoiseLevels
from util.files import write_atomically
from util.imaging.images import read_picture

FRAMES = 8
# By gain: log10 of the deviation of read noise, and of the variance of shot noise per value.
GAINS = {1: (-2.2, -2.6), 2: (-1.8, -2.2), 4: (-1.44, -1.8), 8: (-1.07, -1.5)}
LOWER = ((-3.0, -3.4), (-2.6, -3.0))  # that the gray file begins with, and that are not scored
GRAY_FILE = "gray.npz"


def write_burst_files(out: Path, settings: Settings) -> None:
    """Write `1.npz` to `8.npz` and `gray.npz`, with a burst of each photograph in `test`, if it is there.

    All levels show the same of a photograph. What is drawn depends on the seed and its name alone.

    Raises:
        UserError: a photograph cannot be read, or a file cannot be written.
    """
    if not (out / FOLDERS["test"]).is_dir():
        return
    paths = find_photographs(out, "test")
    for gain, level in GAINS.items():
        _write(out / f"{gain}.npz", _arrays(_bursts(paths, settings, [level], gray=False), gray=False))
    levels = (*LOWER, *GAINS.values())
    _write(out / GRAY_FILE, _arrays(_bursts(paths, settings, levels, gray=True), gray=True))


def _bursts(
    paths: list[Path], settings: Settings, levels: Sequence[tuple[float, float]], gray: bool
) -> list[NoisyBurst]:
    """A burst of each photograph at each level of noise, level by level."""
    geometry = Geometry(settings.size or settings.built_in_size)
    return [
        take_noisy_burst(
            read_picture(path),
            geometry,
            FRAMES,
            settings.rng("Test", path.stem, 0, "burst"),
            gray=gray,
            levels=NoiseLevels(10**shot, 10 ** (2 * read)),
        )
        for read, shot in levels
        for path in paths
    ]


def _arrays(bursts: list[NoisyBurst], gray: bool) -> dict[str, np.ndarray]:
    """The arrays of a file by name."""
    truth = np.stack([burst.gt.transpose(1, 2, 0) for burst in bursts])
    noisy = np.stack([burst.frames.transpose(2, 3, 0, 1) for burst in bursts])
    return {
        "truth": truth[..., 0] if gray else truth,
        "noisy": noisy[..., 0] if gray else noisy,
        "white_level": np.float32([burst.white_level for burst in bursts]),
        "sig_read": np.sqrt(np.float32([burst.levels.read for burst in bursts])),
        "sig_shot" if gray else "sqrt_sig_shot": np.sqrt(np.float32([burst.levels.shot for burst in bursts])),
        "shifts": np.stack([burst.shifts for burst in bursts]),
    }


def _write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write a .npz file, not compressed, that says nothing of when it was written."""
    with write_atomically(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)
