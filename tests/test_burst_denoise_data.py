"""Bursts for denoising: made of photographs, and read from the published files."""

import argparse
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from data import create_dataset
from data.base_dataset import BaseDataset
from data.draws import Draw
from data.simulate import burst_noise
from data.simulate.burst_noise import Geometry, clean_frames, random_part, take_noisy_burst
from data.simulate.denoising_sets import GAINS, LOWER
from data.simulate.settings import Settings
from data.simulate.unprocessing import NoiseLevels
from tests.denoising_sets import arrays_of, changed, simulate, write_photographs
from util.errors import UserError
from util.imaging.images import read_picture, write_png16

COLOURS = ("color", "grayscale")
SMALL = Geometry((24, 20), small=1, large=4)


def rng(seed: int = 5) -> np.random.Generator:
    return np.random.default_rng(seed)


def options(root: Path, **changes) -> argparse.Namespace:
    usual = {"dataroot": root, "max_dataset_size": None, "frame_num": 3, "patch_size": 24, "is_train": True}
    usual |= {"colors": "color", "noise_level": "all", "pre_downsample": 4, "skip_damaged": False}
    usual |= {"small_jitter": 2, "large_jitter": 4, "small_images": "mirror"}
    return argparse.Namespace(**usual | changes)


def opened(name: str, split: str, root: Path, **changes) -> BaseDataset:
    return create_dataset(options(root, dataset_name=name, **changes), split)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photographs(tmp_path_factory.mktemp("photographs"))


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(tmp_path_factory.mktemp("simulated") / "set")


# Made of photographs


def codes_of(size: tuple[int, int] = (160, 150), seed: int = 5) -> np.ndarray:
    return rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def test_a_frame_is_the_mean_of_squares_in_linear_light() -> None:
    part = codes_of(SMALL.part)
    places = np.array([[16, 16], [0, 3], [32, 31]])
    frames = clean_frames(part, SMALL, places)
    for frame, (top, left) in zip(frames, places, strict=True):
        cut = part[top : top + 96, left : left + 80].astype(np.float64) / 255
        coded = cut.reshape(24, 4, 20, 4, 3).mean(axis=(1, 3))
        assert_allclose(frame, coded.transpose(2, 0, 1) ** 2.2, rtol=2e-6)
    gray = clean_frames(part, SMALL, places, gray=True)
    coded = (frames.astype(np.float64) ** (1 / 2.2)).mean(axis=1, keepdims=True)
    assert_allclose(gray, coded**2.2, rtol=5e-6)
    deep = clean_frames(part.astype(np.uint16) * 257, SMALL, places)
    assert_allclose(deep, frames, rtol=2e-6)


def test_shifts_are_the_flow_to_the_base() -> None:
    part = cv2.GaussianBlur(codes_of(SMALL.part), (0, 0), 3)
    places = np.array([[16, 16], [16 + 8, 16 - 4]])
    base, frame = clean_frames(part, SMALL, places)
    x, y = SMALL.shifts(places)[1]
    assert (x, y) == (-1, 2)
    assert_array_equal(frame[:, :-2, 1:], base[:, 2:, :-1])  # frame(p) = base(p + flow)


def test_frames_move_mostly_little_and_at_times_far() -> None:
    geometry = Geometry((8, 8))
    places = [geometry.draw(rng(seed), 9) for seed in range(3000)]
    assert all((first[0] == geometry.centre).all() for first in places)
    moved = np.stack([geometry.shifts(drawn)[1:] for drawn in places])
    assert np.abs(moved).max() <= 16
    assert (moved * 4 == np.rint(moved * 4)).all()
    far = np.abs(moved).max(axis=2) > 2
    share = np.minimum(rng().poisson(1.5, 100_000) / 8, 1).mean() * (1 - (17 / 129) ** 2)
    assert far.mean() == pytest.approx(share, abs=0.01)
    assert 0.1 < (far.sum(axis=1) == 0).mean() < 0.4  # of bursts: the share is drawn for each
    assert_array_equal(geometry.draw(rng(3), 4), places[3][:4])


@pytest.mark.parametrize("gain", GAINS)
@pytest.mark.parametrize("gray", [False, True])
def test_noise_follows_the_law_at_each_gain(gain: int, gray: bool) -> None:
    read, shot = GAINS[gain]
    levels = NoiseLevels(10**shot, 10 ** (2 * read))
    codes = np.repeat(np.linspace(20, 235, 8).astype(np.uint8), 80)[None, :, None].repeat(640, 0).repeat(3, 2)
    geometry = Geometry((128, 128), large=16)
    taken = take_noisy_burst(codes, geometry, 4, rng(), gray=gray, levels=levels)
    noise = taken.frames[0] - taken.gt
    for value in np.unique(taken.gt):
        here = noise[taken.gt == value]
        if here.size > 2000:
            law = 10 ** (2 * read) + 10**shot * value
            assert here.var() == pytest.approx(law, rel=6 * np.sqrt(2 / here.size))
            assert abs(here.mean()) < 5 * np.sqrt(law / here.size)
    estimate = np.sqrt(10 ** (2 * read) + 10**shot * np.maximum(taken.frames, 0))
    assert_allclose(taken.noise_map, estimate, rtol=1e-5)
    assert taken.frames.min() < 0 or gain == 1  # not clipped
    assert 0.1 <= taken.white_level <= 1


def test_levels_and_white_are_drawn_from_the_published_ranges() -> None:
    drawn = [burst_noise.draw_levels(rng(seed)) for seed in range(300)]
    reads = np.log10([levels.read for levels in drawn]) / 2
    shots = np.log10([levels.shot for levels in drawn]) / 2
    whites = -np.log10([burst_noise.draw_white_level(rng(seed)) for seed in range(300)])
    for values, (low, high) in ((reads, (-3, -1.5)), (shots, (-2, -1)), (whites, (0, 1))):
        assert low <= values.min() < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < values.max() <= high
        assert values.mean() == pytest.approx((low + high) / 2, abs=0.06 * (high - low))


@pytest.mark.parametrize(("height", "width"), [(100, 300), (300, 100), (60, 60), (7, 5)])
def test_what_small_photographs_lack_is_mirrored_or_black(height: int, width: int) -> None:
    codes = np.maximum(codes_of((height, width)), 1)
    size = (128, 144)
    black = random_part(codes, size, rng(), black=True)
    kept = min(height, 128), min(width, 144)
    assert black.shape == (128, 144, 3)
    assert black[: kept[0], : kept[1]].min() > 0  # the other side is not cut to the top left
    assert not black[kept[0] :].any() and not black[:, kept[1] :].any()
    mirrored = random_part(codes, size, rng())
    assert mirrored.shape == (128, 144, 3) and mirrored.min() > 0
    top, left = ((needed - side) // 2 for needed, side in zip(size, kept, strict=True))
    assert_array_equal(mirrored[top : top + kept[0], left : left + kept[1]], black[: kept[0], : kept[1]])
    if top:
        assert_array_equal(mirrored[top - 1], mirrored[top + 1])


@pytest.mark.parametrize("colors", COLOURS)
def test_a_burst_is_a_function_of_its_draw(photographs: Path, colors: str) -> None:
    dataset = opened("burst_denoise_train", "train", photographs, colors=colors)
    draw = Draw(4, 0, 1, 7, 0)
    first, again, other = dataset[draw], dataset[draw], dataset[draw._replace(position=8)]
    planes = 3 if colors == "color" else 1
    assert dataset.task.channels == dataset.task.planes_out == planes
    assert first["frames"].shape == first["noise_map"].shape == (3, planes, 24, 24)
    assert first["gt"].shape == (planes, 24, 24)
    assert first["exposure"].tolist() == [1, 1, 1]
    assert {value.dtype for value in first.values() if torch.is_tensor(value)} == {torch.float32}
    assert first["name"] == "train-04"
    for key in ("frames", "gt", "noise_map"):
        assert_array_equal(first[key], again[key])
        assert not np.array_equal(first[key], other[key])


def test_fewer_frames_are_the_first_ones(photographs: Path) -> None:
    few, many = (opened("burst_denoise_train", "val", photographs, frame_num=count)[0] for count in (2, 8))
    assert_array_equal(few["frames"], many["frames"][:2])
    assert_array_equal(few["gt"], many["gt"])


def test_validation_is_fixed_and_tells_its_white(photographs: Path) -> None:
    first, again = (opened("burst_denoise_train", "val", photographs, seed=seed)[1] for seed in (0, 1))
    assert_array_equal(first["frames"], again["frames"])
    assert (first["scene"], first["frame"]) == ("val", "19")
    assert first["meta"]["white_level"].shape == ()
    assert first["gt"].max() <= first["meta"]["white_level"] <= 1
    whole = opened("burst_denoise_train", "test", photographs, is_train=False, patch_size=None)[1]
    assert whole["gt"].shape == (3, 128, 128)


def test_photographs_of_16_bits_and_wrong_options(tmp_path: Path) -> None:
    write_png16(tmp_path / "a.png", codes_of((200, 200)).astype(np.uint16) * 257)
    (tmp_path / "b.jpg").write_bytes(b"nothing")
    assert opened("burst_denoise_train", "train", tmp_path)[Draw(0, 0, 1, 0, 0)]["gt"].shape == (3, 24, 24)
    with pytest.raises(UserError, match=r"b\.jpg is damaged"):
        opened("burst_denoise_train", "val", tmp_path)[0]
    with pytest.raises(UserError, match="--small_jitter 5 is more than --large_jitter 4: exchange"):
        opened("burst_denoise_train", "train", tmp_path, small_jitter=5)


# Published files


@pytest.mark.parametrize("colors", COLOURS)
def test_a_simulated_set_is_read_back(simulated: Path, colors: str) -> None:
    dataset = opened("burst_denoise", "test", simulated, colors=colors, frame_num=8)
    assert len(dataset) == 8
    samples = [dataset[index] for index in range(8)]
    assert [dataset.group(sample) for sample in samples] == [f"noise_{g}" for g in GAINS for _ in range(2)]
    prefixes = (1, 2, 4, 8) if colors == "color" else (2, 3, 4, 5)
    assert [sample["frame"] for sample in samples] == [f"{p}_{n:02d}" for p in prefixes for n in range(2)]
    assert samples[7]["name"] == f"noise_8-{samples[7]['frame']}"
    planes = 3 if colors == "color" else 1
    codes = read_picture(simulated / "test" / "coffee_000001.png")
    for sample, (read, shot) in zip(samples[1::2], GAINS.values(), strict=True):
        again = take_noisy_burst(
            codes,
            Geometry((40, 32)),
            8,
            simulation_rng("coffee_000001"),
            gray=planes == 1,
            levels=NoiseLevels(10**shot, 10 ** (2 * read)),
        )
        assert sample["frames"].shape == (8, planes, 40, 32)
        assert_array_equal(sample["frames"], again.frames)
        assert_array_equal(sample["gt"], again.gt)
        assert_allclose(sample["noise_map"], again.noise_map, rtol=1e-5)
        assert float(sample["meta"]["white_level"]) == pytest.approx(again.white_level)
    assert_array_equal(
        opened("burst_denoise", "val", simulated, colors=colors)[3]["frames"], samples[3]["frames"][:3]
    )


def simulation_rng(name: str) -> np.random.Generator:
    return Settings(layout="burst_denoise").rng("Test", name, 0, "burst")


@pytest.mark.parametrize("colors", COLOURS)
def test_a_level_can_be_chosen(simulated: Path, colors: str) -> None:
    everything = opened("burst_denoise", "test", simulated, colors=colors)
    for place, gain in enumerate(GAINS):
        dataset = opened("burst_denoise", "test", simulated, colors=colors, noise_level=str(gain))
        assert len(dataset) == 2
        assert_array_equal(dataset[1]["frames"], everything[2 * place + 1]["frames"])
    assert len(opened("burst_denoise", "test", simulated, max_dataset_size=3)) == 3


def test_photographs_of_a_simulated_set_are_trained_on(simulated: Path) -> None:
    assert len(opened("burst_denoise_train", "train", simulated)) == 1
    assert len(opened("burst_denoise_train", "val", simulated)) == 2
    assert (simulated / "train" / "astronaut_000000.png").is_file()
    assert arrays_of(simulated / "gray.npz")["sig_read"].tolist() == pytest.approx(
        [10**read for read, _ in (*LOWER, *GAINS.values()) for _ in range(2)]
    )
    before = {path.name: path.read_bytes() for path in simulated.glob("*.npz")}
    simulate(simulated)
    assert {path.name: path.read_bytes() for path in simulated.glob("*.npz")} == before


def test_other_forms_of_the_same_arrays_are_read(simulated: Path, tmp_path: Path) -> None:
    """Compressed, in Fortran's order, as float64, levels with axes of their own or as one for all."""
    expected = opened("burst_denoise", "test", simulated, noise_level="4")[1]
    arrays = arrays_of(simulated / "4.npz")
    arrays["noisy"] = np.asfortranarray(arrays["noisy"].astype(np.float64))
    arrays["sig_read"] = arrays["sig_read"].reshape(-1, 1, 1, 1)
    arrays["white_level"] = arrays["white_level"][:1]
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "4.npz", **arrays)
        found = opened("burst_denoise", "test", tmp_path, noise_level="4")
        assert_array_equal(found[1]["frames"], expected["frames"])
        assert_array_equal(found[1]["noise_map"], expected["noise_map"])
        assert found[1]["meta"]["white_level"] == arrays["white_level"][0]
        assert found[1]["frames"].is_contiguous() and found[1]["gt"].is_contiguous()
        assert len(opened("burst_denoise", "test", tmp_path)) == 2  # of all levels, what is there


def test_arrays_are_mapped_not_read(simulated: Path) -> None:
    item = opened("burst_denoise", "test", simulated).items[0]
    with zipfile.ZipFile(item.file.path) as archive:
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
    base = item.file._noisy
    while isinstance(base.base, np.ndarray):
        base = base.base
    assert isinstance(base, np.memmap)
    assert not item.file._noisy.flags.writeable


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"sqrt_sig_shot": None}, r"4\.npz has no array sqrt_sig_shot; it has: truth, noisy, white_level"),
        (
            {"noisy": lambda x: x[..., 0]},
            r"noisy is \(2, 40, 32, 8\), expected \(M, H, W, frames, 3\) for --colors color",
        ),
        ({"truth": lambda x: x[:, 1:]}, r"truth is \(2, 39, 32, 3\), expected \(2, 40, 32, 3\)"),
        ({"sig_read": lambda x: x.repeat(2)}, r"sig_read is \(4,\), expected 2 values"),
        (
            {"truth": lambda x: x.astype(object)},
            r"4\.npz: truth is damaged or not of plain numbers: it holds object",
        ),
        ({"noisy": lambda x: x[:0]}, r"noisy is damaged or not of plain numbers: it is empty"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(
    simulated: Path, tmp_path: Path, changes: dict, expected: str
) -> None:
    changed(simulated / "4.npz", tmp_path / "4.npz", changes)
    with pytest.raises(UserError, match=expected):
        opened("burst_denoise", "test", tmp_path)


def test_damaged_files_are_named(simulated: Path, tmp_path: Path) -> None:
    content = (simulated / "2.npz").read_bytes()
    for damaged in (content[:-100], b"", b"nothing"):
        (tmp_path / "2.npz").write_bytes(damaged)
        with pytest.raises(UserError, match=r"2\.npz is damaged or is no \.npz file"):
            opened("burst_denoise", "test", tmp_path)
    (tmp_path / "2.npz").write_bytes(content.replace(b"NUMPY", b"NUMPI", 1))
    with pytest.raises(UserError, match=r"2\.npz: truth is damaged"):
        opened("burst_denoise", "test", tmp_path)


def test_wrong_use_is_refused(simulated: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="train on photographs, by --dataset_name burst_denoise_train"):
        opened("burst_denoise", "train", simulated)
    with pytest.raises(UserError, match=r"has no bursts; expected: 1\.npz, 2\.npz"):
        opened("burst_denoise", "test", tmp_path)
    with pytest.raises(UserError, match=r"4\.npz: no such file"):
        opened("burst_denoise", "test", tmp_path, noise_level="4")
    with pytest.raises(UserError, match=r"--frame_num 9: the bursts of .*1\.npz have 8 frames"):
        opened("burst_denoise", "test", simulated, frame_num=9)
    arrays = arrays_of(simulated / "gray.npz")
    np.savez(tmp_path / "a.npz", **{name: array[:10] for name, array in arrays.items()})
    with pytest.raises(UserError, match=r"a\.npz: 10 images, expected 6 levels of as many each"):
        opened("burst_denoise", "test", tmp_path, colors="grayscale")
    np.savez(tmp_path / "b.npz", **arrays)
    with pytest.raises(UserError, match=r"several files of gray bursts, a\.npz, b\.npz: leave one"):
        opened("burst_denoise", "test", tmp_path, colors="grayscale")
