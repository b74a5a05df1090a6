"""`--compile`: parts of networks compiled, with weights that learn and with such that are frozen."""

import shutil
from collections import OrderedDict

import pytest
import torch
from torch import nn

from models import compiling
from models.compiling import compile_network
from models.networks import create_network, network_class
from models.networks.parts.blocks import Body
from util.errors import UserError

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _settings_of_others():
    with torch._inductor.config.patch(freezing=False), torch._dynamo.config.patch(recompile_limit=8):
        yield
    torch._dynamo.reset()


@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")
def test_compiled_parts_give_what_they_gave_and_are_frozen() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(OrderedDict(body=Body(4, 8, blocks=1), last=nn.Conv2d(8, 4, 1))).eval()
    network.compiled_parts = (Body,)
    frames = torch.rand(1, 4, 32, 32)
    with torch.no_grad():
        expected = network(frames)
        compile_network(network, CPU, learns=False)
        torch.testing.assert_close(network(frames), expected, rtol=1e-4, atol=1e-5)
        network.body.main[0].weight *= 2
        torch.testing.assert_close(network(frames), expected, rtol=1e-4, atol=1e-5)
    assert [name for name, part in network.named_modules() if part._compiled_call_impl] == ["body"]


@pytest.mark.parametrize("learns", [False, True])
def test_parts_are_compiled_for_all_sizes_of_tiles(monkeypatch, learns: bool) -> None:
    """Without generating code, which is what takes time."""
    monkeypatch.setattr(Body, "compile", lambda self: nn.Module.compile(self, backend="eager"))
    network = nn.Sequential(Body(4, 8, 1), Body(8, 6, 2), Body(6, 4, 1), Body(4, 4, 3))
    network.compiled_parts = (Body,)
    compile_network(network, CPU, learns)
    sizes = ((24, 24), (24, 16), (12, 24), (12, 16))
    with torch._dynamo.config.patch(fail_on_recompile_limit_hit=True), torch.set_grad_enabled(learns):
        results = [network(torch.rand(1, 4, *size)) for size in sizes]
    assert [tuple(each.shape[-2:]) for each in results] == list(sizes)
    if learns:
        results[-1].sum().backward()
        assert network[0].main[0].weight.grad.abs().max() > 0


@pytest.mark.parametrize(("name", "parts"), [("tmrnet", 8), ("merge_unet", 5)])
def test_networks_that_repeat_themselves_are_compiled_in_parts(name: str, parts: int) -> None:
    network = create_network(name, **network_class(name).sizes["tiny"])
    assert sum(isinstance(each, network.compiled_parts) for each in network.modules()) == parts


@pytest.mark.parametrize("learns", [False, True])
def test_without_a_compiler_there_is_one_line(monkeypatch, learns: bool) -> None:
    monkeypatch.setattr(compiling.shutil, "which", lambda name: None)
    monkeypatch.setenv("CXX", "ccache c++")
    with pytest.raises(UserError, match=r"--compile True: no C\+\+ compiler \(ccache\)"):
        compile_network(nn.Conv2d(1, 1, 3), CPU, learns)
