"""Long and short exposures in low light in the layout of SID: their physics, their files, what is refused."""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from data import check
from data.reading.exif import read_shot
from data.reading.named_exposures import find_pairs
from data.reading.raw import read_raw
from data.simulate import brackets, storage
from data.simulate.camera import Camera
from data.simulate.low_light import BLACK, BRIGHT, ISOS, SHORT_TIMES, WHITE, stored, take_exposures
from data.simulate.making import make_dataset
from data.simulate.sampling import HandHeld
from data.simulate.scenes import BuiltIn
from data.simulate.sensor_noise import C, NoiseLevels
from data.simulate.settings import Settings
from data.simulate.sources import find_sources
from util.errors import UserError
from util.imaging.images import write_png8

SMALL = Settings(seed=3, size=(16, 24), layout="sid")
SOURCES = {"Train": [BuiltIn("astronaut"), BuiltIn("rocket")], "Test": [BuiltIn("coffee")]}
SILENT = NoiseLevels(0.001, 0.0, 0.0, 0.0, 0.0, np.zeros(4, np.float32))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sid") / "set"
    assert make_dataset(out, SMALL, 2, SOURCES).written == 6
    return out


def digests(out: Path) -> dict[str, str]:
    files = sorted(path for path in out.rglob("*") if path.is_file())
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_file_holds_the_light_of_its_exposure_in_whole_numbers() -> None:
    clean = np.full((4, 32, 32), 0.5, np.float32)
    for ratio in (1.0, 100.0, 300.0):
        values = stored(clean, ratio, SILENT, np.random.default_rng(0))
        assert values.dtype == np.uint16
        assert values.mean() - BLACK == pytest.approx(0.5 * C / ratio, rel=2e-3)
    assert stored(clean * 4, 1.0, SILENT, np.random.default_rng(0)).max() == WHITE  # it clips
    assert stored(clean * 0, 1.0, SILENT._replace(tukey=400.0), np.random.default_rng(0)).min() == 0


def test_shot_noise_is_of_the_gain() -> None:
    clean = np.full((4, 200, 200), 0.3, np.float32)
    for ratio in (1.0, 250.0):
        values = stored(clean, ratio, SILENT._replace(gain=3.0), np.random.default_rng(1)).astype(float)
        assert values.var() == pytest.approx(3.0 * 0.3 * C / ratio + 1 / 12, rel=0.02)


def test_all_exposures_show_one_moment_at_one_brightness() -> None:
    rng = np.random.default_rng(0)
    light = np.repeat(np.repeat(rng.uniform(0.1, 1, (4, 6, 3)), 16, 0), 16, 1).astype(np.float32)
    scene = HandHeld(light, rng.uniform(-9, 9, (1000, 3)) * (np.arange(1000) > 0)[:, None], (60, 92))
    taken = take_exposures(scene, Camera(2.0, 1.5), np.random.default_rng(4))
    assert list(taken.shorts) == ["0.1", "0.04", "0.033"] and taken.iso in ISOS
    long = (taken.long.astype(float) - BLACK) / C
    assert np.quantile(long.max(axis=0), BRIGHT) == pytest.approx(taken.level, rel=0.05)
    for (name, values), ratio in zip(taken.shorts.items(), (100, 250, 300), strict=True):
        assert SHORT_TIMES[name] * ratio == pytest.approx(10)
        short = (values.astype(float) - BLACK) / C * ratio
        assert short.mean() == pytest.approx(long.mean(), rel=0.05)
        assert np.corrcoef(short.ravel(), long.ravel())[0, 1] > 0.4


def test_layout_levels_and_records(dataset: Path) -> None:
    scenes = ["00000", "00001", "00002", "00003", "10000", "10001"]
    assert sorted(path.name for path in (dataset / "long").iterdir()) == [f"{n}_00_10s.dng" for n in scenes]
    pairs = find_pairs(dataset)
    assert [(pair.scene, pair.ratio) for pair in pairs] == [
        (scene, ratio) for scene in scenes for ratio in (300, 250, 100)
    ]
    manifest = [json.loads(line) for line in (dataset / "manifest.jsonl").read_text().splitlines()]
    assert len(manifest) == 6
    for pair in pairs:
        split = "Train" if pair.scene < "1" else "Test"
        drawn = json.loads((dataset / "records" / split / pair.scene / "parameters.json").read_text())
        assert drawn in manifest and drawn["path"] == [[0.0, 0.0, 0.0]]
        image, (shot, long) = read_raw(pair.short), (read_shot(path, is_raw=True) for path in pair[:2])
        assert image.planes.shape == (16, 24, 4) and image.cfa == "RGGB"
        assert image.black.tolist() == [BLACK] * 4 and image.white == WHITE
        assert shot.iso == long.iso == drawn["iso"]
        assert long.time / shot.time == pytest.approx(pair.ratio, rel=1e-3)
        white_balance = (drawn["red_gain"], 1, drawn["blue_gain"])
        assert_allclose(image.meta()["white_balance"], white_balance, rtol=1e-3)
    sources = [(row["split"], row["scene"], row["number"]) for row in manifest]
    assert sorted(sources) == sorted(
        (split, source.name, n) for split, found in SOURCES.items() for source in found for n in (0, 1)
    )


def test_data_check_finds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    settings = Settings(seed=1, size=(64, 64), layout="sid")
    make_dataset(tmp_path / "set", settings, 1, SOURCES)
    monkeypatch.setattr(
        sys, "argv", ["check", "--dataset_name", "sid", "--dataroot", str(tmp_path / "set"), "-j", "1"]
    )
    assert check.main() == 0
    assert capsys.readouterr().out.endswith("3 samples: 0 faults in 0 places, 0 notes\n")


def test_same_bytes_after_an_interruption(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, calls = storage.write_exposures, []

    def interrupt(*arguments) -> None:
        calls.append(arguments)
        write(*arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(storage, "write_exposures", interrupt)
        with pytest.raises(KeyboardInterrupt):
            make_dataset(tmp_path / "again", SMALL, 2, SOURCES)
    assert len(list((tmp_path / "again" / "records").glob("*/*/"))) == 2
    assert make_dataset(tmp_path / "again", SMALL, 2, SOURCES).written == 4
    assert digests(tmp_path / "again") == digests(dataset)


def test_numbers_stay_with_their_sources(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"was made with layout sid, not real"):
        make_dataset(dataset, Settings(seed=3, size=(16, 24), layout="real"), 2, SOURCES)
    assert make_dataset(dataset, SMALL, 2, SOURCES).written == 0
    write_png8(tmp_path / "other.png", np.full((90, 90, 3), 99, np.uint8))
    others = {"Train": find_sources([tmp_path / "other.png"])}
    with pytest.raises(UserError, match=r"was made of scikit-image, not of .*other.png: name the sources as"):
        make_dataset(dataset, SMALL, 2, others)


@pytest.mark.parametrize("arguments", [["--clip", "integrated"], ["--x4", "registered"], ["--published"]])
def test_options_of_raw_brackets_are_refused(arguments: list[str]) -> None:
    with pytest.raises(UserError, match=f"^{arguments[0]} is for raw brackets: .* --layout sid"):
        brackets.parse(["--out", "set", "--layout", "sid", *arguments])


def test_defaults() -> None:
    options = brackets.parse(["--out", "set", "--layout", "sid"])
    assert (options.foreground, options.frames_per_scene) == (0.0, 3)
