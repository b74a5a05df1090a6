"""Synthetic data sets: what a sample holds, which samples there are, what is refused, what reading costs."""

import os
import pickle
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from data import create_dataset
from data.reading.arrays import MappedArray, read_metadata
from data.reading.block_cache import BLOCK, BlockCache, Content
from tests.bracket_sets import EXPOSURES, draw, make_set, options, whole_sample, write_sample
from util.errors import UserError
from util.imaging.bayer import pack, unpack

MIN_RATIO = 4  # machines differ in what fresh memory costs: 7 to 19 were measured


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_set(tmp_path_factory.mktemp("set"), (60, 72))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Inputs of 144 x 200, so that x4 inputs are 36 x 50 and blocks of 64 px meet inside."""
    return make_set(tmp_path_factory.mktemp("large"), (144, 200), train=1)


def find(whole: np.ndarray, patch: np.ndarray) -> tuple[int, int]:
    """Where `patch` (..., h, w) was cut from `whole` (..., H, W), which holds it once."""
    height, width = (a - b + 1 for a, b in zip(whole.shape[-2:], patch.shape[-2:], strict=True))
    corner = whole[..., :height, :width].reshape(-1, height, width)
    start = patch[..., 0, 0].reshape(-1, 1, 1)
    places = np.argwhere((corner == start).all(0))
    assert len(places) == 1
    return int(places[0][0]), int(places[0][1])


# Reading


@pytest.mark.parametrize("window", [(0, 0, 60, 72), (3, 5, 16, 9), (44, 56, 16, 16), (59, 71, 1, 1)])
def test_window_is_a_slice_of_the_file(root: Path, window: tuple[int, int, int, int]) -> None:
    path = root / "Train" / "a" / "000000" / "raw_gt.npy"
    top, left, height, width = window
    part = np.empty((height, width, 4), np.float32)
    MappedArray(path, "float32", 4).read(top, left, part)
    assert_array_equal(part, np.load(path)[top : top + height, left : left + width])


@pytest.mark.parametrize(
    ("name", "augment", "expected"),
    [("syn", "cfa", True), ("syn", "published", False), ("synplus", "none", False)],
)
def test_reduced_and_mirrored_planes_are_no_mosaic(
    root: Path, name: str, augment: str, expected: bool
) -> None:
    opt = options(root, dataset_name=name, augment=augment, patch_size=4)
    assert create_dataset(opt, "train").task.mosaic == expected


@pytest.mark.parametrize(
    ("name", "inputs", "margin", "patch"), [("syn", ".", 10, 16), ("synplus", "x4", 4, 8)]
)
def test_patch_is_a_slice_of_the_files(large: Path, name: str, inputs: str, margin: int, patch: int) -> None:
    dataset = create_dataset(options(large, dataset_name=name, patch_size=patch), "train")
    scale = dataset.task.scale
    tops, lefts = set(), set()
    for position in range(60):
        index = position % len(dataset)
        frames, target = whole_sample(dataset.folders[index], inputs)
        sample = dataset[draw(index, position)]
        assert sample["frames"].shape == (5, 4, patch, patch) and sample["frames"].dtype == torch.float32
        top, left = find(frames, sample["frames"].numpy())
        assert_array_equal(sample["frames"], frames[..., top : top + patch, left : left + patch])
        assert sample["gt"].shape == (4, scale * patch, scale * patch)
        rows, columns = (slice(scale * start, scale * (start + patch)) for start in (top, left))
        assert_array_equal(sample["gt"], target[:, rows, columns])
        tops.add(top)
        lefts.add(left)
    height, width = frames.shape[-2:]
    assert min(tops | lefts) >= margin
    assert max(tops) <= height - margin - patch and max(lefts) <= width - margin - patch
    assert len(tops) > 15 and len(lefts) > 15


def test_sample_states_exposure_and_names(root: Path) -> None:
    sample = create_dataset(options(root), "train")[draw(4)]
    assert sample["exposure"].tolist() == [1 / 16, 1 / 4, 1, 4, 16]
    assert sample["name"] == "b-000001"
    short = create_dataset(options(root, frame_num=3), "train")[draw(4)]
    assert short["frames"].shape[0] == 3 and short["exposure"].tolist() == [1 / 16, 1 / 4, 1]
    assert_array_equal(short["frames"], sample["frames"][:3])


@pytest.mark.parametrize("cfa", ["RGGB", "GRBG", "GBRG", "BGGR"])
def test_pack_and_unpack(cfa: str) -> None:
    mosaic = np.random.default_rng(0).uniform(size=(3, 10, 14)).astype(np.float32)
    planes = pack(mosaic, cfa)
    assert planes.shape == (3, 4, 5, 7)
    assert_array_equal(unpack(planes, cfa), mosaic)
    for plane, place in zip(planes[0], place_of_planes(cfa), strict=True):
        assert_array_equal(plane, mosaic[0, place[0] :: 2, place[1] :: 2])


def place_of_planes(cfa: str) -> list[tuple[int, int]]:
    """(row, column) in a cell of R, of G beside R, of G beside B, and of B."""
    red, blue = divmod(cfa.index("R"), 2), divmod(cfa.index("B"), 2)
    return [red, (red[0], blue[1]), (blue[0], red[1]), blue]


# Splits and crops


def test_hidden_folders_are_no_samples(root: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(root, tmp_path / "set"))
    for hidden in ("Train/.cache/000000", "Train/a/.000009.partial"):
        shutil.copytree(copy / "Train" / "a" / "000000", copy / hidden)
    (copy / "Train" / "notes.txt").touch()
    dataset = create_dataset(options(copy), "train")
    names = [f"{folder.parent.name}-{folder.name}" for folder in dataset.folders]
    assert names == [f"{scene}-{frame:06d}" for scene in "ab" for frame in range(3)]


def test_validation_takes_every_20th_sample_of_each_scene(tmp_path: Path) -> None:
    for scene, count in (("a", 41), ("b", 20)):
        for frame in range(count):
            (tmp_path / "Test" / scene / f"{frame:06d}").mkdir(parents=True)
    validation = create_dataset(options(tmp_path), "val")
    names = [f"{folder.parent.name}-{folder.name}" for folder in validation.folders]
    assert names == ["a-000000", "a-000020", "a-000040", "b-000000"]
    assert len(create_dataset(options(tmp_path), "test")) == 61
    assert len(create_dataset(options(tmp_path, max_dataset_size=2), "val")) == 2


@pytest.mark.parametrize(
    ("name", "split", "rows", "columns"),
    [
        ("syn", "val", (10, 138), (10, 522)),
        ("syn", "test", (5, 143), (5, 535)),
        ("synplus", "val", (4, 132), (4, 132)),
        ("synplus", "test", (2, 35), (2, 133)),
    ],
)
def test_crops_are_the_published_ones(
    tmp_path: Path, name: str, split: str, rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    write_sample(tmp_path / "Test" / "a" / "000000", 0, (148, 540))
    dataset = create_dataset(options(tmp_path, dataset_name=name), split)
    frames, target = whole_sample(dataset.folders[0], dataset.inputs)
    rows, columns = (slice(*part) for part in (rows, columns))
    if name == "synplus" and split == "test":
        assert frames.shape[2:] == (37, 135)
    sample = dataset[0]
    assert_array_equal(sample["frames"], frames[..., rows, columns])  # a slice stops at the frame's edge
    fine_rows, fine_columns = (slice(4 * p.start, 4 * p.stop) for p in (rows, columns))
    expected = target[:, fine_rows, fine_columns] if name == "synplus" else target[:, rows, columns]
    assert_array_equal(sample["gt"], expected)
    assert sample["scene"] == "a" and sample["frame"] == "000000" and sample["name"] == "a-000000"
    assert sample["meta"]["white_balance"].tolist() == [2.0, 1.0, 1.5]
    assert sample["meta"]["cam2rgb"].tolist() == torch.eye(3).tolist() and sample["meta"]["cfa"] == "RGGB"


def test_border_follows_the_protocol(root: Path, tmp_path: Path) -> None:
    for name, border in (("syn", 10), ("synplus", 16)):
        opened = create_dataset(options(root, dataset_name=name, protocol="paper"), "test")
        assert opened.border == border
        assert create_dataset(options(root, dataset_name=name), "val").border == 0
        challenge = create_dataset(options(root, dataset_name=name, protocol="ntire2024"), "test")
        assert challenge.border == 0
        assert challenge[0]["frames"].shape[2:] == ((60, 72) if name == "syn" else (15, 18))


def test_challenge_packaging_is_used_where_it_exists(root: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(root, tmp_path / "set"))
    shutil.copytree(copy / "Test" / "b", copy / "NTIRE_Val" / "n")
    (copy / "NTIRE_Val" / "n" / "000000" / "raw_gt.npy").unlink()
    challenge = create_dataset(options(copy, protocol="ntire2024"), "test")
    assert [folder.parent.name for folder in challenge.folders] == ["n"]
    assert "gt" not in challenge[0] and challenge.picture(0) is None
    paper = create_dataset(options(copy, protocol="paper"), "test")
    assert [folder.parent.name for folder in paper.folders] == ["a", "b"]


# What is refused


def test_real_metadata_is_admitted(tmp_path: Path) -> None:
    real = {
        "rgb2cam": np.eye(3, dtype=np.float32),
        "red_gain": np.float32([1.877]),
        "scalar": np.float32(2),
        "name": "x",
        "nested": {"numbers": [1, 2.5, None, True]},
    }
    np.save(tmp_path / "metadata.npy", np.array(real, dtype=object))
    content = read_metadata(tmp_path / "metadata.npy")
    assert content.keys() == real.keys() and content["nested"] == real["nested"]
    assert content["red_gain"][0] == np.float32(1.877) and content["scalar"] == 2
    header = (tmp_path / "metadata.npy").read_bytes().partition(b"\x80")[0]
    older = pickle.dumps(np.array(real, dtype=object), protocol=3).replace(b"numpy._core", b"numpy.core")
    (tmp_path / "older.npy").write_bytes(header + older)  # as NumPy 1 wrote the published files
    assert read_metadata(tmp_path / "older.npy")["red_gain"][0] == np.float32(1.877)


class Command:
    """Unpickles as the result of a call."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple:
        return self.call


@pytest.mark.parametrize("function", [os.system, exec, getattr, np.load, pickle.loads])
def test_malicious_metadata_is_refused_and_not_run(tmp_path: Path, function: object) -> None:
    victim = tmp_path / "victim"
    path = tmp_path / "metadata.npy"
    np.save(path, np.array({"red_gain": Command(function, f"touch {victim}")}, dtype=object))
    with pytest.raises(UserError, match=r"unsafe metadata: it asks for .*not opened") as error:
        read_metadata(path)
    assert str(path) in str(error.value) and not victim.exists()


@pytest.mark.parametrize("length", [0, 5, 11, 60, 200])
def test_damaged_metadata_is_named(root: Path, tmp_path: Path, length: int) -> None:
    path = tmp_path / "metadata.npy"
    path.write_bytes((root / "Train" / "a" / "000000" / "metadata.npy").read_bytes()[:length])
    with pytest.raises(UserError, match=r"metadata\.npy"):
        read_metadata(path)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda path: path.unlink(), "no such file"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "damaged"),
        (lambda path: path.write_bytes(b""), "damaged"),
        (
            lambda path: np.save(path, np.zeros((60, 72, 3), np.uint16)),
            r"uint16 of shape \(H, W, 4\)",
        ),
        (lambda path: np.save(path, np.zeros((60, 72, 4), np.int32)), "found int32"),
        (lambda path: np.save(path, np.zeros((60, 70, 4), np.uint16)), r"shape \(60, 70, 4\)"),
        (lambda path: np.save(path, np.array({}, dtype=object)), "not a plain array"),
    ],
)
def test_damaged_array_is_named(root: Path, tmp_path: Path, change, text: str) -> None:
    copy = Path(shutil.copytree(root, tmp_path / "set"))
    path = copy / "Train" / "a" / "000000" / "raw_16.npy"
    change(path)
    with pytest.raises(UserError, match=text) as error:
        create_dataset(options(copy), "train")[draw(0)]
    assert str(path) in str(error.value)
    spared = create_dataset(options(copy, skip_damaged=True), "train")[draw(0)]
    assert spared["name"] == "a-000001"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"frame_num": 6}, "--frame_num 6"),
        ({"patch_size": 41}, "--patch_size 41 is larger than the 40 px"),
        ({"dataroot": "/nonexistent"}, "not a folder; expected there: Train/"),
    ],
)
def test_impossible_options_are_refused(root: Path, changes: dict, text: str) -> None:
    with pytest.raises(UserError, match=text):
        create_dataset(options(root, **changes), "train")


# What it costs


def sparse_set(root: Path, count: int) -> None:
    """Samples of full size that take no room on the disk."""
    for frame in range(count):
        folder = root / "Train" / f"{frame // 20:02d}" / f"{frame:06d}"
        folder.mkdir(parents=True)
        shapes = {f"raw_{exposure}": np.uint16 for exposure in EXPOSURES} | {"raw_gt": np.float32}
        for name, dtype in shapes.items():
            path = folder / f"{name}.npy"
            np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=(540, 960, 4))


def resident() -> float:
    """Memory of this process in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="resident memory is read from /proc")
def test_start_and_memory_do_not_grow_with_the_data(tmp_path: Path) -> None:
    sparse_set(tmp_path, 100)
    before, start = resident(), time.perf_counter()
    dataset = create_dataset(options(tmp_path, patch_size=128), "train")
    seconds = time.perf_counter() - start
    assert len(dataset) == 100
    opened = resident() - before
    for index in range(100):
        dataset[draw(index, index)]
    read = resident() - before
    print(
        f"100 samples: opened in {seconds * 1e3:.1f} ms, +{opened:.1f} MB, after 100 patches +{read:.1f} MB"
    )
    assert seconds < 1 and opened < 100 and read < 100


def published_patch(frames: list[np.ndarray], target: np.ndarray) -> tuple[list, np.ndarray]:
    """What the published loader does for a patch of a sample that it holds in memory."""
    planes = [np.transpose(frame.astype(np.float32) / 1023, (2, 0, 1)) for frame in frames]
    cut = (slice(None), slice(100, 228), slice(200, 328))
    return [np.ascontiguousarray(plane[cut]) for plane in planes], np.transpose(target, (2, 0, 1))[cut].copy()


def fastest(function: Callable[[int], object], times: int) -> float:
    """Shortest of so many calls in ms: what else the machine does only adds to it."""
    durations = []
    for number in range(times):
        start = time.perf_counter()
        function(number)
        durations.append(1e3 * (time.perf_counter() - start))
    return min(durations)


def test_a_patch_costs_a_fraction_of_converting_whole_frames(tmp_path: Path) -> None:
    sparse_set(tmp_path, 1)
    folder = tmp_path / "Train" / "00" / "000000"
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 1024, (540, 960, 4), dtype=np.uint16) for _ in EXPOSURES]
    target = rng.uniform(0, 16, (540, 960, 4)).astype(np.float32)
    for exposure, frame in zip(EXPOSURES, frames, strict=True):
        np.save(folder / f"raw_{exposure}.npy", frame)
    np.save(folder / "raw_gt.npy", target)
    dataset = create_dataset(options(tmp_path, patch_size=128, augment="published"), "train")
    own = fastest(lambda number: dataset[draw(0, number, batch=number)], 60)
    published = fastest(lambda _: published_patch(frames, target), 15)
    print(f"patch: {own:.2f} ms, from whole frames {published:.2f} ms, ratio {published / own:.1f}")
    assert published / own > MIN_RATIO


# Block cache


@pytest.mark.parametrize(
    "shorten", ["nothing left", "no block left", "a row lost", "a byte lost", "a byte more"]
)
def test_a_copy_of_another_length_is_written_again(tmp_path: Path, shorten: str) -> None:
    rng = np.random.default_rng(0)
    raw = rng.integers(0, 1000, (2, BLOCK + 6, BLOCK + 3, 4), np.uint16)  # 2 x 2 blocks
    content = Content(raw, rng.random(raw.shape[1:], np.float32))
    (tmp_path / "set/sample").mkdir(parents=True)
    (tmp_path / "set/sample/source").write_text("measured")
    cache = BlockCache(str(tmp_path / "cache"), tmp_path / "set", ".", frames=2, scale=1)
    calls = []

    def read() -> Content:
        given = tmp_path / "set/sample", [tmp_path / "set/sample/source"]
        return cache.read(*given, lambda: calls.append(1) or content, BLOCK - 5, 1, 9, BLOCK)

    read()
    (path,) = (tmp_path / "cache").rglob("*.blocks")
    size = path.stat().st_size
    left = {"nothing left": 0, "no block left": 40, "a row lost": size // 2, "a byte lost": size - 1}
    with path.open("r+b") as file:
        file.truncate(left.get(shorten, size + 1))
    for _ in range(2):
        window = read()
        assert_array_equal(window.raw, raw[:, BLOCK - 5 : BLOCK + 4, 1 : BLOCK + 1])
        assert_array_equal(window.target, content.target[BLOCK - 5 : BLOCK + 4, 1 : BLOCK + 1])
    assert len(calls) == 2 and path.stat().st_size == size
