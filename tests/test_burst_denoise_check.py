"""What the checks of bursts for denoising find."""

import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from data.check import check_of
from tests.denoising_sets import changed, simulate, write_photographs
from util.imaging.images import read_picture, write_png8


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(tmp_path_factory.mktemp("simulated") / "set")


def findings(root: Path, name: str = "burst_denoise", min_samples: int = 1) -> list[str]:
    """What the check of a set finds, fault or note."""
    kind, dataset = check_of(name)
    check = kind(dataset, root, min_samples)
    found = [*check.layout(), *(finding for sample in check.samples() for finding in check.sample(sample))]
    return [f"{'fault' if finding.is_fault else 'note'}: {finding.path}: {finding.text}" for finding in found]


def faults(root: Path) -> list[str]:
    return [line for line in findings(root) if line.startswith("fault")]


def test_a_simulated_set_is_clean(simulated: Path) -> None:
    assert findings(simulated) == []


def rolled(pixels: int, axis: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda truth: np.roll(truth, pixels, axis)


def with_value(array: np.ndarray, value: float) -> np.ndarray:
    array = array.copy()
    array[1].flat[7] = value
    return array


def repeated(noisy: np.ndarray) -> np.ndarray:
    noisy = noisy.copy()
    noisy[1, :, :, 5] = noisy[1, :, :, 0]
    return noisy


def brightened(noisy: np.ndarray) -> np.ndarray:
    noisy = noisy.copy()
    noisy[0, :, :, 3] *= 3
    return noisy


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"sig_read": None}, "1.npz has no array sig_read"),
        ({"truth": lambda x: x[:, 1:]}, "truth is .*, expected"),
        ({"truth": rolled(2, 1)}, r"image 0: frame 0 fits truth better \+0 px to the right and \+2 px below"),
        (
            {"truth": rolled(-3, 2)},
            r"image 0: frame 0 fits truth better -3 px to the right and \+0 px below",
        ),
        (
            {"sig_read": lambda x: 2 * x, "sqrt_sig_shot": lambda x: 2 * x},
            r"0 is 0\.5.* times that of sig_read",
        ),
        ({"sig_read": lambda x: x / 3, "sqrt_sig_shot": lambda x: x / 3}, r"frame 0 is [23]\..* times that"),
        ({"noisy": lambda x: with_value(x, np.nan)}, "image 1: noisy has values that are not finite"),
        ({"sig_read": lambda x: x * np.inf}, "image 0: sig_read or sig_shot has values that are not finite"),
        ({"truth": lambda x: with_value(x, 2)}, "image 1: truth goes from .* to 2, white is"),
        ({"white_level": lambda x: 2 * np.ones_like(x)}, "image 0: white_level is 2"),
        ({"truth": lambda x: 0 * x + np.float32(0.05)}, r"image 0: truth is 0\.05 everywhere"),
        ({"noisy": repeated}, "image 1: frame 5 is frame 0"),
        ({"noisy": brightened}, r"image 0: frame 3 has mean .*, truth"),
    ],
)
def test_check_finds_what_is_wrong(simulated: Path, tmp_path: Path, changes: dict, expected: str) -> None:
    changed(simulated / "1.npz", tmp_path / "1.npz", changes)
    assert re.search(expected, "\n".join(faults(tmp_path)))


def test_check_looks_at_files_and_their_numbers(simulated: Path, tmp_path: Path) -> None:
    changed(simulated / "1.npz", tmp_path / "1.npz", {"noisy": lambda x: x[:, :, :, :5]})
    found = "\n".join(findings(tmp_path, min_samples=3))
    assert re.search(r"note: .*2\.npz: there is no such file", found)
    assert re.search(r"note: .*1\.npz: 5 frames, expected 8", found)
    assert re.search(r"fault: .*1\.npz: 2 images, expected 3 or more", found)
    (tmp_path / "1.npz").unlink()
    per_image = ("truth", "noisy", "white_level", "sig_read", "sig_shot")
    changed(simulated / "gray.npz", tmp_path / "a.npz", {name: lambda x: x[:11] for name in per_image})
    changed(simulated / "gray.npz", tmp_path / "b.npz", {"truth": rolled(2, 1)})
    found = "\n".join(findings(tmp_path))
    assert re.search(r"fault: .*a\.npz: 11 images, expected 6 levels of as many each", found)
    assert re.search(r"fault: .*b\.npz: is a gray file beside a\.npz", found)
    assert re.search(r"fault: .*b\.npz: \d+ more images have faults", found)
    assert len(re.findall(r"b\.npz: image \d+: frame 0 fits truth better", found)) == 5
    assert "there is no such file" not in found


def test_check_of_photographs(tmp_path: Path) -> None:
    codes = read_picture(write_photographs(tmp_path / "made") / "00.png")
    write_png8(tmp_path / "good.png", cv2.resize(codes, (640, 700)))
    write_png8(tmp_path / "small.png", codes)
    write_png8(tmp_path / "mirrored.png", cv2.resize(codes, (300, 700)))
    (tmp_path / "damaged.jpg").write_bytes(b"nothing")
    found = "\n".join(findings(tmp_path, "burst_denoise_train"))
    assert "good" not in found
    assert re.search("fault: .*small.png: 150 px high or wide, mirrored to 640 for patches of 128 px", found)
    assert re.search("note: .*mirrored.png: 300 px high or wide", found)
    assert re.search("fault: .*damaged.jpg is damaged", found)
