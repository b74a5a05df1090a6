"""The pictures of a sample: what is scored, what is shown, and linear light."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from util.files import write_atomically
from util.imaging.contact_sheet import reduced
from util.imaging.demosaic import Demosaicer
from util.imaging.radiance import write_radiance
from util.imaging.radiance_dng import write_mosaic_dng
from util.imaging.rendering import camera_planes, linear_srgb, render_png16, scene_luminance
from util.imaging.tonemap import (
    automatic_ev,
    automatic_reinhard,
    camera_display,
    exposed,
    matlab_like,
    reinhard,
)

TONE_MAPS = ("mu_law", "reinhard", "exposure", "matlab_like", "camera")
CAMERA_MEAN = 0.2  # luminance to which "camera" brings light without a known gain, as for BurstSR

Curve = Callable[[np.ndarray], np.ndarray]  # linear sRGB -> sRGB code in [0, 1]


class Pictures:
    """Renders the images (1, C, h, w) of a sample.

    Args:
        meta: the sample's. white: value of the images at which the shortest frame is white; a `white_level`
            in `meta` wins over it.
        border: px around an image that its data set left out; pictures have them in black.
        isp: of util.imaging.rendering.ISPS.
    """

    def __init__(
        self, demosaic: Demosaicer, meta: Mapping[str, Any], *, white: float, border: int, isp: str
    ) -> None:
        self.demosaic, self.meta, self.border, self.isp = demosaic, meta, border, isp
        self.white = float(meta.get("white_level", white))

    def curve(self, tonemap: str, ev: float | str, image: torch.Tensor) -> Curve | None:
        """The curve of one of TONE_MAPS that suits an image; None is the mu-law. `ev`: stops, or "auto"."""
        if tonemap == "mu_law":
            return None
        if tonemap == "matlab_like":
            return matlab_like
        if tonemap == "exposure" and ev != "auto":
            return partial(exposed, ev=ev)
        light = scene_luminance(_array(image), self.meta, white=self.white, isp=self.isp)
        if tonemap == "camera":
            gain = float(self.meta.get("rgb_gain", CAMERA_MEAN / max(float(light.mean()), 1e-9)))
            return partial(camera_display, gain=gain, **self._camera_curve())
        if tonemap == "exposure":
            return partial(exposed, ev=automatic_ev(light))
        scale, white = automatic_reinhard(light)
        return partial(reinhard, scale=scale, white=white)

    def _camera_curve(self) -> dict[str, bool]:
        """Which parts of the camera's curve a simulated burst was made with."""
        return {name: bool(self.meta[name]) for name in ("gamma", "smoothstep") if name in self.meta}

    def picture(
        self, image: torch.Tensor, curve: Curve | None = None, border: int | None = None
    ) -> np.ndarray:
        """16-bit picture by a tone curve (None: mu-law, clipped at white, as it is scored)."""
        if curve is matlab_like:  # of a whole picture, whose unit does not matter; others go by strips
            picture = np.rint(65535 * matlab_like(self.light(image, saturates=True))).astype(np.uint16)
        else:
            picture = render_png16(
                _array(image), self.meta, self.demosaic, white=self.white, isp=self.isp, curve=curve
            )
        return _framed(picture, self.border if border is None else border)

    def light(self, image: torch.Tensor, saturates: bool) -> np.ndarray:
        """Linear sRGB (H, W, 3) float32, not clipped, on the scale of the image: `white` stays `white`.

        With `saturates`, white that is brighter than what the shortest frame could measure is neutral.
        """
        return linear_srgb(
            _array(image),
            self.meta,
            self.demosaic,
            white=1.0,
            clip=False,
            saturation=self.white if saturates else None,
            isp=self.isp,
        )

    def write_light(self, path: str | Path, image: torch.Tensor, saturates: bool) -> None:
        """Write `light` by suffix, as `write_radiance` does; a mosaic as a DNG before it is demosaiced.

        Raises:
            UserError: another suffix, or a file that cannot be written.
        """
        is_mosaic = image.shape[1] == 4 and "cam2rgb" in self.meta
        if Path(path).suffix.lower() == ".dng" and is_mosaic:
            planes = camera_planes(_array(image), self.meta, self.white if saturates else None)
            with write_atomically(path) as temporary:
                write_mosaic_dng(temporary, planes, self.meta)
        else:
            write_radiance(path, self.light(image, saturates))

    def as_taken(self, frames: torch.Tensor, exposure: torch.Tensor, border: int) -> dict[str, np.ndarray]:
        """The shortest, middle and longest of the normalised frames (1, T, C, h, w) as a camera shows them.

        Each at its own exposure, its white level white, without a tone curve but that of sRGB; reduced to
        the size of contact sheets, and titled; `border` px around them are black.
        """
        count = frames.shape[1]
        pictures = {}
        for index in sorted({0, count // 2, count - 1}):
            measured = _array(frames[:, index]) * float(exposure[0, index])
            picture = render_png16(
                measured, self.meta, self.demosaic, white=1.0, isp=self.isp, curve=partial(exposed, ev=0.0)
            )
            times = float(exposure[0, index] / exposure.min())
            title = f"frame {index + 1} of {count}: {f'{times:,.0f}' if times >= 100 else f'{times:.3g}'}x"
            pictures[title] = reduced(_framed(picture, border))
        return pictures


def _array(image: torch.Tensor) -> np.ndarray:
    return image[0].cpu().numpy()


def _framed(picture: np.ndarray, border: int) -> np.ndarray:
    return np.pad(picture, ((border, border), (border, border), (0, 0))) if border else picture
