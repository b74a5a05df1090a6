"""Golden check of BurstSR: black level, mirrors that keep the Bayer phase, exposure of the ground truth."""

import numpy as np
from numpy.testing import assert_allclose

from data.augment import Augmentation
from data.burstsr_dataset import (
    CAMERA_WHITE,
    LOST,
    PHONE_WHITE,
    SCALE,
    mirrored_frames,
    mirrored_target,
    without_black,
)

SHIFT = LOST // 2  # px by which the published target is displaced where it is mirrored


def check_processing(data) -> None:
    """The burst; and the target, where the published one is displaced against it by what is known."""
    top, left = (int(place) for place in data["crop_row_col"])
    side = int(data["crop_sz"])
    how = Augmentation(*(bool(flip) for flip in data["flip_h_v"]))
    frames = without_black(data["input_frames"], data["black_level"], PHONE_WHITE)
    burst = mirrored_frames(frames[..., top : top + side, left : left + side], how)
    assert_allclose(burst, data["output_burst"], rtol=0, atol=1e-6)
    lights = [
        time * iso / f_number**2
        for time, iso, f_number in (np.float64(data[f"{who}exposure_iso_fnumber"]) for who in ("", "gt_"))
    ]
    ratio = lights[0] / lights[1]
    assert_allclose(ratio, data["exp_scale_factor"], rtol=1e-6)
    target = without_black(data["input_gt"], np.float32(data["gt_black_level"]), CAMERA_WHITE)
    rows, columns = (slice(SCALE * first, SCALE * (first + side)) for first in (top, left))
    target = mirrored_target(target[:, rows, columns] * np.float32(ratio), how)
    published = data["output_gt_reference"]
    for axis, mirror in ((1, how.vertical), (2, how.horizontal)):
        if mirror:
            inner = target.shape[axis] - 2 * LOST
            target = target.take(range(inner), axis)
            published = published.take(range(SHIFT, SHIFT + inner), axis)
    assert_allclose(target, published, rtol=0, atol=1e-5)


CHECKS = {"deeprep_burstsr_processing": check_processing}
