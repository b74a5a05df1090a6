"""Deep burst super-resolution (Bhat et al., CVPR 2021; specification of Deep-Rep, 2.6): align, then fuse."""

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import nn

from models.networks.flow.burst_flow import create_alignment
from models.networks.parts.blocks import run_part
from models.networks.parts.burst_blocks import ConvBlock, ReluResBlock, res_blocks, start_from_frames
from models.networks.parts.burst_network import BurstNetwork
from models.networks.parts.enlarged import enlarged
from models.networks.parts.motion import Motion
from models.networks.parts.upsampling_decoder import UpsamplingDecoder, Widths


class Encoder(nn.Module):
    """Features of a frame, before they are brought to the base."""

    def __init__(
        self, planes: int, width: int, blocks: int, features: int, alignment: str, published_flow: bool
    ) -> None:
        super().__init__()
        self.alignment_net = create_alignment(alignment, planes, published_flow)
        self.init_layer = ConvBlock(planes, width)
        self.res_layers = res_blocks(blocks, width)
        self.out_layer = ConvBlock(width, features)

    def forward(self, frame: torch.Tensor) -> torch.Tensor:
        return self.out_layer(self.res_layers(self.init_layer(frame)))


class Fusion(nn.Module):
    """How much each feature of each frame counts, before it is compared with those of other frames."""

    def __init__(self, features: int, project: int, offset: int, blocks: int, told: int) -> None:
        super().__init__()
        self.feat_project_layer = ConvBlock(features, project, kernel=1)
        self.offset_feat_extractor = nn.Sequential(ConvBlock(2, offset), ReluResBlock(offset))
        joined = 2 * project + offset + told
        self.weight_predictor = nn.Sequential(
            ConvBlock(joined, 2 * project),
            *res_blocks(blocks, 2 * project),
            ConvBlock(2 * project, features, relu=False),
        )

    def forward(
        self,
        base: torch.Tensor,
        feature: torch.Tensor,
        flow: torch.Tensor | None,
        told: torch.Tensor | None,
    ) -> torch.Tensor:
        """Logarithms (N, F, h, w) of the weights of an aligned feature, for a projected base (N, P, h, w)."""
        own = self.feat_project_layer(feature)
        phase = own.new_zeros(len(own), 2, *own.shape[-2:]) if flow is None else flow % 1.0
        known = [base, own - base, self.offset_feat_extractor(phase)]
        return self.weight_predictor(torch.cat(known if told is None else [*known, told], dim=1))


class DBSR(BurstNetwork):
    """Restores one frame of a burst on a finer grid, by a weighted mean of aligned features.

    Args:
        in_channels, out_channels: planes of a frame and of the result: 4 = packed Bayer, 3 = RGB.
        scale: of the result against the planes of the frames. 8 is x4 of a mosaic.
        reference: number of the frame, from 0, that is restored.
        bracketed: whether frames differ in exposure; weights are then told of noise and clipping.
        alignment: "pwcnet", "raft_small", "raft_large" (all frozen), "pyramid" (trained with it) or "dis" (no
            weights).
        published_flow: pyramid as published weights ask for.
        residual: add the base, enlarged, to what is decoded; the published network does not.
        mid_channels: of encoder and decoder (64). feature_channels: that are fused (512).
        post_channels: of the decoder at full size (32). project_channels, offset_channels (64, 64).
        encoder_blocks, fusion_blocks, pre_blocks, post_blocks: residual blocks (9, 3, 5, 4).
    """

    flow_from_base = True
    alignment_part = "encoder.alignment_net"
    published_arguments: ClassVar[dict] = {"in_channels": 4, "published_flow": True}
    sizes: ClassVar[dict[str, dict]] = {
        "full": {},
        "small": {
            "residual": True,
            "mid_channels": 32,
            "feature_channels": 64,
            "post_channels": 16,
            "project_channels": 16,
            "offset_channels": 8,
            "encoder_blocks": 4,
            "fusion_blocks": 1,
            "pre_blocks": 3,
            "post_blocks": 1,
        },
        "tiny": {
            "alignment": "pyramid",
            "mid_channels": 16,
            "feature_channels": 32,
            "post_channels": 8,
            "project_channels": 8,
            "offset_channels": 4,
            "encoder_blocks": 1,
            "fusion_blocks": 1,
            "pre_blocks": 1,
            "post_blocks": 1,
        },
    }

    def __init__(
        self,
        in_channels: int = 4,
        out_channels: int = 3,
        scale: int = 8,
        reference: int = 0,
        bracketed: bool = False,
        alignment: str = "pwcnet",
        published_flow: bool = False,
        residual: bool = False,
        mid_channels: int = 64,
        feature_channels: int = 512,
        post_channels: int = 32,
        project_channels: int = 64,
        offset_channels: int = 64,
        encoder_blocks: int = 9,
        fusion_blocks: int = 3,
        pre_blocks: int = 5,
        post_blocks: int = 4,
    ) -> None:
        super().__init__()
        self.reference, self.bracketed, self.scale, self.residual = reference, bracketed, scale, residual
        self.gradient_checkpointing = False
        self.encoder = Encoder(
            in_channels, mid_channels, encoder_blocks, feature_channels, alignment, published_flow
        )
        told = 2 * in_channels if bracketed else 0
        self.merging = Fusion(feature_channels, project_channels, offset_channels, fusion_blocks, told)
        self.decoder = UpsamplingDecoder(
            Widths(feature_channels, mid_channels, post_channels, out_channels),
            (pre_blocks, post_blocks),
            scale,
            residual,
        )
        if residual:
            start_from_frames(self, self.alignment_part)
            nn.init.zeros_(self.decoder.predictor[0].weight)  # training starts from the base

    @classmethod
    def arguments_of(cls, state: dict[str, torch.Tensor]) -> dict[str, int | str]:
        """What the names and shapes of a state dict tell, if it is one of this network."""
        if "merging.feat_project_layer.0.weight" not in state:
            return {}
        last = state["decoder.predictor.0.weight"]
        shuffled = state["decoder.upsample_layer.conv_layer.0.weight"].shape[0] // last.shape[1]
        return {
            "alignment": cls.alignment_of(state),
            "in_channels": state["encoder.init_layer.0.weight"].shape[1],
            "out_channels": len(last),
            "scale": round(shuffled**0.5),
        }

    def whole_frame(
        self,
        frames: torch.Tensor,
        exposure: torch.Tensor | None = None,
        tell: Callable[[float], None] | None = None,
    ) -> dict[str, torch.Tensor]:
        """{"flow": (N, T-1, 2, H, W)} from the base of (N, T, C, H, W) to each other frame, in px.

        Exposures do not matter to it.
        """
        return {"flow": self.flow_of(self.ordered(frames), tell)}

    def forward(
        self,
        frames: torch.Tensor,
        exposure: torch.Tensor | None = None,
        flow: torch.Tensor | None = None,
        window: tuple[int, int, int, int] | None = None,
    ) -> torch.Tensor:
        """Frames (N, T, C, H, W), divided by their exposures (N, T) -> (N, C', sH, sW) on the same scale.

        Args:
            flow: `whole_frame(frames)["flow"]`, if it is already known. window: of a tile; not used.
        """
        told = self.told(frames, exposure, self.noise_of(frames, exposure, None))
        frames, told = (self.ordered(one) if one is not None else None for one in (frames, told))
        flow = self.flow_of(frames) if flow is None else flow
        fused = self.fused(frames, told, flow)
        return run_part(self, self._decode, fused, frames[:, 0]).float()

    def fused(self, frames: torch.Tensor, told: torch.Tensor | None, flow: torch.Tensor) -> torch.Tensor:
        """The weighted mean (N, F, h, w) of the aligned features of frames with the base first.

        Weights are a softmax over the frames; it is summed up frame by frame, relative to the largest so far.
        """
        base = largest = total = weights = None
        for number in range(frames.shape[1]):
            way = flow[:, number - 1] if number else None
            extra = None if told is None else told[:, number]
            feature = run_part(self, self._aligned, frames[:, number], way).float()
            base = self.merging.feat_project_layer(feature) if base is None else base
            logits = run_part(self, self.merging, base, feature, way, extra).float()
            if largest is None:
                largest = logits.detach()
                weights = torch.exp(logits - largest)
                total = weights * feature
                continue
            above = torch.maximum(largest, logits.detach())
            fade, own = torch.exp(largest - above), torch.exp(logits - above)
            weights, total, largest = weights * fade + own, total * fade + own * feature, above
        return total / weights

    def _aligned(self, frame: torch.Tensor, flow: torch.Tensor | None) -> torch.Tensor:
        """Features of a frame in the place of the base."""
        features = self.encoder(frame)
        return features if flow is None else Motion(flow).warp(features)

    def _decode(self, fused: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
        image = self.decoder(fused)
        return image + enlarged(base, self.scale, image.shape[1]) if self.residual else image
