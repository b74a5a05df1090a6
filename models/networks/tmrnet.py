"""TMRNet: temporally modulated recurrent network for bracketed raw frames (Zhang et al., ICLR 2025)."""

import math
import re
from collections.abc import Collection
from functools import partial
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from models.networks.flow.spynet import SPyNet
from models.networks.parts.blocks import Body, PixelShufflePack, joined, run_part, upsample
from models.networks.parts.warp import modulated_deform_conv, strip_rows, warp

MAX_OFFSET = 10  # px that the deformable alignment may add to the flow
CONTEXT = 16  # px around a tile beyond motion: the convolutions' effective reach


def published_spynet_name(name: str) -> str:
    """OpenMMLab's `basic_module.0.basic_module.1.conv.weight` -> `basic_module.0.basic_module.2.weight`."""
    return re.sub(r"basic_module\.(\d)\.conv", lambda match: f"basic_module.{2 * int(match[1])}", name)


class DeformWeight(nn.Module):
    """Weight and bias of the grouped 3x3 deformable convolution, initialised as a convolution's."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        convolution = nn.Conv2d(channels, channels, 3, groups=groups)
        self.weight, self.bias = convolution.weight, convolution.bias


class FlowGuidedAlignment(nn.Module):
    """Deformable alignment of a frame's features to the reference, its offsets a residual to the flow."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.conv_offset = nn.Sequential(
            nn.Conv2d(2 * channels + 2, channels, 3, padding=1),
            nn.LeakyReLU(0.1, inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.LeakyReLU(0.1, inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.LeakyReLU(0.1, inplace=True),
            nn.Conv2d(channels, 27 * groups, 3, padding=1),
        )
        nn.init.zeros_(self.conv_offset[-1].weight)
        nn.init.zeros_(self.conv_offset[-1].bias)  # training starts from the flow itself
        self.deform_conv = DeformWeight(channels, groups)

    def forward(self, feature: torch.Tensor, base: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
        """Features (N, C, h, w) of a frame and of the reference, flow (N, 2, h, w) -> aligned features."""
        raw = self.conv_offset(joined(warp(feature, flow), base, flow))
        rows, feature = strip_rows(feature), feature.contiguous()
        strips = [
            self._deform(feature, raw[:, :, top : top + rows], flow[:, :, top : top + rows], top)
            for top in range(0, flow.shape[-2], rows)
        ]
        return torch.cat(strips, dim=2)

    def _deform(self, feature: torch.Tensor, raw: torch.Tensor, flow: torch.Tensor, top: int) -> torch.Tensor:
        """Rows top .. top+h of the aligned features, from what `conv_offset` and the flow say of them."""
        offset, mask = raw.float().split((18 * self.groups, 9 * self.groups), dim=1)
        offset = MAX_OFFSET * torch.tanh(offset) + flow.flip(1).repeat(1, 9 * self.groups, 1, 1)
        weight, bias = self.deform_conv.weight, self.deform_conv.bias
        return modulated_deform_conv(feature, offset, torch.sigmoid(mask), weight, bias, top)


class TMRNet(nn.Module):
    """Restores one of T exposure-normalised frames, adding one frame after the other to a state.

    The reference comes first, then the others in rising order of exposure.

    Args:
        num_frames: frames at most; each has its own residual body in the recurrence. Fewer may be given.
        in_channels, out_channels: planes of a frame and of the result. 4 = packed Bayer R, G, G, B; 3 = RGB.
        scale: 1, or a power of 2 for super-resolution.
        reference: number of the frame, from 0, that is restored.
        mid_channels: width of the features (64).
        feature_blocks, common_blocks, specific_blocks, reconstruction_blocks: residual blocks (5, 16, 24, 5).
        deform_groups: groups of the deformable alignment (8).
        spynet_width, spynet_levels: of the flow network (32, 6).

    The frames are worked off one after the other: without gradients, memory does not depend on their number.
    """

    compiled_parts = (Body,)
    optional_keys = ("up_para", "upsample")  # a BracketIRE+ network starts from BracketIRE weights
    published_arguments: ClassVar[dict] = {"in_channels": 4}
    pretrained_parts: ClassVar[dict] = {"spynet": published_spynet_name}
    sizes: ClassVar[dict[str, dict]] = {
        "full": {},
        "small": {
            "mid_channels": 32,
            "feature_blocks": 3,
            "common_blocks": 6,
            "specific_blocks": 8,
            "reconstruction_blocks": 3,
            "deform_groups": 4,
            "spynet_width": 16,
        },
        "tiny": {
            "mid_channels": 16,
            "feature_blocks": 2,
            "common_blocks": 2,
            "specific_blocks": 2,
            "reconstruction_blocks": 2,
            "deform_groups": 2,
            "spynet_width": 8,
            "spynet_levels": 5,
        },
    }

    def __init__(
        self,
        num_frames: int = 5,
        in_channels: int = 4,
        out_channels: int = 4,
        scale: int = 1,
        reference: int = 0,
        mid_channels: int = 64,
        feature_blocks: int = 5,
        common_blocks: int = 16,
        specific_blocks: int = 24,
        reconstruction_blocks: int = 5,
        deform_groups: int = 8,
        spynet_width: int = 32,
        spynet_levels: int = 6,
    ) -> None:
        super().__init__()
        if scale & (scale - 1):
            raise ValueError(f"scale must be a power of 2, not {scale}")
        if not 0 <= reference < num_frames:
            raise ValueError(f"of {num_frames} frames, frame {reference} cannot be the reference")
        self.scale, self.max_frames, self.reference = scale, num_frames, reference
        self.gradient_checkpointing = False
        self.spynet = SPyNet(spynet_levels, spynet_width)
        self.feat_extract = Body(2 * in_channels, mid_channels, feature_blocks)
        self.dcn_alignment = FlowGuidedAlignment(mid_channels, deform_groups)
        self.backbone = nn.ModuleDict({"backward": Body(3 * mid_channels, mid_channels, common_blocks)})
        for i in range(1, num_frames + 1):
            self.backbone[f"backward_rec_{i}"] = Body(3 * mid_channels, mid_channels, specific_blocks)
        self.learn_para = nn.Parameter(torch.zeros(1, num_frames, mid_channels, 1, 1))
        self.reconstruction = Body(2 * mid_channels, mid_channels, reconstruction_blocks)
        self.skipup1 = PixelShufflePack(in_channels, mid_channels, 1)
        self.conv_hr = nn.Conv2d(mid_channels, mid_channels, 3, padding=1)
        self.conv_last = nn.Conv2d(mid_channels, out_channels, 3, padding=1)
        if scale > 1:
            self.up_para = nn.Parameter(torch.zeros(1, mid_channels, 1, 1))
            for i in range(1, int(math.log2(scale)) + 1):
                self.add_module(f"upsample{i}", PixelShufflePack(mid_channels, mid_channels, 2))

    @staticmethod
    def arguments_of(state: dict[str, torch.Tensor]) -> dict[str, int]:
        """The number of frames that a state dict is for, if it is one of this network."""
        branches = [
            name for name in state if re.fullmatch(r"backbone\.backward_rec_\d+\.main\.0\.bias", name)
        ]
        return {"num_frames": len(branches)} if branches else {}

    def whole_frame(self, frames: torch.Tensor) -> dict[str, torch.Tensor]:
        """{"flow": (N, T-1, 2, H, W)} from the reference of (N, T, C, H, W) to each other frame, in px."""
        first, *others = self._ordered(frames)
        reference = self.spynet.pyramid(_flow_view(first))
        flows = [self.spynet.flow(reference, _flow_view(frame)) for frame in others]
        return {
            "flow": torch.stack(flows, dim=1)
            if flows
            else frames.new_zeros(len(frames), 0, 2, *frames.shape[-2:])
        }

    @staticmethod
    def halo(flow: torch.Tensor) -> int:
        """Px around a tile that restoring it asks for, from the flow (..., 2, h, w) inside it."""
        motion = float(flow.abs().amax()) if flow.numel() else 0.0
        return math.ceil(motion) + MAX_OFFSET + CONTEXT

    def forward(
        self,
        frames: torch.Tensor,
        flow: torch.Tensor | None = None,
        window: tuple[int, int, int, int] | None = None,
        outputs: Collection[int] | None = None,
    ) -> torch.Tensor:
        """Frames (N, T, C, H, W), divided by their exposure -> (N, C', sH, sW) on the same scale.

        Args:
            flow: `whole_frame(frames)["flow"]`, if it is already known.
            window: (top, left, height, width) if `frames` is a tile of larger frames, all in px of `frames`.
            outputs: numbers of frames, rising, for which to return (N, len(outputs), C', sH, sW); the
                reference counts as the first.
        """
        if frames.shape[1] > self.max_frames:
            raise ValueError(f"{frames.shape[1]} frames for a TMRNet of at most {self.max_frames}")
        if flow is None:
            flow = self.whole_frame(frames)["flow"]
        first, *others = self._ordered(frames)
        base = run_part(self, self._features, first)
        state = torch.zeros_like(base)
        wanted = outputs or (frames.shape[1],)
        results = []
        for i, frame in enumerate((first, *others)):
            aligned = base
            if i > 0:
                aligned = run_part(self, self._aligned, frame, base, flow[:, i - 1])
            state = run_part(self, partial(self._update, i), base, aligned, state)
            if i + 1 in wanted:
                results.append(run_part(self, partial(self._reconstruct, window=window), base, state, first))
        return torch.stack(results, dim=1) if outputs else results[0]

    def _ordered(self, frames: torch.Tensor) -> list[torch.Tensor]:
        """The frames (N, C, H, W) of (N, T, C, H, W), the reference first."""
        ordered = list(frames.unbind(1))
        if self.reference >= len(ordered):
            raise ValueError(f"the reference, frame {self.reference}, is not among {len(ordered)} frames")
        return [ordered.pop(self.reference), *ordered]

    def _features(self, frame: torch.Tensor) -> torch.Tensor:
        return self.feat_extract(_encode(frame))

    def _aligned(self, frame: torch.Tensor, base: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
        """Features of a frame in the place of those of the reference."""
        return self.dcn_alignment(self._features(frame), base, flow)

    def _update(self, i: int, base: torch.Tensor, aligned: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        """State after frame i: the common body, then the frame's own, weighted by a learned modulation."""
        state = state + self.backbone["backward"](base, aligned, state)
        specific = self.backbone[f"backward_rec_{i + 1}"](base, aligned, state)
        return state + self.learn_para[:, i] * specific

    def _reconstruct(
        self, base: torch.Tensor, state: torch.Tensor, first: torch.Tensor, window: tuple | None = None
    ) -> torch.Tensor:
        """Image (N, C', sH, sW) from the state (N, C, H, W) and the first frame."""
        features = self.reconstruction(base, state)
        if self.scale == 1:
            features = features + self.skipup1(first)
        else:
            fine = features
            for i in range(1, int(math.log2(self.scale)) + 1):
                fine = F.leaky_relu(getattr(self, f"upsample{i}")(fine), 0.1, inplace=True)
            coarse = features + self.skipup1(first)  # upsampling is linear: one instead of two
            features = upsample(coarse, self.scale, window) + self.up_para * fine
        return self.conv_last(F.leaky_relu(self.conv_hr(features), 0.1, inplace=True)).float()


def _encode(frame: torch.Tensor) -> torch.Tensor:
    """(N, C, H, W) -> (N, 2C, H, W): each plane followed by its gamma-compressed version."""
    frame = frame.float()
    return torch.stack((frame, frame.clamp(min=0) ** (1 / 2.2)), dim=2).flatten(1, 2)


def _flow_view(frame: torch.Tensor) -> torch.Tensor:
    """(N, C, H, W) -> gamma-coded RGB (N, 3, H, W) in [0, 1] for the flow network."""
    if frame.shape[1] == 4:
        red, green1, green2, blue = frame.float().unbind(1)
        frame = torch.stack((red, (green1 + green2) / 2, blue), dim=1)
    elif frame.shape[1] != 3:
        frame = frame.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    return frame.float().clamp(0, 1) ** (1 / 2.2)
