"""The data check: a clean set is clean, and each fault is found and named."""

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from data import check
from data.simulate.making import simulate
from data.simulate.scenes import BuiltIn, Shot
from data.simulate.settings import Settings
from data.simulate.storage import write_sample
from util.door import run
from util.errors import UserError

SAMPLE, OTHER = Path("Train/town/000000"), Path("Test/harbour/000000")


def write_static(folder: Path, seed: int, size: tuple[int, int] = (128, 192)) -> None:
    """A sample of a smooth coloured night scene, taken with a still camera and some noise."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0.05, 1, (size[0] // 8, size[1] // 8, 1)) ** 4 * rng.uniform(0.7, 1, (1, 1, 4))
    scene = 4 * cv2.resize(coarse.astype(np.float32), size[::-1], interpolation=cv2.INTER_LINEAR)
    small = scene.reshape(size[0] // 4, 4, size[1] // 4, 4, 4).mean((1, 3))
    (folder / "x4").mkdir(parents=True)
    for exposure in (1, 4, 16, 64, 256):
        for place, light in ((folder, scene), (folder / "x4", small)):
            measured = 1023 * exposure / 16 * light + rng.normal(0, 3, light.shape)
            np.save(place / f"raw_{exposure}.npy", measured.round().clip(0, 1023).astype(np.uint16))
    np.save(folder / "raw_gt.npy", scene)
    meta = {"red_gain": 2.0, "blue_gain": 1.5, "cam2rgb": np.eye(3)}
    np.save(folder / "metadata.npy", np.array(meta, dtype=object))


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("clean")
    write_static(root / SAMPLE, 0)
    write_static(root / OTHER, 1)
    return root


@pytest.fixture
def root(clean: Path, tmp_path: Path) -> Path:
    """A copy of the clean set, to be spoilt."""
    return Path(shutil.copytree(clean, tmp_path / "set"))


def look(monkeypatch: pytest.MonkeyPatch, root: Path, *more: str) -> int:
    """Exit status of the command."""
    monkeypatch.setattr(sys, "argv", ["check", "--dataroot", str(root), "-j", "1", *more])
    with pytest.raises(SystemExit) as ended:
        run(check.main)
    return int(ended.value.code)


def edit(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    np.save(path, change(np.load(path)))


def swap(first: Path, second: Path) -> None:
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(kept)


def plus(black: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda frame: np.minimum(frame + black, 1023).astype(np.uint16)


def with_value(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(target: np.ndarray) -> np.ndarray:
        target[3, 5, 1] = value
        return target

    return change


def enlarged(target: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(cv2.resize(target, None, fx=1.5, fy=1.5))


def black_in_all(folder: Path) -> None:
    for exposure in (1, 4, 16, 64, 256):
        edit(folder / f"raw_{exposure}.npy", plus(64))


class Malicious:
    def __reduce__(self) -> tuple:
        return print, ("this must never be printed",)


FAULTS: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "missing bracket": (lambda f: (f / "raw_16.npy").unlink(), "raw_16.npy", "no such file"),
    "missing target": (lambda f: (f / "raw_gt.npy").unlink(), "raw_gt.npy", "no such file"),
    "missing metadata": (lambda f: (f / "metadata.npy").unlink(), "metadata.npy", "no such file"),
    "dtype": (lambda f: edit(f / "raw_4.npy", np.float32), "raw_4.npy", "expected uint16"),
    "channels": (lambda f: edit(f / "raw_4.npy", lambda a: a[..., :3]), "raw_4.npy", "(H, W, 4)"),
    "no axis": (lambda f: edit(f / "raw_4.npy", lambda a: a[..., 0]), "raw_4.npy", "(H, W, 4)"),
    "bracket size": (lambda f: edit(f / "raw_4.npy", lambda a: a[:-2]), "000000", "different shapes"),
    "target size": (lambda f: edit(f / "raw_gt.npy", lambda a: a[:-2]), "raw_gt.npy", "126 x 192 cells"),
    "empty file": (lambda f: (f / "raw_64.npy").write_bytes(b""), "raw_64.npy", "damaged"),
    "empty array": (lambda f: edit(f / "raw_64.npy", lambda a: a[:0]), "raw_64.npy", ""),
    "truncated": (
        lambda f: (f / "raw_64.npy").write_bytes((f / "raw_64.npy").read_bytes()[:-99]),
        "raw_64.npy",
        "damaged",
    ),
    "truncated target": (
        lambda f: (f / "raw_gt.npy").write_bytes((f / "raw_gt.npy").read_bytes()[:-99]),
        "raw_gt.npy",
        "damaged",
    ),
    "pickled bracket": (
        lambda f: np.save(f / "raw_64.npy", np.array({}, dtype=object)),
        "raw_64.npy",
        "not a plain array",
    ),
    "unsafe metadata": (
        lambda f: np.save(f / "metadata.npy", np.array(Malicious(), dtype=object)),
        "metadata.npy",
        "unsafe",
    ),
    "incomplete metadata": (
        lambda f: np.save(f / "metadata.npy", np.array({"red_gain": 2.0}, dtype=object)),
        "metadata.npy",
        "blue_gain",
    ),
    "gain": (
        lambda f: np.save(
            f / "metadata.npy",
            np.array({"red_gain": 0.0, "blue_gain": 2.0, "cam2rgb": np.eye(3)}, dtype=object),
        ),
        "metadata.npy",
        "white-balance",
    ),
    "matrix": (
        lambda f: np.save(
            f / "metadata.npy",
            np.array({"red_gain": 2.0, "blue_gain": 2.0, "cam2rgb": np.ones((3, 3))}, dtype=object),
        ),
        "metadata.npy",
        "invertible",
    ),
    "over white": (
        lambda f: edit(f / "raw_256.npy", lambda a: a * 4),
        "raw_256.npy",
        "above the white level",
    ),
    "black level": (black_in_all, "000000", "black level is about 6"),
    "swapped": (lambda f: swap(f / "raw_4.npy", f / "raw_16.npy"), "raw_16.npy", "swapped"),
    "swapped bright": (lambda f: swap(f / "raw_64.npy", f / "raw_256.npy"), "raw_256.npy", "swapped"),
    "swapped dark": (lambda f: swap(f / "raw_1.npy", f / "raw_4.npy"), "raw_", "swapped"),
    "repeated": (lambda f: shutil.copy(f / "raw_16.npy", f / "raw_64.npy"), "raw_64.npy", "repeated"),
    "black frame": (lambda f: edit(f / "raw_16.npy", np.zeros_like), "raw_16.npy", "every value is 0"),
    "no highlights": (
        lambda f: edit(f / "raw_1.npy", lambda a: np.where(a > np.median(a), 1023, a).astype(np.uint16)),
        "raw_1.npy",
        "saturated",
    ),
    "all saturated": (
        lambda f: edit(f / "raw_256.npy", lambda a: np.maximum(a, 1001)),
        "raw_256.npy",
        "100% of the values are saturated",
    ),
    "NaN": (lambda f: edit(f / "raw_gt.npy", with_value(np.nan)), "raw_gt.npy", "1 values are NaN"),
    "infinite": (lambda f: edit(f / "raw_gt.npy", with_value(np.inf)), "raw_gt.npy", "1 values are infinite"),
    "negative": (lambda f: edit(f / "raw_gt.npy", with_value(-0.1)), "raw_gt.npy", "1 values are negative"),
    "shifted": (
        lambda f: edit(f / "raw_gt.npy", lambda a: np.roll(a, (-5, 9), (0, 1))),
        "raw_gt.npy",
        "lies +",
    ),
    "other level": (
        lambda f: edit(f / "raw_gt.npy", lambda a: a / 4),
        "raw_gt.npy",
        "0.25 times as bright",
    ),
    "mirrored": (
        lambda f: edit(f / "raw_gt.npy", lambda a: np.ascontiguousarray(a[::-1, ::-1])),
        "raw_gt.npy",
        "",
    ),
    "enlarged target": (lambda f: edit(f / "raw_gt.npy", enlarged), "raw_gt.npy", "192 x 288 cells"),
    "stray file": (lambda f: (f / "raw_gt.npy.bak").touch(), "raw_gt.npy.bak", "does not belong"),
    "stray folder": (lambda f: (f / "x8").mkdir(), "x8", "does not belong"),
    "stray above": (lambda f: (f.parent / "notes.txt").touch(), "notes.txt", "does not belong"),
    "stray at root": (lambda f: (f.parents[2] / "train").mkdir(), "train", "does not belong"),
    "empty scene": (lambda f: (f.parents[1] / "village").mkdir(), "village", "0 samples"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_found(
    root: Path, fault: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    spoil, place, text = FAULTS[fault]
    spoil(root / SAMPLE)
    assert look(monkeypatch, root) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("fault: ")]
    paths = [line.split(": ")[1] for line in lines]
    assert any(place in Path(path).name and text in line for path, line in zip(paths, lines, strict=True))
    assert all(Path(path).is_relative_to(root) for path in paths)
    assert not any("harbour" in path for path in paths)  # the untouched sample


@pytest.mark.parametrize("name", ["syn", "synplus"])
@pytest.mark.parametrize("workers", ["1", "3"])
def test_clean_is_clean(
    clean: Path, name: str, workers: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    assert look(monkeypatch, clean, "--dataset_name", name, "--workers", workers) == 0
    assert capsys.readouterr().out == "2 samples: 0 faults in 0 places, 0 notes\n"


def test_plus_looks_at_its_own_brackets(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    (root / SAMPLE / "x4" / "raw_64.npy").unlink()
    assert look(monkeypatch, root) == 0
    assert look(monkeypatch, root, "--dataset_name", "synplus") == 1
    assert f"fault: {root / SAMPLE / 'x4' / 'raw_64.npy'}: no such file" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "moved", "expected"), [("syn", (-5, 9), (9, -5)), ("synplus", (12, -20), (-5, 3))]
)
def test_displacement_of_the_target_is_measured(
    root: Path,
    name: str,
    moved: tuple[int, int],
    expected: tuple[float, float],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    edit(root / SAMPLE / "raw_gt.npy", lambda target: np.roll(target, moved, (0, 1)))
    assert look(monkeypatch, root, "--dataset_name", name) == 1
    found = re.search(r"raw_gt.npy: lies (\S+) px across and (\S+) px down", capsys.readouterr().out)
    assert [float(value) for value in found.groups()] == pytest.approx(expected, abs=0.6)


@pytest.mark.parametrize("name", ["syn", "synplus"])
def test_small_motion_is_no_fault(root: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    edit(root / SAMPLE / "raw_gt.npy", lambda target: np.roll(target, (2, -2), (0, 1)))
    assert look(monkeypatch, root, "--dataset_name", name) == 0


def test_simulated_sets_are_clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for split, scene in (("Train", "chelsea"), ("Test", "coffee")):
        (tmp_path / split / scene).mkdir(parents=True)
        sample, _ = simulate(BuiltIn(scene), 0, Shot(split, scene, 0, Settings(size=(96, 128))))
        write_sample(tmp_path / split / scene / "000000", sample)
    for name in ("syn", "synplus"):
        assert look(monkeypatch, tmp_path, "--dataset_name", name) == 0


def test_notes_are_no_faults(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    (root / OTHER / "raw_gt.npy").unlink()
    (root / SAMPLE.with_name(".000001.partial")).mkdir()
    assert look(monkeypatch, root) == 0
    output = capsys.readouterr().out
    assert "note: " in output and "2 samples: 0 faults in 0 places, 1 notes" in output


def test_samples_per_scene(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    assert look(monkeypatch, root, "--min_samples", "2") == 1
    assert "1 samples in this scene, expected 2 or more" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (["--dataset_name", "sym"], "unknown dataset 'sym'; known: syn"),
        (["--dataroot", "/nonexistent"], "--dataroot /nonexistent is not a folder; expected there: Train/"),
        (["--fast"], "--fast"),
        (["-j", "0"], "above 0"),
    ],
)
def test_wrong_options(
    clean: Path,
    more: list[str],
    text: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    assert look(monkeypatch, clean, *more) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and text in error and error.count("\n") == 1


def test_folder_of_something_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert look(monkeypatch, tmp_path) == 2
    (tmp_path / "Train" / "scene").mkdir(parents=True)
    assert look(monkeypatch, tmp_path) == 2


def test_data_set_without_checks() -> None:
    known = (
        "burst_denoise, burst_denoise_train, burstsr, eld, real, sid, sig17align, sve, sve_sim, syn, synburst"
    )
    with pytest.raises(UserError, match=f"no checks for data set 'template'; there are for: {known}"):
        check.check_of("template")
    assert check.check_of("synplus")[0] is check.check_of("syn")[0]
