"""HDR-Transformer and SCTNet: windows, chunks, padding, other tasks than the published one, training."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from models.networks import create_network, network_class, network_names
from models.networks.parts import strips
from models.networks.parts.padding import cut, fill_margins, mirrored
from models.networks.parts.window_attention import SwinBlock, WindowAttention, relative_positions
from tests.golden.published_weights import fill_value
from util import checkpoint
from util.scores.complexity import parameter_count

GOLDEN = Path(__file__).parent / "golden"

both = pytest.mark.parametrize("name", ["hdr_transformer", "sctnet"])


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny networks: threads would wait for each other longer than they work where cores are shared."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def filled(module: nn.Module, gain: float = 1.0) -> nn.Module:
    for key, parameter in module.named_parameters():
        parameter.data = torch.from_numpy(fill_value(key, tuple(parameter.shape), gain))
    return module.eval()


def make(name: str, frames: int = 3, channels: int = 3, **arguments) -> nn.Module:
    """The tiny preset with weights under which every part of it matters."""
    preset = network_class(name).sizes["tiny"]
    task = {"num_frames": frames, "in_channels": channels, "out_channels": channels}
    return filled(create_network(name, **(task | preset | arguments)))


def pairs_of(frames: int, height: int, width: int, batch: int = 1, channels: int = 3) -> torch.Tensor:
    return torch.rand(
        batch, frames, 2 * channels, height, width, generator=torch.Generator().manual_seed(height)
    )


def test_shared_files_are_no_networks() -> None:
    names = set(network_names())
    assert {"hdr_transformer", "sctnet"} <= names
    assert not {"window_attention", "strips", "padding"} & names


@pytest.mark.parametrize(("name", "count"), [("hdr_transformer", 1_222_113), ("sctnet", 994_555)])
def test_published_number_of_parameters(name: str, count: int) -> None:
    with torch.device("meta"):
        network = create_network(name)
    assert parameter_count(network) == count


@both
def test_a_published_checkpoint_fits_with_its_buffers(name: str, tmp_path: Path) -> None:
    with np.load(GOLDEN / f"selfhdr_{name}.npz") as data:
        shapes = json.loads(str(data["shapes"]))
    network = create_network(name, bgr=True)
    assert {key: list(value.shape) for key, value in network.state_dict().items()} == shapes
    state = {key: torch.full(shape, 0.5) for key, shape in shapes.items()}
    block = "layers.1.residual_group.blocks.1."
    state[f"{block}attn.relative_position_index"] = torch.zeros(64, 64, dtype=torch.long)
    state[f"{block}attn_mask"] = torch.zeros(256, 64, 64)
    assert network.optional_buffers == ("attn.relative_position_index", "attn_mask")
    assert checkpoint.fit(network, state, tmp_path) == []
    assert all((value == 0.5).all() for value in network.state_dict().values())


def test_initial_values() -> None:
    network = create_network("hdr_transformer")
    block = network.layers[0].residual_group["blocks"][1]
    for weight in (block.mlp.fc1.weight, block.attn.relative_position_bias_table):
        assert abs(float(weight.detach().std()) - 0.02) < 0.002
    assert not block.mlp.fc1.bias.any() and (block.norm1.weight == 1).all()
    blocks = [block for group in network.layers for block in group.residual_group["blocks"]]
    rates = [block.drop_path.drop_prob for block in blocks]
    assert_allclose(rates, [k / 17 * 0.1 for k in range(18)], atol=1e-7)
    shifts = [block.shift for block in network.layers[2].residual_group["blocks"]]
    assert shifts == [0, 4, 0, 4, 0, 4]


def test_relative_positions() -> None:
    positions = relative_positions(8)
    for p, q in ((0, 0), (3, 60), (63, 0), (17, 42)):
        (yp, xp), (yq, xq) = divmod(p, 8), divmod(q, 8)
        assert positions[p, q] == (yp - yq + 7) * 15 + xp - xq + 7


def direct_attention(attention: WindowAttention, x: torch.Tensor, shift: int) -> torch.Tensor:
    """Attention of a map (H, W, C) written px by px: neighbours are those of the same shifted window, but
    not those that only rolling over the border of the image brings together."""
    height, width, channels = x.shape
    q, k, v = attention.qkv(x).view(height * width, 3, attention.heads, -1).unbind(1)
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    y, x = y.flatten(), x.flatten()
    row, column = (y - shift) // 8, (x - shift) // 8  # -1: the window that the border cuts
    same = (row[:, None] == row) & (column[:, None] == column)
    # In a window of the border, as elsewhere, the difference of place alone makes the bias.
    difference = [(side[:, None] - side).clamp(-7, 7) + 7 for side in (y, x)]
    bias = attention.relative_position_bias_table[difference[0] * 15 + difference[1]]  # (px, px, heads)
    logits = torch.einsum("phd,qhd->hpq", q, k) * q.shape[-1] ** -0.5 + bias.permute(2, 0, 1)
    weights = logits.masked_fill(~same, -torch.inf).softmax(-1)
    return attention.proj(torch.einsum("hpq,qhd->phd", weights, v).reshape(height, width, channels))


@pytest.mark.parametrize("shift", [0, 4])
@pytest.mark.parametrize("size", [(8, 8), (16, 8), (8, 24), (24, 32)])
@torch.no_grad()
def test_shifted_windows_against_a_direct_computation(size: tuple[int, int], shift: int) -> None:
    attention = filled(WindowAttention(12, 3, 8), 2.0)
    x = torch.randn(2, *size, 12, generator=torch.Generator().manual_seed(1))
    rolled = attention(x.roll((-shift, -shift), (1, 2)), shift, True).roll((shift, shift), (1, 2))
    expected = torch.stack([direct_attention(attention, sample, shift) for sample in x])
    assert_allclose(rolled, expected, atol=1e-5 * float(expected.std()))


@both
@pytest.mark.parametrize("scale", [1, 4])
def test_in_chunks_as_in_one(name: str, scale: int, monkeypatch: pytest.MonkeyPatch) -> None:
    network, pairs = make(name, scale=scale), pairs_of(3, 40, 24, batch=2)
    whole = network.restore_pairs(pairs).detach()  # with gradients all is one chunk
    monkeypatch.setattr(strips, "CHUNK_BYTES", 1000)  # a row, a band of windows
    monkeypatch.setattr(strips, "STRIP_BYTES", 200_000)
    given = pairs.clone()
    with torch.inference_mode():
        chunked = network.restore_pairs(pairs)
    assert_allclose(chunked, whole, atol=2e-6)
    assert whole.std() > 0.01 and torch.equal(pairs, given)


@torch.no_grad()
def test_bands_of_several_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two bands at once of five: the last chunk is smaller, and one rolls over the border."""
    block, x = filled(SwinBlock(12, 3, 8, 4, 2.0, 0.0)), torch.randn(1, 40, 16, 12)
    whole = block(x)
    monkeypatch.setattr(strips, "CHUNK_BYTES", 4 * 16 * 36 * 17)
    changed = x.clone()
    assert_allclose(block(changed), whole, atol=1e-5)
    assert_allclose(changed, whole, atol=1e-5)  # in place


def test_strips_have_their_rows_around_them() -> None:
    assert list(strips.strips(10, 4, 2)) == [
        (slice(0, 4), slice(0, 6), slice(0, 4)),
        (slice(4, 8), slice(2, 10), slice(2, 6)),
        (slice(8, 10), slice(6, 10), slice(2, 4)),
    ]


@pytest.mark.parametrize(
    "margins", [((3, 4), (4, 4)), ((0, 0), (0, 0)), ((0, 2), (1, 0)), ((8, 8), (11, 11))]
)
def test_mirrored_as_torch_does(margins) -> None:
    image, (rows, columns) = torch.rand(2, 3, 9, 12), margins
    expected = nn.functional.pad(image, (*columns, *rows), mode="reflect")
    assert torch.equal(mirrored(image, margins), expected)


@pytest.mark.parametrize(
    "margins", [((3, 4), (4, 4)), ((0, 0), (0, 0)), ((0, 2), (1, 0)), ((20, 1), (0, 30))]
)
@pytest.mark.parametrize("size", [(9, 12), (1, 1), (1, 5)])
def test_margins_are_filled_as_mirrored(margins, size) -> None:
    image = torch.rand(2, 3, *size)
    expected = mirrored(image, margins)
    canvas = torch.full_like(expected, torch.nan)
    cut(canvas, margins).copy_(image)
    fill_margins(canvas, margins)
    assert torch.equal(canvas, expected)


def test_mirrored_beyond_the_image() -> None:
    tiny = torch.tensor([[0.0, 1.0, 2.0]])
    assert mirrored(tiny, ((0, 1), (4, 4)))[1].tolist() == [0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2]


@both
@torch.no_grad()
def test_padding_is_that_of_the_published_test(name: str) -> None:
    """Also of sides that are multiples of 8; in training these are left alone."""
    network, pairs = make(name), pairs_of(3, 21, 16)
    padded = torch.stack([nn.functional.pad(p, (4, 4, 1, 2), mode="reflect") for p in pairs])
    expected = network.restore_pairs(padded)[..., 1:22, 4:20]
    assert_allclose(network.restore_padded(pairs), expected, atol=1e-6)
    frames, exposure = pairs[:, :, :3], torch.tensor([[1.0, 4.0, 16.0]])
    assert network(frames, exposure).shape == (1, 3, 21, 16)
    assert network.train().margins(frames) == ((1, 2), (0, 0))
    assert network.eval().margins(frames) == ((1, 2), (4, 4))


@both
@pytest.mark.parametrize("size", [(8, 8), (3, 5), (1, 2)])
@torch.no_grad()
def test_images_smaller_than_the_padding(name: str, size: tuple[int, int]) -> None:
    output = make(name).restore_padded(pairs_of(3, *size))
    assert output.shape == (1, 3, *size) and output.isfinite().all()


@both
@pytest.mark.parametrize(("frames", "reference", "channels", "scale"), [(5, 0, 4, 4), (2, 1, 1, 2)])
def test_other_tasks(name: str, frames: int, reference: int, channels: int, scale: int) -> None:
    network = make(name, frames, channels, reference=reference, scale=scale).train()
    images = torch.rand(1, frames, channels, 13, 17)
    output = network(images, 4.0 ** torch.arange(frames)[None])
    assert output.shape == (1, channels, 13 * scale, 17 * scale)
    output.square().mean().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad.abs().max() > 0, key


@both
@torch.no_grad()
def test_the_reference_is_another_frame(name: str) -> None:
    """The same weights with frames and reference moved on by one give another result."""
    last, first = make(name, reference=2), make(name, reference=0)
    first.load_state_dict(dict(zip(first.state_dict(), last.state_dict().values(), strict=True)))
    pairs = pairs_of(3, 16, 16)
    assert (last.restore_pairs(pairs) - first.restore_pairs(pairs)).abs().max() > 0.01


def test_impossible_widths_are_refused() -> None:
    with pytest.raises(ValueError, match="embed_dim of 61 cannot be divided among 6 heads"):
        create_network("hdr_transformer", embed_dim=61)
    with pytest.raises(ValueError, match="frame_dim of 10 cannot be divided among 4 heads"):
        create_network("sctnet", frame_dim=10)


@both
@pytest.mark.parametrize("drop_path", [0.0, 0.5])
def test_checkpointing_leaves_the_gradients(name: str, drop_path: float) -> None:
    network, pairs = make(name, drop_path=drop_path).train(), pairs_of(3, 16, 24, batch=2)
    gradients = []
    for network.gradient_checkpointing in (False, True):
        torch.manual_seed(3)
        network.zero_grad()
        network.restore_pairs(pairs).square().mean().backward()
        gradients.append({key: parameter.grad for key, parameter in network.named_parameters()})
    for key, expected in gradients[0].items():
        assert_allclose(gradients[1][key], expected, atol=1e-6 * float(expected.abs().max()), err_msg=key)


@both
def test_stochastic_depth_is_of_training(name: str) -> None:
    network, pairs = make(name, drop_path=0.9).train(), pairs_of(3, 16, 16)
    with torch.no_grad():
        results = [network.restore_pairs(pairs) for _ in range(8)]
        assert max((result - results[0]).abs().max() for result in results) > 1e-3
        assert torch.equal(network.eval().restore_pairs(pairs), network.restore_pairs(pairs))


@both
@torch.no_grad()
def test_half_precision_and_channels_last(name: str) -> None:
    network, pairs = make(name), pairs_of(3, 24, 32)
    exact = network.restore_pairs(pairs)
    assert_allclose(network.to(memory_format=torch.channels_last).restore_pairs(pairs), exact, atol=1e-6)
    with torch.autocast("cpu", torch.bfloat16):
        half = network.restore_pairs(pairs)
    assert 0 < (half - exact).abs().max() < 0.05


class LargestTensor(TorchDispatchMode):
    """Remembers the bytes of the largest tensor that an operation returned."""

    largest = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple) else (result,):
            if isinstance(tensor, torch.Tensor):
                self.largest = max(self.largest, tensor.untyped_storage().nbytes())
        return result


@both
def test_no_tensor_is_larger_than_a_map_of_the_features(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A map (N, H, W, C) must exist; hidden layers, keys, weights of windows are those of a chunk."""
    monkeypatch.setattr(strips, "CHUNK_BYTES", 100_000)
    monkeypatch.setattr(strips, "STRIP_BYTES", 400_000)
    network, pairs = make(name, channels=1, scale=2), pairs_of(3, 480, 32, channels=1)
    with torch.inference_mode(), LargestTensor() as watch:
        network.restore_pairs(pairs)
    assert watch.largest == 4 * network.norm.normalized_shape[0] * 480 * 32
