"""Data sets that the simulator writes: layout, records, processes, interruptions and bad input."""

import hashlib
import io
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from data.checks.syn_check import SynCheck
from data.simulate import brackets, storage
from data.simulate.making import make_dataset, simulate
from data.simulate.photographs import PHOTOGRAPHS
from data.simulate.sampling import EXPOSURES
from data.simulate.scenes import BuiltIn, Shot
from data.simulate.settings import Settings
from data.simulate.sources import find_sources
from data.syn_dataset import SynDataset
from data.synplus_dataset import SynplusDataset
from tests.made_footage import pan, write_frames

ROOT = Path(__file__).resolve().parents[1]
SMALL = Settings(seed=3, size=(16, 24))
SIZES_OF_INPUTS = {"": (16, 24, 4), "x2/": (8, 12, 4), "x4/": (4, 6, 4)}


class PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        allowed = {
            ("numpy._core.multiarray", "_reconstruct"),
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
        }
        assert (module, name) in allowed
        return super().find_class(module, name)


def read_metadata(path: Path) -> dict[str, np.ndarray]:
    stream = io.BytesIO(path.read_bytes())
    np.lib.format.read_magic(stream)
    shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    assert (shape, dtype) == ((), np.dtype(object))
    return PlainUnpickler(stream).load().item()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("simulated") / "set"
    assert make_dataset(out, SMALL, frames_per_scene=2).written == 20
    return out


def digests(out: Path) -> dict[str, str]:
    files = sorted(path for path in out.rglob("*") if path.is_file())
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_layout_shapes_and_types(dataset: Path) -> None:
    folders = sorted(dataset.glob("*/*/*"))
    assert [str(folder.relative_to(dataset)) for folder in folders] == sorted(
        f"{split}/{scene}/00000{frame}"
        for split in PHOTOGRAPHS
        for scene in PHOTOGRAPHS[split]
        for frame in (0, 1)
    )
    for folder in folders:
        pictures = ["rgb_vis_gt.png", *(f"rgb_vis_{exposure}.png" for exposure in EXPOSURES)]
        arrays = [f"{sub}raw_{exposure}.npy" for sub in SIZES_OF_INPUTS for exposure in EXPOSURES]
        others = ["raw_gt.npy", "alignratio.npy", "metadata.npy", "parameters.json"]
        files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        assert files == {*pictures, *arrays, *others}
        for name in arrays:
            array = np.load(folder / name)
            assert array.shape == SIZES_OF_INPUTS[name.removesuffix(Path(name).name)]
            assert array.dtype == np.uint16
            assert array.max() <= 1023
        gt, scene_max = np.load(folder / "raw_gt.npy"), np.load(folder / "alignratio.npy")
        assert (gt.shape, gt.dtype) == ((16, 24, 4), np.float32)
        assert (scene_max.shape, scene_max.dtype) == ((), np.float32)
        assert gt.max() <= scene_max
        for name in pictures:
            picture = cv2.imread(str(folder / name), cv2.IMREAD_UNCHANGED)
            assert picture.shape == (32, 48, 3)
            assert picture.dtype == (np.uint16 if name == "rgb_vis_gt.png" else np.uint8)


@pytest.mark.parametrize("kind", [SynDataset, SynplusDataset])
def test_nothing_is_there_that_does_not_belong(dataset: Path, kind: type[SynDataset]) -> None:
    check = SynCheck(kind, dataset)
    strays = [finding for folder in check.samples() for finding in check.sample(folder)]
    strays = [finding for finding in [*check.layout(), *strays] if "belong" in finding.text]
    assert strays == []


def test_metadata_needs_nothing_but_numpy_arrays(dataset: Path) -> None:
    metadata = read_metadata(dataset / "Train" / "astronaut" / "000000" / "metadata.npy")
    shapes = {"rgb2cam": (3, 3), "cam2rgb": (3, 3), "rgb_gain": (1,), "red_gain": (1,), "blue_gain": (1,)}
    assert {name: value.shape for name, value in metadata.items()} == shapes
    assert {value.dtype for value in metadata.values()} == {np.dtype(np.float32)}
    assert_allclose(metadata["rgb2cam"] @ metadata["cam2rgb"], np.eye(3), atol=1e-5)
    assert_allclose(metadata["rgb2cam"].sum(axis=1), 1, rtol=1e-6)
    assert metadata["rgb_gain"] == 1
    assert 1 / 0.91 <= metadata["red_gain"] <= 1 / 0.40
    assert 1 / 0.75 <= metadata["blue_gain"] <= 1 / 0.39


def test_same_seed_same_bytes_other_seed_other_data(dataset: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    make_dataset(again, SMALL, frames_per_scene=2)
    assert digests(again) == digests(dataset)
    sample, _ = simulate(BuiltIn("coffee"), 0, Shot("Test", "coffee", 1, SMALL))
    stored = np.load(dataset / "Test" / "coffee" / "000001" / "raw_16.npy")
    assert_array_equal(sample.frames[2], stored)
    other, _ = simulate(BuiltIn("coffee"), 0, Shot("Test", "coffee", 1, Settings(seed=4, size=SMALL.size)))
    assert (other.frames[2] != stored).mean() > 0.5


def test_interrupted_run_is_completed(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "set"
    write_pictures, calls = storage._write_pictures, []

    def interrupt(*arguments) -> None:
        calls.append(arguments)
        if len(calls) == 4:
            raise KeyboardInterrupt
        write_pictures(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(storage, "_write_pictures", interrupt)
        with pytest.raises(KeyboardInterrupt):
            make_dataset(out, SMALL, frames_per_scene=2)
    assert len(list(out.glob("*/*/*"))) == 3
    with subprocess.Popen(["true"]) as killed:
        killed.wait()
    partials = [out / "Train" / "brick" / f".000001.{pid}.partial" for pid in (killed.pid, os.getppid())]
    for partial in partials:
        partial.mkdir()
        (partial / "raw_1.npy").write_bytes(b"half")
    assert make_dataset(out, SMALL, frames_per_scene=2).written == 17
    assert [partial.exists() for partial in partials] == [False, True]  # the other may be in use
    shutil.rmtree(partials[1])
    assert digests(out) == digests(dataset)
    assert make_dataset(out, SMALL, frames_per_scene=2).written == 0


def test_a_sample_that_another_process_made_meanwhile_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "set" / "Train" / "coffee" / "000001"
    sample, parameters = simulate(BuiltIn("coffee"), 0, Shot("Train", "coffee", 1, SMALL))
    storage.write_sample(folder, sample, parameters=parameters)
    before = digests(tmp_path)
    storage.write_sample(folder, sample, parameters=parameters | {"seed": 4})
    assert digests(tmp_path) == before


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of two samples and two photographs."""
    folder = tmp_path_factory.mktemp("footage")
    write_frames(folder / "pan", pan(25, 2.0))
    write_frames(folder / "stills", pan(2, 40.0), suffix=".exr")
    return folder


ARGUMENTS = ("--kind", "auto", "--size", "16", "24", "--frames_per_scene", "3", "--foreground", "0.5")


def command(out: Path, *arguments: object) -> list[str]:
    return [sys.executable, "-m", "data.simulate", "--out", str(out), *map(str, arguments)]


def run_command(out: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(out, *arguments), cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture(scope="module")
def unbroken(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of `footage`, made by the command in one process without a break."""
    out = tmp_path_factory.mktemp("unbroken") / "set"
    made = run_command(out, "--source", footage, *ARGUMENTS)
    assert (made.returncode, made.stderr.count("error")) == (0, 0)
    assert f"{out}: 8 samples written now, 0 missing" in made.stdout
    return out


@pytest.mark.slow
def test_number_of_processes_does_not_matter(footage: Path, unbroken: Path, tmp_path: Path) -> None:
    assert run_command(tmp_path / "set", "--source", footage, *ARGUMENTS, "--workers", 3).returncode == 0
    assert digests(tmp_path / "set") == digests(unbroken)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "workers"), [(signal.SIGKILL, 2), (signal.SIGTERM, 1), (signal.SIGTERM, 3)]
)
def test_stopped_run_is_completed(
    number: int, workers: int, footage: Path, unbroken: Path, tmp_path: Path
) -> None:
    out = tmp_path / "set"
    arguments = ("--source", footage, *ARGUMENTS, "--workers", workers)
    kept = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command(out, *arguments), cwd=ROOT, **kept) as running:
        while running.poll() is None and not list(out.glob("Train/*/*/parameters.json")):
            time.sleep(0.01)
        running.send_signal(number)
        report, said = running.communicate(timeout=60)
    done = len(list(out.glob("Train/*/*/parameters.json")))
    if number == signal.SIGTERM:
        assert running.returncode == 128 + number
        assert f"{done} samples written now, {8 - done} missing" in report
        assert said.splitlines()[-1] == "stopped by SIGTERM: the same command goes on"
        assert len((out / "manifest.jsonl").read_text().splitlines()) == done
    assert 1 <= done < 8
    again = run_command(out, *arguments[:-1], 1)
    assert again.returncode == 0
    assert f"{8 - done} samples written now, 0 missing" in again.stdout
    assert digests(out) == digests(unbroken)


def test_manifest_tells_what_was_drawn(unbroken: Path) -> None:
    rows = [json.loads(line) for line in (unbroken / "manifest.jsonl").read_text().splitlines()]
    names = [(row["split"], row["scene"], row["number"]) for row in rows]
    assert names == sorted(names)
    assert names[:2] == [("Train", "frame_0001", 0), ("Train", "frame_0001", 1)]
    assert names[-2:] == [("Train", "pan", 1), ("Train", "pan", 13)]
    assert rows[-1]["frames"] == list(range(13, 25))
    for row in rows:
        folder = unbroken / row["split"] / row["scene"] / f"{row['number']:06d}"
        assert json.loads((folder / "parameters.json").read_text()) == row
        metadata = read_metadata(folder / "metadata.npy")
        assert metadata["red_gain"] == np.float32(row["red_gain"])
        assert np.load(folder / "alignratio.npy") == np.float32(row["scene_max"])
        assert {len(row["noise"][size]) for size in ("x1", "x2", "x4")} == {5}
        assert row["version"] == 2
        assert ("frames" in row) != ("path" in row)
    assert 0 < sum("foreground" in row for row in rows) < 6


def test_published_code_reads_the_metadata(unbroken: Path) -> None:
    """As it does: by NumPy's own loader, of any version."""
    path = unbroken / "Train" / "pan" / "000001" / "metadata.npy"
    assert np.load(path, allow_pickle=True).item()["rgb_gain"] == 1
    assert b"numpy.core.multiarray" in path.read_bytes()
    assert b"numpy._core" not in path.read_bytes()


def test_groups_with_a_cut_are_left_out(tmp_path: Path) -> None:
    frames = [*pan(18, 2.0), *(frame[::-1, ::-1] for frame in pan(18, 2.0))]
    write_frames(tmp_path / "film", frames)
    sources = {"Train": find_sources([tmp_path / "film"])}
    made = make_dataset(tmp_path / "set", SMALL, 1, sources)
    assert (made.written, made.missing) == (2, 0)
    assert made.cut == [tmp_path / "set" / "Train" / "film" / "000013"]
    assert len((tmp_path / "set" / "manifest.jsonl").read_text().splitlines()) == 2


def test_published_recipe_differs_from_the_exact_one(footage: Path, tmp_path: Path) -> None:
    sources = {"Train": find_sources([footage / "pan"])}
    stored = {}
    for name in ("exact", "published"):
        options = brackets.parse(
            ["--out", ".", "--size", "16", "24", *(["--published"] * (name == "published"))]
        )
        make_dataset(tmp_path / name, brackets.read_settings(options), 1, sources)
        folder = tmp_path / name / "Train" / "pan" / "000001"
        stored[name] = [np.load(folder / file) for file in ("raw_256.npy", "x4/raw_1.npy", "raw_gt.npy")]
        record = json.loads((tmp_path / name / "simulation.json").read_text())
        clip, x4 = ("per_subframe", "published") if name == "published" else ("integrated", "registered")
        assert (record["clip"], record["x4"]) == (clip, x4)
    assert all((a != b).any() for a, b in zip(stored["exact"], stored["published"], strict=True))


def test_real_layout_holds_raw_files(footage: Path, tmp_path: Path) -> None:
    sources = {"Test": find_sources([footage / "pan"])}
    make_dataset(tmp_path / "set", Settings(size=(16, 24), layout="real"), 1, sources)
    folders = sorted((tmp_path / "set" / "Test").iterdir())
    assert [folder.name for folder in folders] == ["pan_000001", "pan_000013"]
    names = {"1.dng", "2.dng", "3.dng", "4.dng", "5.dng", "exposure.txt", "raw_gt.npy", "parameters.json"}
    assert {file.name for file in folders[0].iterdir()} == names
    assert len((tmp_path / "set" / "manifest.jsonl").read_text().splitlines()) == 2
