"""Golden checks of the metrics and the picture of SelfHDR's results."""

import numpy as np
from numpy.testing import assert_allclose

from util.imaging.tonemap import mu_law, mu_law_picture8
from util.scores.radiance_metrics import RADIANCE_METRICS


def check_metrics(data) -> None:
    """PSNR and SSIM of linear images and of their mu-law; the published 8-bit picture."""
    output, target = (data[name].transpose(1, 2, 0) for name in ("output", "target"))
    for name, tolerance in (("psnr_l", 1e-5), ("psnr_mu", 1e-5), ("ssim_l", 1e-6), ("ssim_mu", 1e-6)):
        assert abs(RADIANCE_METRICS[name](output, target) - data[name]) < tolerance, name
    assert_allclose(mu_law(data["target"]), data["mu_target"], atol=1e-6)
    difference = np.abs(mu_law_picture8(data["output"]) - data["display_png"].astype(int))
    assert difference.max() <= 1  # where 255 times the mu-law ends on .5, to rounding errors
    assert (difference > 0).mean() < 1e-3


CHECKS = {"selfhdr_metrics": check_metrics}
