"""Exposures against how bright the frames are: what is refused, noted, refined, and what tells nothing."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

import bracketeer
from data import create_dataset
from data.photos import read_scene, reading_options
from data.reading.measured_exposures import Claim, cells, confirmed, measure
from data.real_dataset import open_brackets
from tests.bracket_sets import draw, options
from tests.ldr_sets import make_ldr_set
from tests.photo_files import make_dng, write_picture
from util.errors import UserError
from util.imaging.tonemap import srgb_encode

LIST, STOPS = Path("a/exposure.txt"), Path("a/ev.txt")
TRUE = (1 / 4, 1, 4)  # exposures of the frames


def light(seed: int = 0, size: tuple[int, int] = (96, 128)) -> np.ndarray:
    """Light (H, W) of even patches of 8 px, from 0.01 to 1 in the middle frame."""
    rng = np.random.default_rng(seed)
    small = np.exp2(rng.uniform(-6.5, 0, (size[0] // 8, size[1] // 8)))
    return np.kron(small, np.ones((8, 8)))


def greens(exposures: tuple[float, ...] = TRUE, noise: float = 0.0, moved: int = 0) -> list[np.ndarray]:
    """Frames (H, W); between two of them, everything in their left third lies `moved` px further down."""
    frames = []
    for number, exposure in enumerate(exposures):
        seen = light()
        seen[:, :40] = np.roll(seen[:, :40], number * moved, 0)
        shot = np.random.default_rng(number).normal(0, noise, seen.shape) * np.sqrt(seen * exposure + 0.01)
        frames.append(np.clip(seen * exposure + shot, 0, 1))
    return frames


def names(count: int = 3) -> list[Path]:
    return [Path(f"a/{number}.dng") for number in range(count)]


def told(
    exposures: tuple[float, ...], frames: list[np.ndarray], source: Path | None = LIST, **kind
) -> np.ndarray:
    """What is made of `exposures`, which are told of the frames in turn."""
    order = np.argsort(exposures)
    files = [names(len(frames))[index] for index in order]
    return confirmed(
        Claim(files, np.array(exposures, float)[order], source, **kind), [frames[i] for i in order]
    )


# Measuring


@pytest.mark.parametrize("noise", [0, 0.01, 0.05])
@pytest.mark.parametrize("moved", [0, 21])
def test_the_ratio_of_frames_is_measured(noise: float, moved: int) -> None:
    short, middle, long = map(cells, greens(noise=noise, moved=moved))
    error = 0.07 if noise and moved else 0.01
    for pair in ((short, middle), (middle, long)):
        assert np.exp(measure(*pair).value) == pytest.approx(4, rel=error)
        assert np.exp(measure(*pair[::-1]).value) == pytest.approx(1 / 4, rel=error)


@pytest.mark.parametrize(
    "frames",
    [
        greens((1e-4, 4e-4, 16e-4)),  # dark
        greens((300, 1200, 4800)),  # clipped
        [np.full((96, 128), level) for level in (0.1, 0.1, 0.2)],  # flat
        [light(seed) * 0.5 for seed in range(3)],  # of different scenes
    ],
)
def test_frames_that_tell_nothing_are_not_refused(frames: list[np.ndarray]) -> None:
    assert told((1, 4, 16), frames).tolist() == [1, 4, 16]


# Contradictions


@pytest.mark.parametrize(
    ("exposures", "source", "said"),
    [
        ((60, 15, 4), LIST, "txt: 1.dng was exposed 3.75 times as long as 2.dng, but is 0.2"),
        ((60, 15, 4), LIST, "bright: is the list reversed (1/shutter)?; --trust_exposures True takes them"),
        ((2, 8, 32), LIST, ""),
        ((1, 3, 5), LIST, "2.dng was exposed 1.67 times as long as 1.dng, but is 4"),
        ((1, 3, 5), LIST, " as bright: are these stops? then the list is called ev.txt; --trust"),
        ((1, 16, 4), LIST, " as bright: would 0.dng 1, 1.dng 4, 2.dng 16 be right?"),
        ((1, 16, 64), LIST, "1.dng was exposed 16 times as long as 0.dng, but is 4"),
        ((1, 16, 64), LIST, " as bright: the frames fit 0.dng 1, 1.dng "),
        ((1, 16, 64), None, "a/1.dng was exposed 16 times as long as 0.dng by EXIF, but is 4"),
        ((2, 16, 2**16), STOPS, "are these times? then the list is called exposure.txt"),
    ],
)
@pytest.mark.parametrize("how", [{}, {"noise": 0.03}, {"moved": 21}])
def test_what_contradicts_linear_frames_is_refused(
    exposures: tuple, source: Path | None, said: str, how: dict
) -> None:
    frames = greens(**how)
    if not said:
        assert_allclose(told(exposures, frames, source), exposures)
        return
    with pytest.raises(UserError) as error:
        told(exposures, frames, source)
    assert said in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("is_linear", [True, False])
def test_copies_are_refused(is_linear: bool) -> None:
    message = r"1\.dng was exposed 4 times as long as 0\.dng, but is 1 times as bright"
    with pytest.raises(UserError, match=message):
        told((1, 4, 16), greens((1, 1, 4)), is_linear=is_linear)


CURVES = {
    "sRGB": lambda x: x,
    "steep": lambda x: np.clip(x, 0, 1) ** 1.6,
    "flat": lambda x: np.clip(x, 0, 1) ** 0.65,
}


@pytest.mark.parametrize("curve", CURVES)
def test_order_is_known_through_any_tone_curve(curve: str) -> None:
    frames = [CURVES[curve](frame) for frame in greens()]
    assert told((1, 4, 16), frames, is_linear=False).tolist() == [1, 4, 16]
    with pytest.raises(UserError, match=r"is the list reversed"):
        told((16, 4, 1), frames, is_linear=False)
    with pytest.raises(UserError, match=r"are these times\?"):
        told((2, 16, 2**16), frames, STOPS, is_linear=False)


def test_no_tone_curve_doubles_the_stops() -> None:
    with pytest.raises(
        UserError, match=r"exposed 16 times as long as 0\.dng, but is 4 times as bright; --trust"
    ):
        told((1, 16, 256), greens(), is_linear=False)


# Small differences


def test_nominal_times_are_refined_and_lists_are_not(capsys: pytest.CaptureFixture) -> None:
    frames = greens((1 / 4, 1, 4), noise=0.01)
    nominal = (4 / 15, 1, 3.75)  # 1/60, 1/16, ...
    assert_allclose(told(nominal, frames, None) / told(nominal, frames, None)[1], TRUE, rtol=0.01)
    assert told(nominal, frames).tolist() == list(nominal)
    assert capsys.readouterr().err == ""
    assert told(nominal, [np.sqrt(frame) for frame in frames], None, is_linear=False).tolist() == list(
        nominal
    )


@pytest.mark.parametrize(("source", "counts"), [(LIST, "the list"), (None, "EXIF")])
def test_half_a_stop_is_told(source: Path | None, counts: str, capsys: pytest.CaptureFixture) -> None:
    assert told((1, 5.6, 22.4), greens(noise=0.01), source)[1] == 5.6
    notes = capsys.readouterr().err.splitlines()
    assert len(notes) == 1 and notes[0].startswith("note: a/")
    assert notes[0].endswith(f"but is 4 times as bright; {counts} counts")


# Readers


def write_raw(folder: Path, text: str | None = None, times: tuple[float, ...] = TRUE) -> Path:
    folder.mkdir(parents=True)
    for number, (frame, time) in enumerate(zip(greens(), times, strict=True)):
        mosaic = np.rint(64 + 959 * frame).astype(np.uint16)
        make_dng(folder / f"{number}.dng", mosaic, exposure_time=time)
    if text:
        (folder / "exposure.txt").write_text(text)
    return folder


def test_own_raw_files(tmp_path: Path) -> None:
    folder = write_raw(tmp_path / "a", "16 4 1")
    with pytest.raises(UserError, match=r"a/exposure\.txt: 1\.dng was .* is the list reversed"):
        read_scene(folder, reading_options())
    trusted = read_scene(folder, reading_options(trust_exposures=True))
    assert_allclose(trusted.exposure, (1 / 16, 1 / 4, 1))
    nominal = write_raw(tmp_path / "b", times=(1 / 60, 1 / 15, 1 / 4))
    assert_allclose(read_scene(nominal, reading_options()).exposure * 16, (1, 4, 16), rtol=5e-3)
    assert_allclose(
        read_scene(nominal, reading_options(trust_exposures=True)).exposure[2] * 16, 15, rtol=1e-4
    )


@pytest.mark.parametrize("response", ["debevec", "linear"])
def test_own_pictures(tmp_path: Path, response: str) -> None:
    for number, frame in enumerate(greens()):
        code = frame if response == "linear" else srgb_encode(frame)
        picture = np.rint(255 * code).astype(np.uint8)
        write_picture(tmp_path / f"{number}.png", np.repeat(picture[..., None], 3, 2))
    path = tmp_path / "exposure.txt"
    path.write_text("1 4 16")
    assert_allclose(read_scene(tmp_path, reading_options(response=response)).exposure * 16, (1, 4, 16))
    path.write_text("1 1/4 1/16")
    with pytest.raises(UserError, match=r"is the list reversed \(1/shutter\)\?"):
        read_scene(tmp_path, reading_options(response=response))


def test_real_brackets(tmp_path: Path) -> None:
    for split in ("Train", "Test"):
        write_raw(tmp_path / split / "a", "1 16 64")
    kind = {"dataset_name": "real", "model": "real", "centre_quarter": None, "phase": "file", "frame_num": 3}
    cached = {"cache_dir": str(tmp_path / "cache")}
    for split, changes in (("train", {}), ("train", cached), ("test", {})):
        dataset = create_dataset(options(tmp_path, **kind, **changes), split)
        with pytest.raises(UserError, match=r"a/exposure\.txt: 1\.dng was exposed 16 times"):
            dataset[draw() if split == "train" else 0]
    for split, changes in (("train", {}), ("train", cached), ("test", {})):
        dataset = create_dataset(options(tmp_path, trust_exposures=True, **kind, **changes), split)
        sample = dataset[draw() if split == "train" else 0]
        assert sample["exposure"].tolist() == [1 / 64, 1 / 4, 1]


def test_a_changed_list_counts_for_what_is_cached(tmp_path: Path) -> None:
    folder = write_raw(tmp_path / "Train" / "a", "1 4 16")
    kind = {"dataset_name": "real", "model": "real", "centre_quarter": None, "phase": "file", "frame_num": 3}
    opt = options(tmp_path, **kind, cache_dir=str(tmp_path / "cache"))
    assert create_dataset(opt, "train")[draw()]["exposure"].tolist() == [1 / 16, 1 / 4, 1]
    (folder / "exposure.txt").write_text("1 4.5 18")
    open_brackets.cache_clear()  # as in a new process
    assert_allclose(create_dataset(opt, "train")[draw()]["exposure"], (1 / 18, 1 / 4, 1))


def test_developed_sets(tmp_path: Path) -> None:
    make_ldr_set(tmp_path, scenes=1, aligned=False)
    path = tmp_path / "Test" / "001" / "exposure.txt"
    path.write_text("0 4 8")
    kind = {"dataset_name": "sig17align", "frame_num": 3, "align_inputs": "no", "net": "ahdrnet"}
    kind |= {"model": "selfhdr1", "targets": (), "structure_labels": False}
    with pytest.raises(
        UserError, match=r"exposure\.txt: 2\.tif was exposed 16 times as long as 1\.tif, but is"
    ):
        create_dataset(options(tmp_path, **kind), "test")[0]
    sample = create_dataset(options(tmp_path, trust_exposures=True, **kind), "test")[0]
    assert sample["exposure"].tolist() == [1, 16, 256]


def test_arrays() -> None:
    frames = np.repeat(np.stack(greens())[..., None], 3, -1)
    with pytest.raises(
        UserError, match=r"exposures: frame 1 was exposed 4 times as long as frame 2, but is 0\.25"
    ):
        bracketeer.scene(frames, [16, 4, 1])
    assert_allclose(bracketeer.scene(frames, [16, 4, 1], trust_exposures=True).exposure * 16, (1, 4, 16))
    assert_allclose(bracketeer.scene(frames, [1, 4, 16]).exposure * 16, (1, 4, 16))


@pytest.mark.parametrize("source", [None, Path("exposure.txt")])
def test_the_order_shows_where_nothing_is_well_exposed_in_both(source: Path | None) -> None:
    """The shorter frame, as it is told, is clipped, and the longer one is not."""
    dark = np.random.default_rng(0).uniform(0.3, 0.7, (256, 256))
    files, exposures = [Path("a.dng"), Path("b.dng")], np.array([1.0, 8.0])
    right = confirmed(Claim(files, exposures, source), [dark, np.ones_like(dark)])
    assert right.tolist() == [1, 8]
    told = r"b\.dng was exposed longer than a\.dng.* but is darker: that one is clipped where it is not"
    with pytest.raises(UserError, match=told):
        confirmed(Claim(files, exposures, source), [np.ones_like(dark), dark])
