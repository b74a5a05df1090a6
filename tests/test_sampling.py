"""What is random about training data: draws, the order of batches, augmentation; and the block cache."""

import itertools
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from data import create_dataset
from data.augment import Augmentation, augment, augment_cfa, transpose_cfa
from data.draws import Draw, EpochBatches
from data.loading import create_loader, samples
from data.reading import block_cache
from data.syn_dataset import SynDataset
from tests.bracket_sets import draw, make_set, options, whole_sample
from util.errors import UserError
from util.imaging.bayer import pack, unpack

ALL_AUGMENTATIONS = [Augmentation(*bits) for bits in itertools.product((False, True), repeat=3)]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_set(tmp_path_factory.mktemp("set"), (60, 72))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Inputs of 144 x 200 and 36 x 50; blocks of 64 px meet inside and end beyond the edge."""
    return make_set(tmp_path_factory.mktemp("large"), (144, 200), train=1)


# Draws and batches


def test_draws_are_functions_of_seed_epoch_and_position() -> None:
    def numbers(*place: int) -> tuple:
        return tuple(draw(0, *place).generator().integers(0, 1 << 30, 4))

    plain = numbers(5, 2)
    assert plain == numbers(5, 2)
    assert plain != numbers(6, 2) and plain != numbers(5, 3)
    assert plain != tuple(draw(0, 5, 2, seed=8).generator().integers(0, 1 << 30, 4))
    assert plain == tuple(draw(9, 5, 2, batch=3).generator().integers(0, 1 << 30, 4))


def test_batch_draws_are_shared_by_a_batch_only() -> None:
    def numbers(position: int, batch: int) -> tuple:
        return tuple(draw(0, position, batch=batch).batch_generator().integers(0, 1 << 30, 4))

    assert numbers(0, 1) == numbers(3, 1) != numbers(0, 2)
    assert numbers(1, 1) != tuple(draw(0, 1).generator().integers(0, 1 << 30, 4))


@pytest.mark.parametrize("mode", ["published", "cfa", "none"])
def test_samples_do_not_depend_on_the_number_of_workers(root: Path, mode: str) -> None:
    loaded = []
    for workers in (0, 2):
        opt = options(root, augment=mode, workers=workers, epoch_iters=5)
        dataset = create_dataset(opt, "train")
        loader = create_loader(dataset, opt, EpochBatches(len(dataset), opt))
        loaded.append(list(samples(loader)))
    assert len(loaded[0]) == len(loaded[1]) == 5
    for single, parallel in zip(*loaded, strict=True):
        assert single["name"] == parallel["name"] and len(single["name"]) == 4
        for key in ("frames", "gt", "exposure"):
            assert torch.equal(single[key], parallel[key])


def test_a_damaged_sample_is_named_by_the_loader_too(root: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(root, tmp_path / "set"))
    damaged = copy / "Train" / "b" / "000001" / "raw_gt.npy"
    damaged.write_bytes(damaged.read_bytes()[:-5])
    opt = options(copy, workers=1)
    dataset = create_dataset(opt, "train")
    with pytest.raises(UserError, match="damaged") as error:
        list(samples(create_loader(dataset, opt, EpochBatches(len(dataset), opt))))
    assert str(damaged) in str(error.value)


def batches(opt, rank: int = 0, world: int = 1, epoch: int = 1, first: int = 0) -> list[list[Draw]]:
    sampler = EpochBatches(10, opt, rank, world)
    sampler.epoch, sampler.first = epoch, first
    result = list(sampler)
    assert len(result) == len(sampler)
    return result


def test_an_epoch_is_full_batches_of_shuffled_samples(root: Path) -> None:
    opt = options(root, batch_size=4, epoch_iters=10)
    epoch = batches(opt)
    assert [len(batch) for batch in epoch] == [4] * 10
    indices = [one.index for batch in epoch for one in batch]
    assert sorted(indices) == sorted(list(range(10)) * 4) and indices != sorted(indices)
    assert [one.position for batch in epoch for one in batch] == list(range(40))
    assert [one.batch for batch in epoch for one in batch] == [step for step in range(10) for _ in range(4)]
    assert batches(opt) == epoch
    assert [one.index for batch in batches(opt, epoch=2) for one in batch] != indices
    other_seed = options(root, batch_size=4, epoch_iters=10, seed=8)
    assert [one.index for batch in batches(other_seed) for one in batch] != indices


@pytest.mark.parametrize("world", [1, 2, 4])
@pytest.mark.parametrize("parts", [1, 2])
def test_processes_and_parts_share_the_same_batches(root: Path, world: int, parts: int) -> None:
    single = batches(options(root, batch_size=8))
    opt = options(root, batch_size=8, accumulate=parts)
    shares = [batches(opt, rank, world) for rank in range(world)]
    for step, batch in enumerate(single):
        pieces = [piece for share in shares for piece in share[step * parts : (step + 1) * parts]]
        assert [len(piece) for piece in pieces] == [8 // world // parts] * (world * parts)
        assert sorted(one for piece in pieces for one in piece) == sorted(batch)


@pytest.mark.parametrize("parts", [1, 2])
def test_resuming_gives_the_rest_of_the_epoch(root: Path, parts: int) -> None:
    opt = options(root, accumulate=parts)
    whole = batches(opt, epoch=3)
    for first in (0, 2, 5, 6):
        assert batches(opt, epoch=3, first=first) == whole[first * parts :]


# Augmentation


def coded_mosaic(height: int, width: int) -> np.ndarray:
    """RGGB mosaic whose values tell row, column and colour site (0..3) of each px."""
    rows, columns = np.mgrid[:height, :width]
    return 10000 * rows + 10 * columns + 2 * (rows % 2) + columns % 2


def flipped_and_cropped(mosaic: np.ndarray, how: Augmentation) -> np.ndarray:
    """The mosaic (H, W) after `how`, without the px at each end that would break the pattern; then (h, w)."""
    height, width = mosaic.shape
    if how.horizontal:
        mosaic = mosaic[:, ::-1][:, 1:-1]
    if how.vertical:
        mosaic = mosaic[::-1][1:-1]
    mosaic = mosaic[: height - 2, : width - 2]
    return mosaic.T if how.transpose else mosaic


@pytest.mark.parametrize("how", ALL_AUGMENTATIONS)
def test_cfa_augmentation_keeps_the_pattern(how: Augmentation) -> None:
    mosaic = coded_mosaic(14, 18)
    planes = pack(mosaic).transpose(1, 2, 0)  # (7, 9, 4)
    result = augment_cfa(planes, how)
    expected = flipped_and_cropped(mosaic, how)
    assert_array_equal(unpack(result.transpose(2, 0, 1)), expected)
    sites = result % 10
    wanted = [0, 2, 1, 3] if how.transpose else [0, 1, 2, 3]  # greens change places, colours stay
    assert_array_equal(sites, np.broadcast_to(wanted, sites.shape))


@pytest.mark.parametrize("how", ALL_AUGMENTATIONS)
def test_published_augmentation_moves_whole_planes(how: Augmentation) -> None:
    planes = np.random.default_rng(0).uniform(size=(2, 6, 6, 4))
    expected = planes[:, :, ::-1] if how.horizontal else planes
    expected = expected[:, ::-1] if how.vertical else expected
    expected = expected.transpose(0, 2, 1, 3) if how.transpose else expected
    assert_array_equal(augment(planes, how), expected)


def test_transposing_packed_planes_transposes_the_mosaic() -> None:
    mosaic = coded_mosaic(10, 14)
    planes = transpose_cfa(pack(mosaic).transpose(1, 2, 0))
    assert_array_equal(unpack(planes.transpose(2, 0, 1)), mosaic.T)


def written_alike(large: Path, copy: Path) -> Path:
    """A copy of a set in which the target is the third bracket, enlarged where the bracket is small."""
    shutil.copytree(large, copy)
    for folder in (copy / "Train").glob("*/*"):
        np.save(folder / "raw_gt.npy", np.load(folder / "raw_16.npy").astype(np.float32) / 1023)
        fine = np.load(folder / "raw_16.npy")
        np.save(folder / "x4" / "raw_16.npy", np.ascontiguousarray(fine[::4, ::4]))
    return copy


@pytest.mark.parametrize("mode", ["published", "cfa", "none"])
def test_input_and_target_stay_aligned(large: Path, tmp_path: Path, mode: str) -> None:
    alike = written_alike(large, tmp_path / "alike")
    dataset = create_dataset(options(alike, augment=mode), "train")
    patches = [dataset[draw(0, position, batch=position)] for position in range(24)]
    assert all(torch.equal(sample["frames"][2], sample["gt"]) for sample in patches)
    assert len({float(sample["gt"][0, 0, 0]) for sample in patches}) > 20


@pytest.mark.parametrize("mode", ["published", "cfa"])
def test_super_resolution_pairs_stay_aligned(large: Path, tmp_path: Path, mode: str) -> None:
    alike = written_alike(large, tmp_path / "alike")
    opt = options(alike, augment=mode, patch_size=8, dataset_name="synplus")
    dataset = create_dataset(opt, "train")
    seen = set()
    for position in range(24):
        sample = dataset[draw(0, position, batch=position)]
        corners = [sample["gt"][:, y::4, x::4] for y in (0, 3) for x in (0, 3)]
        seen.add([torch.equal(sample["frames"][2], corner) for corner in corners].index(True))
    assert seen == ({0, 1, 2, 3} if mode == "published" else {0})


def augmentation_of(dataset: SynDataset, one: Draw) -> Augmentation:
    """How the patch of a draw was augmented in the published manner."""
    plain = create_dataset(options(dataset.root), "train")[one]["gt"].permute(1, 2, 0).numpy()
    patch = dataset[one]["gt"].permute(1, 2, 0).numpy()
    return next(how for how in ALL_AUGMENTATIONS if np.array_equal(augment(plain, how), patch))


def test_published_augmentation_is_one_draw_per_batch(root: Path) -> None:
    dataset = create_dataset(options(root, augment="published"), "train")
    batch_draws = []
    for batch in range(12):
        found = {augmentation_of(dataset, draw(0, 3 * batch + i, batch=batch)) for i in range(3)}
        assert len(found) == 1
        batch_draws.append(found.pop())
    assert len(set(batch_draws)) > 3


# Block cache


def whole_set(root: Path, name: str, patch: int, cache: Path | None) -> SynDataset:
    cache_dir = str(cache) if cache else None
    return create_dataset(options(root, dataset_name=name, patch_size=patch, cache_dir=cache_dir), "train")


@pytest.mark.parametrize(("name", "patch"), [("syn", 70), ("synplus", 20)])
def test_cached_patches_are_bit_equal(large: Path, tmp_path: Path, name: str, patch: int) -> None:
    direct, cached = (whole_set(large, name, patch, cache) for cache in (None, tmp_path))
    for position in range(20):
        one = draw(position % 2, position)
        expected, sample = direct[one], cached[one]
        assert torch.equal(sample["frames"], expected["frames"])
        assert torch.equal(sample["gt"], expected["gt"])


@pytest.mark.parametrize(("name", "inputs"), [("syn", "."), ("synplus", "x4")])
def test_cache_reads_any_window(large: Path, tmp_path: Path, name: str, inputs: str) -> None:
    dataset = whole_set(large, name, 16, tmp_path)
    folder, scale = dataset.folders[0], dataset.task.scale
    frames, target = whole_sample(folder, inputs)
    height, width = frames.shape[-2:]
    block = block_cache.BLOCK
    edges = sorted({0, 1, block - 1, block, min(height, width) - 3})
    whole = block_cache.Content(*dataset._read(folder, 0, 0, height, width))
    for top, left in itertools.product([e for e in edges if e < height], [e for e in edges if e < width]):
        for h, w in ((1, 2), (height - top, width - left)):
            source = folder / inputs / "raw_1.npy"
            raw, part, _ = dataset.cache.read(folder, [source], lambda: whole, top, left, h, w)
            assert_array_equal(
                raw.transpose(0, 3, 1, 2) / np.float32(1023), frames[..., top : top + h, left : left + w]
            )
            rows, columns = (slice(scale * a, scale * (a + n)) for a, n in ((top, h), (left, w)))
            assert_array_equal(part.transpose(2, 0, 1), target[:, rows, columns])


def test_cache_is_used_and_renewed(root: Path, tmp_path: Path) -> None:
    copy, cache = Path(shutil.copytree(root, tmp_path / "set")), tmp_path / "cache"
    first = whole_set(copy, "syn", 16, cache)[draw(0)]
    folder = copy / "Train" / "a" / "000000"
    target = np.load(folder / "raw_gt.npy")
    time_of_source = (folder / "raw_gt.npy").stat().st_mtime_ns
    np.save(folder / "raw_gt.npy", target + 1)
    os.utime(folder / "raw_gt.npy", ns=(time_of_source, time_of_source))
    assert torch.equal(whole_set(copy, "syn", 16, cache)[draw(0)]["gt"], first["gt"])  # still the copy
    os.utime(folder / "raw_gt.npy", ns=(0, time_of_source - 10**10))
    assert torch.equal(whole_set(copy, "syn", 16, cache)[draw(0)]["gt"], first["gt"] + 1)
    assert len(list(cache.rglob("*.blocks"))) == 1
