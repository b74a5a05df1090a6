"""python -m data.check on real brackets."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from data import check
from tests.photo_files import make_dng, random_mosaic

EXPOSURES = (1, 4, 16, 64, 256)


def checked(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> tuple[int, str]:
    """Status and output of the check of a data set."""
    command = ["check", "--dataset_name", "real", "--dataroot", str(root), "-j", "1"]
    monkeypatch.setattr("sys.argv", command)
    status = check.main()
    captured = capsys.readouterr()
    return status, captured.out + captured.err


def plausible_set(root: Path) -> Path:
    """Scenes whose frames are as bright as their exposures say."""
    light = np.random.default_rng(0).uniform(0.001, 0.1, (32, 48))
    for split in ("Train", "Test"):
        folder = root / split / "a"
        folder.mkdir(parents=True)
        for number, exposure in enumerate(EXPOSURES, 1):
            mosaic = (64 + 959 * np.clip(light * exposure / 16, 0, 1)).astype(np.uint16)
            make_dng(folder / f"{number}.dng", mosaic, cfa="GRBG", exposure_time=exposure / 1000)
        (folder / "exposure.txt").write_text("1 4 16 64 256")
    return root


def test_a_clean_set_has_no_findings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    status, output = checked(plausible_set(tmp_path), monkeypatch, capsys)
    assert status == 0 and output.endswith("2 samples: 0 faults in 0 places, 0 notes\n"), output


def test_every_fault_has_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    train, test = plausible_set(tmp_path) / "Train" / "a", tmp_path / "Test" / "a"
    make_dng(train / "5.dng", random_mosaic(size=(32, 48)), cfa="BGGR", exposure_time=0.256)
    shutil.copy(train / "3.dng", train / "4.dng")
    (train / "stray.jpg").touch()
    (test / "2.dng").write_bytes((test / "2.dng").read_bytes()[:900])
    (test / "exposure.txt").write_text("1 2 3")
    (test / "ev.txt").touch()
    np.save(train / "raw_gt.npy", np.full((16, 23, 4), np.nan, np.float32))
    np.save(test / "raw_gt.npy", np.zeros((16, 24, 4)))
    few = Path(shutil.copytree(test, tmp_path / "Test" / "b"))
    for number in (3, 4, 5):
        (few / f"{number}.dng").unlink()
    status, output = checked(tmp_path, monkeypatch, capsys)
    assert status == 1
    for line in (
        "fault: {train}/stray.jpg: does not belong here",
        "fault: {train}/5.dng: is 16 x 24 packed px, BGGR",
        "fault: {train}/4.dng: 1 times as bright as the frame before, expected 4",
        "note: {train}/exposure.txt: 4.dng was exposed 64 times as long as 1.dng, but by EXIF 16 times",
        "fault: {test}/2.dng: damaged or cut short: its px end at byte",
        "fault: {test}: exposure.txt: 3 numbers for 5 frames",
        "fault: {train}/raw_gt.npy: holds values that are not finite",
        "fault: {train}/raw_gt.npy: shape (16, 23, 4), not (16, 24, 4) as its brackets",
        "fault: {test}/raw_gt.npy: expected float32 of shape (H, W, 4), found float64 (16, 24, 4)",
        "fault: {few}: 2 files *.dng, 3 or more are needed: exposures are relative to the third's",
    ):
        assert line.format(train=train, test=test, few=few) in output, output
    assert "ev.txt" not in output
