"""python -m data.check on short and long raw frames, of SID and of ELD."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from data import check
from tests.low_light_sets import TIMES, write_eld, write_frame
from util.errors import UserError

SIZE = (64, 96)  # packed px
C = 15583
GAIN = 0.75  # ADU per photoelectron


def smooth_light(seed: int) -> np.ndarray:
    """ADU (4, h, w) of a coloured scene in a long exposure."""
    rng = np.random.default_rng(seed)
    spots = rng.uniform(0.02, 0.8, (8, 12, 1)) * rng.uniform(0.5, 1, (1, 1, 4))
    light = cv2.resize(spots.astype(np.float32), SIZE[::-1], interpolation=cv2.INTER_LINEAR)
    return C * light.transpose(2, 0, 1)


def measured(light: np.ndarray, ratio: float, seed: int, black: float = 0.0) -> np.ndarray:
    """ADU with shot and read noise at 1 / ratio of the exposure."""
    rng = np.random.default_rng([seed, int(ratio)])
    return GAIN * rng.poisson(light / ratio / GAIN) + rng.normal(black, 2, light.shape)


def write_noisy(root: Path, scene: str, seed: int) -> None:
    light = smooth_light(seed)
    write_frame(root / "long" / f"{scene}_00_10s.dng", measured(light, 1, seed), 10)
    for name, time in TIMES.items():
        path = root / "short" / f"{scene}_00_{name}s.dng"
        write_frame(path, measured(light, 10 / time, seed), time)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sid")
    for seed, scene in enumerate(("00001", "00002", "10001")):
        write_noisy(root, scene, seed)
    return root


@pytest.fixture
def root(clean: Path, tmp_path: Path) -> Path:
    """A copy of the clean set, to be spoilt."""
    return Path(shutil.copytree(clean, tmp_path / "set"))


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    """A function that gives status and output of the check of a data set."""

    def look(name: str, root: Path, *words: str) -> tuple[int, str]:
        command = ["check", "--dataset_name", name, "--dataroot", str(root), "-j", "1", *words]
        monkeypatch.setattr("sys.argv", command)
        status = check.main()
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return look


@pytest.mark.parametrize("name", ["sid", "sid_syn"])
def test_a_clean_set_has_no_findings(clean: Path, checked, name: str) -> None:
    status, output = checked(name, clean)
    assert status == 0 and output.endswith("3 samples: 0 faults in 0 places, 0 notes\n"), output


def test_names_and_numbers_of_files(root: Path, checked) -> None:
    short, long = root / "short", root / "long"
    (short / "00001_00_0.1.dng").touch()
    (short / "Thumbs.db").touch()
    (short / ".hidden").touch()
    shutil.copy(long / "00001_00_10s.dng", long / "00001_00_30s.dng")
    (long / "00002_00_10s.dng").rename(long / "30002_00_10s.dng")
    (short / "10001_00_0.1s.dng").rename(short / "10001_02_0.1s.dng")
    status, output = checked("sid", root, "--min_samples", "3")
    assert status == 1
    for line in (
        f"fault: {short}/00001_00_0.1.dng: does not belong here: it is not called <id>_<burst>_<t>s.<suffix>",
        f"fault: {short}/Thumbs.db: does not belong here",
        f"fault: {long}/00001_00_30s.dng: is a second long exposure of scene 00001, beside 00001_00_10s.dng",
        f"fault: {short}/00002_00_0.1s.dng: has no long exposure",
        f"note: {long}/30002_00_10s.dng: has no short exposures",
        f"fault: {long}/30002_00_10s.dng: belongs to no split: scenes begin with 0, 1 or 2",
        f"note: {short}/10001_02_0.1s.dng: is the first of its burst: 00 is missing, so none is used",
        f"fault: {long}/10001_00_10s.dng: scene 10001 has 2 short frames, expected 3",
    ):
        assert line in output, output
    assert "hidden" not in output


def test_what_files_say_against_their_names(root: Path, checked) -> None:
    short, long = root / "short", root / "long"
    light = smooth_light(0)
    write_frame(short / "00001_00_0.1s.dng", measured(light, 100, 0), 0.2)
    write_frame(short / "00001_00_0.04s.dng", measured(light, 250, 0), 0.04, iso=1600)
    write_frame(short / "00001_00_0.033s.dng", measured(light, 300, 0), 1 / 30, iso=None)
    (short / "00002_00_0.1s.dng").write_bytes(b"II*\0")
    write_frame(long / "10001_00_10s.dng", measured(smooth_light(2), 1, 2), 10, cfa="GRBG")
    status, output = checked("sid", root)
    assert status == 1
    for line in (
        f"fault: {short}/00001_00_0.1s.dng: was exposed 0.2 s by EXIF, 0.1 s by its name",
        f"fault: {short}/00001_00_0.1s.dng: 00001_00_10s.dng was exposed 50 times longer by EXIF, 100",
        f"fault: {short}/00001_00_0.04s.dng: 00001_00_10s.dng was exposed 125 times longer by EXIF",
        f"note: {short}/00001_00_0.033s.dng: it or its long exposure does not tell time and ISO",
        f"fault: {short}/00002_00_0.1s.dng: is ",
        f"fault: {short}/10001_00_0.1s.dng: is 64 x 96 packed px, RGGB, camera 'Bracketeer simulated "
        "camera'; 10001_00_10s.dng is 64 x 96 packed px, GRBG",
    ):
        assert line in output, output


def test_what_the_frames_show(root: Path, checked) -> None:
    short, long = root / "short", root / "long"
    light = smooth_light(0)
    shutil.copy(long / "00001_00_10s.dng", short / "00001_00_0.1s.dng")
    write_frame(short / "00001_00_0.04s.dng", measured(light, 250 / 3, 0), 0.04)
    write_frame(short / "00001_00_0.033s.dng", measured(light, 300, 0, black=5), 1 / 30)
    write_frame(short / "00002_00_0.1s.dng", measured(smooth_light(7), 100, 7), 0.1)
    still = np.full((4, *SIZE), 0.2 * C)
    still[..., ::2] += 200
    write_frame(long / "10001_00_10s.dng", still, 10)
    write_frame(short / "10001_00_0.1s.dng", still / 100, 0.1)
    status, output = checked("sid", root)
    assert status == 1
    for line in (
        f"fault: {short}/00001_00_0.1s.dng: is the same picture as 00001_00_10s.dng",
        f"fault: {short}/00001_00_0.04s.dng: amplified 250 times it is 3 times as bright as 00001_00_10s.dng",
        f"note: {short}/00001_00_0.033s.dng: its black level seems to be 0.03% of the range off, 10% when",
        f"fault: {short}/00002_00_0.1s.dng: does not show what 00002_00_10s.dng shows: correlation",
        f"fault: {short}/10001_00_0.1s.dng: is 10001_00_10s.dng made darker",
    ):
        assert line in output, output


def test_levels_of_single_frames(root: Path, checked) -> None:
    light = smooth_light(0)
    write_frame(root / "long" / "00001_00_10s.dng", 3 * measured(light, 1, 0), 10)
    write_frame(root / "long" / "00002_00_10s.dng", np.full((4, *SIZE), 16000.0), 10)
    write_frame(root / "short" / "10001_00_0.1s.dng", measured(light, 100, 0) - 400, 0.1)
    status, output = checked("sid", root)
    assert status == 1
    assert f"note: {root}/long/00001_00_10s.dng: " in output and "% of the values are saturated" in output
    assert f"fault: {root}/long/00002_00_10s.dng: 100% of the values are saturated" in output
    assert f"fault: {root}/short/10001_00_0.1s.dng: half of the values lie 2." in output


def test_a_folder_without_frames(tmp_path: Path, checked) -> None:
    with pytest.raises(UserError, match="expected there: short/ and long/"):
        checked("sid", tmp_path)
    (tmp_path / "long").mkdir()
    write_frame(tmp_path / "long" / "00001_00_10s.dng", measured(smooth_light(0), 1, 0), 10)
    status, output = checked("sid", tmp_path)
    assert status == 1 and f"fault: {tmp_path}/short: there is no such folder" in output


def test_eld(tmp_path: Path, checked) -> None:
    write_eld(tmp_path, scenes=(1,), noise=1.0)
    status, output = checked("eld", tmp_path)
    scene = tmp_path / "SonyA7S2" / "scene-1"
    assert status == 0 and f"note: {scene}: there is no IMG_0002" in output, output
    write_eld(tmp_path, "Other", (1,))
    (tmp_path / "Other" / "scene1").mkdir()
    (scene / "notes.txt").touch()
    (scene / "IMG_0001.dng").unlink()
    shutil.copy(scene / "IMG_0004.dng", scene / "IMG_0005.dng")
    write_frame(scene / "IMG_0009.dng", 30.0 + np.indices((4, 20, 28)).sum(0) % 3, 1 / 80, iso=None)
    status, output = checked("eld", tmp_path)
    assert status == 1
    for line in (
        f"note: {tmp_path}/Other: its gains are not known: --include or --camera FILE",
        f"fault: {tmp_path}/Other/scene1: does not belong here: scenes are called scene-<n>",
        f"fault: {scene}/notes.txt: does not belong here: images are called IMG_<nnnn>",
        f"fault: {scene}: there is no IMG_0001",
        f"fault: {scene}/IMG_0005.dng: IMG_0006.dng was exposed 100 times longer by EXIF, expected 200",
        f"fault: {scene}/IMG_0009.dng: it or its reference does not tell its time and ISO",
    ):
        assert line in output, output
