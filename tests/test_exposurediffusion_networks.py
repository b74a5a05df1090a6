"""UNet and NAFNet: what they are told of exposures, heads, strips, other tasks, published checkpoints."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from models.network_arguments import arguments_of_checkpoint, held_by_published
from models.networks import create_network, network_class
from models.networks.parts import strips
from models.networks.parts.estimator import COUNTS, Estimator, published_order
from tests.golden.published_weights import fill_value
from tests.test_network_arguments import options
from util import checkpoint, tiling
from util.scores.complexity import parameter_count

both = pytest.mark.parametrize("name", ["unet", "nafnet"])
TOLD = {"with_photon": True, "concat_origin": True, "adaptive_res_and_x0": True}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny networks: threads would wait for each other longer than they work where cores are shared."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def make(name: str, **arguments) -> Estimator:
    """The tiny preset with weights under which every part of it matters."""
    network = create_network(name, **(network_class(name).sizes["tiny"] | arguments))
    for key, parameter in network.named_parameters():
        parameter.data = torch.from_numpy(fill_value(key, tuple(parameter.shape), 1.4))
    return network.eval()


def noisy(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def told(frames: torch.Tensor) -> dict[str, torch.Tensor]:
    """What frames (N, T, ...) carry: photons enough that the map matters."""
    number = frames.shape[:2]
    known = {"gain": torch.full(number, 0.02 / COUNTS), "ratio": torch.full(number, 100.0)}
    return known | {"reached": torch.full(number[:1], 34.0)}


@pytest.mark.parametrize(
    ("name", "size", "arguments", "count"),
    [
        ("unet", "full", {}, 7_760_484),
        ("unet", "full", {"adaptive_res_and_x0": True}, 7_760_649),
        ("unet", "full", {"adaptive_res_and_x0": True, "with_photon": True}, 7_761_801),
        ("unet", "full", TOLD, 7_762_953),
        ("nafnet", "full", {"adaptive_res_and_x0": True, "with_photon": True}, 6_897_865),
        ("nafnet", "full", TOLD, 6_898_441),
        ("nafnet", "naf", {"adaptive_res_and_x0": True, "with_photon": True}, 4_793),
        ("nafnet", "naf3", {"adaptive_res_and_x0": True, "with_photon": True}, 1_138_793),
    ],
)
def test_published_number_of_parameters(name: str, size: str, arguments: dict, count: int) -> None:
    with torch.device("meta"):
        network = create_network(name, **arguments, **network_class(name).sizes[size])
    assert parameter_count(network) == count


@both
@pytest.mark.parametrize("size", ["full", "naf", "naf3", "naf4", "small", "tiny"])
@pytest.mark.parametrize("told", [{}, {"with_photon": True}, TOLD])
def test_a_state_dict_says_how_its_network_was_made(name: str, size: str, told: dict) -> None:
    kind = network_class(name)
    if size not in kind.sizes:
        return
    with torch.device("meta"):
        network = create_network(name, **kind.sizes[size], **told)
        found = kind.arguments_of(network.state_dict())
        again = create_network(name, **found)
    asked = {key: value for key, value in network.arguments.items() if key in found}
    assert found == asked and len(found) >= 5
    assert parameter_count(again) == parameter_count(network)
    assert kind.arguments_of({"conv_first.weight": torch.zeros(1)}) == {}


@both
@torch.no_grad()
def test_a_published_file_loads(name: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """A training state of a run on several GPUs; options need not say what its network was made with."""
    network = make(name, with_photon=True, adaptive_res_and_x0=True)
    state = {f"module.{key}": value for key, value in network.state_dict().items()}
    path = tmp_path / "model_latest.pt"
    torch.save({"netG": state, "opt_g": {}, "epoch": 1, "iterations": 1}, path)
    loaded, record = checkpoint.load_weights(path)
    assert record is None and set(loaded) == set(network.state_dict())
    opt = options("--net", name)
    opt.size, opt.frame_num = None, 1
    task = {"in_channels": 4, "out_channels": 4, "scale": 1, "reference": 0}
    arguments = arguments_of_checkpoint(opt, task, path, held_by_published(opt, loaded))
    assert arguments["rgbg"] and arguments["with_photon"] and not arguments["concat_origin"]
    again = create_network(name, **arguments)
    assert checkpoint.fit(again, loaded, path) == []
    opt.with_photon, opt.concat_origin = False, True  # the file knows better
    assert arguments_of_checkpoint(opt, task, path, held_by_published(opt, loaded)) == arguments
    notes = capsys.readouterr().err.splitlines()
    assert notes[0] == "note: --with_photon False: the weights have True, which counts" and len(notes) == 2


@both
@torch.no_grad()
def test_strips_are_the_whole(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for scale, told_of in ((1, TOLD), (4, {})):
        network, frames = make(name, scale=scale, num_frames=2, **told_of), noisy(2, 2, 4, 75, 37)
        known = told(frames) | {"origin": noisy(2, 2, 4, 75, 37, seed=1)}
        known = known if told_of else {}
        with torch.enable_grad():
            whole = network(frames, **known).detach()
        monkeypatch.setattr(strips, "CHUNK_BYTES", 20_000)
        monkeypatch.setattr(strips, "STRIP_BYTES", 200_000)
        given = frames.clone()
        assert_allclose(network(frames, **known), whole, atol=2e-6 * float(whole.abs().max()))
        assert whole.std() > 0.05 and torch.equal(frames, given)
        monkeypatch.undo()


@both
@torch.no_grad()
def test_no_tiles(name: str) -> None:
    network, frames = make(name), noisy(1, 1, 4, 60, 52)
    assert_allclose(tiling.restore(network, frames, 32, 8), network(frames), atol=2e-6)


@both
@torch.no_grad()
def test_parts_of_an_estimate(name: str) -> None:
    network, frames = make(name, adaptive_res_and_x0=True), 1.2 * noisy(2, 1, 4, 21, 30)
    image, direct, by_residual, mask = network.estimate(frames)
    assert mask.shape == (2, 1, 21, 30) and direct.shape == by_residual.shape == (2, 4, 21, 30)
    for part in (mask, by_residual):
        assert part.min() >= 0 and part.max() <= 1 and part.std() > 0.1
    assert direct.min() < 0 or direct.max() > 1
    assert_allclose(image, mask * direct.clamp(0, 1) + (1 - mask) * by_residual, atol=1e-6)
    assert_allclose(network(frames), image, atol=1e-6)
    plain = make(name).estimate(frames)
    assert plain[1:] == (None, None, None) and plain.image.min() >= 0 and plain.image.max() <= 1


@both
@torch.no_grad()
def test_photon_map_and_origin(name: str) -> None:
    """The map is electrons at the exposure reached / 15583: only the product of its factors matters."""
    network, frames = make(name, **TOLD), noisy(1, 1, 4, 16, 16)
    known = told(frames)
    base = network(frames, **known)
    halved = known | {"gain": known["gain"] * 2, "reached": known["reached"] * 2}
    assert_allclose(network(frames, **halved), base, atol=1e-5)
    assert (network(frames, **known | {"ratio": known["ratio"] * 2}) - base).abs().max() > 1e-3
    ones = known | {"reached": torch.ones(1)}
    assert_allclose(
        network(frames, **{k: v for k, v in ones.items() if k != "reached"}), network(frames, **ones)
    )
    assert torch.equal(network(frames, origin=frames, **known), base)
    assert not torch.equal(network(frames, origin=frames + 0.1, **known), base)
    planes = network._planes(None, network._light(**known), *[frames[:, 0].permute(0, 2, 3, 1)] * 2)
    expected = frames[0, 0, :, 3, 5] * 34 / (100 * 0.02)
    assert_allclose(planes[0, 3, 5], np.concatenate((frames[0, 0, :, 3, 5], expected, frames[0, 0, :, 3, 5])))


@both
def test_needs(name: str) -> None:
    assert make(name).needs == () and make(name, with_photon=True).needs == ("gain", "ratio")
    with pytest.raises(ValueError, match="a photon map needs the gain and the ratio"):
        make(name, with_photon=True)(noisy(1, 1, 4, 8, 8), gain=torch.ones(1, 1))


@both
@torch.no_grad()
def test_published_order(name: str) -> None:
    """Given and returned in our order, a network of R, G, B, G sees that one."""
    frames, swapped = noisy(2, 2, 4, 12, 20), [0, 1, 3, 2]
    theirs = make(name, num_frames=2, adaptive_res_and_x0=True)
    ours = make(name, num_frames=2, adaptive_res_and_x0=True, rgbg=True)
    assert_allclose(ours(frames[:, :, swapped])[:, swapped], theirs(frames), atol=1e-6)
    maps = torch.arange(8.0).view(1, 1, 1, 8)
    assert published_order(maps).flatten().tolist() == [0, 1, 3, 2, 4, 5, 7, 6]


@both
@torch.no_grad()
def test_light_is_scaled_to_the_shortest_frame(name: str) -> None:
    network, frames = make(name, num_frames=2), noisy(1, 2, 4, 12, 20)
    exposure = torch.tensor([[0.25, 1.0]])
    assert_allclose(network(4 * frames, exposure=exposure), 4 * network(frames), atol=1e-5)
    assert network(40 * frames, exposure=exposure).max() <= 4


@both
def test_a_plain_head_learns_from_what_is_too_dark(name: str) -> None:
    network = make(name).train()
    for parameter in network.parameters():
        parameter.data.mul_(-1)
    network(noisy(1, 1, 4, 16, 16) - 3).mean().backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in network.parameters())


@torch.no_grad()
def test_residual_of_a_unet() -> None:
    frames = noisy(1, 1, 4, 16, 16)
    plain = make("unet").train()(frames)
    assert_allclose(make("unet", resid=True)(frames), (frames[:, 0] - plain).clamp(0, 1), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "arguments", "text"),
    [
        ("unet", {"reference": 1}, "of 1 frames, frame 1 cannot be the reference"),
        ("unet", {"rgbg": True, "in_channels": 3}, "rgbg is an order of 4 planes, not of 3 and 4"),
        ("unet", {"scale": 3}, "scale must be a power of 2, not 3"),
        ("unet", {"levels": 1}, "it has 2 levels or more"),
        ("unet", {"resid": True, "adaptive_res_and_x0": True}, "resid is for a plain head"),
        ("unet", {"resid": True, "out_channels": 5}, "a result of 5 planes is no frame of 4 plus a residual"),
        ("nafnet", {"out_channels": 5}, "a result of 5 planes is no frame of 4 plus a residual"),
        ("nafnet", {"encoder": "1"}, "encoder 1 and decoder 2,2,2,2 have different numbers of levels"),
        ("nafnet", {"encoder": "1,x"}, "blocks are numbers such as 2,2,4,4, not '1,x'"),
    ],
)
def test_refused(name: str, arguments: dict, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        create_network(name, **arguments)
