"""Pickles of others: what is read of them, and that nothing of them runs."""

import pickle
import struct
from collections import OrderedDict, defaultdict
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.foreign import Command, foreign_classes
from util.errors import UserError
from util.inert_pickle import Inert, read_pickle

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


@pytest.fixture
def read(tmp_path: Path):
    """Reads what is pickled with a protocol, or the bytes of a pickle."""

    def read(value, protocol: int = 4):
        content = value if isinstance(value, bytes) else pickle.dumps(value, protocol)
        (tmp_path / "meta.pkl").write_bytes(content)
        return read_pickle(tmp_path / "meta.pkl")

    return read


@pytest.mark.parametrize("place", [b"r" + struct.pack("<I", 1000), b"p1000\n"])
def test_an_object_is_not_numbered_beyond_the_bytes_before_it(place: bytes, read) -> None:
    with pytest.raises(UserError, match=r"damaged, or not a pickle \(its object number 1000 is at byte 2\)"):
        read(b"K\x01" + place + b".")
    assert read(b"K\x01" + b"r" + struct.pack("<I", 2) + b".") == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_values(protocol: int, read) -> None:
    plain = {
        "numbers": [1, 2.5, 3j, True, None, -(2**70), Fraction(1, 60)],
        "texts": ("exposure", b"\x00\xff", bytearray(b"ab"), b""),
        "sets": [{1, 2}, frozenset({3}), slice(4)],
        "ordered": OrderedDict(b=1, a=2),
    }
    assert read(plain, protocol) == plain
    assert read(defaultdict(list, a=[1]), protocol) == {"a": [1]}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.arange(3, dtype=">i2"),
        np.array(["R", "GB"]),
        np.array([1, "x", None], object),
        np.array([(1, 2.5)], [("id", "<i4"), ("value", "<f8", (1,))]),
        np.array(7.5),
        np.zeros((0, 3)),
    ],
)
def test_arrays(array: np.ndarray, protocol: int, read) -> None:
    found = read([array, array], protocol)
    assert found[0] is found[1]
    assert found[0].dtype == array.dtype or found[0].dtype == array.dtype.newbyteorder()
    np.testing.assert_array_equal(found[0], array)


def test_old_names_of_numpy(read) -> None:
    content = pickle.dumps([np.float32(2.5), np.arange(3)], 2)
    assert b"numpy._core" in content
    old = read(content.replace(b"numpy._core", b"numpy.core"))
    assert old[0] == np.float32(2.5)
    assert old[0].dtype == np.float32
    assert old[1].tolist() == [0, 1, 2]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_tensors_become_arrays(protocol: int, read) -> None:
    part = torch.arange(12.0).reshape(3, 4)[1:, ::2]
    found = read({"rgb2cam": part, "gamma": torch.tensor(True), "half": torch.ones(2).bfloat16()}, protocol)
    assert all(isinstance(value, np.ndarray) for value in found.values())
    np.testing.assert_array_equal(found["rgb2cam"], part.numpy())
    assert found["gamma"].shape == () and found["gamma"]
    assert found["half"].dtype == np.float32


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_foreign_objects_keep_what_they_hold(protocol: int, read) -> None:
    with foreign_classes() as foreign:
        tag = foreign.IfdTag([foreign.Ratio(1, 60)])
        content = pickle.dumps({"exif": tag, "list": foreign.Tags([1, 2])}, protocol)
    found = read(content)
    tag = found["exif"]
    assert isinstance(tag, Inert)
    assert tag.published_name == "exifread.classes.IfdTag"
    assert (tag.values[0].num, tag.values[0].den) == (1, 60)
    assert found["list"].parts == [1, 2] or found["list"].arguments == ([1, 2],)
    with pytest.raises(AttributeError, match=r"an inert exifread.classes.IfdTag has no printable"):
        tag.printable  # noqa: B018


def test_slots_and_keywords(read) -> None:
    with foreign_classes() as foreign:
        found = read(pickle.dumps(foreign.Slotted(3)))
    assert found.level == 3
    assert found.keywords == {"unit": "s"}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_commands_are_not_run(protocol: int, read, tmp_path: Path) -> None:
    marker = tmp_path / "was_here"
    content = pickle.dumps([Command(f"touch {marker}"), np.arange(2)], protocol)
    found = read(content)
    assert found[0].arguments == (f"touch {marker}",)
    assert not marker.exists()
    pickle.loads(content)  # what it would have done
    assert marker.exists()


@pytest.mark.parametrize("name", [b"builtins\neval\n", b"__builtin__\neval\n", b"builtins\ngetattr\n"])
def test_functions_are_inert(name: bytes, read) -> None:
    found = read(b"c" + name + b"(V1+1\ntR.")
    assert isinstance(found, Inert)
    assert found.arguments == ("1+1",)


def objects_without_list(count: int) -> bytes:
    """A pickled array of `count` objects of which none comes."""
    few = pickle.dumps(np.array([None, None], object), 2)
    assert few.count(b"K\x02\x85") == 1  # its shape
    return few.replace(b"K\x02\x85", b"J" + struct.pack("<i", count) + b"\x85")


SPOILT = {
    "empty": b"",
    "text": b"black_level: 64",
    "cut off": pickle.dumps({"a": np.arange(100)})[:-20],
    "an unknown state of NumPy's": objects_without_list(100_000),
    "a state for a function": b"cfractions\nFraction\n}b.",
    "a state for a class": b"cos\nsystem\n}b.",
    "a type without a name": b"cnumpy\ndtype\n(K\x01tRcnumpy._core.multiarray\nscalar\nh\x00.",
    "no fraction": b"cfractions\nFraction\n(K\x01K\x00tR.",
    "a type called": b"cnumpy\nndarray\n(K\x01tR.",
    "a persistent name": b"Vstorage\nQ.",
    "no class": b"ccopyreg\n_reconstructor\n(K\x01NNtR.",
}


@pytest.mark.parametrize("content", SPOILT.values(), ids=SPOILT)
def test_spoilt(content: bytes, read, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="damaged, or not a pickle") as error:
        read(content)
    assert str(error.value).startswith(str(tmp_path / "meta.pkl"))


def test_no_pickle_changes_what_others_use(read) -> None:
    with pytest.raises(UserError, match="gives a state to a function"):
        read(b"cfractions\nFraction\n(N}V__add__\nK\x01stb.")
    assert Fraction(1, 2) + Fraction(1, 2) == 1


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        read_pickle(tmp_path / "none.pkl")
    with pytest.raises(UserError, match="cannot be read"):
        read_pickle(tmp_path)
