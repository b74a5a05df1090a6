"""A GPU that is not there: fake tensors, which have a device, a type and a shape, but no values.

They refuse to be mixed across devices and to tell a value. What PyTorch asks of a real GPU all the same is
answered here in its place.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import Node
from torch.utils._python_dispatch import TorchDispatchMode

GPU = torch.device("cuda", 0)
COPIES = (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)


def pretend(monkeypatch: pytest.MonkeyPatch) -> FakeTensorMode:
    """The mode under which tensors are fake. Networks are made outside of it, of real values on the CPU."""
    mode = FakeTensorMode(allow_non_fake_inputs=True)  # constants of a module stay real, on the CPU
    move = nn.Module.to

    def moved(module: nn.Module, *args: Any, **kwargs: Any) -> nn.Module:
        if kwargs.keys() == {"memory_format"}:  # fakes cannot be exchanged twice, and have no memory
            return module
        with mode:
            return move(module, *args, **kwargs)

    monkeypatch.setattr(nn.Module, "to", moved)
    # Autocast asks for a driver, and switches itself off without one.
    monkeypatch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_: True)
    # cuDNN's grid sampler has no fake; PyTorch's own, which does the same, has one.
    monkeypatch.setattr(torch.backends.cudnn, "enabled", False)
    # A copied tensor belongs to the same mode; PyTorch would copy the mode too, and crash.
    monkeypatch.setattr(FakeTensorMode, "__deepcopy__", lambda mode, _: mode, raising=False)
    # Recomputed parts are kept for the backward pass whose number the engine, which is not asked, knows.
    monkeypatch.setattr(torch._C, "_current_graph_task_id", lambda: 0)
    return mode


class Watch(TorchDispatchMode):
    """Fails where CPU and GPU exchange values, since one then waits for the other; notes types of results.

    A CPU scalar beside tensors on the GPU is no exchange: it travels with the kernel.
    """

    def __init__(self) -> None:
        super().__init__()
        self.dtypes: set[torch.dtype] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        made, taken = list(tensors_of([result])), list(tensors_of([*args, *(kwargs or {}).values()]))
        on_cpu = [value for value in made + taken if value.device.type == "cpu"]
        if len(on_cpu) < len(made + taken) and any(value.dim() or func in COPIES for value in on_cpu):
            raise AssertionError(f"{func} exchanges values between CPU and GPU")
        self.dtypes |= {value.dtype for value in made}
        return result


def tensors_of(values: Iterable[Any]) -> Iterator[torch.Tensor]:
    """The tensors among values, which may be lists of them."""
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from tensors_of(value)


@torch.no_grad()
def backward(loss: torch.Tensor) -> None:
    """`loss.backward()`, node by node: PyTorch's engine asks for the streams of a real GPU."""
    waiting = {(loss.grad_fn, 0): torch.ones_like(loss)}
    for node in ordered(loss.grad_fn):
        upstream = [waiting.pop((node, number), None) for number in range(len(node._input_metadata))]
        for place, gradient in handed_on(node, upstream):
            if gradient is not None:
                following, number = place
                fits = fitted(gradient, following._input_metadata[number])
                waiting[place] = waiting[place] + fits if place in waiting else fits


def ordered(last: Node) -> list[Node]:
    """The nodes of a graph, each before those that it hands gradients to."""
    found, seen, stack = [], set(), [(last, False)]
    while stack:
        node, is_done = stack.pop()
        if is_done:
            found.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack += [(following, False) for following, _ in node.next_functions if following is not None]
    return found[::-1]


def handed_on(node: Node, upstream: list) -> Iterator[tuple[tuple[Node, int], torch.Tensor | None]]:
    """Which nodes are next, the number of the output of each, and the gradient of it."""
    found = node(*upstream) if callable(node) else node.apply(*upstream)  # the latter: written in Python
    found = found if isinstance(found, tuple) else (found,)
    needed = getattr(node, "needs_input_grad", None)  # what is written in Python answers for all arguments
    if needed:
        found = [gradient for gradient, is_needed in zip(found, needed, strict=True) if is_needed]
        return zip([place for place in node.next_functions if place[0]], found, strict=True)
    pairs = zip(node.next_functions, found, strict=True)
    return (pair for pair in pairs if pair[0][0])


def fitted(gradient: torch.Tensor, put_out: Any) -> torch.Tensor:
    """A gradient as the engine hands it on: in the shape and type of what a node once put out."""
    assert gradient.device == put_out.device, (
        f"a gradient on {gradient.device} of a tensor on {put_out.device}"
    )
    return gradient.sum_to_size(put_out.shape).to(put_out.dtype)
