"""Long exposures with drawn noise: what is drawn, in which order, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch.utils.data import default_collate

from data.simulate.sensors import FOLDER, SENSORS
from tests.bracket_sets import draw
from tests.low_light_sets import (
    opened,
    write_frame,
    write_scene,
)
from util.errors import UserError

C = 15583


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sid")
    for seed, scene in enumerate(("00001", "00002", "10001")):
        write_scene(root, scene, seed)
    return root


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training set of one long frame, flat and bright, with rows that are known."""
    root = tmp_path_factory.mktemp("flat")
    (root / "short").mkdir()
    light = np.full((4, 40, 40), 0.4 * C)
    light[..., -1] += 1  # a file of one value is taken for a damaged one
    write_frame(root / "long" / "00001_00_10s.dng", light, 10)
    return root


def test_drawn_noise_is_a_function_of_the_draw(root: Path) -> None:
    dataset = opened(root, "sid_syn", "train", "--include", "4")
    assert len(dataset) == 2 and [pair.scene for pair in dataset.pairs] == ["00001", "00002"]
    first, again = (dataset[draw(position=3)] for _ in range(2))
    for key in ("frames", "exposure", "gt", "gain", "ratio"):
        assert_array_equal(first[key], again[key])
    other = dataset[draw(position=4)]
    assert not torch.equal(first["frames"], other["frames"]) and first["gain"] != other["gain"]
    assert_allclose(first["exposure"] * first["ratio"], [1], rtol=1e-6)


def test_ranges_of_gain_and_ratio(flat: Path) -> None:
    for words, (low, high) in (((), (100, 300)), (("--continuous_noise",), (20, 300))):
        dataset = opened(flat, "sid_syn", "train", "--noise", "g", *words)
        found = [dataset[draw(position=position)] for position in range(150)]
        ratios, gains = (np.array([float(sample[key]) for sample in found]) for key in ("ratio", "gain"))
        assert low <= ratios.min() < low + 10 and high - 10 < ratios.max() <= high
        assert 0.1 <= gains.min() * C < 0.15 and 20 < gains.max() * C <= 30


def test_shot_noise_has_the_gain_that_is_told(flat: Path) -> None:
    dataset = opened(flat, "sid_syn", "train", "--noise", "P", "--patch_size", "40")
    for position in range(5):
        sample = dataset[draw(position=position)]
        frames, gain, level = sample["frames"], float(sample["gain"]), 0.4 * C / 15871
        expected = level / float(sample["ratio"])
        assert float(frames.mean()) == pytest.approx(expected, abs=4 * (gain * expected / 6400) ** 0.5)
        assert float(frames.var()) == pytest.approx(gain * expected, rel=0.25)


def test_row_noise_stays_in_rows_unless_as_published(flat: Path) -> None:
    words = ("--noise", "r", "--augment", "published")
    for order, expected in (("physical", {"rows"}), ("published", {"rows", "columns"})):
        dataset, seen = opened(flat, "sid_syn", "train", *words, "--noise_order", order), set()
        for position in range(12):
            frame = dataset[draw(position=position)]["frames"][0].numpy()
            noise = frame - frame.mean()
            if np.allclose(noise, noise[..., :1], atol=1e-9):
                seen.add("rows")
            elif np.allclose(noise, noise[:, :1], atol=1e-9):
                seen.add("columns")
            assert_array_equal(frame[0], frame[1])  # both lie in one row of the mosaic
            assert not np.array_equal(frame[0], frame[2])
        assert seen == expected


def test_noise_that_the_device_draws(root: Path) -> None:
    on_cpu = opened(root, "sid_syn", "train")[draw(position=2)]
    sample = opened(root, "sid_syn", "train", "--noise_on", "gpu")[draw(position=2)]
    for key in ("gt", "gain", "ratio", "exposure"):
        assert_array_equal(sample[key], on_cpu[key])
    assert_allclose(sample["frames"][0], sample["gt"] * sample["exposure"], rtol=1e-5)
    assert sample["noise_seed"].dtype == torch.int64 and sample["noise_seed"].shape == ()
    levels = sample["noise_levels"]
    assert set(levels) == {"gain", "gaussian", "tukey", "row", "shape", "bias"}
    assert levels["bias"].shape == (4,) and float(levels["gain"]) == pytest.approx(float(sample["gain"]) * C)


def test_cameras_whose_noise_is_drawn(root: Path) -> None:
    def names(*words: str) -> list[str]:
        return [sensor.name for sensor in opened(root, "sid_syn", "train", *words).sensors]

    assert names() == list(SENSORS)
    assert names("--include", "1") == [SENSORS[1]]
    assert names("--exclude", "1") == [SENSORS[0], *SENSORS[2:]]
    assert names("--camera", str(FOLDER / "NikonD850.json")) == ["NikonD850"]
    with pytest.raises(UserError, match="--exclude leaves one of all cameras out, --include names a single"):
        names("--include", "1", "--exclude", "2")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--noise", "P+x"), "unknown letter x"),
        (("--noise_on", "gpu", "--noise_order", "published", "--augment", "published"), "augments after the"),
    ],
)
def test_noise_that_is_refused(root: Path, words: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        opened(root, "sid_syn", "train", *words)


def test_noise_that_is_drawn_when_a_batch_is_finished(root) -> None:
    """By the seed of each sample: the same in every batch, as noisy as the law says, on their scale."""
    dataset = opened(root, "sid_syn", "train", "--noise_on", "gpu", "--noise", "P+g")
    samples = [dataset[draw(position=place)] for place in (1, 2)]
    device = torch.device("cpu")
    both = dataset.finish(default_collate(samples), device)
    assert "noise_seed" not in both and both["frames"].shape == (2, 1, *samples[0]["gt"].shape)
    for number, sample in enumerate(samples):
        alone = dataset.finish(default_collate([sample]), device)
        assert alone["frames"][0].equal(both["frames"][number])
        clean = sample["gt"] / sample["ratio"]
        error = (alone["frames"][0, 0] - clean).flatten()
        levels = sample["noise_levels"]
        expected = (clean * sample["gain"]).mean() + (levels["gaussian"] / 15583) ** 2
        assert error.mean().abs() < 5 * (expected / len(error)).sqrt()
        assert error.var().item() == pytest.approx(expected.item(), rel=0.25)
