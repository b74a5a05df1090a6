"""What the checks of synthetic bursts find."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from data.check import check_of
from data.reading.plane_png import read_planes, write_planes
from tests.burst_sets import MESSAGES, simulate, spoil, write_photographs
from util.imaging.images import read_picture, write_png8


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photographs(tmp_path_factory.mktemp("photographs"))


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(tmp_path_factory.mktemp("simulated") / "set")


@pytest.fixture
def bursts(simulated: Path, tmp_path: Path) -> Path:
    """A copy of the simulated set that may be spoiled."""
    return shutil.copytree(simulated, tmp_path / "set")


def findings(root: Path, name: str = "synburst") -> list[str]:
    """What the check of a set finds, fault or note."""
    kind, dataset = check_of(name)
    check = kind(dataset, root)
    found = [*check.layout(), *(finding for sample in check.samples() for finding in check.sample(sample))]
    return [f"{'fault' if finding.is_fault else 'note'}: {finding.path}: {finding.text}" for finding in found]


def test_a_simulated_set_is_clean(simulated: Path) -> None:
    assert findings(simulated) == []


@pytest.mark.parametrize("what", MESSAGES)
def test_check_finds_what_is_wrong(bursts: Path, what: str) -> None:
    spoil(bursts, what)
    found = [line for line in findings(bursts) if line.startswith("fault")]
    assert len(found) == 1
    assert re.search(MESSAGES[what].removesuffix(": copy"), found[0])


def change(path: Path, planes: int, how: Callable[[np.ndarray], np.ndarray]) -> None:
    write_planes(path, how(read_planes(path, planes)))


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (lambda gt: gt[::-1], "colours are in reverse order"),
        (lambda gt: np.roll(gt, 2, axis=2), r"frame 0 fits better \+2 px to the right and \+0 px below"),
        (lambda gt: np.roll(gt, -3, axis=1), r"frame 0 fits better \+0 px to the right and -3 px below"),
        (lambda gt: gt // 4, "but frame 0 has"),
        (
            lambda gt: np.where(gt == gt.max(), 20000, gt).astype(np.uint16),
            "values up to 20000: 16384 is white",
        ),
    ],
)
def test_check_compares_target_and_frame(bursts: Path, how: Callable, expected: str) -> None:
    change(bursts / "gt" / "0001" / "im_rgb.png", 3, how)
    (found,) = findings(bursts)
    assert re.search(expected, found)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (lambda raw: raw // 3, "all frames have one exposure"),
        (lambda raw: np.full_like(raw, 1000), "all values are 1000"),
        (lambda raw: raw + np.uint16(15000), "16384 is white"),
    ],
)
def test_check_looks_at_levels(bursts: Path, how: Callable, expected: str) -> None:
    change(bursts / "bursts" / "0001" / "im_raw_03.png", 4, how)
    assert any(re.search(f"im_raw_03.*{expected}", line) for line in findings(bursts))


def test_check_knows_what_is_only_worth_knowing(bursts: Path) -> None:
    (bursts / "bursts" / "0001" / "im_raw_13.png").unlink()
    (found,) = findings(bursts)
    assert found.startswith("note") and "13 frames, expected 14" in found
    shutil.rmtree(bursts / "gt")
    assert "gt: there is no such folder" in findings(bursts)[0]


def test_check_of_photographs(photographs: Path, tmp_path: Path) -> None:
    assert len(findings(photographs, "synburst_train")) == 20  # all are too small
    codes = read_picture(photographs / "00.png")
    write_png8(tmp_path / "good.png", cv2.resize(codes, (480, 500)))
    write_png8(tmp_path / "grey.png", np.repeat(cv2.resize(codes, (480, 480))[..., :1], 3, axis=2))
    write_png8(tmp_path / "small.png", codes)
    write_png8(tmp_path / "zoomed.png", cv2.resize(codes, (300, 400)))
    (tmp_path / "damaged.jpg").write_bytes(b"nothing")
    found = "\n".join(findings(tmp_path, "synburst_train"))
    assert "good" not in found
    assert re.search("note: .*grey.png: has no colours", found)
    assert re.search("fault: .*small.png: 100 px high or wide, enlarged to 480", found)
    assert re.search("note: .*zoomed.png: 300 px high or wide", found)
    assert re.search("fault: .*damaged.jpg is damaged", found)
