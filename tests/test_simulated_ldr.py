"""LDR triples in the layout of Kalantari and Ramamoorthi: their physics, their files, and what is refused."""

import hashlib
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from numpy.testing import assert_allclose, assert_array_equal

from data.simulate import brackets, storage
from data.simulate.ldr import REFERENCE, STARTS, draw_noise, encode, spans, take_triple
from data.simulate.lighting import DAY_CLIPPED, DAY_LOST, draw_daylight
from data.simulate.making import make_dataset, simulate
from data.simulate.photographs import PHOTOGRAPHS, read_photograph
from data.simulate.sampling import STEPS, HandHeld
from data.simulate.scenes import BuiltIn, Shot
from data.simulate.settings import Settings
from data.simulate.sources import find_sources
from tests.made_footage import pan, write_frames
from util.errors import UserError
from util.imaging.radiance_hdr import read_hdr
from util.imaging.tonemap import srgb_decode

SMALL = Settings(seed=3, size=(16, 24), foreground=0.5, layout="kalantari")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("ldr") / "set"
    assert make_dataset(out, SMALL, frames_per_scene=2).written == 20
    return out


def digests(out: Path) -> dict[str, str]:
    files = sorted(path for path in out.rglob("*") if path.is_file())
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def light(brightest: float) -> np.ndarray:
    """Linear light (68, 100, 3) of soft spots, dark to beyond the reference's white."""
    rng = np.random.default_rng(0)
    spots = cv2.resize(rng.uniform(size=(7, 10, 3)).astype(np.float32), (100, 68))
    return brightest * np.clip(spots, 0.02, 1) ** 5


def shift_of(moved: np.ndarray, picture: np.ndarray) -> int:
    """By how many px, at most 8, a picture (H, W, 3) lies right of another."""
    inner = picture[:, 8:-8]
    shifts = range(-8, 9)
    width = picture.shape[1] - 16
    errors = [np.abs(moved[:, 8 + shift : 8 + shift + width] - inner).mean() for shift in shifts]
    return shifts[int(np.argmin(errors))]


def linear(code: np.ndarray) -> np.ndarray:
    """Codes as the specification reads them (1.1)."""
    return (code / 65536) ** 2.2


@pytest.mark.parametrize("step", [2, 3])
def test_still_frames_without_noise_are_the_label_where_nothing_clips(step: int) -> None:
    scene = HandHeld(light(3.5), np.zeros((STEPS, 3)), (64, 96))
    triple = take_triple(scene, step, np.random.default_rng(1), noisy=False)
    truth = light(3.5)[2:-2, 2:-2] / 2.0**step
    assert_allclose(triple.label, np.minimum(truth, 1), rtol=1e-6)
    assert triple.stops == (0, step, 2 * step)
    shares = []
    for stops, frame in zip(triple.stops, triple.frames, strict=True):
        exposed = truth * 2.0**stops
        clipped = exposed >= 1
        assert (frame[clipped] == 65535).all()
        steps = 2.2 * linear(frame) / np.maximum(frame, 1) + 1e-7  # of linear light from one code to the next
        assert (np.abs(linear(frame) - exposed)[~clipped] <= steps[~clipped]).all()
        shares.append(clipped.any(axis=-1).mean())
    assert_allclose(triple.clipped, shares)
    assert shares[0] == 0 < shares[1] < shares[2] < 1


def test_codes_round_and_end_at_65535() -> None:
    codes = np.array([0, 1, 32768, 65535])
    assert_array_equal(encode((codes / 65536) ** 2.2), codes)
    assert_array_equal(encode(np.array([-0.5, 1.0, 7.0])), [0, 65535, 65535])


@pytest.mark.parametrize("step", [2, 3])
def test_exposures_are_short_beside_the_pauses(step: int) -> None:
    short, reference, long = spans(step)
    assert tuple(span.start for span in (short, reference, long)) == STARTS
    assert len(reference) * 2**step == len(long)
    assert long.stop <= STEPS
    assert len(long) < 0.15 * min(reference.start - short.stop, long.start - reference.stop)


def test_label_shows_the_moment_of_the_medium_frame() -> None:
    path = np.zeros((STEPS, 3))
    path[:, 0] = np.linspace(-6, 6, STEPS)  # to the right
    scene = HandHeld(light(0.9), path, (40, 64))
    triple = take_triple(scene, 2, np.random.default_rng(1), noisy=False)
    errors = [
        np.abs(linear(frame) / 2.0**stops - triple.label)[linear(frame).max(axis=-1) < 0.99].mean()
        for frame, stops in zip(triple.frames, triple.stops, strict=True)
    ]
    assert errors[REFERENCE] < 1e-5
    assert min(errors[0], errors[2]) > 100 * errors[REFERENCE]
    start, middle = (spans(2)[n].start for n in (0, REFERENCE))
    moved = path[middle, 0] - path[start, 0]
    first = linear(triple.frames[0])
    assert shift_of(first, triple.label) == round(moved) == 6  # what is seen earlier lies to the right


def test_noise_is_of_the_sensor_and_comes_before_its_white_level() -> None:
    for seed in range(5):
        shot, read = draw_noise(np.random.default_rng(seed))
        assert 3e-5 < shot < 2.1e-4
        assert 2 * shot <= read**0.5 <= 6 * shot
    flat = np.full((68, 100, 3), 0.4, np.float32)
    flat[:, 50:] = 16.0
    triple = take_triple(HandHeld(flat, np.zeros((STEPS, 3)), (64, 96)), 2, np.random.default_rng(2))
    for n, frame in enumerate(triple.frames[:2]):
        exposed = 0.4 * 4.0 ** (n - 1)
        patch = linear(frame[:, :40])
        assert patch.mean() == pytest.approx(exposed, rel=1e-3)
        assert patch.var() == pytest.approx(triple.shot * exposed + triple.read, rel=0.05)
    assert (triple.frames[1][:, 52:] == 65535).all()


@pytest.mark.parametrize("contrast", [4.0, 8.0])
@pytest.mark.parametrize("scene", ["astronaut", "coffee", "gravel", "hubble", "rocket"])
def test_daylight_clips_the_reference_and_hardly_the_shortest(scene: str, contrast: float) -> None:
    picture = srgb_decode(read_photograph(scene))
    lighting = draw_daylight(np.random.default_rng(5), picture, True, contrast)
    brightest = lighting.apply(picture).max(axis=-1)
    assert (brightest > contrast).mean() < DAY_LOST + 0.001
    assert 0.01 < (brightest > 1).mean() < DAY_CLIPPED[1] + 0.05


def test_layout_levels_and_records(dataset: Path) -> None:
    folders = sorted(path for path in dataset.glob("*/*") if path.is_dir())
    splits = {"Train": "Training", "Test": "Test"}
    assert [str(folder.relative_to(dataset)) for folder in folders] == sorted(
        f"{splits[split]}/{scene}_00{n}"
        for split in PHOTOGRAPHS
        for scene in PHOTOGRAPHS[split]
        for n in (0, 1)
    )
    manifest = [json.loads(line) for line in (dataset / "manifest.jsonl").read_text().splitlines()]
    assert len(manifest) == len(folders)
    steps = set()
    for folder in folders:
        names = {"1.tif", "2.tif", "3.tif", "exposure.txt", "HDRImg.hdr", "parameters.json"}
        assert {path.name for path in folder.iterdir()} == names
        drawn = json.loads((folder / "parameters.json").read_text())
        assert drawn in manifest
        stops = [float(line) for line in (folder / "exposure.txt").read_text().splitlines()]
        assert stops == drawn["stops"]
        assert stops in ([0, 2, 4], [0, 3, 6])
        steps.add(stops[1])
        assert len(drawn["path"]) == 3
        frames = [tifffile.imread(folder / f"{n}.tif") for n in (1, 2, 3)]
        assert {(frame.shape, frame.dtype) for frame in frames} == {((32, 48, 3), np.dtype(np.uint16))}
        label = read_hdr(folder / "HDRImg.hdr")
        assert label.shape == (32, 48, 3)
        assert 0.1 < label.max() <= 1
        assert label.min() >= 0
        whole = frames[1].max(axis=-1) < 64000
        error = np.abs(linear(frames[1]) / 2 ** stops[1] - label)[whole]
        assert error.mean() < 0.01 * label.mean() + 1e-3
    assert steps == {2, 3}


def test_same_bytes_with_two_processes_and_after_an_interruption(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_dataset(tmp_path / "two", SMALL, frames_per_scene=2, workers=2)
    assert digests(tmp_path / "two") == digests(dataset)
    write, calls = storage.write_radiance, []

    def interrupt(*arguments) -> None:
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        write(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(storage, "write_radiance", interrupt)
        with pytest.raises(KeyboardInterrupt):
            make_dataset(tmp_path / "again", SMALL, frames_per_scene=2)
    assert len(list((tmp_path / "again").glob("*/*/"))) == 2
    assert make_dataset(tmp_path / "again", SMALL, frames_per_scene=2).written == 18
    assert digests(tmp_path / "again") == digests(dataset)


def test_footage_becomes_triples(tmp_path: Path) -> None:
    write_frames(tmp_path / "pan", pan(12, 1.0))
    (video,) = find_sources([tmp_path / "pan"])
    settings = Settings(layout="kalantari")
    triple, drawn = simulate(video, 0, Shot("Train", video.name, 1, settings))
    assert [frame.shape for frame in triple.frames] == [(96, 128, 3)] * 3
    assert drawn["frames"] == list(range(1, 13))
    assert shift_of(linear(triple.frames[0]), triple.label) == round((STARTS[1] - STARTS[0]) / 32) == 5


def test_a_scene_is_in_one_split(dataset: Path) -> None:
    with pytest.raises(UserError, match="scene coffee is in Test already"):
        make_dataset(dataset, SMALL, 2, {"Train": [BuiltIn("coffee")]})


def test_another_layout_is_another_data_set(dataset: Path) -> None:
    with pytest.raises(UserError, match="was made with layout kalantari, not bracketire"):
        make_dataset(dataset, Settings(seed=3, size=(16, 24), foreground=0.5), 2)


@pytest.mark.parametrize(
    "arguments", [["--clip", "integrated"], ["--x4", "registered"], ["--published"]], ids=lambda a: a[0]
)
def test_options_of_raw_brackets_are_refused(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = ["--out", str(tmp_path / "set"), "--layout", "kalantari"]
    monkeypatch.setattr(sys, "argv", ["simulate", *out, *arguments])
    with pytest.raises(UserError, match=f"^{arguments[0]} is for raw brackets: leave it out with --layout"):
        brackets.main()
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize(
    ("layout", "foreground", "count"), [("bracketire", 0.0, 5), ("real", 0.0, 5), ("kalantari", 0.75, 3)]
)
def test_defaults_go_by_layout(layout: str, foreground: float, count: int) -> None:
    options = brackets.parse(["--out", "set", "--layout", layout])
    assert (options.foreground, options.frames_per_scene) == (foreground, count)
    given = brackets.parse(
        ["--out", "set", "--layout", layout, "--foreground", "0", "--frames_per_scene", "2"]
    )
    assert (given.foreground, given.frames_per_scene) == (0, 2)
