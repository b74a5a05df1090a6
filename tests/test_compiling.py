"""`--compile`: parts of networks compiled, with weights that change and with such that do not."""

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

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")


@needs_compiler
def test_compiled_parts_give_what_they_gave_at_any_size() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(OrderedDict(body=Body(4, 8, blocks=1), last=nn.Conv2d(8, 4, 1))).eval()
    network.compiled_parts = (Body,)
    inputs = [torch.rand(1, 4, *size) for size in ((32, 32), (40, 48))]
    with torch.inference_mode():
        expected = [network(each) for each in inputs]
        compile_network(network, frozen=True)
        for each, result in zip(inputs, expected, strict=True):
            torch.testing.assert_close(network(each), result, rtol=1e-4, atol=1e-5)
    assert [name for name, part in network.named_modules() if part._compiled_call_impl] == ["body"]


@pytest.mark.parametrize(("name", "parts"), [("tmrnet", 8), ("merge_unet", 5)])
def test_networks_that_repeat_themselves_are_compiled_in_parts(name: str, parts: int) -> None:
    network = create_network(name, **network_class(name).sizes["tiny"])
    assert sum(isinstance(each, network.compiled_parts) for each in network.modules()) == parts


def test_without_a_compiler_there_is_one_line(monkeypatch) -> None:
    monkeypatch.setattr(compiling.shutil, "which", lambda name: None)
    with pytest.raises(UserError, match=r"--compile True: no C\+\+ compiler"):
        compile_network(nn.Conv2d(1, 1, 3), frozen=True)
