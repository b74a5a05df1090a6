"""The ELD data set: its images and references, ratios by EXIF, cameras."""

from pathlib import Path

import pytest
from numpy.testing import assert_allclose

from data import low_light
from data.simulate.sensors import named_sensor
from tests.low_light_sets import (
    SIZE,
    long_values,
    opened,
    random_light,
    write_eld,
    write_frame,
)
from util.errors import UserError

C = 15583
A7S2 = named_sensor("SonyA7S2")


@pytest.fixture(scope="module")
def eld(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("eld")
    write_eld(root)
    write_eld(root, "Other", (10,))
    return root


def test_eld_pairs_and_ratios_by_exif(eld: Path) -> None:
    dataset = opened(eld, "eld", "test", "--camera_folder", "SonyA7S2")
    assert len(dataset) == 12
    names = [(pair.short.stem, pair.long.stem) for pair in dataset.pairs if pair.scene.endswith("scene-1")]
    references = {4: 1, 5: 6, 9: 11, 10: 11, 14: 16, 15: 16} | {4: 6}
    assert names == [(f"IMG_{n:04d}", f"IMG_{references[n]:04d}") for n in (4, 9, 14, 5, 10, 15)]
    for index, ratio in ((0, 100), (6, 200)):
        sample = dataset[index]
        assert float(sample["ratio"]) == pytest.approx(ratio, rel=1e-4)
        assert dataset.group(sample) == f"x{ratio}" and sample["gt"].shape == (4, *SIZE)
        assert_allclose(sample["gain"], [A7S2.gain_of_iso(800) / C], rtol=1e-6)
        assert_allclose(sample["gt"], long_values(1), atol=1e-7)
        assert float(abs(sample["frames"] / sample["exposure"] - sample["gt"]).max()) < 0.51 * ratio / 15871
    assert (sample["scene"], sample["frame"]) == ("SonyA7S2_scene-1", "x200_IMG_0005")
    assert len(opened(eld, "eld", "test", "--ratios", "200")) == 9


def test_eld_cameras(eld: Path) -> None:
    other = opened(eld, "eld", "test", "--camera_folder", "Other")
    with pytest.raises(UserError, match="no gains are known of camera Other: name one by --include"):
        other[0]
    gain = opened(eld, "eld", "test", "--camera_folder", "Other", "--include", "0")[0]["gain"]
    assert_allclose(gain, [named_sensor("CanonEOS5D4").gain_of_iso(800) / C], rtol=1e-6)
    with pytest.raises(UserError, match=r"--camera_folder: there is no .*; there are: Other, SonyA7S2"):
        opened(eld, "eld", "test", "--camera_folder", "Leica")


def test_eld_errors(eld: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--ratios 10: there are 100, 200"):
        opened(eld, "eld", "test", "--ratios", "10")
    with pytest.raises(UserError, match="eld is for testing alone"):
        opened(eld, "eld", "val")
    (tmp_path / "SonyA7S2").mkdir()
    with pytest.raises(UserError, match="holds no scenes; expected: <camera>/scene-<n>"):
        opened(tmp_path, "eld", "test")
    write_eld(tmp_path, scenes=(1,))
    scene = tmp_path / "SonyA7S2" / "scene-1"
    write_frame(scene / "IMG_0004.dng", random_light(1), 1 / 80, iso=None)
    with pytest.raises(UserError, match=r"IMG_0004.dng does not tell its ISO"):
        opened(tmp_path, "eld", "test")[0]
    write_frame(scene / "IMG_0004.dng", random_light(1), 100.0)
    low_light.read_recent.cache_clear()
    with pytest.raises(UserError, match=r"IMG_0004.dng was exposed longer than its reference IMG_0006.dng"):
        opened(tmp_path, "eld", "test")[0]
    (scene / "IMG_0016.dng").unlink()
    with pytest.raises(UserError, match="scene-1 has no IMG_0016"):
        opened(tmp_path, "eld", "test")
