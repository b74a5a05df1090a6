"""Flow between the base of a burst and its other frames: its sign on both grids, sizes, files of weights."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import optical_flow

from models.networks import create_network, network_class
from models.networks.flow import pair_flow
from models.networks.flow.burst_flow import ALIGNMENTS, FROZEN, create_alignment, flow_view
from models.networks.flow.pair_flow import UNIT, Features, PairFlow
from models.networks.flow.pyramid_flow import RADII
from models.networks.flow.raft_flow import RaftSmall
from models.networks.parts.warp import warp
from models.pretrained_parts import load_pretrained_parts
from tests.golden.published_weights import fill_value
from util.errors import UserError

Shift = tuple[int, int]  # px in x and y from the base to where the other frame shows the same

SHIFT: Shift = (4, -3)
SIZE = (128, 192)
LEARNT = (*FROZEN, "pyramid")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def smooth(size: tuple[int, int], planes: int = 3, seed: int = 0, finest: float = 6) -> torch.Tensor:
    """A picture (planes, H, W) in 0..1 that goes on at the other side; `finest` px of detail."""
    noise = torch.randn(planes, *size, generator=torch.Generator().manual_seed(seed))
    down, across = (torch.fft.fftfreq(side) for side in size)
    kept = torch.hypot(down[:, None], across[None]) < 1 / finest
    picture = torch.fft.ifft2(torch.fft.fft2(noise) * kept).real
    return (0.5 + 0.15 * picture / picture.std()).clamp(0, 1)


def shifted_burst(base: torch.Tensor, shift: Shift = SHIFT) -> torch.Tensor:
    """A base (C, H, W), and two frames that show it away by the shift and its opposite: (1, 3, C, H, W)."""
    x, y = shift
    return torch.stack((base, base.roll((y, x), (1, 2)), base.roll((-y, -x), (1, 2))))[None]


def common_shift(target: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
    """Flow (N, 2, 1, 1), whole px, by which all of the source (N, C, H, W) is the target, by correlation."""
    spectra = [torch.fft.fft2(images.mean(1)) for images in (source, target)]
    peak = torch.fft.ifft2(spectra[0] * spectra[1].conj()).real.flatten(1).argmax(1)
    height, width = target.shape[-2:]
    sides = ((peak % width, width), (peak // width, height))
    flow = [torch.where(place > side // 2, place - side, place) for place, side in sides]
    return torch.stack(flow, dim=1).float()[..., None, None]


class Correlating(PairFlow):
    """Knows the motion of what only shifts."""

    def features(self, images: torch.Tensor) -> Features:
        return [images]

    def between(self, target: Features, source: Features) -> torch.Tensor:
        return common_shift(target[0], source[0]).expand(-1, -1, 4, 4) / UNIT


class CorrelatingRaft(nn.Module):
    """The same in the place of torchvision's network: flow from the first image into the second."""

    def __init__(self) -> None:
        super().__init__()
        self.corr_block = SimpleNamespace()

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> list[torch.Tensor]:
        return [common_shift(first, second).expand(-1, -1, *first.shape[-2:])]


def raft_that_knows() -> PairFlow:
    alignment = RaftSmall()
    alignment.net = CorrelatingRaft()
    return alignment


class Best(nn.Module):
    """Flow to where patches are most alike, in the place of a learnt predictor of a pyramid's level."""

    def __init__(self, radius: int, level: int) -> None:
        super().__init__()
        self.radius, self.level = radius, level  # px of the search, and px of the image in one of the level

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        reach = 2 * self.radius + 1
        best = given[:, : reach**2].argmax(1)
        return torch.stack((best % reach, best // reach), dim=1).sub(self.radius) * self.level / UNIT


def pyramid_that_knows(planes: int) -> PairFlow:
    alignment = create_alignment("pyramid", planes)
    alignment.features = lambda images: [F.avg_pool2d(images - images.mean(), side) for side in (4, 8)]
    alignment.offset_predictors = nn.ModuleList(Best(radius, 4 + 4 * i) for i, radius in enumerate(RADII))
    return alignment


def by_weights(name: str, planes: int = 4) -> nn.Module:
    """A learnt alignment with random weights under which it finds some flow."""
    torch.manual_seed(0)
    alignment = create_alignment(name, planes).eval()
    if name.startswith("raft"):  # fresh ones find some
        return alignment
    for key, parameter in alignment.named_parameters():
        parameter.data = torch.from_numpy(fill_value(key, tuple(parameter.shape), 1.0))
    return alignment


# Signs


@pytest.mark.parametrize(
    ("create", "base", "shift", "error"),
    [
        (lambda: create_alignment("dis", 3), smooth(SIZE), SHIFT, 0.05),
        (Correlating, smooth(SIZE), SHIFT, 1e-4),
        (raft_that_knows, smooth(SIZE), SHIFT, 1e-4),
        (lambda: pyramid_that_knows(48), smooth(SIZE, 48, finest=16), (20, -12), 2.0),  # half a px of 1/4
    ],
    ids=["dis", "pairs", "raft", "pyramid"],
)
@torch.no_grad()
def test_flow_has_its_sign_on_both_grids(create, base: torch.Tensor, shift: Shift, error: float) -> None:
    """On the grid of the base it leads to where the other frame shows the same, on the other one back."""
    alignment, frames, inner = create(), shifted_burst(base, shift), slice(32, -32)
    expected = torch.tensor([shift, [-part for part in shift]]).float()[..., None, None]
    for compute, wanted in ((alignment.from_base, expected), (alignment.into_base, -expected)):
        found = compute(frames)
        assert found.shape == (1, 2, 2, *SIZE)
        assert (found[0] - wanted)[..., inner, inner].abs().mean() < error
        still, others = frames[0, :1].expand(2, -1, -1, -1), frames[0, 1:]
        source, target = (others, still) if wanted is expected else (still, others)
        errors = [
            (image - target)[..., inner, inner].abs().mean() for image in (warp(source, found[0]), source)
        ]
        assert errors[0] < 0.4 * errors[1]


@torch.no_grad()
def test_enlarged_frames_have_flow_in_px_of_their_own() -> None:
    """Both sides are made multiples of 64, by different factors."""
    flow = Correlating().from_base(shifted_burst(smooth((100, 80))))[0]
    assert flow.shape == (2, 2, 100, 80)
    for found, sign in zip(flow.mean((2, 3)).tolist(), (1, -1), strict=True):
        assert found == pytest.approx([sign * part for part in SHIFT], abs=0.5)  # whole px of 128


# Networks for pairs


@pytest.mark.parametrize(
    ("name", "size"),
    [("pwcnet", (70, 51)), ("pwcnet", (16, 130)), ("pyramid", (70, 51)), ("raft_small", (16, 130))],
)
@torch.no_grad()
def test_a_burst_has_the_flow_of_its_pairs(name: str, size: tuple[int, int]) -> None:
    alignment = by_weights(name)
    frames = smooth(size, 4 * 2 * 3).view(2, 3, 4, *size)
    into, back = alignment.into_base(frames), alignment.from_base(frames)
    assert into.shape == back.shape == (2, 2, 2, *size)
    assert torch.isfinite(into).all() and (into - back).abs().max() > 1e-3
    for other in (1, 2):
        pair = frames[:, 0], frames[:, other]
        torch.testing.assert_close(into[:, other - 1], alignment(*pair), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(back[:, other - 1], alignment(*pair[::-1]), atol=1e-4, rtol=1e-4)


def test_features_of_the_base_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    alignment, seen, told = Correlating(), [], []
    monkeypatch.setattr(pair_flow, "AT_ONCE", 2 * 2 * 64 * 64)  # two frames of each of two bursts
    monkeypatch.setattr(alignment, "features", lambda images: seen.append(len(images)) or [images])
    flow = alignment.into_base(torch.rand(2, 6, 3, 64, 64), told.append)
    assert flow.shape == (2, 5, 2, 64, 64)
    assert seen == [2, 4, 4, 2]
    assert told == [0.4, 0.8, 1.0]


@pytest.mark.parametrize("name", ALIGNMENTS)
@torch.no_grad()
def test_a_burst_of_one_frame_has_no_flow(name: str) -> None:
    alignment = by_weights(name) if name in LEARNT else create_alignment(name, 4)
    for flow in (alignment.into_base, alignment.from_base):
        assert flow(torch.rand(1, 1, 4, 21, 26)).shape == (1, 0, 2, 21, 26)


@pytest.mark.parametrize("name", FROZEN)
def test_frozen_networks_stay_as_they_are(name: str) -> None:
    """Also in training: no gradients, and nothing that normalisation learns."""
    alignment = by_weights(name, 3).train()
    assert not any(parameter.requires_grad for parameter in alignment.parameters())
    before = {key: value.clone() for key, value in alignment.state_dict().items()}
    frames = torch.rand(1, 2, 3, 24, 40, requires_grad=True)
    flow = alignment.into_base(frames)
    assert not flow.requires_grad
    for key, value in alignment.state_dict().items():
        assert torch.equal(value, before[key]), key
    torch.testing.assert_close(alignment.eval().into_base(frames), flow)


# RAFT


@pytest.mark.parametrize(("name", "count"), [("raft_small", 990_162), ("raft_large", 5_257_536)])
def test_raft_is_that_of_torchvision(name: str, count: int) -> None:
    """The flow of the target into the source, of pictures in -1..1; its files fit by their names."""
    alignment, plain = by_weights(name), getattr(optical_flow, name)().eval()
    assert sum(parameter.numel() for parameter in alignment.parameters()) == count
    state = {alignment.published_name(key): value for key, value in plain.state_dict().items()}
    alignment.load_state_dict(state)
    target, source = torch.stack((smooth((128, 136)), smooth((128, 136), seed=1))).split(1)
    with torch.no_grad():
        expected = plain(2 * target - 1, 2 * source - 1)[-1]
        torch.testing.assert_close(alignment(source, target), expected, atol=1e-4, rtol=1e-4)
    assert alignment.net.corr_block.corr_pyramid == []  # correlations of all pairs are not kept


def test_linear_frames_are_coded_for_raft_alone() -> None:
    frames = torch.tensor([-0.5, 0.25, 1.5]).view(1, 3, 1, 1, 1)
    assert flow_view(frames, gamma_coded=False).flatten().tolist() == [-0.5, 0.25, 1.5]
    coded = flow_view(frames, gamma_coded=True).flatten().tolist()
    assert coded == pytest.approx([0, 0.25 ** (1 / 2.2), 1])
    small = network_class("dbsr").sizes["tiny"]
    for name, wanted in (("raft_small", coded), ("dis", [-0.5, 0.25, 1.5])):
        network, seen = create_network("dbsr", **small | {"alignment": name}), []
        network.alignment.from_base = lambda view, seen=seen: seen.append(view) or view
        network.flow_of(frames)
        assert seen[0].flatten().tolist() == pytest.approx(wanted)


@pytest.mark.parametrize("network", ["deeprep_sr", "deeprep_denoise", "dbsr"])
@pytest.mark.parametrize("name", ALIGNMENTS)
def test_a_state_dict_tells_its_alignment(network: str, name: str) -> None:
    kind = network_class(network)
    with torch.device("meta"):
        made = create_network(network, **kind.sizes["tiny"] | {"alignment": name})
    assert kind.alignment_of(made.state_dict()) == name
    assert kind.arguments_of(made.state_dict())["alignment"] == name
    held = [part for part in kind.pretrained_parts if made.part(part) is not None]
    assert held == [name.partition("_")[0]] * (name in FROZEN)


# Files of weights


def load_parts(network: nn.Module, **options: object) -> list[str]:
    """What is said of the files that are read into a new network."""
    said: list[str] = []
    opt = argparse.Namespace(**{"pwcnet_path": None, "raft_path": None, "sca_flow": "dis"} | options)
    load_pretrained_parts(network, opt, said.append)
    return said


def tiny(alignment: str) -> nn.Module:
    return create_network("dbsr", **network_class("dbsr").sizes["tiny"] | {"alignment": alignment})


def test_raft_begins_with_its_file(tmp_path: Path) -> None:
    path, state = tmp_path / "raft.pth", optical_flow.raft_small().state_dict()
    torch.save(state, path)
    network = tiny("raft_small")
    assert load_parts(network, raft_path=path) == [f"raft from {path}"]
    for key, value in network.alignment.net.state_dict().items():
        assert torch.equal(value, state[key])
    assert len([key for key in network.state_dict() if "feature_encoder" in key]) > 10  # in our checkpoints
    with pytest.raises(UserError, match="raft is not learnt here: give its published weights, --raft_path "):
        load_parts(network)
    with pytest.raises(UserError, match=f"^{path} does not fit this RaftLarge: it holds unknown net"):
        load_parts(tiny("raft_large"), raft_path=path)
    with pytest.raises(UserError, match=f"^{path} does not fit this PWCNet: it holds unknown net"):
        load_parts(tiny("pwcnet"), pwcnet_path=path)


@pytest.mark.parametrize("part", ["raft", "pwcnet"])
def test_a_file_that_nothing_reads_is_refused(part: str) -> None:
    for name in ("dis", "pyramid"):
        with pytest.raises(UserError, match=f"--{part}_path: this DBSR, by its options, has no {part}"):
            load_parts(tiny(name), **{f"{part}_path": "x.pth"})


def test_the_file_of_the_flow_of_scores_is_not_refused() -> None:
    """--sca_flow pwcnet reads it by itself."""
    assert load_parts(tiny("dis"), pwcnet_path="x.pth", sca_flow="pwcnet") == []
