"""What is out of focus in simulated brackets, and what is left of a tone curve in developed ones."""

from collections.abc import Iterator

import numpy as np
import pytest

from data.simulate import bracketing
from data.simulate.bracketing import Bracketing, take_pictures
from data.simulate.focus import defocused, draw_focus, draw_patch_focus
from data.simulate.foreground import Covered, draw_patch
from data.simulate.tone_curve import STRAIGHT, ToneCurve, draw_tone_curve


@pytest.mark.parametrize("radius", [1.0, 3.6, 10.0])
def test_a_point_out_of_focus_is_a_disc_of_the_same_light(radius: float) -> None:
    light = np.zeros((41, 41, 3), np.float32)
    light[20, 20] = (1, 2, 4)
    disc = defocused(light, radius)
    assert disc.dtype == np.float32
    np.testing.assert_allclose(disc.sum((0, 1)), (1, 2, 4), rtol=1e-5)
    rows, columns = np.indices((41, 41)) - 20
    reach = np.hypot(rows, columns)
    assert np.abs(disc[reach > radius + 1]).max() < 1e-6
    np.testing.assert_allclose(disc[reach <= radius - 0.5, 0], disc[20, 20, 0], rtol=1e-4)


def test_a_part_or_all_of_a_scene_is_out_of_focus() -> None:
    stripes = np.float32(np.indices((64, 64, 3))[1] % 2)
    sharp = []
    for seed in range(40):
        light = draw_focus(np.random.default_rng(seed), stripes)
        assert light.shape == stripes.shape and light.dtype == np.float32
        assert light.min() > -1e-5 and light.max() < 1 + 1e-5
        sharp.append((np.abs(np.diff(light[..., 0], axis=1)) > 0.9).mean())
    assert min(sharp) == 0 and max(sharp) > 0.3


def test_some_of_what_moves_is_out_of_focus_and_keeps_its_cover() -> None:
    changed = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        scene = Covered(None, draw_patch(rng, (128, 128), lamps=True))
        soft = draw_patch_focus(rng, scene)
        changed += soft is not scene
        before, after = scene.patch.light, soft.patch.light
        np.testing.assert_allclose(after.sum((0, 1)), before.sum((0, 1)), rtol=1e-3)
        assert np.abs(after[[0, -1]]).max() < 1e-6 and np.abs(after[:, [0, -1]]).max() < 1e-6
        assert soft.patch.place == scene.patch.place
    assert 3 <= changed <= 20


class Still:
    """A scene in which nothing moves."""

    def __init__(self, light: np.ndarray) -> None:
        self.light = light

    def views(self, steps: range) -> Iterator[np.ndarray]:
        return (self.light for _ in steps)


@pytest.mark.parametrize("curve", [ToneCurve(), ToneCurve(0.01, 1.0, 1.05)])
def test_frames_and_target_of_developed_brackets_have_the_curve(monkeypatch, curve: ToneCurve) -> None:
    monkeypatch.setattr(bracketing, "draw_tone_curve", lambda rng: curve)
    monkeypatch.setattr(bracketing, "JPEG_SHARE", 0)
    light = np.float32(np.geomspace(1e-3, 30, 300)).reshape(10, 10, 3)
    spans = [range(0, 1), range(1, 5), range(5, 21)]
    how = Bracketing(np.float32([1 / 16, 1 / 4, 1]), spans, [(1e-9, 1e-12)] * 3, 1023)
    frames, target = take_pictures(Still(light), how, 0, np.random.default_rng(0))
    for frame, exposure in zip(frames, how.exposure, strict=True):
        expected = curve.apply(np.clip(light * exposure, 0, 1))
        np.testing.assert_allclose(frame, expected, rtol=0.01, atol=5e-5)
    alone = light > 4.5  # where all but the shortest are clipped
    np.testing.assert_allclose(target[alone], curve.apply(light / 16)[alone] * 16, rtol=1e-3)
    dark = light < 0.05
    np.testing.assert_allclose(target[dark], curve.apply(light)[dark], rtol=0.4 if curve.depth else 1e-5)
    if not curve.depth:
        np.testing.assert_allclose(target, light, rtol=1e-5)


def test_curves_rise_keep_white_and_change_shadows_most() -> None:
    values = np.float32(np.linspace(0, 1, 1000))
    straight = darker = 0
    for seed in range(300):
        curve = draw_tone_curve(np.random.default_rng(seed))
        result = curve.apply(values)
        assert (np.diff(result) >= 0).all() and abs(result[-1] - 1) < 1e-5 and 0 <= result[0] < 0.01
        straight += curve == ToneCurve()
        darker += result[10] < values[10] / 1.5  # at 0.01
    assert abs(straight / 300 - STRAIGHT) < 0.1
    assert 40 < darker < 200


def test_long_frames_tell_of_shadows_that_short_ones_crush() -> None:
    light, curve = np.full((1, 1, 3), 0.02, np.float32), ToneCurve(0.01, 1.0)
    exposure = np.float32([1 / 16, 1 / 4, 1, 16])
    shown = curve.apply(light[0, 0, 0] * exposure) / exposure
    merged = curve.merged(light, exposure)[0, 0, 0]
    assert shown[0] < 0.2 * light.max() and abs(merged / shown[3] - 1) < 0.05
