"""Developed pictures of one scene: white, colour spaces, and frames in one file."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

import bracketeer
from data.reading.picture_codes import read_stack
from tests.profiles import ADOBE, COLUMNS, DISPLAY_P3, make_profile
from util.errors import UserError
from util.imaging.tonemap import srgb_encode

TIMES = (1, 4, 16)


@pytest.fixture(scope="module")
def light() -> np.ndarray:
    """Linear sRGB (40, 48, 3), of which 1/16 is white of the longest frame, in places above that."""
    rng = np.random.default_rng(0)
    return np.kron(rng.random((10, 12, 3)), np.ones((4, 4, 1))) * np.linspace(0.005, 0.2, 48)[:, None]


def frames_of(light: np.ndarray) -> list[np.ndarray]:
    return [np.clip(light * time, 0, 1) for time in TIMES]


def write_stack(folder: Path, frames: list[np.ndarray], white: int = 65535, **settings) -> Path:
    """Frames of codes in [0, 1] as f0.tif ..., of 16 bits, and their exposures."""
    folder.mkdir()
    for number, frame in enumerate(frames):
        codes = np.rint(frame * white).astype(np.uint16)
        tifffile.imwrite(folder / f"f{number}.tif", codes, photometric="rgb", metadata=None, **settings)
    (folder / "exposure.txt").write_text("1 4 16")
    return folder


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("f*.tif"))


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_where_all_values_end_is_white(
    light: np.ndarray, bits: int, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    white = (1 << bits) - 1
    folder = write_stack(tmp_path / "a", frames_of(light), white)
    found = read_stack(files(folder), (), "linear").codes
    for codes, frame in zip(found, frames_of(light), strict=True):
        assert np.abs(codes / 65535 - frame).max() < 0.75 / white
    note = f"note: {folder}: no value is above {white}, which is taken for white; --white N says otherwise"
    assert capsys.readouterr().err.strip() == note


def test_a_stack_that_does_not_reach_white(
    light: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = write_stack(tmp_path / "a", frames_of(light), 15300)
    found = read_stack(files(folder), (), "linear").codes
    assert found[-1].max() == 15300
    text = "no frame reaches white, 65535: the largest value is 15300; if white is less, --white N says so"
    text += ", 16383 perhaps"
    assert capsys.readouterr().err.strip() == f"note: {folder}: {text}"
    found = read_stack(files(folder), (), "linear", white=15300).codes
    assert np.abs(found[-1] / 65535 - frames_of(light)[-1]).max() < 1e-4
    assert not capsys.readouterr().err


def test_a_full_stack_is_read_without_a_word(
    light: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = write_stack(tmp_path / "a", frames_of(light))
    assert read_stack(files(folder), (), "linear").codes[-1].max() == 65535
    assert read_stack(files(folder), (), "linear").meta() == {}
    assert not capsys.readouterr().err


def test_white_that_does_not_suit_the_files(light: np.ndarray, tmp_path: Path) -> None:
    told = write_stack(tmp_path / "a", frames_of(light), 4095, extratags=[(281, 3, 3, (4095,) * 3, True)])
    assert read_stack(files(told), (), "linear").codes[-1].max() == 65535
    with pytest.raises(UserError, match=r"--white 4095: .*f0\.tif tells by itself which value is white"):
        read_stack(files(told), (), "linear", white=4095)
    with pytest.raises(UserError, match=r"--white 70000: .*f0\.tif has values from 0 to 65535"):
        read_stack(files(write_stack(tmp_path / "b", frames_of(light))), (), "linear", white=70000)
    with pytest.raises(UserError, match="white 0: expected a whole number above 0"):
        bracketeer.read(told, white=0)


def to_space(light: np.ndarray, columns: str) -> np.ndarray:
    return light @ np.array(COLUMNS["SRGB"]) @ np.linalg.inv(np.array(COLUMNS[columns]))


def rendered(scene) -> np.ndarray:
    """Frames (T, H, W, 3) of a scene as linear sRGB."""
    matrix = scene.meta["cam2rgb"] if scene.meta else np.eye(3)
    return np.einsum("ij,tjhw->thwi", matrix, scene.frames)


@pytest.mark.parametrize("name, profile", [("DISPLAY_P3", DISPLAY_P3), ("ADOBE", ADOBE)])
@pytest.mark.parametrize("response", ["srgb", "debevec"])
def test_profiles_give_the_same_light(
    light: np.ndarray, name: str, profile: bytes, response: str, tmp_path: Path
) -> None:
    """Each frame's light is that of the same scene without a profile, by the curve that is estimated too."""
    frames = frames_of(light * 0.9 / (TIMES[-1] * light.max()))  # nothing is cut off
    plain = write_stack(tmp_path / "plain", [srgb_encode(frame) for frame in frames])
    wide = [np.clip(to_space(frame, name), 0, 1) for frame in frames]
    coded = [frame ** (256 / 563) if name == "ADOBE" else srgb_encode(frame) for frame in wide]
    folder = write_stack(tmp_path / "wide", coded, iccprofile=profile)
    scenes = [bracketeer.read(path, response=response) for path in (plain, folder)]
    first, second = map(rendered, scenes)
    tolerance = 5e-4 if response == "srgb" else 0.03
    assert np.abs(second - first).max() < tolerance * first.max()
    assert np.abs(rendered(scenes[1]) - scenes[1].frames.transpose(0, 2, 3, 1)).max() > 0.005


def test_frames_of_different_spaces_are_refused(light: np.ndarray, tmp_path: Path) -> None:
    folder = write_stack(tmp_path / "a", frames_of(light), iccprofile=DISPLAY_P3)
    same = make_profile("Another name", "DISPLAY_P3", parametric=True)
    picture = np.zeros((40, 48, 3), np.uint16)
    tifffile.imwrite(folder / "f1.tif", picture, photometric="rgb", metadata=None, iccprofile=same)
    assert len(read_stack(files(folder), (), "linear").codes) == 3
    tifffile.imwrite(folder / "f1.tif", picture, photometric="rgb", metadata=None)
    with pytest.raises(UserError, match=r"f1\.tif does not fit f0\.tif: sRGB, not Display P3: convert them"):
        read_stack(files(folder), (), "linear")


def test_frames_flagged_as_rotated_otherwise_than_most(
    light: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    turned = write_stack(tmp_path / "a", frames_of(light), extratags=[(274, 3, 1, 6, True)])
    expected = [np.rot90(np.rint(frame * 65535), -1) for frame in frames_of(light)]
    assert np.array_equal(read_stack(files(turned), (), "linear").codes, expected)
    assert not capsys.readouterr().err
    codes = np.rint(frames_of(light)[1] * 65535).astype(np.uint16)
    tifffile.imwrite(turned / "f1.tif", codes, photometric="rgb", metadata=None)
    assert np.array_equal(read_stack(files(turned), (), "linear").codes, expected)
    assert "f1.tif: it is flagged as rotated otherwise than most (1, not 6" in capsys.readouterr().err


def test_the_pages_of_one_file_are_the_frames(light: np.ndarray, tmp_path: Path) -> None:
    coded = [srgb_encode(frame) for frame in frames_of(light)]
    apart = write_stack(tmp_path / "apart", coded)
    together = tmp_path / "together"
    together.mkdir()
    with tifffile.TiffWriter(together / "all.tif") as file:
        file.write(np.zeros((10, 12, 3), np.uint8), photometric="rgb", subfiletype=1, metadata=None)
        for number in (2, 0, 1):
            codes = np.rint(coded[number] * 65535).astype(np.uint16)
            file.write(codes, photometric="rgb", metadata=None)
    with pytest.raises(UserError, match=r"all\.tif does not tell its exposure time: write exposure\.txt"):
        bracketeer.read(together)
    (together / "exposure.txt").write_text("16 1 4")
    scenes = [bracketeer.read(folder, response="srgb") for folder in (apart, together)]
    assert np.array_equal(scenes[0].frames, scenes[1].frames)
    assert np.array_equal(scenes[0].exposure, scenes[1].exposure)
    two = bracketeer.read(together, frame_num=2, response="srgb")
    assert np.array_equal(two.frames, scenes[0].frames[[0, 2]])
    (together / "more.tif").write_bytes((together / "all.tif").read_bytes())
    (together / "exposure.txt").write_text("1 4")
    with pytest.raises(UserError, match=r"all\.tif holds 3 pictures of one size: save each as a file"):
        bracketeer.read(together)
