"""Burst denoising by deep reparametrization (Bhat et al., ICCV 2021; specification, 2.2)."""

from typing import ClassVar

import torch
from torch import nn

from models.networks.parts.burst_blocks import ConvBlock, res_blocks, start_from_frames
from models.networks.parts.burst_network import Alignment
from models.networks.parts.certainty import CertaintyPredictor
from models.networks.parts.deeprep_network import DeepRepNetwork, Encoder
from models.networks.parts.descent import SteepestDescent


class Initialiser(nn.Module):
    """z0 from the features of the base."""

    def __init__(self, features: int, latent: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(ConvBlock(features, latent, bias=False, relu=False))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.layers(features)


class Decoder(nn.Module):
    """D: the latent image (N, C, h, w) to an image (N, C', h, w)."""

    def __init__(self, latent: int, width: int, blocks: int, planes: int) -> None:
        super().__init__()
        self.init_layer = ConvBlock(latent, width)
        self.res_layers = res_blocks(blocks, width)
        self.predictor = ConvBlock(width, planes, kernel=1, relu=False)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.predictor(self.res_layers(self.init_layer(z)))


class DeepRepDenoise(DeepRepNetwork):
    """Restores one frame of a burst whose noise is known.

    Args:
        in_channels, out_channels: planes of a frame and of the result.
        reference: number of the frame, from 0, that is restored.
        bracketed: whether frames differ in exposure; where their noise is not told it is then assumed, and
            the certainty is told of clipping too.
        alignment: "pwcnet", "raft_small", "raft_large" (all frozen), "pyramid" (trained with it, and with a
            learnt prior) or "dis" (no weights).
        published_flow: pyramid as published weights ask for.
        descent_steps: K, any number, also of a trained network.
        residual: add the base to what is decoded; the published network does not.
        encoder_channels (32), feature_channels: of e (64). latent_channels: of z (16). decoder_channels (64).
        project_channels, offset_channels: of the certainty (16, 8).
        encoder_blocks, certainty_blocks, decoder_blocks: residual blocks (4, 1, 9).
    """

    scales = (1,)
    published_arguments: ClassVar[dict] = {"published_flow": True}
    sizes: ClassVar[dict[str, dict]] = {
        "full": {},
        "small": {
            "residual": True,
            "encoder_channels": 16,
            "feature_channels": 32,
            "decoder_channels": 32,
            "encoder_blocks": 2,
            "decoder_blocks": 4,
        },
        "tiny": {
            "alignment": "pyramid",
            "encoder_channels": 8,
            "feature_channels": 16,
            "latent_channels": 8,
            "decoder_channels": 16,
            "project_channels": 8,
            "encoder_blocks": 1,
            "decoder_blocks": 1,
        },
    }

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        reference: int = 0,
        bracketed: bool = False,
        alignment: str = "pwcnet",
        published_flow: bool = False,
        descent_steps: int = 3,
        residual: bool = False,
        encoder_channels: int = 32,
        feature_channels: int = 64,
        latent_channels: int = 16,
        decoder_channels: int = 64,
        project_channels: int = 16,
        offset_channels: int = 8,
        encoder_blocks: int = 4,
        certainty_blocks: int = 1,
        decoder_blocks: int = 9,
    ) -> None:
        super().__init__()
        if residual and in_channels != out_channels:
            raise ValueError(f"residual: the base has {in_channels} planes, the result {out_channels}")
        self.reference, self.bracketed, self.descent_steps = reference, bracketed, descent_steps
        self.residual, self.gradient_checkpointing = residual, False
        self.needs = () if bracketed else ("noise_map",)
        self.alignment_net = Alignment(alignment, in_channels, published_flow)
        self.lr_encoder = Encoder(2 * in_channels, encoder_channels, encoder_blocks, feature_channels)
        self.hr_initializer = Initialiser(feature_channels, latent_channels)
        told = 2 * in_channels if bracketed else in_channels
        certainty = CertaintyPredictor(
            feature_channels, project_channels, offset_channels, 0, told, certainty_blocks
        )
        self.optimizer = SteepestDescent(
            latent_channels, feature_channels, 1, certainty, prior=alignment == "pyramid"
        )
        self.hr_decoder = Decoder(latent_channels, decoder_channels, decoder_blocks, out_channels)
        if residual:
            start_from_frames(self, self.alignment_part)
            nn.init.zeros_(self.hr_decoder.predictor[0].weight)  # training starts from the base
            nn.init.zeros_(self.hr_decoder.predictor[0].bias)

    @classmethod
    def arguments_of(cls, state: dict[str, torch.Tensor]) -> dict[str, int | str]:
        """What the names and shapes of a state dict tell, if it is one of this network."""
        if "hr_initializer.layers.0.0.weight" not in state:
            return {}
        planes = len(state["hr_decoder.predictor.0.weight"])
        return {"alignment": cls.alignment_of(state), "in_channels": planes, "out_channels": planes}

    def encoder_input(self, frames: torch.Tensor, noise: torch.Tensor | None) -> torch.Tensor:
        if noise is None:
            raise ValueError("the noise of the frames must be known: noise_map (N, T, C, H, W)")
        return torch.cat((frames, noise), dim=2)

    def decode(self, z: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
        image = self.hr_decoder(z)
        return image + base if self.residual else image
