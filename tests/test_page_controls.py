"""In a browser: each control of the page of results does what it says."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.browser import Browser, chromium
from tests.test_page import EVIL, flat
from util.imaging.tonemap import mu_law, srgb_encode
from util.page import writer
from util.page.album import Album, merged
from util.page.writer import Group, means_table, write_page
from util.scores.method_scores import RESTORED, TRUTH

SIZES = (160, 400), (160, 400), (1250, 1300)  # px of images, rows first


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of flat methods, each half of whose truth is another one; the third image is large."""
    folder = tmp_path_factory.mktemp("page")
    groups = []
    for title, sizes in (("one", SIZES), (EVIL, SIZES[:1])):
        album = Album(folder / str(len(groups)))
        for number, size in enumerate(sizes):
            truth = flat(0.25 / (number + 1), size)
            truth[:, size[1] // 2 :] /= 2
            lights = {RESTORED: flat(0.03, size), EVIL: flat(0.1, size), TRUTH: truth}
            lights["frame 1"] = flat(0.002)
            score = [31.0, 29.0, 30.0][number]
            scores = {RESTORED: {"psnr_mu": score, "ssim_mu": 0.9}, EVIL: {"psnr_mu": 28.0 + number**2}}
            album.add(f"image {number}", lights, scores, sheet="sheet.png")
        album.save()
        plates = merged([(RESTORED, album.folder)], folder)
        groups.append(Group(title, "", means_table({RESTORED: {"psnr_mu": 30.0}}), plates))
    return write_page(folder / "page #1.html", "Page", groups)


class Page:
    """A page in a browser, with words for what is looked at."""

    def __init__(self, browser: Browser, path: Path) -> None:
        self.browser = browser
        browser.open(path)
        browser.wait("document.getElementById('view').dataset.painted > 0")
        browser.settle()
        box = browser.run("document.getElementById('view').getBoundingClientRect().toJSON()")
        self.left, self.top, self.width, self.height = (box[side] for side in ("x", "y", "width", "height"))

    def at(self, u: float, v: float) -> tuple[float, float]:
        """A place of the window, by its share of the canvas."""
        return self.left + u * self.width, self.top + v * self.height

    def gray(self, u: float = 0.25, v: float = 0.5) -> float:
        """The mean code that the window shows there, in [0, 1]."""
        x, y = map(int, self.at(u, v))
        return float(self.browser.screen()[y, x].mean() / 255)

    def shows(self, light: float, u: float = 0.25, curve: object = mu_law) -> bool:
        return abs(self.gray(u) - float(curve(np.float64(light)))) < 0.006

    def place(self) -> list[float]:
        """Left, top, width and height of the image on the canvas."""
        return [float(word) for word in self.text("view", "dataset.place").split()]

    def text(self, name: str, what: str = "textContent") -> str:
        return self.browser.run(f"String(document.getElementById('{name}').{what})")

    def value(self, name: str, value: object, kind: str = "change") -> None:
        """Choose in a control, as a user does."""
        self.browser.run(
            f"(() => {{ const e = document.getElementById('{name}'); e.value = {json.dumps(value)};"
            f"e.dispatchEvent(new Event('{kind}', {{ bubbles: true }})) }})()"
        )
        self.browser.settle()


def check_methods(page: Page) -> None:
    browser = page.browser
    assert page.text("left") == RESTORED and page.shows(0.03)
    for key, light in (("2", 0.1), ("3", 0.25), ("4", 0.002), ("1", 0.03)):
        browser.press(key)
        assert page.shows(light), key
    browser.click("#methods button:nth-child(2)")
    assert page.shows(0.1) and page.text("left") == EVIL
    browser.click("#methods button:nth-child(3)", shift=True)
    assert page.shows(0.1) and page.shows(0.125, 0.75) and page.text("right") == TRUTH


def check_wipe(page: Page) -> None:
    browser = page.browser
    browser.press("w")
    assert page.shows(0.1, 0.75)
    browser.click("#wipe")
    assert page.shows(0.125, 0.75)
    browser.press("1", shift=True)
    assert page.shows(0.1) and page.shows(0.03, 0.75)
    browser.press("x")
    assert page.shows(0.03) and page.shows(0.1, 0.75)
    page.value("other", "frame 1")
    assert page.shows(0.002, 0.75)
    before = page.place()
    browser.drag(page.at(0.5, 0.5), page.at(0.8, 0.5))
    assert page.shows(0.03, 0.75) and page.shows(0.002, 0.9) and page.place() == before
    browser.click("#wipe")
    assert page.shows(0.03, 0.9)


def check_position(page: Page) -> None:
    browser, whole = page.browser, page.place()
    browser.wheel(*page.at(0.25, 0.5), -240)
    near = page.place()
    assert near[2] == pytest.approx(2 * whole[2], rel=0.01)
    for start, size, share, side in ((0, 2, 0.25, page.width), (1, 3, 0.5, page.height)):
        before, after = ((share * side - place[start]) / place[size] for place in (whole, near))
        assert after == pytest.approx(before, abs=0.004)  # what is under the pointer stays
    browser.press("3")
    browser.press("1")
    assert page.place() == near
    browser.drag(page.at(0.5, 0.5), page.at(0.6, 0.4))
    moved = page.place()
    assert moved[0] - near[0] == pytest.approx(0.1 * page.width, abs=2)
    assert moved[1] - near[1] == pytest.approx(-0.1 * page.height, abs=2)
    browser.press("+")
    assert page.place()[2] == pytest.approx(moved[2] * 2**0.5, rel=0.01)
    browser.press("-")
    assert page.place()[2] == pytest.approx(moved[2], rel=0.01)
    for fit, actual in (
        (lambda: browser.press("f"), lambda: browser.press("z")),
        (lambda: browser.click("#fit"), lambda: browser.click("#actual")),
    ):
        actual()
        assert page.place()[2:] == [400, 160]
        fit()
        assert page.place() == whole
    for wide in (400, whole[2]):
        browser.run("document.getElementById('view').dispatchEvent(new MouseEvent('dblclick'))")
        assert page.place()[2] == wide
    browser.move(*page.at(0.25, 0.5))
    assert page.text("probe") == f"{RESTORED}  0.0300  0.0300  0.0300"


def check_light(page: Page) -> None:
    browser = page.browser
    for _ in range(4):
        browser.press(".")
    assert page.shows(0.12) and page.text("stops") == "+2.0 EV"
    browser.press(",")
    assert page.shows(0.03 * 2**1.5)
    browser.press("3")
    assert page.shows(0.25 * 2**1.5)
    browser.press("1")
    browser.press("0")
    assert page.shows(0.03)
    page.value("exposure", "3", "input")
    assert page.shows(0.24)
    browser.press("c")
    assert page.shows(0.24, curve=srgb_encode) and page.text("curve", "value") == "1"
    page.value("curve", "2")
    assert page.shows(0.24 / 1.24, curve=srgb_encode)
    page.value("curve", "0")
    browser.press("0")


def check_errors(page: Page) -> None:
    browser, error = page.browser, float(mu_law(0.25) - mu_law(0.03))
    browser.press("e")

    def red(gain: float) -> bool:
        x, y = map(int, page.at(0.25, 0.5))
        return abs(browser.screen()[y, x, 0] / 255 - min(1.0, 3 * gain * error)) < 0.02

    assert red(8)
    page.value("gain", "0", "input")
    assert red(1) and page.text("times") == "\u00d7 1.0"
    browser.press("3")
    assert page.gray() == 0
    browser.press("1")
    browser.click("#error")
    assert page.shows(0.03)


def check_images(page: Page) -> None:
    browser = page.browser
    assert (
        page.text("name") == "image 0" and browser.run("document.querySelectorAll('#strip img').length") == 3
    )
    for act, name in (
        (lambda: browser.press("ArrowRight"), "image 1"),
        (lambda: browser.press("ArrowLeft"), "image 0"),
        (lambda: browser.press("ArrowDown"), "image 1"),
        (lambda: browser.press("ArrowUp"), "image 0"),
        (lambda: browser.press("End"), "image 2"),
        (lambda: browser.press("Home"), "image 0"),
        (lambda: browser.click("#next"), "image 1"),
        (lambda: browser.click("#previous"), "image 0"),
        (lambda: browser.click("#strip button:nth-child(2)"), "image 1"),
        (lambda: browser.click("#images tr[data-plate='2'] td"), "image 2"),
    ):
        act()
        assert page.text("name") == name
    browser.press("3")
    browser.wait("document.getElementById('note').textContent == ''")
    browser.press("d")
    assert page.place()[2] == page.place()[3]  # a square
    browser.click("#detail")
    assert page.place()[2] > page.place()[3]
    browser.press("1")
    browser.press("Home")
    assert page.text("detail", "disabled") == "true" and page.text("sheet", "hidden") == "true"


def check_tables(page: Page) -> None:
    browser = page.browser

    def order() -> list[int]:
        return browser.run(
            "[...document.querySelectorAll('#images tr[data-plate]')].map((e) => +e.dataset.plate)"
        )

    browser.press("2", shift=True)
    for key, expected in (
        ("psnr_mu", [0, 2, 1]),
        ("psnr_mu", [1, 2, 0]),
        ("psnr_mu ±", [0, 1, 2]),
        ("name", [0, 1, 2]),
        ("name", [2, 1, 0]),
        ("name", [0, 1, 2]),
    ):
        browser.click(f"#images th[data-key='{key}']")
        assert order() == expected, key
    assert "image 029" not in page.text("images") and "+3.00" in page.text("images")
    for act in (lambda: browser.press("s"), lambda: browser.click("#panel")):
        act()
        assert browser.run("document.getElementById('scores').offsetWidth") == 0
        act()
        assert browser.run("document.getElementById('scores').offsetWidth") > 300
    for act in (lambda: browser.press("h"), lambda: browser.click("#help"), lambda: browser.press("?")):
        assert page.text("keys", "offsetHeight") == "0"
        act()
        assert page.text("keys", "offsetHeight") != "0"
        act()
    page.value("group", "1")
    assert browser.run("document.querySelectorAll('#strip button').length") == 1
    page.value("group", "0")
    assert browser.run("document.querySelectorAll('#strip button').length") == 3


CHECKS = (check_methods, check_wipe, check_position, check_light, check_errors, check_images, check_tables)
PAINTED = (check_methods, check_wipe, check_light, check_errors)


def opened(webgl: bool) -> Browser:
    if not chromium():
        pytest.skip("no Chromium")
    return Browser(webgl)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with opened(webgl=True) as browser:
        yield browser


def check_controls(
    browser: Browser, path: Path, checks: Sequence[Callable[[Page], None]], webgl: bool
) -> None:
    page = Page(browser, path)
    assert browser.run("Boolean(document.createElement('canvas').getContext('webgl2'))") == webgl
    for check in checks:
        check(page)
    assert browser.errors == [] and browser.run("window.evil") is None


def test_every_control_does_what_it_says(browser, page):
    check_controls(browser, page, CHECKS, webgl=True)


def test_without_webgl_the_same_is_drawn(page):
    with opened(webgl=False) as browser:
        check_controls(browser, page, PAINTED, webgl=False)


def test_many_images_are_read_when_they_are_seen(browser, tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "EMBEDDED", 0)
    album = Album(tmp_path)
    for number in range(200):
        album.add(f"image {number}", {RESTORED: flat(number / 200)}, {RESTORED: {"psnr_mu": float(number)}})
    album.save()
    path = write_page(tmp_path / "index.html", "x", [Group("x", "", "", album.plates)])
    page = Page(browser, path)
    assert browser.run("document.querySelectorAll('#strip img').length") < 30
    assert browser.run("performance.getEntriesByType('resource').length") <= 1
    browser.press("End")
    browser.wait("document.querySelector('#strip button:last-child img')")
    assert page.shows(199 / 200)
    assert browser.run("performance.getEntriesByType('resource').length") <= 2
    (tmp_path / album.plates[198].shots[RESTORED]["whole"]["file"]).unlink()
    browser.press("ArrowLeft")
    browser.wait("document.getElementById('note').textContent.includes('run the program again')")
    browser.press("ArrowLeft")
    assert page.shows(197 / 200) and page.text("note") == ""
