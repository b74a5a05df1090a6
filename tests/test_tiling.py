"""Tiles: they cover the frame, none is larger than asked for, and together they are the whole."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from util.tiling import Part, restore

RADIUS = 5


class Blur(nn.Module):
    """Mean of the first frame over 11 x 11 px; remembers the sizes that it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[tuple[int, int]] = []

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        self.sizes.append(tuple(frames.shape[-2:]))
        image = F.pad(frames[:, 0], (RADIUS,) * 4, mode="reflect")
        return F.avg_pool2d(image, 2 * RADIUS + 1, 1)


class Shift(Blur):
    """The last frame, fetched from `flow` px to the right: what a network with motion needs of the frame."""

    def __init__(self, motion: Callable[[int, int], torch.Tensor]) -> None:
        super().__init__()
        self.motion = motion

    def whole_frame(self, frames: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"flow": self.motion(*frames.shape[-2:])[None, None, None]}  # (1, 1, 1, H, W)

    @staticmethod
    def halo(flow: torch.Tensor) -> int:
        return int(flow.max()) + 1

    def forward(
        self, frames: torch.Tensor, flow: torch.Tensor | None = None, window: tuple | None = None
    ) -> torch.Tensor:
        self.sizes.append(tuple(frames.shape[-2:]))
        flow = self.whole_frame(frames)["flow"] if flow is None else flow
        top, left, height, width = window or (0, 0, *frames.shape[-2:])
        columns = torch.arange(frames.shape[-1])
        source = torch.minimum(columns + flow[0, 0, 0].long(), torch.tensor(width - 1 - left))
        source = source.clamp(max=frames.shape[-1] - 1)[None].expand(frames.shape[2], -1, -1)
        assert top + frames.shape[-2] <= height
        return frames[0, -1].gather(-1, source)[None]


def frames_of(height: int, width: int) -> torch.Tensor:
    return torch.rand(1, 2, 3, height, width, generator=torch.Generator().manual_seed(height))


@pytest.mark.parametrize("size", [(100, 100), (101, 640), (233, 377), (64, 513)])
@pytest.mark.parametrize(("tile", "overlap"), [(64, 5), (64, 12), (96, 16), (50, 0)])
def test_tiles_are_the_whole_and_no_larger_than_asked(size: tuple, tile: int, overlap: int) -> None:
    network, frames = Blur(), frames_of(*size)
    tiled = restore(network, frames, tile, overlap)
    assert max(max(sides) for sides in network.sizes) <= tile
    assert len(network.sizes) > 1
    whole = network(frames)
    if overlap // 4 + overlap >= RADIUS and overlap:
        torch.testing.assert_close(tiled, whole, atol=1e-6, rtol=0)
    assert (tiled - whole).abs().mean() < 0.01


def test_a_frame_of_no_more_px_than_a_tile_is_one() -> None:
    network = Blur()
    for size, tile, count in (((64, 64), 64, 1), ((32, 128), 64, 1), ((33, 128), 64, 4), ((300, 300), 0, 1)):
        network.sizes.clear()
        restore(network, frames_of(*size), tile, 8)
        assert len(network.sizes) == 1 if count == 1 else len(network.sizes) > 1


def test_work_does_not_grow_faster_than_the_frame() -> None:
    """The px that tiles work on, surroundings included, are those of the frame times a constant."""
    network, share = Blur(), []
    for side in (256, 512, 1024):
        network.sizes.clear()
        restore(network, frames_of(side, side), 128, 16)
        share.append(sum(height * width for height, width in network.sizes) / side**2)
    assert max(share) < 2.2


def test_motion_everywhere() -> None:
    """Tiles make room for it instead of growing."""
    network = Shift(lambda height, width: torch.full((height, width), 20.0))
    frames = frames_of(150, 400)
    tiled = restore(network, frames, 96, 8)
    assert max(max(sides) for sides in network.sizes) <= 96
    torch.testing.assert_close(tiled, network(frames), atol=1e-6, rtol=0)


def test_motion_in_one_place() -> None:
    """Only the tiles there become smaller."""

    def motion(height: int, width: int) -> torch.Tensor:
        flow = torch.zeros(height, width)
        flow[60:90, 200:230] = 30.0
        return flow

    network, still = Shift(motion), Shift(torch.zeros)
    frames = frames_of(150, 400)
    tiled = restore(network, frames, 96, 8)
    assert max(max(sides) for sides in network.sizes) <= 96
    torch.testing.assert_close(tiled, network(frames), atol=1e-6, rtol=0)
    restore(still, frames, 96, 8)
    assert len(network.sizes) < 4 * len(still.sizes)


def test_motion_farther_than_a_tile() -> None:
    """Then tiles grow, and the result is still that of the whole frame."""
    network = Shift(lambda height, width: torch.full((height, width), 70.0))
    frames = frames_of(100, 400)
    tiled = restore(network, frames, 64, 8)
    torch.testing.assert_close(tiled, network(frames), atol=1e-6, rtol=0)


def test_part() -> None:
    part = Part(range(0, 20), range(30, 50), (40, 50))
    assert part.around(8) == (slice(0, 28), slice(22, 50))
    weight = part.weight(4)
    assert weight.shape == (20, 20) and weight.min() > 0
    assert torch.all(weight[:12, 8:] == 1)  # towards the frame's edges
    falling = weight[12:, 10]
    torch.testing.assert_close(falling + falling.flip(0), torch.ones(8))
