"""What the simulator refuses, each in one line."""

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import tifffile

from data.simulate import brackets
from data.simulate.leave_one_out import leave_one_out
from data.simulate.making import make_dataset
from data.simulate.settings import Settings
from data.simulate.sources import find_sources
from tests.made_footage import pan, write_frames
from util.errors import UserError
from util.imaging.images import read_picture
from util.imaging.radiance_hdr import read_hdr
from util.imaging.tiff_pictures import read_tiff

ROOT = Path(__file__).resolve().parents[1]
SMALL = ("--seed", "3", "--size", "16", "24")


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of one sample, and two photographs."""
    folder = tmp_path_factory.mktemp("footage")
    write_frames(folder / "pan", pan(12, 2.0))
    write_frames(folder / "stills", pan(2, 40.0), suffix=".exr")
    return folder


@pytest.fixture(scope="module")
def made(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data set of the video."""
    out = tmp_path_factory.mktemp("made") / "set"
    make_dataset(out, Settings(seed=3, size=(16, 24)), 1, {"Train": find_sources([footage / "pan"])})
    return out


def refused(arguments: list[object], monkeypatch: pytest.MonkeyPatch) -> str:
    """The message with which the command ends."""
    monkeypatch.setattr(sys, "argv", ["simulate", *map(str, arguments)])
    monkeypatch.setattr(brackets, "StopRequest", lambda: None)
    with pytest.raises(UserError) as caught:
        brackets.main()
    return str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--size", "30", "32"], "--size 30: must be a multiple of 4"),
        (["--size", "8", "8"], "--size 8: must be a multiple of 4 from 16 to 1024"),
        (["--frames_per_scene", "0"], "argument --frames_per_scene: expected a whole number above 0"),
        (["--seed", "-1"], "argument --seed: expected a whole number, 0 or more"),
        (["--workers", "0"], "argument --workers/-j: expected a whole number above 0"),
        (["--foreground", "1.5"], "--foreground 1.5: a share is at most 1"),
        (["--split", "Test"], "--split is for --source"),
        (["--interpolator", "rife:run"], "--interpolator rife:run: cannot import rife"),
        (["--interpolator", ".x:y"], "--interpolator .x:y: cannot import .x"),
        (
            ["--interpolator", "os.path:isdir"],
            "--interpolator os.path:isdir: cannot be called as function(first",
        ),
        (["--published", "--clip", "integrated"], "--published and --clip integrated contradict"),
        (["--published", "--x4", "registered"], "--published and --x4 registered contradict"),
        (["--sources", "x"], "unknown option --sources; did you mean --source"),
        (["--gpu_ids", "9"], "--gpu_ids 9: there is no GPU 9 here"),
    ],
)
def test_bad_values_are_refused(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert refused(["--out", tmp_path / "set", *arguments], monkeypatch).startswith(message)
    assert not (tmp_path / "set").exists()


def test_an_error_is_one_line_and_status_2(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"no film" * 1000)
    film = str(tmp_path / "film.mp4")
    words = [sys.executable, "-m", "data.simulate", "--out", str(tmp_path / "set"), "--source", film]
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"error: {film} is damaged")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("size", "exposure", "message"),
    [
        ("-Y 900000000 +X 900000000", "1", "is damaged: it ends too early for 900000000 lines"),
        ("-Y 2 +X 900000000", "1", "is damaged: it ends too early for 2 lines of 900000000 pixels"),
        (f"-Y 1 +X {'9' * 5000}", "1", "its header does not end with a size"),
        ("-Y 2 +X 3", "abc", "its line EXPOSURE=abc is no number above 0"),
        ("-Y 2 +X 3", "0", "its line EXPOSURE=0 is no number above 0"),
        ("-Y 2 +X 3", "nan", "its line EXPOSURE=nan is no number above 0"),
    ],
)
def test_absurd_radiance_headers_are_refused(size: str, exposure: str, message: str, tmp_path: Path) -> None:
    header = f"#?RADIANCE\nEXPOSURE={exposure}\n\n{size}\n"
    (tmp_path / "a.hdr").write_bytes(header.encode() + bytes(24))
    with pytest.raises(UserError, match=message):
        read_hdr(tmp_path / "a.hdr")


@pytest.mark.parametrize("photometric, channels", [("separated", (4,)), ("cielab", (3,)), ("ycbcr", (3,))])
def test_other_kinds_of_tiff_are_refused(photometric: str, channels: tuple[int, ...], tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.ones((8, 9, *channels), np.uint8), photometric=photometric)
    message = f"RGB, grey or a palette is needed, it holds {photometric.upper()}: convert it to RGB"
    for read in (read_tiff, read_picture):
        with pytest.raises(UserError, match=message):
            read(path)


def test_compressions_that_need_a_package_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.ones((8, 9, 3), np.uint16), photometric="rgb")
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages.first.tags["Compression"].overwrite(34676)
    with pytest.raises(UserError, match=r"a\.tif is compressed by SGILOG: pip install imagecodecs"):
        read_tiff(path)


def test_tiff_with_a_changed_byte_is_read_or_refused(tmp_path: Path) -> None:
    path, rng = tmp_path / "a.tif", np.random.default_rng(0)
    tifffile.imwrite(path, np.ones((8, 9, 3), np.uint16), photometric="rgb")
    whole = path.read_bytes()
    for place in rng.integers(8, len(whole) - 8 * 9 * 6, 400):
        path.write_bytes(whole[:place] + rng.bytes(1) + whole[place + 1 :])
        with suppress(UserError):
            read_tiff(path)


def test_bad_footage_is_refused(footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "half.png").write_bytes((footage / "pan" / "frame_0001.png").read_bytes()[:500])
    (tmp_path / "half.exr").write_bytes((footage / "stills" / "frame_0001.exr").read_bytes()[:500])
    np.save(tmp_path / "gray.npy", np.zeros((12, 40, 40), np.uint8))
    (tmp_path / "broken.npy").write_bytes(b"nothing")
    write_frames(tmp_path / "short", pan(5, 2.0))
    write_frames(tmp_path / "tiny", pan(12, 1.0, (24, 40)))
    write_frames(tmp_path / "sizes", [*pan(11, 1.0), *pan(1, 0, (64, 80))])
    write_frames(tmp_path / "nan", [np.full((64, 80, 3), np.nan, np.float32)] * 12, suffix=".exr")
    problems = {
        ("missing",): "--source {path}: No such file or directory",
        ("empty",): "--source {path}: holds no pictures (.exr .hdr .tif .png .jpg), videos",
        ("half.png",): "{path} is damaged or cut short",
        ("half.exr",): "{path} is damaged or is not an OpenEXR picture",
        ("gray.npy",): "{path}: frames are uint8 (count, height, width, 3), not uint8 (12, 40, 40)",
        ("broken.npy",): "{path}: damaged or not a plain array",
        ("short",): "{path} has 5 frames, a sample takes 12 at --subframes_per_frame 32: give more frames",
        ("tiny",): "{path} has 40x24 px, too few for the smallest sample, of 16x16 packed px",
        (
            "tiny",
            "--size",
            "16",
            "32",
        ): "{path} has 40x24 px, --size 16 32 takes 64x32: give a smaller --size",
        (
            "sizes",
            "--kind",
            "video",
        ): "{path}: the frames of a video have one size, not [(64, 80), (96, 128)]",
        ("nan", "--kind", "video"): "{path}/frame_0001.exr holds values that are not finite",
        ("short", "--split", "0.5", "--kind", "video"): "--split 0.5: one scene cannot be split",
        ("short", "--split", "1.5"): "--split 1.5: write Train, Test, or the share",
    }
    for number, ((name, *options), message) in enumerate(problems.items()):
        out = tmp_path / f"set{number}"
        found = refused(["--out", out, "--source", tmp_path / name, *options], monkeypatch)
        assert found.startswith(message.format(path=tmp_path / name)), found
        assert not list(out.glob("*/*/*")), name


def test_scenes_of_one_name_are_refused(
    footage: Path, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_frames(tmp_path / "a" / "pan", pan(12, 2.0))
    write_frames(tmp_path / "b" / "pan", pan(12, 2.0))
    both = ["--source", tmp_path / "a" / "pan", "--source", tmp_path / "b" / "pan"]
    assert [source.name for source in find_sources([both[1], both[3]])] == ["a_pan", "b_pan"]
    message = refused(["--out", tmp_path / "set", *both[:2], *both[:2]], monkeypatch)
    assert message == f"{both[1]} is in two of --source: name it in one"
    write_frames(tmp_path / "c" / "a" / "pan", pan(12, 2.0))
    message = refused(["--out", tmp_path / "set", *both[:2], "--source", tmp_path / "c"], monkeypatch)
    assert message.endswith("are one scene by name: rename one of them")
    again = ["--out", made, *SMALL, "--source"]
    assert "scene pan was made of" in refused([*again, tmp_path / "a" / "pan"], monkeypatch)
    message = refused([*again, footage / "pan", "--split", "Test"], monkeypatch)
    assert message.startswith(f"{made}: scene pan is in Train already")


def test_foreign_folders_and_other_settings_are_refused(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "holiday.txt").write_text("mine")
    refusals = {
        tmp_path / "foreign": "is not empty and was not made by this command",
        tmp_path / "foreign" / "holiday.txt": "is a file",
        made: "was made with",
    }
    for out, message in refusals.items():
        assert refused(["--out", out], monkeypatch).startswith(f"{out} {message}")


def test_a_refused_first_call_spoils_nothing(
    footage: Path, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, source = tmp_path / "set", ["--source", footage / "pan"]
    assert "give a smaller --size" in refused(["--out", out, "--size", "512", "512", *source], monkeypatch)
    sources = {"Train": find_sources([footage / "pan"])}
    assert make_dataset(out, Settings(size=(16, 24)), 1, sources).written == 1
    message = refused(["--out", made, "--seed", "4", "--size", "16", "24", *source], monkeypatch)
    assert message == f"{made} was made with seed 3, not 4: give another folder to --out"


def test_a_scene_is_of_one_colour(footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, stills = tmp_path / "set", footage / "stills"
    sources = {"Train": find_sources([stills], "photographs", "alexa")}
    make_dataset(out, Settings(size=(16, 24)), 1, sources)
    assert {json.loads(line)["alexa"] for line in (out / "manifest.jsonl").read_text().splitlines()} == {True}
    words = ["--out", out, "--source", stills, "--kind", "photographs", "--size", "16", "24"]
    message = refused([*words, "--frames_per_scene", "2"], monkeypatch)
    assert message == f"{out}: scene frame_0001 was made with --colour alexa, not srgb: give it again"


def test_frames_that_cannot_be_left_out_are_refused(tmp_path: Path) -> None:
    write_frames(tmp_path / "sizes", [*pan(2, 1.0), *pan(1, 0, (64, 80))])
    (source,) = find_sources([tmp_path / "sizes"], "video")
    with pytest.raises(UserError, match=r"sizes: the frames of a video have one size, not \[\(64, 80\)"):
        list(leave_one_out(source))
    write_frames(tmp_path / "pan", pan(3, 1.0))
    (source,) = find_sources([tmp_path / "pan"], "video")
    for count in (0, 2):
        with pytest.raises(UserError, match=f"--interpolator: gave {count} frames for 1 times"):
            list(leave_one_out(source, lambda first, _second, _times, n=count: [first] * n))
    assert [score.number for score in leave_one_out(source)] == [2]
