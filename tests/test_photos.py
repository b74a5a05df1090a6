"""The two doors for one's own photographs: restore.py, and `import bracketeer`."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import bracketeer
import restore
from data.photos import Scene, read_scene, reading_options, scene_of_arrays
from data.results import Results
from models.expectation import Expectation
from tests.photo_files import make_dng, make_scene
from tests.programs import Result, run
from tests.test_folder import write_stack
from tests.test_locks import holder
from util.errors import UserError
from util.imaging.images import read_picture
from util.imaging.radiance_exr import read_exr
from util.tiling import TILES, WHOLE_FRAME

ROOT = Path(__file__).resolve().parents[1]
SMALL = ROOT / "ckpt" / "small" / "TMRNet_model_small.pth"


def restored(*words: object) -> Result:
    return run("restore.py", *words, "--gpu_ids", -1)


def files_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def grey_scene(folder: Path, level: float = 0.05) -> Path:
    """Three raw files of grey light, `level` of the shortest frame's white."""
    folder.mkdir(parents=True)
    balance = np.array([[0.5, 1.0], [1.0, 0.6]])  # of an RGGB cell
    for number, exposure in enumerate((1, 4, 16), 1):
        cells = np.clip(np.tile(level * exposure * balance, (40, 60)), 0, 1)
        make_dng(
            folder / f"{number}.dng",
            np.round(64 + 959 * cells).astype(np.uint16),
            exposure_time=exposure / 100,
        )
    return folder


# restore.py


def test_results_lie_beside_the_photographs(tmp_path: Path) -> None:
    folder = grey_scene(tmp_path / "night")
    ended = restored(folder)
    assert ended.status == 0, ended.err
    assert files_of(folder / "restored") == ["night.exr", "night.png", "night_sheet.png", "restored.json"]
    light, picture = (
        read_exr(folder / "restored" / "night.exr"),
        read_picture(folder / "restored" / "night.png"),
    )
    assert light.shape == picture.shape == (80, 120, 3) and picture.dtype == np.uint16
    assert_allclose(np.median(light, axis=(0, 1)), 0.05 * 16, rtol=0.03)
    _, first, last = ended.out.splitlines()
    assert re.match(r"night: 3 raw files of 0.0 MP by MergeUNet(?: in bf16)?: about .* GB of memory", first)
    assert last.endswith(f"in {folder / 'restored'}: night.exr, night.png, night_sheet.png")
    assert "psnr" not in ended.out + ended.err and "ground truth" not in ended.out + ended.err
    assert restored(folder).status == 0, "results are no photographs"
    assert len(files_of(folder / "restored")) == 4


def test_folders_of_one_name_do_not_mix(tmp_path: Path) -> None:
    out, words = tmp_path / "out", ("--save_hdr", "none")
    levels = {"a": 0.02, "b": 0.05}
    for parent, level in levels.items():
        assert restored(grey_scene(tmp_path / parent / "raw", level), "--out", out, *words).status == 0
    assert files_of(out) == ["raw.png", "raw_2.png", "raw_2_sheet.png", "raw_sheet.png", "restored.json"]
    record = json.loads((out / "restored.json").read_text())
    assert {name: note["photos"] for name, note in record.items()} == {
        "raw": str(tmp_path / "a" / "raw"),
        "raw_2": str(tmp_path / "b" / "raw"),
    }
    before = {name: (out / name).read_bytes() for name in ("raw.png", "raw_2.png")}
    assert (
        restored(tmp_path / "b" / "raw", "--out", out, *words, "--ev", "-3", "--tonemap", "exposure").status
        == 0
    )
    assert (out / "raw.png").read_bytes() == before["raw.png"]
    assert (out / "raw_2.png").read_bytes() != before["raw_2.png"] and len(files_of(out)) == 5


def test_foreign_files_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "night.png").write_bytes(b"mine")
    results = Results(tmp_path)
    assert results.name("night", tmp_path / "photos" / "night") == "night_2"
    results.add("day_sheet", tmp_path / "photos" / "day_sheet")
    assert results.name("day", tmp_path / "photos" / "day") == "day_2"


def test_one_at_a_time_writes_results(tmp_path: Path, monkeypatch) -> None:
    """The record is read by who owns it, and its lock is no photograph."""
    folder, out = grey_scene(tmp_path / "a"), tmp_path / "a" / "restored"
    monkeypatch.setattr("sys.argv", ["restore.py", str(folder)])
    process, _ = holder(out)
    with pytest.raises(
        UserError, match=rf"^{out} is in use by process \d+ .*: give another folder to --out$"
    ):
        restore.main()
    assert not out.exists()
    process.communicate("")
    found = []
    monkeypatch.setattr(restore, "restore_all", lambda request, results: found.append((request, results)))
    restore.main()
    assert found[0][0].scenes == [folder] and found[0][1].folder == out
    assert not list(folder.glob(".*"))


def test_a_folder_of_scenes_goes_on_after_a_damaged_one(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        grey_scene(tmp_path / name)
    (tmp_path / "b" / "2.dng").write_bytes(b"II*\0" + bytes(99))
    ended = restored(tmp_path, "--save_hdr", "none")
    assert ended.status == 2 and "error: " in ended.err and "2.dng" in ended.err
    assert files_of(tmp_path / "restored") == [
        "a.png",
        "a_sheet.png",
        "c.png",
        "c_sheet.png",
        "restored.json",
    ]
    again = restored(tmp_path, "--max_dataset_size", 1)
    assert again.status == 0 and "restored:" not in again.out.split(":")[0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "which photographs?"),
        (("--out", "x"), "which photographs?"),
        (("{root}/missing",), "missing is not a folder"),
        (("{root}",), "holds no pictures"),
        (("{root}/a", "--out", "{root}/a/1.dng"), "1.dng is a file: name a folder"),
        (("{root}/a", "--tonmap", "mu_law"), "unknown option --tonmap"),
        (("{root}/a", "--out", "{root}/a"), "holds photographs"),
        (("{root}/a", "--out", "{root}/a/1.dng/x"), "cannot make"),
        (("{root}/a", "--name", "my_run"), "--name: a scene is restored by --net and --load_path"),
        (("{root}/a", "--config=run.yml"), "not by a run's record"),
        (("{root}/a", "--net", "tmrnet"), "--net tmrnet needs weights"),
        (("{root}/a", "--load_path", "{root}/none.pth"), "no checkpoint"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    if any("/a" in word for word in words):
        grey_scene(tmp_path / "a")
    ended = restored(*(word.format(root=tmp_path) for word in words))
    lines = [line for line in ended.err.splitlines() if not line.startswith("no GPU")]
    assert ended.status == 2 and len(lines) == 1, ended.err
    assert lines[0].startswith("error: ") and message in lines[0]


def test_what_is_wrong_with_photographs_is_known_without_pytorch(tmp_path: Path) -> None:
    """They are opened, read and refused before the import that takes seconds."""
    folder = grey_scene(tmp_path / "a")
    (folder / "2.dng").write_bytes((folder / "2.dng").read_bytes()[:2000])
    code = f"import sys; sys.argv = ['restore.py', {str(folder)!r}]; import restore, atexit\n"
    code += "atexit.register(lambda: print('torch' in sys.modules))\nraise SystemExit(restore.main())"
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2 and "2.dng" in ended.stderr and ended.stdout.strip() == "False", ended.stderr


def test_brackets_as_in_training_are_restored_by_the_small_network(tmp_path: Path) -> None:
    folder = make_scene(tmp_path / "five", (1, 4, 16, 64, 256))
    assert "by MergeUNet" in restored(folder).out
    assert "by ExposureMerge" in restored(folder, "--net", "exposure_merge").out


@pytest.mark.parametrize("times", [(1, 4, 16, 64, 256), (1, 4, 16), (1, 2, 4, 8, 16), (1, 8)])
def test_shipped_weights_are_for_raw_brackets_of_all_kinds(tmp_path: Path, times: tuple) -> None:
    assert read_scene(make_scene(tmp_path / "night", times), reading_options()).is_raw_bracket


def test_shipped_weights_are_not_for_developed_pictures(tmp_path: Path) -> None:
    folder = write_stack(tmp_path / "stack", (0.001, 0.004, 0.016, 0.064, 0.256))
    assert not read_scene(folder, reading_options()).is_raw_bracket


def test_the_script_takes_paths_from_where_it_is_called(tmp_path: Path) -> None:
    write_stack(tmp_path / "photos" / "a")
    script = ROOT / "syn_bash" / "restore_photos.sh"
    words = ["bash", script, "photos/a", "--out", "results", "--gpu_ids", "-1"]
    assert (ROOT / ".venv").is_dir() or pytest.skip("the script would make an environment")
    ended = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert files_of(tmp_path / "results") == ["a.exr", "a.png", "a_sheet.png", "restored.json"]


# How long it takes


def test_the_bar_moves_by_expected_time() -> None:
    expected = Expectation({WHOLE_FRAME: 30.0, TILES: 10.0}, 0)
    assert expected.total == 40
    shares = [
        expected.share(*told) for told in ((WHOLE_FRAME, 0.5), (WHOLE_FRAME, 1.0), (TILES, 0.5), (TILES, 1))
    ]
    assert_allclose(shares, (0.375, 0.75, 0.875, 1))


@pytest.mark.parametrize("weights", [None, SMALL])
def test_time_memory_and_progress_are_told(weights: Path | None) -> None:
    rng = np.random.default_rng(0)
    scene = scene_of_arrays(rng.random((3, 90, 100, 4)), (1, 4, 16))
    restorer, told = bracketeer.load(weights, gpu_ids=-1, tile=64), []
    expected = restorer.expect(scene)
    assert 0.01 < expected.total < 100 and all(seconds >= 0 for seconds in expected.seconds.values())
    assert sys.platform != "linux" or 1e8 < expected.memory < 2e10
    restorer.restore(scene, lambda part, done: told.append((part, done)))
    parts = [part for part, _ in told]
    assert parts == sorted(parts, key=[WHOLE_FRAME, TILES].index) and told[-1] == (TILES, 1.0)
    assert weights or parts.count(WHOLE_FRAME) == 2  # frames besides the reference
    tiles = [done for part, done in told if part == TILES]
    assert len(tiles) > 2 and tiles == sorted(tiles)


def test_frames_that_need_not_be_kept_take_no_memory(monkeypatch) -> None:
    monkeypatch.setattr("models.restorer.expect", lambda *_: Expectation({}, 1_000_000))
    scene = scene_of_arrays(np.random.default_rng(0).random((3, 40, 50, 4)), (1, 4, 16))
    restorer = bracketeer.load(gpu_ids=-1)
    assert restorer.expect(scene).memory == 1_000_000
    assert restorer.expect(scene, keep=False).memory == 1_000_000 - 4 * 3 * 40 * 50 * 4


# From a program


def test_four_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines of the module's docstring, on raw files, and by the weights that come with the project."""
    make_scene(tmp_path / "photos" / "night", (1, 4, 16, 64, 256))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.pth").symlink_to(SMALL)
    lines = [line for line in bracketeer.__doc__.splitlines() if line.startswith("    ")]
    assert len(lines) == 4
    exec("\n".join(line.strip() for line in lines))
    light = read_exr(tmp_path / "night.exr")
    assert (
        light.shape == read_picture(tmp_path / "night.png").shape == (30, 42, 3) and np.isfinite(light).all()
    )


def test_arrays_are_restored_as_the_files_are(tmp_path: Path) -> None:
    folder = grey_scene(tmp_path / "night")
    read = bracketeer.read(folder)
    arrays = bracketeer.scene(read.frames.transpose(0, 2, 3, 1)[::-1], (16, 4, 1), read.meta)
    assert_array_equal(arrays.frames, read.frames)
    assert_allclose(arrays.exposure, read.exposure)
    merge = bracketeer.load(gpu_ids="-1")
    assert_array_equal(merge.restore(read).light(), merge.restore(arrays).light())
    assert_array_equal(read.frames, bracketeer.read(folder).frames)  # not changed by restoring
    picture, sheet = merge.restore(read).picture("exposure", -2), merge.restore(read).sheet()
    assert picture.dtype == np.uint16 and sheet.dtype == np.uint8 and sheet.shape[2] == 3
    expected = merge.restore(read).light()
    used = bracketeer.read(folder)
    assert_array_equal(merge.restore(used, keep=False).light(), expected)
    assert (used.frames != read.frames).any()  # it worked in their place, which is what saves memory


def test_linear_pictures_keep_their_light() -> None:
    light = np.full((40, 50, 3), (0.04, 0.02, 0.01))
    frames = np.stack([np.clip(light * exposure, 0, 1) for exposure in (1, 4, 16)])
    image = bracketeer.load(gpu_ids=-1).restore(bracketeer.scene(frames, (0.01, 0.04, 0.16)))
    assert_allclose(np.median(image.light(), axis=(0, 1)), (0.64, 0.32, 0.16), rtol=0.05)


@pytest.mark.parametrize(
    ("frames", "exposures", "message"),
    [
        (np.zeros((2, 8, 8)), (1, 2), "frames are"),
        (np.zeros((2, 8, 8, 3)), (1, 2, 3), "2 frames need as many exposures"),
        (np.zeros((2, 8, 8, 3)), (1, 0), "above 0"),
        (np.full((2, 8, 8, 4), 1023), (1, 4), "divide by the largest code"),
        (np.full((2, 8, 8, 4), np.nan), (1, 4), "must be finite"),
    ],
)
def test_arrays_that_cannot_be_frames(frames: np.ndarray, exposures: tuple, message: str) -> None:
    with pytest.raises(UserError, match=message):
        bracketeer.scene(frames, exposures)


def test_mistakes_in_a_program(tmp_path: Path) -> None:
    grey_scene(tmp_path / "a")
    grey_scene(tmp_path / "b")
    merge = bracketeer.load(gpu_ids=-1)
    for call, message in (
        (lambda: bracketeer.read(tmp_path / "missing"), "is not a folder"),
        (lambda: bracketeer.read(tmp_path), "holds 2 scenes"),
        (lambda: bracketeer.read(tmp_path / "a", respons="srgb"), "no option respons"),
        (lambda: bracketeer.read(tmp_path / "a", response="log"), "unknown response 'log'"),
        (lambda: bracketeer.read(tmp_path / "a", border=-3), "expected a whole number"),
        (lambda: bracketeer.load(tmp_path / "none.pth"), "no checkpoint"),
        (lambda: bracketeer.load(net="unett"), "unknown network 'unett'"),
        (
            lambda: merge.restore(bracketeer.read(tmp_path / "a")).write("x.jpg"),
            "not as .jpg",
        ),
    ):
        with pytest.raises(bracketeer.UserError, match=message):
            call()


def test_a_programs_own_modules_are_told_apart(tmp_path: Path) -> None:
    """A notebook's folder often has a folder data; what was imported before cannot be told apart."""
    (tmp_path / "data").mkdir()
    (tmp_path / "util.py").write_text("mine = 1")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    find = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
    for code, fails in ((find + "import bracketeer", False), (find + "import util, bracketeer", True)):
        ended = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
        )
        assert (ended.returncode != 0) is fails, ended.stderr
        assert not fails or "bracketeer needs its own module 'util'" in ended.stderr


@pytest.mark.parametrize("name", [*bracketeer.SCRIPTS, *bracketeer.MODULES])
def test_the_command_hands_its_words_on(name: str) -> None:
    ended = run("bracketeer.py", name, "-h")
    assert ended.status == 0 and ended.out.startswith("usage: ") and "--" in ended.out, ended.err


def test_an_unknown_command() -> None:
    ended = run("bracketeer.py", "trian")
    assert (ended.status, ended.err.splitlines()[-1]) == (
        2,
        f"error: unknown command 'trian'; known: {', '.join([*bracketeer.SCRIPTS, *bracketeer.MODULES])}",
    )


def test_weights_for_raw_frames_refuse_developed_ones(tmp_path: Path) -> None:
    write_stack(tmp_path / "night")
    ended = restored(tmp_path / "night", "--load_path", restore.BRACKETS)
    assert ended.status == 2 and ended.err.count("\n") == 1, ended.err
    assert "was trained with planes per frame 4" in ended.err and "has 3: --any_protocol True" in ended.err
    assert restored(tmp_path / "night", "--load_path", restore.BRACKETS, "--any_protocol", True).status == 0
    pictures = restore.BRACKETS.with_name("MergeUNet_model_pictures.pth")
    assert restored(tmp_path / "night", "--load_path", pictures).status == 0


def test_a_scene_says_what_it_is() -> None:
    scene = Scene("a", np.zeros((3, 4, 500, 1000), np.float32), np.ones(3, np.float32))
    assert scene.is_raw and scene.megapixels == 2 and scene.is_raw_bracket
