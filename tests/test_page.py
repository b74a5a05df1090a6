"""The page of results: what it holds."""

import json
import re
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

from util.errors import UserError
from util.imaging.rendering import to_png16
from util.imaging.tonemap import srgb_encode
from util.page import writer
from util.page.album import DETAIL, Album, merged, read_album
from util.page.radiance_data import LARGEST, of_mu_law, of_srgb, pack, shrunk, unpack
from util.page.training import ValidationPictures, write_run_page
from util.page.writer import Group, write_page
from util.scores.method_scores import RESTORED, TRUTH
from util.scores.report import Report

EVIL = "</script><script>window.evil=1</script><img src=x onerror='evil=1'>\"&' #?%41\u2028"


def flat(value: float, size: tuple[int, int] = (30, 40)) -> np.ndarray:
    return np.full((*size, 3), value, np.float32)


def content_of(page: Path) -> list[dict]:
    return json.loads(re.search('id="content">(.*?)</script>', page.read_text(), re.DOTALL)[1])


# What is written


def test_light_survives_packing_as_half_floats():
    rng = np.random.default_rng(0)
    light = np.exp(rng.uniform(-16, 11, (17, 23, 3))).astype(np.float32)
    light[0, :4, 0] = 0, -1, np.nan, np.inf
    packed = pack(light)
    found = unpack(packed.packed, packed.width, packed.height)
    assert (packed.width, packed.height) == (23, 17)
    assert found[0, :4, 0].tolist() == [0, 0, 0, LARGEST]
    np.testing.assert_allclose(found[1:], light[1:], rtol=2.5e-3, atol=2**-22)
    smooth = np.linspace(0.1, 1, 3 * 200 * 200, dtype=np.float32).reshape(200, 200, 3)
    assert len(pack(smooth).packed) < smooth.size  # half of what the codes take


def test_light_of_pictures_and_its_reduction():
    light = np.geomspace(1e-5, 1, 300).astype(np.float32).reshape(10, 10, 3)
    np.testing.assert_allclose(of_mu_law(to_png16(light)), light, rtol=4e-3, atol=1e-7)
    codes = np.rint(65535 * srgb_encode(light)).astype(np.uint16)
    np.testing.assert_allclose(of_srgb(codes, 3), 3 * light, rtol=1e-3, atol=3e-6)
    checks = np.indices((300, 400)).sum(0)[..., None] % 2 * np.ones(3, np.float32)
    small = shrunk(checks.astype(np.float32), 300 * 100)
    assert small.shape == (150, 200, 3)
    np.testing.assert_allclose(small, 0.5)  # the mean of light, not of codes


def test_names_are_text_wherever_they_stand(tmp_path):
    report = Report(tmp_path)
    scores = {RESTORED: {EVIL: 1.5}, EVIL: {EVIL: np.inf}}
    lights = {RESTORED: flat(0.5), EVIL: flat(0.3)}
    sheet = {"a": np.zeros((8, 8, 3), np.uint16)}
    path = report.add("night #1? 50%'&", sheet, lights, scores)
    page = report.write(EVIL, {EVIL: EVIL}, scores)
    text = page.read_text()
    assert "<img src=x" not in text and "<script>window" not in text
    (plate,) = content_of(page)[0]["plates"]
    assert tmp_path / unquote(plate["sheet"]) == path and path.exists()
    assert plate["scores"] == {RESTORED: {EVIL: 1.5}, EVIL: {EVIL: None}}
    assert list(plate["shots"]) == [RESTORED, EVIL]


def test_light_stands_in_the_page_unless_it_is_too_much(tmp_path, monkeypatch):
    album = Album(tmp_path)
    for number in range(200):
        album.add(f"image {number}", {RESTORED: flat(number / 200), TRUTH: flat(0.5)}, {})
    album.save()
    groups = [Group("x", "", "", read_album(tmp_path))]
    page = write_page(tmp_path / "index.html", "x", groups)
    assert page.read_text().count('id="light-') == len(list((tmp_path / "data").glob("*.js"))) == 200
    monkeypatch.setattr(writer, "EMBEDDED", 10_000)
    write_page(page, "x", groups)
    assert 'id="light-' not in page.read_text()
    assert page.stat().st_size < 450_000  # thumbnails and names
    assert not list(tmp_path.glob(".*"))


def test_a_page_stays_whole_until_the_next_one(tmp_path):
    for value in (0.2, 0.4):
        before = set((tmp_path / "data").glob("*.js"))
        album = Album(tmp_path)
        album.add("a", {RESTORED: flat(value)}, {})
        assert all(path.exists() for path in before)
        album.save()
    (left,) = (tmp_path / "data").glob("*.js")
    assert left not in before and len(before) == 1


def test_large_images_have_a_detail_at_full_resolution(tmp_path):
    light = flat(0.25, (1250, 1300))
    light[700:900, 500:800] += 0.1 * np.random.default_rng(0).random((200, 300, 3), np.float32)
    album = Album(tmp_path)
    album.add("a", {RESTORED: light, "small": flat(0.1)}, {})
    shots = album.plates[0].shots
    assert 1_450_000 < shots[RESTORED]["whole"]["width"] * shots[RESTORED]["whole"]["height"] <= 1_500_000
    assert album.plates[0].size == (1300, 1250) and list(shots["small"]) == ["whole"]
    detail = shots[RESTORED]["detail"]
    packed = (tmp_path / detail["file"]).read_text().split('"')[3]
    found = unpack(packed, detail["width"], detail["height"])
    assert found.shape == (DETAIL, DETAIL, 3)
    assert (found > 0.25).sum() > 0.9 * 200 * 300 * 3  # all of what has texture, as it is


@pytest.mark.parametrize("text", ["{", '[{"name": "a", "odd": 1}]', "[1]"])
def test_a_damaged_album_is_one_line(tmp_path, text):
    assert read_album(tmp_path) == []
    (tmp_path / "album.json").write_text(text)
    with pytest.raises(UserError, match=r"album\.json .*: delete it, or run the program again that wrote it"):
        merged([("a", tmp_path)], tmp_path)


def test_the_page_of_a_training(tmp_path):
    lines = [{"kind": "start", "step": 0}]
    for step in range(1, 1001):
        lines.append(
            {"kind": "train", "step": step, "epoch": 1, "l1": 1 / step, "lr": 1, "seconds_per_step": 1}
        )
    for epoch in (1, 2, 3):
        lines.append({"kind": "val", "step": 500 * epoch, "epoch": epoch, "psnr_mu": 30.0 + epoch})
        shown = ValidationPictures(tmp_path, epoch)
        if epoch < 3:
            pictures = {RESTORED: to_png16(flat(0.1 * epoch)), TRUTH: to_png16(flat(0.5))}
            shown.add("a", pictures, {"psnr_mu": 30.0 + epoch})
        shown.finish()
    lines.append({"kind": "val", "step": 1600, "epoch": 4, "psnr_mu": None})
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    page = write_run_page(tmp_path / "log.jsonl")
    (plate,) = content_of(page)[0]["plates"]
    assert list(plate["shots"]) == ["epoch 2", "epoch 1", TRUTH]
    assert plate["scores"]["epoch 2"] == {"psnr_mu": 32.0}
    assert len(list((tmp_path / "validation_data").glob("*.js"))) == 3  # one truth
    assert {path.name for path in (tmp_path / "validation_2").iterdir()} == {"a.png", "album.json"}
    plots = re.findall("<svg.*?</svg>", page.read_text(), re.DOTALL)
    assert [re.search(">([^<]+)</text>", plot)[1] for plot in plots] == ["psnr_mu (val)", "l1 (train)"]
    assert plots[0].count("<circle") == 3
    assert len(re.search("points='([^']*)'", plots[1])[1].split()) == 400
