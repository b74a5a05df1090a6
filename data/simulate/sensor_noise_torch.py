"""The noise of data.simulate.sensor_noise on tensors, on any device: a batch at a time."""

from collections.abc import Sequence

import torch

from data.simulate.sensor_noise import C, NoiseLevels, NoiseModel


def stack_levels(levels: Sequence[NoiseLevels], device: torch.device | str = "cpu") -> NoiseLevels:
    """Levels of the samples of a batch as tensors: (N,) float32, bias (N, 4)."""
    columns = zip(*levels, strict=True)
    return NoiseLevels(
        *(torch.stack([torch.as_tensor(one, dtype=torch.float32) for one in c]).to(device) for c in columns)
    )


def generators(seeds: Sequence[int], device: torch.device | str = "cpu") -> list[torch.Generator]:
    """A generator for each sample."""
    return [torch.Generator(device).manual_seed(seed) for seed in seeds]


@torch.no_grad()
def add(
    model: NoiseModel,
    clean: torch.Tensor,
    ratio: torch.Tensor,
    levels: NoiseLevels,
    generators: Sequence[torch.Generator],
) -> torch.Tensor:
    """Clean planes (N, 4, h, w) in [0, 1] -> what cameras measure of them at 1 / ratio of the exposure.

    Amplified by the ratio again, not clipped; float32 also under autocast, as counts exceed what half
    precision holds. A sample depends on its own generator alone, whatever the batch.

    Args:
        ratio: (N,). levels: of `stack_levels`. generators: one per sample, on the device of `clean`.
    """
    numbers = Drawn(generators)
    shape = clean.shape
    with torch.autocast(clean.device.type, enabled=False):
        batched = NoiseLevels(*(one.float().view(shape[0], -1, 1, 1) for one in levels))
        amplified = ratio.float().view(-1, 1, 1, 1)
        rows = model.row_noise((shape[0], 2, shape[2], 1), batched, numbers).repeat_interleave(2, dim=1)
        return model.measure(clean.float() * (C / amplified), batched, numbers, rows) * (amplified / C)


class Drawn:
    """Numbers drawn with a generator per sample; see data.simulate.sensor_noise.Numbers."""

    def __init__(self, generators: Sequence[torch.Generator]) -> None:
        self.generators = generators

    def uniform(self, shape: Sequence[int]) -> torch.Tensor:
        """In [0, 1)."""
        return torch.stack(
            [torch.rand(shape[1:], generator=one, device=one.device) for one in self.generators]
        )

    def normal(self, shape: Sequence[int], use: str = "") -> torch.Tensor:
        """Standard normal."""
        return torch.stack(
            [torch.randn(shape[1:], generator=one, device=one.device) for one in self.generators]
        )

    def tukey(self, shape: Sequence[int], lam: torch.Tensor) -> torch.Tensor:
        """Tukey's lambda distribution of unit scale; `lam` (N, 1, 1, 1)."""
        places = self.uniform(shape) + 2.0**-25  # of steps of 2^-24: never 0
        low, high = places.log(), (-places).log1p().clamp(min=-17.4)  # 1 may be rounded up to
        safe = torch.where(lam == 0, 1.0, lam)
        return torch.where(lam == 0, low - high, ((safe * low).exp() - (safe * high).exp()) / safe)

    def poisson(self, mean: torch.Tensor) -> torch.Tensor:
        """Whole numbers of these means."""
        return torch.stack(
            [torch.poisson(each, generator=one) for each, one in zip(mean, self.generators, strict=True)]
        )
