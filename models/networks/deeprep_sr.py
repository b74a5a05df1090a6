"""Burst super-resolution by deep reparametrization (Bhat et al., ICCV 2021; specification, 2.1)."""

import math
from typing import ClassVar

import torch
from torch import nn

from models.networks.parts.burst_blocks import SubpixelUpsampler, start_from_frames
from models.networks.parts.burst_network import Alignment
from models.networks.parts.certainty import CertaintyPredictor
from models.networks.parts.deeprep_network import DeepRepNetwork, Encoder
from models.networks.parts.descent import SteepestDescent
from models.networks.parts.enlarged import enlarged
from models.networks.parts.upsampling_decoder import UpsamplingDecoder, Widths


class Initialiser(nn.Module):
    """z0 from the features of the base."""

    def __init__(self, features: int, latent: int, stride: int) -> None:
        super().__init__()
        self.upsample_layer = SubpixelUpsampler(features, latent, stride, blur=False)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.upsample_layer(features)


class DeepRepSR(DeepRepNetwork):
    """Restores one frame of a burst on a finer grid.

    Args:
        in_channels, out_channels: planes of a frame and of the result: 4 = packed Bayer, 3 = RGB.
        scale: of the result against the planes of the frames: a power of 2. 8 is x4 of a mosaic.
        reference: number of the frame, from 0, that is restored.
        bracketed: whether frames differ in exposure; the certainty is then told of noise and clipping.
        alignment: "pwcnet", "raft_small", "raft_large" (all frozen), "pyramid" (trained with it) or "dis" (no
            weights).
        published_flow: pyramid as published weights ask for.
        descent_steps: K, any number, also of a trained network.
        residual: add the base, enlarged, to what is decoded; the published network does not.
        mid_channels: of encoder and decoder (64). feature_channels: of e (256). latent_channels: of z (64).
        post_channels: of the decoder at full size (32). project_channels, offset_channels: of the certainty.
        encoder_blocks, certainty_blocks, pre_blocks, post_blocks: residual blocks.
    """

    published_arguments: ClassVar[dict] = {"in_channels": 4, "published_flow": True}
    sizes: ClassVar[dict[str, dict]] = {
        "full": {},
        "small": {
            "residual": True,
            "mid_channels": 32,
            "feature_channels": 64,
            "latent_channels": 32,
            "post_channels": 16,
            "project_channels": 16,
            "offset_channels": 8,
            "encoder_blocks": 3,
            "certainty_blocks": 1,
            "pre_blocks": 3,
            "post_blocks": 1,
        },
        "tiny": {
            "alignment": "pyramid",
            "mid_channels": 16,
            "feature_channels": 32,
            "latent_channels": 16,
            "post_channels": 8,
            "project_channels": 8,
            "offset_channels": 4,
            "encoder_blocks": 1,
            "certainty_blocks": 1,
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
        descent_steps: int = 3,
        residual: bool = False,
        mid_channels: int = 64,
        feature_channels: int = 256,
        latent_channels: int = 64,
        post_channels: int = 32,
        project_channels: int = 64,
        offset_channels: int = 64,
        encoder_blocks: int = 5,
        certainty_blocks: int = 3,
        pre_blocks: int = 5,
        post_blocks: int = 5,
    ) -> None:
        super().__init__()
        if scale & (scale - 1):
            raise ValueError(f"scale must be a power of 2, not {scale}")
        self.reference, self.bracketed, self.descent_steps = reference, bracketed, descent_steps
        self.scale, self.stride, self.residual = scale, min(scale, 2), residual
        self.gradient_checkpointing = False
        self.alignment_net = Alignment(alignment, in_channels, published_flow)
        self.lr_encoder = Encoder(in_channels, mid_channels, encoder_blocks, feature_channels)
        self.hr_initializer = Initialiser(feature_channels, latent_channels, self.stride)
        told = 2 * in_channels if bracketed else 0
        certainty = CertaintyPredictor(
            feature_channels, project_channels, offset_channels, 1, told, certainty_blocks
        )
        self.optimizer = SteepestDescent(
            latent_channels, feature_channels, self.stride, certainty, prior=alignment == "pyramid"
        )
        self.hr_decoder = UpsamplingDecoder(
            Widths(latent_channels, mid_channels, post_channels, out_channels),
            (pre_blocks, post_blocks),
            scale // self.stride,
            residual,
        )
        if residual:
            start_from_frames(self, self.alignment_part)
            nn.init.zeros_(self.hr_decoder.predictor[0].weight)  # training starts from the base

    @classmethod
    def arguments_of(cls, state: dict[str, torch.Tensor]) -> dict[str, int | str]:
        """What the names and shapes of a state dict tell, if it is one of this network."""
        if (
            "hr_decoder.predictor.0.weight" not in state
            or "hr_decoder.upsample_layer.conv_layer.0.weight" not in state
        ):
            return {}
        factor = {
            name: math.isqrt(state[f"{name}.upsample_layer.conv_layer.0.weight"].shape[0] // after)
            for name, after in (
                ("hr_initializer", state["optimizer.degradation_operator.ds.0.0.weight"].shape[1]),
                ("hr_decoder", state["hr_decoder.predictor.0.weight"].shape[1]),
            )
        }
        return {
            "alignment": cls.alignment_of(state),
            "in_channels": state["lr_encoder.init_layer.0.weight"].shape[1],
            "out_channels": len(state["hr_decoder.predictor.0.weight"]),
            "scale": factor["hr_initializer"] * factor["hr_decoder"],
        }

    def decode(self, z: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
        image = self.hr_decoder(z)
        if not self.residual:
            return image
        return image + enlarged(base, self.scale, image.shape[1])
