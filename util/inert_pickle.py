"""Reading pickles that others made: plain values, arrays and tensors are built, all else stays inert.

A pickle is a program that may call whatever it names. Here a name is looked up in a table of constructors of
plain values and nowhere else; any other becomes a class that only keeps what it is given.
"""

import io
import pickle
import pickletools
import struct
from collections import OrderedDict
from collections.abc import Callable, Mapping
from fractions import Fraction
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np

from util.errors import UserError
from util.files import regular

# What unpickling, and building values of what was unpickled, raise on files that are damaged.
DAMAGE = (
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    AssertionError,
    MemoryError,
    RuntimeError,
    SystemError,
    SyntaxError,  # NumPy's, of names of types
    struct.error,  # PyTorch's, of files of its old format
)
RENAMED = {"__builtin__": "builtins", "copy_reg": "copyreg"}  # modules of Python 2
OLD_NUMPY, NUMPY = "numpy.core.", "numpy._core."
TORCH_DTYPES = {"torch.bfloat16"}  # without a counterpart in NumPy: widened


class Inert:
    """In place of an object of a foreign class, or of what a foreign function would have returned.

    Attributes of the object that was pickled can be read as such: `tag.values`.

    Attributes:
        published_name: of the class or function, with its module.
        arguments, keywords: that it was to be called with.
        state: of the object, as it was pickled: mostly a dict of its attributes; None if it has none.
        parts: what was appended to it, or pairs of key and value that it was given.
    """

    published_name = ""

    def __new__(cls, *arguments: Any, **keywords: Any) -> "Inert":
        made = super().__new__(cls)
        vars(made).update(arguments=arguments, keywords=keywords, state=None, parts=[])
        return made

    def __setstate__(self, state: Any) -> None:
        vars(self)["state"] = state

    def __getattr__(self, name: str) -> Any:
        state = vars(self)["state"]
        for attributes in state if isinstance(state, tuple) else (state,):  # a tuple has those of slots too
            if isinstance(attributes, dict) and name in attributes:
                return attributes[name]
        raise AttributeError(f"an inert {self.published_name} has no {name}")

    def __repr__(self) -> str:
        return f"<inert {self.published_name}>"

    def append(self, part: Any) -> None:
        self.parts.append(part)

    add = append

    def extend(self, parts: Any) -> None:
        self.parts.extend(parts)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.parts.append((key, value))


class _Constructor:
    """What a pickle may call. A new one for every mention, so that no pickle changes what others use."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make

    def __call__(self, *arguments: Any) -> Any:
        return self._make(*arguments)

    def __setstate__(self, _state: Any) -> None:
        raise pickle.UnpicklingError("it gives a state to a function")


def _plain_object(kind: Any, _base: Any, value: Any) -> Any:
    """An object of the oldest protocols, by class, base class and the base's value."""
    if isinstance(kind, type) and issubclass(kind, Inert):
        return kind() if value is None else kind(value)
    raise pickle.UnpicklingError("it makes an object of what is no class")


def _latin(text: str, _encoding: str = "latin1") -> bytes:
    """Bytes as older protocols hold them."""
    return text.encode("latin1")


class _Kind(Inert):
    """A type of NumPy: given to NumPy as it stands, a state of it may point out of an array."""

    published_name = "numpy.dtype"

    def made(self) -> np.dtype:
        """The type itself, built by what checks it."""
        order, subarray, names, fields, size = ((*(self.state or ()), *[None] * 6)[i] for i in range(1, 6))
        if not isinstance(self.arguments[0], str):
            raise pickle.UnpicklingError("a type of an array has no name")
        if subarray:
            return np.dtype((subarray[0].made(), subarray[1]))
        if not fields:
            return np.dtype(self.arguments[0]).newbyteorder(order or "=")
        formats, offsets = zip(*((fields[name][0].made(), fields[name][1]) for name in names), strict=True)
        return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": size})


class _Array(np.ndarray):
    """An array that looks at the state that is to fill it: NumPy trusts in lists that are long enough."""

    def __setstate__(self, state: Any) -> None:
        version, shape, kind, in_columns, content = state
        kind = kind.made() if isinstance(kind, _Kind) else kind
        listed = isinstance(content, list) and len(content) == prod(shape)
        if kind.hasobject and not (kind.kind == "O" and listed):
            raise pickle.UnpicklingError("an array of objects has not as many as its shape says")
        super().__setstate__((version, shape, kind, bool(in_columns), content))


def _array(_kind: Any, _shape: Any, _code: Any) -> np.ndarray:
    """The empty array that a state turns into what was pickled."""
    return np.empty(0, np.int8).view(_Array)


def _array_of_buffer(buffer: Any, kind: _Kind, shape: Any, order: str) -> np.ndarray:
    return np.frombuffer(buffer, kind.made()).reshape(shape, order=order)


def _scalar(kind: _Kind, content: bytes = b"") -> np.generic:
    return np.frombuffer(content, kind.made(), count=1)[0]  # which refuses objects


def _not_called(*_arguments: Any) -> None:
    raise pickle.UnpicklingError("it calls a type that it should only name")


def _storage(content: bytes) -> Any:
    """A storage of PyTorch, in a file of its own, as a tensor (n,)."""
    import torch  # not above: most pickles hold no tensors, and it takes seconds

    storage = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return torch.empty(0, dtype=storage.dtype).set_(storage)


def _tensor(storage: Any, offset: int, size: Any, stride: Any, *_gradient: Any) -> np.ndarray:
    tensor = storage.as_strided(tuple(size), tuple(stride), offset)
    return (tensor.float() if str(tensor.dtype) in TORCH_DTYPES else tensor).numpy().copy()


PLAIN: dict[tuple[str, str], Callable[..., Any]] = {
    **{("builtins", kind.__name__): kind for kind in (bytearray, bytes, complex, frozenset, set, slice)},
    ("_codecs", "encode"): _latin,
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "defaultdict"): lambda *_factory: {},
    ("copyreg", "_reconstructor"): _plain_object,
    ("fractions", "Fraction"): Fraction,
    ("numpy", "dtype"): _Kind,
    ("numpy", "ndarray"): _not_called,
    ("numpy._core.multiarray", "_reconstruct"): _array,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("numpy._core.numeric", "_frombuffer"): _array_of_buffer,
}
TENSORS = {
    ("torch", "Size"): tuple,
    ("torch.storage", "_load_from_bytes"): _storage,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): lambda values, *_gradient: values,
}


class InertUnpickler(pickle.Unpickler):
    """Builds plain values, arrays, and what else is in its table of `constructors` by module and name.

    Nothing but the constructors runs. The state of an array is checked, that of an inert object is kept, that
    of a constructor refused.
    """

    constructors: ClassVar[Mapping[tuple[str, str], Callable[..., Any]]] = PLAIN

    def __init__(self, file: BinaryIO, **arguments: Any) -> None:
        super().__init__(file, **arguments)
        self._file = file

    def load(self) -> Any:
        """What is pickled, once it was looked through."""
        _check_places(self._file)
        return super().load()

    def find_class(self, module: str, name: str) -> Any:
        """A constructor, or what `foreign` makes of any other name."""
        module = RENAMED.get(module, module)
        if module.startswith(OLD_NUMPY):
            module = NUMPY + module.removeprefix(OLD_NUMPY)
        make = self.constructors.get((module, name))
        return _Constructor(make) if make else self.foreign(module, name)

    def foreign(self, module: str, name: str) -> Any:
        """An inert class in place of a class or function of another program."""
        return type(name, (Inert,), {"published_name": f"{module}.{name}"})


def _check_places(file: BinaryIO) -> None:
    """Refuse a pickle that numbers an object by more than the bytes before it.

    Python makes a list as long as this number says before it looks at anything else, of up to 64 GiB.
    """
    start = file.tell()
    for operation, argument, place in pickletools.genops(file):
        if operation.name in ("PUT", "LONG_BINPUT") and argument > place:
            raise pickle.UnpicklingError(f"its object number {argument} is at byte {place}")
    file.seek(start)


class _ArraysForTensors(InertUnpickler):
    constructors = PLAIN | TENSORS


def read_pickle(path: Path) -> Any:
    """What a pickle holds, with nothing of it executed: whatever is not plain is `Inert`.

    Plain are numbers, strings, bytes, dicts (ordered ones too), lists, tuples, sets and fractions, NumPy's
    arrays and scalars under their old and new module names. Tensors become arrays.

    Raises:
        UserError: missing, damaged, or not a pickle.
    """
    try:
        with regular(path).open("rb") as file:
            return _ArraysForTensors(file).load()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from None
    except DAMAGE as error:
        raise UserError(f"{path}: damaged, or not a pickle ({str(error) or type(error).__name__})") from None
