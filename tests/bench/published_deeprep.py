"""A plain transcription of the published formulation of DeepRepSR (Deep-Rep specification, 1 and 2).

For comparisons of speed and memory: whole bursts as one batch, the latent image repeated for each frame, the
adjoint by automatic differentiation, the features of the base computed for each pair. The convolutions, and
so the weights, are those of the network that is compared.
"""

import torch
import torch.nn.functional as F
from torch import nn

from models.networks.deeprep_sr import DeepRepSR
from models.networks.flow.pair_flow import UNIT, colours
from models.networks.flow.pwcnet import NUMBERS, PWCNet


def plain_warp(features: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
    """Features (N, C, H, W) at p + flow(p), 0 outside (1.1)."""
    height, width = features.shape[-2:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    place = torch.stack((x, y)).float()[None] + flow
    grid = torch.stack((2 * (place[:, 0] + 0.5) / width - 1, 2 * (place[:, 1] + 0.5) / height - 1), dim=-1)
    return F.grid_sample(features, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def plain_correlation(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """81 shifted products, each the mean over the channels (2.4)."""
    height, width = first.shape[-2:]
    padded = F.pad(second, (4, 4, 4, 4))
    shifted = (padded[..., dy : dy + height, dx : dx + width] for dy in range(9) for dx in range(9))
    return torch.stack([(first * other).mean(1) for other in shifted], dim=1)


class PlainPWCNet(nn.Module):
    """PWC-Net pair by pair, with the layers of ours."""

    def __init__(self, network: PWCNet) -> None:
        super().__init__()
        self.net = network.net

    @torch.no_grad()
    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Images (N, 3, H, W) -> flow (N, 2, H, W) on the target's grid."""
        height, width = source.shape[-2:]
        size = [side + -side % 64 for side in (height, width)]
        first, second = (
            self.net.netExtractor(F.interpolate(image, size=size, mode="bilinear", align_corners=False))
            for image in (target, source)
        )
        flow, stack = None, None
        for level in range(6, 1, -1):
            flow, stack = self._level(level, first[level - 1], second[level - 1], flow, stack)
        flow = flow + self.net.netRefiner(stack)
        flow = UNIT * F.interpolate(flow, size=(height, width), mode="bilinear", align_corners=False)
        return flow * torch.tensor([width / size[1], height / size[0]]).view(1, 2, 1, 1)

    def _level(self, level, first, second, flow, stack) -> tuple[torch.Tensor, torch.Tensor]:
        decoder, extra = self.net.get_submodule(f"net{NUMBERS[level - 1]}"), []
        if flow is not None:
            flow, features = decoder.netUpflow(flow), decoder.netUpfeat(stack)
            height, width = second.shape[-2:]
            stretch = torch.tensor([width / (width - 1), height / (height - 1)]).view(1, 2, 1, 1)
            ones = torch.ones_like(second[:, :1])
            moved = plain_warp(torch.cat((second, ones), dim=1), flow * decoder.scale * stretch)
            second, extra = moved[:, :-1] * (moved[:, -1:] > 0.999), [first, flow, features]
        stack = torch.cat((F.leaky_relu(plain_correlation(first, second), 0.1), *extra), dim=1)
        for number in NUMBERS[:5]:
            stack = torch.cat((decoder.get_submodule(f"net{number}")(stack), stack), dim=1)
        return decoder.netSix(stack), stack


class PlainDeepRepSR(nn.Module):
    """The network with PWC-Net, frame axis and batch in one, with the layers of ours."""

    def __init__(self, network: DeepRepSR) -> None:
        super().__init__()
        self.own = network
        self.flow = PlainPWCNet(network.alignment)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Frames (N, T, 4, h, w) -> (N, 3, 8h, 8w)."""
        number, count = frames.shape[:2]
        view = colours(frames)
        base = view[:, :1].expand_as(view[:, 1:])
        flow = self.flow(base.flatten(0, 1), view[:, 1:].flatten(0, 1))
        features = self.own.lr_encoder(frames.flatten(0, 1)).unflatten(0, (number, count))
        weights = self._weights(features, flow)
        z = z0 = self.own.hr_initializer(features[:, 0])
        fine = 2 * F.interpolate(flow, scale_factor=2, mode="nearest")
        for _ in range(self.own.descent_steps):
            z = self._step(z, z0, features, weights, fine)
        return self.own.hr_decoder(z)

    def _weights(self, features: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
        """Of all frames at once (2.3)."""
        number, count = features.shape[:2]
        predictor = self.own.optimizer.weight_predictor
        projected = predictor.project(features.flatten(0, 1)).unflatten(0, (number, count))
        base = projected[:, :1].expand(-1, count - 1, -1, -1, -1).flatten(0, 1)
        moved = plain_warp(base, flow).unflatten(0, (number, count - 1))
        moved = torch.cat((projected[:, :1], moved), dim=1)
        flow = flow.unflatten(0, (number, count - 1))
        phase = torch.cat((torch.zeros_like(flow[:, :1]), flow), dim=1) % 1.0
        told = [projected, projected - moved]
        told.append(predictor.offset_feat_extractor(phase.flatten(0, 1)).unflatten(0, (number, count)))
        joined = torch.cat(told, dim=2).flatten(0, 1)
        return predictor.weight_predictor(joined).abs().unflatten(0, (number, count))

    def _predicted(self, z: torch.Tensor, flow: torch.Tensor, count: int) -> torch.Tensor:
        """G phi_i z of all frames: (N, T, F, h, w)."""
        number = len(z)
        repeated = z[:, None].expand(-1, count - 1, -1, -1, -1).flatten(0, 1)
        moved = plain_warp(repeated, flow).unflatten(0, (number, count - 1))
        everything = torch.cat((z[:, None], moved), dim=1).flatten(0, 1)
        return self.own.optimizer.degradation_operator(everything).unflatten(0, (number, count))

    def _step(self, z, z0, features, weights, flow) -> torch.Tensor:
        """A step (1.4), its gradient by automatic differentiation of what frames would show."""
        training, count = torch.is_grad_enabled(), features.shape[1]
        with torch.enable_grad():
            z = z if training else z.detach().requires_grad_()
            predicted = self._predicted(z, flow, count)
            residual = weights * (predicted - features)
            direction = torch.autograd.grad(
                predicted, z, weights * residual, create_graph=training, retain_graph=training
            )[0]
        rise = weights * self._predicted(direction, flow, count)
        step = direction.square().sum((1, 2, 3)) / rise.square().sum((1, 2, 3, 4)).clamp(min=1e-8)
        return z - step.view(-1, 1, 1, 1) * direction
