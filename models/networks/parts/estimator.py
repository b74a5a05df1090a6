"""What the networks of exposure diffusion share: what they are told of an exposure, and their two heads.

As in the ExposureDiffusion specification, 2.3 and 5 (Wang et al., ICCV 2023).
"""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from models.networks.parts.blocks import run_part
from models.networks.parts.enlarged import BAYER, GUIDED, RGB, enlarged
from models.networks.parts.exposure_pairs import upsampling
from models.networks.parts.strips import by_strips, convolved

COUNTS = 15583.0  # ADU between 0 and 1 in the photon map, of every camera (specification, 1)


class Estimate(NamedTuple):
    """An estimate of the target, (N, C', sH, sW), and what an adaptive head made it of, or None."""

    image: torch.Tensor
    direct: torch.Tensor | None = None  # not clipped
    by_residual: torch.Tensor | None = None  # clipped to [0, 1]
    mask: torch.Tensor | None = None  # (N, 1, sH, sW), weight of `direct`


def published_order(maps: torch.Tensor) -> torch.Tensor:
    """Planes R, G, G, B of maps (..., K x 4) -> R, G, B, G, where row by row B comes first; and back."""
    planes = maps.unflatten(-1, (-1, BAYER))
    return torch.cat((planes[..., :2], planes[..., 2:].flip(-1)), dim=-1).flatten(-2)


def arguments_of_published(planes: int, maps: int) -> dict[str, bool]:
    """What the planes that published weights take, and the maps that they make, tell of their network."""
    return {
        "with_photon": planes > BAYER,
        "concat_origin": planes > 2 * BAYER,
        "adaptive_res_and_x0": maps > BAYER,
    }


class Estimator(nn.Module):
    """A network that estimates the target from frames part-way through exposure; a subclass has its layers.

    Its input are the frames, with `with_photon` the photoelectrons of each value in units of 15583 ADU, with
    `concat_origin` the frames as they were measured. An adaptive head weighs, px by px, a direct estimate
    against the reference frame plus a residual (5.3). Without gradients it works by strips of rows.

    Args:
        num_frames: frames, exactly. reference: number of the frame that the result shows.
        in_channels, out_channels: planes of a frame and of the result, the same for a residual.
        scale: 1, or a power of 2 by which the result is enlarged.
        with_photon, concat_origin, adaptive_res_and_x0: see above.
        rgbg: planes R, G, G, B are given to the network as R, G, B, G, as published weights expect them.

    Attributes:
        needs: what samples must carry (util.task.CARRIED).
        maps_out: planes that the last convolution has to make.
        gradient_checkpointing: in training, keep less for the backward pass and compute it again.
    """

    exact_frames = True
    works_by_strips = True
    multiple = 1  # of which the sides of the maps must be
    optional_keys = ("upsample",)
    published_arguments: ClassVar[dict[str, Any]] = {
        "num_frames": 1,
        "in_channels": BAYER,
        "out_channels": BAYER,
        "reference": 0,
        "rgbg": True,
    }

    def __init__(
        self,
        num_frames: int,
        in_channels: int,
        out_channels: int,
        scale: int,
        reference: int,
        with_photon: bool,
        concat_origin: bool,
        adaptive_res_and_x0: bool,
        rgbg: bool,
    ) -> None:
        super().__init__()
        if not 0 <= reference < num_frames:
            raise ValueError(f"of {num_frames} frames, frame {reference} cannot be the reference")
        if rgbg and (in_channels, out_channels) != (BAYER, BAYER):
            raise ValueError(f"rgbg is an order of 4 planes, not of {in_channels} and {out_channels}")
        if scale < 1 or scale & (scale - 1):
            raise ValueError(f"scale must be a power of 2, not {scale}")
        if adaptive_res_and_x0:
            self.check_residual(in_channels, out_channels)
        self.max_frames, self.reference, self.scale, self.rgbg = num_frames, reference, scale, rgbg
        self.with_photon, self.concat_origin, self.adaptive = with_photon, concat_origin, adaptive_res_and_x0
        self.in_channels, self.out_channels = in_channels, out_channels
        self.planes_in = num_frames * in_channels * (1 + with_photon + concat_origin)
        self.maps_out = 1 + 2 * out_channels if adaptive_res_and_x0 else out_channels
        self.needs = ("gain", "ratio") if with_photon else ()
        self.gradient_checkpointing = False

    @staticmethod
    def check_residual(in_channels: int, out_channels: int) -> None:
        """Raise ValueError if a frame, or RGB that `enlarged` makes of it, cannot be added to a result."""
        as_rgb = in_channels in (BAYER, GUIDED) and out_channels == RGB
        if in_channels != out_channels and not as_rgb:
            raise ValueError(
                f"a result of {out_channels} planes is no frame of {in_channels} plus a residual"
            )

    def forward(
        self,
        frames: torch.Tensor,
        exposure: torch.Tensor | None = None,
        gain: torch.Tensor | None = None,
        ratio: torch.Tensor | None = None,
        reached: torch.Tensor | None = None,
        origin: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Frames (N, T, C, H, W) on the target's scale -> the estimate (N, C', sH, sW) on the same scale.

        Args:
            exposure: (N, T), by which frames were divided: they are scaled so that the shortest clips at 1,
                which no estimate exceeds. Without it the scale is left as it is.
            gain: (N, T), values per photoelectron of frames as measured. ratio: (N, T), how many times longer
                the target was exposed.
            reached: (N,), exposure that the frames stand for, in units of their own at first; 1 by default.
            origin: (N, T, C, H, W), the frames at first, where they have changed since.

        Raises:
            ValueError: other frames than it was made for, or no gain or ratio for a photon map.
        """
        raw, base, peak = self._raw(frames, exposure, gain, ratio, reached, origin)
        channels = 4 * self.maps_out
        image = by_strips(lambda *maps: self._heads(*maps).image, raw, base, channels=channels)
        return self._result(image, frames, peak)

    def estimate(self, frames: torch.Tensor, **known: torch.Tensor | None) -> Estimate:
        """`forward` with what an adaptive head made the estimate of, for losses on its parts."""
        raw, base, peak = self._raw(frames, **known)
        image, direct, by_residual, mask = self._heads(raw, base)
        parts = [None if part is None else self._result(part, frames, peak) for part in (direct, by_residual)]
        mask = None if mask is None else self._cropped(mask, frames)
        return Estimate(self._result(image, frames, peak), *parts, mask)

    def raw_maps(
        self, planes: Callable[..., torch.Tensor], sources: tuple[torch.Tensor, ...]
    ) -> torch.Tensor:
        """Maps (N, h, w, planes_in), `planes(*sources)` of each strip of rows -> (N, sh, sw, maps_out)."""
        raise NotImplementedError

    def padded(self, images: torch.Tensor, missing: tuple[int, int]) -> torch.Tensor:
        """Images (..., H, W) with so many rows and columns more, at the bottom and at the right."""
        return F.pad(images, (0, missing[1], 0, missing[0]))

    def plain_head(self, raw: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
        """The estimate without an adaptive head, not clipped."""
        raise NotImplementedError

    def run(self, part: Callable[..., Any], *inputs: torch.Tensor) -> Any:
        """The result of a part of the network, kept or computed again for the backward pass."""
        return run_part(self, part, *inputs)

    def upsampling(self, width: int) -> nn.Sequential:
        """Layers that enlarge features of this width by the network's scale."""
        return upsampling(width, width, self.scale)

    def _raw(
        self,
        frames: torch.Tensor,
        exposure: torch.Tensor | None = None,
        gain: torch.Tensor | None = None,
        ratio: torch.Tensor | None = None,
        reached: torch.Tensor | None = None,
        origin: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """What the heads need, and the exposure (N, 1, 1, 1) of the shortest frame, if frames have any.

        That is what the last convolution makes (N, sh, sw, maps_out), and the reference frame (N, sh, sw, C).
        """
        if frames.shape[1] != self.max_frames:
            kind = type(self).__name__
            raise ValueError(f"{frames.shape[1]} frames for a {kind} of exactly {self.max_frames}")
        if self.with_photon and (gain is None or ratio is None):
            raise ValueError("a photon map needs the gain and the ratio of each frame")
        peak = None if exposure is None else exposure.to(frames).amin(1)[:, None, None, None]
        light = self._light(gain, ratio, reached) if self.with_photon else None
        sources = [self._as_maps(frames)]
        if self.concat_origin:
            sources.append(sources[0] if origin is None else self._as_maps(origin))
        raw = self.raw_maps(partial(self._planes, peak, light), tuple(sources)).float()
        return raw, self._base(sources[0], peak), peak

    def _as_maps(self, frames: torch.Tensor) -> torch.Tensor:
        """Frames (N, T, C, H, W) -> (N, h, w, T C), sides whole multiples."""
        missing = tuple(-side % self.multiple for side in frames.shape[-2:])
        images = frames.flatten(1, 2)
        return (self.padded(images, missing) if any(missing) else images).permute(0, 2, 3, 1)

    def _light(self, gain: torch.Tensor, ratio: torch.Tensor, reached: torch.Tensor | None) -> torch.Tensor:
        """Photoelectrons / COUNTS of a value of each plane, (N, 1, 1, T C)."""
        light = 1 / (ratio.float() * gain.float() * COUNTS)
        light = light if reached is None else light * reached.to(light)[:, None]
        return light[:, None, None].repeat_interleave(self.in_channels, -1)

    def _planes(
        self, peak: torch.Tensor | None, light: torch.Tensor | None, *sources: torch.Tensor
    ) -> torch.Tensor:
        """Frames, and origin (N, h, w, T C) where it is asked for -> input (N, h, w, planes_in)."""
        parts = [source if peak is None else source * peak for source in sources]
        if light is not None:
            parts.insert(1, sources[0] * light)
        if self.rgbg:
            parts = list(map(published_order, parts))
        return torch.cat(parts, dim=-1)

    def _base(self, maps: torch.Tensor, peak: torch.Tensor | None) -> torch.Tensor:
        """The reference frame of (N, h, w, T C) at the result's size, as the network sees it."""
        base = maps.unflatten(-1, (self.max_frames, -1))[..., self.reference, :]
        base = base if peak is None else base * peak
        base = published_order(base) if self.rgbg else base
        images = base.permute(0, 3, 1, 2)
        return enlarged(images, self.scale, self.out_channels).permute(0, 2, 3, 1)

    def _heads(self, raw: torch.Tensor, base: torch.Tensor) -> Estimate:
        """The estimate, as maps, of what the last convolution makes and of the reference frame."""
        if not self.adaptive:
            image = self.plain_head(raw, base)
            # What a clip cuts off learns nothing: a network that starts too dark would stay black.
            return Estimate(image if self.training else image.clamp(0, 1))
        logit, direct, residual = raw.split((1, self.out_channels, self.out_channels), dim=-1)
        mask, by_residual = torch.sigmoid(logit), (base + residual).clamp(0, 1)
        return Estimate(torch.lerp(by_residual, direct.clamp(0, 1), mask), direct, by_residual, mask)

    def _cropped(self, maps: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
        """Maps (N, sh, sw, C') -> (N, C', sH, sW) of the frames' size."""
        height, width = (self.scale * side for side in frames.shape[-2:])
        return maps.permute(0, 3, 1, 2)[..., :height, :width]

    def _result(self, maps: torch.Tensor, frames: torch.Tensor, peak: torch.Tensor | None) -> torch.Tensor:
        """Maps of an estimate -> (N, C', sH, sW), on the scale and in the order of the frames' planes."""
        images = self._cropped(published_order(maps) if self.rgbg else maps, frames)
        return images if peak is None else images / peak


def convolved_by_strips(
    layer: nn.Module, maps: torch.Tensor, channels: int, halo: int = 0, step: int = 1
) -> torch.Tensor:
    """A convolution, or several, of maps (N, H, W, C) -> (N, sH, sW, C'), float32; see `by_strips`."""
    return by_strips(
        lambda rows: convolved(layer, rows).float(), maps, channels=channels, halo=halo, step=step
    )
