"""One small sound file for each reader of the project, and ways to damage a file."""

import json
import pickle
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import tifffile
import torch
from PIL import Image

from data.reading.arrays import MappedArray, read_metadata
from data.reading.burst_meta import read_burst_meta
from data.reading.burstsr_meta import read_meta
from data.reading.dng_pixels import is_float
from data.reading.exif import read_shot, read_tags
from data.reading.exposures import read_list
from data.reading.float_dng import read_float_dng
from data.reading.named_exposures import read_pairs
from data.reading.npz_members import NpzMembers
from data.reading.plane_png import read_planes
from data.reading.raw import packed_size, read_raw, size_from_red
from data.reading.stated_exposures import read_stated
from data.simulate.reading import FrameArray, VideoFile
from data.template_dataset import map_array
from options.record import read_options
from options.settings import read_config
from tests.burstsr_sets import write_set
from tests.photo_files import make_dng, write_picture, write_shaded
from tests.profiles import DISPLAY_P3
from util.checkpoint import load_weights
from util.imaging.images import read_coded
from util.imaging.radiance import read_radiance
from util.imaging.radiance_dng import write_linear_dng
from util.imaging.radiance_exr import stated_chromaticities, write_exr
from util.imaging.radiance_hdr import write_hdr
from util.imaging.tiff_pictures import count_pictures, read_tiff
from util.inert_pickle import read_pickle
from util.json_record import read_json

Read = Callable[[Path], Any]


class Case(NamedTuple):
    """A sound file, and what reads it: readers by their names."""

    path: Path
    readers: dict[str, Read]


def sound_files(folder: Path) -> dict[str, Case]:
    """Files for every reader, by kind, each in a folder of its own in `folder`."""
    makers = (_arrays, _pickles, _light, _pictures, _tiffs, _raws, _texts, _weights, _video)
    return {case.path.parent.name: case for make in makers for case in make(folder)}


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)


def _place(folder: Path, kind: str, name: str) -> Path:
    (folder / kind).mkdir(parents=True)
    return folder / kind / name


def _arrays(folder: Path) -> Iterator[Case]:
    path = _place(folder, "npy", "x.npy")
    np.save(path, _rng().integers(0, 1024, (20, 24, 4), dtype=np.uint16))
    yield Case(path, {"window": read_window})
    path = _place(folder, "npy of frames", "x.npy")
    np.save(path, _rng().integers(0, 256, (3, 8, 10, 3), dtype=np.uint8))
    yield Case(path, {"frames": lambda path: FrameArray.open(path).read(2)})
    path = _place(folder, "npy of floats", "x.npy")
    np.save(path, _rng().random((20, 24, 4), dtype=np.float32))
    yield Case(path, {"map": lambda path: np.array(map_array(path, 3))})
    values = {"noisy": _rng().random((2, 8, 8, 3), dtype=np.float32), "white_level": np.float64([1, 2])}
    for kind, save in (("npz", np.savez), ("npz compressed", np.savez_compressed)):
        path = _place(folder, kind, "x.npz")
        save(path, **values)
        yield Case(path, {"members": read_members})


def read_window(path: Path) -> np.ndarray:
    """A window of an array of raw planes."""
    out = np.empty((6, 7, 4), np.uint16)
    array = MappedArray(path, "uint16", 4)
    array.read(array.shape[0] - 6, array.shape[1] - 7, out)
    return out


def read_members(path: Path) -> list[np.ndarray]:
    """All that is needed of a .npz file."""
    members = NpzMembers(path)
    return [np.array(members[name]) for name in ("noisy", "white_level")]


def _pickles(folder: Path) -> Iterator[Case]:
    path = _place(folder, "metadata", "metadata.npy")
    values = {"noise": np.float32([1e-3, 2e-4]), "cfa": "RGGB", "black": 64, "matrix": np.eye(3)}
    np.save(path, values, allow_pickle=True)
    yield Case(path, {"metadata": read_metadata})
    path = _place(folder, "burst meta", "meta_info.pkl")
    entries = {"rgb_gain": 1.1, "red_gain": 2.0, "blue_gain": 1.5, "smoothstep": True, "gamma": True}
    path.write_bytes(pickle.dumps(entries | {"cam2rgb": torch.eye(3)}))
    yield Case(path, {"meta": lambda path: read_burst_meta(path.parent), "pickle": read_pickle})
    path = _place(folder, "burst meta as JSON", "meta_info.json")
    path.write_text(json.dumps(entries | {"cam2rgb": np.eye(3).tolist()}))
    yield Case(path, {"meta": lambda path: read_burst_meta(path.parent), "json": _json})
    found = sorted(write_set(folder / "set").rglob("meta_info.pkl"))[0]
    path = _place(folder, "burst of a phone", "meta_info.pkl")
    path.write_bytes(found.read_bytes())
    yield Case(path, {"meta": lambda path: read_meta(path.parent, 4)})


def _json(path: Path) -> object:
    return read_json(path, "write it again")


def _light(folder: Path) -> Iterator[Case]:
    light = _rng().random((12, 16, 3), dtype=np.float32)
    for suffix, write in ((".exr", write_exr), (".hdr", write_hdr)):
        path = _place(folder, suffix.strip("."), f"x{suffix}")
        write(path, light)
        readers: dict[str, Read] = {"light": read_radiance}
        yield Case(path, readers | ({"colours": stated_chromaticities} if suffix == ".exr" else {}))
    path = _place(folder, "hdr in runs", "x.hdr")
    runs = bytes((0x90, 7)) * 4
    lines = b"".join(b"\2\2\0\x10" + runs for _ in range(12))
    path.write_bytes(b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\nEXPOSURE=2\n\n-Y 12 +X 16\n" + lines)
    yield Case(path, {"light": read_radiance})


def _pictures(folder: Path) -> Iterator[Case]:
    picture = _rng().integers(0, 256, (24, 32, 3), dtype=np.uint8)
    readers: dict[str, Read] = {"picture": lambda path: read_coded(path, upright=True), "tags": read_tags}
    readers["shot"] = lambda path: read_shot(path, is_raw=False)
    for kind in ("jpg", "png"):
        path = _place(folder, kind, f"x.{kind}")
        yield Case(write_picture(path, picture, time=0.01, iso=200, f_number=2.8, orientation=6), readers)
        path = _place(folder, f"{kind} with a profile", f"x.{kind}")
        Image.fromarray(picture).save(path, icc_profile=DISPLAY_P3, quality=95)
        yield Case(path, readers)
    path = _place(folder, "png of planes", "x.png")
    planes = _rng().integers(0, 1 << 14, (16, 20, 4), dtype=np.uint16)
    path.write_bytes(cv2.imencode(".png", planes)[1].tobytes())
    yield Case(path, {"planes": lambda path: read_planes(path, 4), "tags": read_tags})


def _tiffs(folder: Path) -> Iterator[Case]:
    picture = _rng().integers(0, 1 << 16, (24, 32, 3), dtype=np.uint16)
    readers: dict[str, Read] = {
        **{"tiff": read_tiff, "count": count_pictures, "light": read_radiance, "tags": read_tags},
        "picture": lambda path: read_coded(path, upright=True),
    }
    ways = {
        "tiff": {},
        "tiff of floats": {"of": np.float32},
        "tiff by zlib": {"compression": "zlib", "predictor": 2},
        "tiff in tiles": {"tile": (16, 16)},
        "tiff with a profile": {"iccprofile": DISPLAY_P3},
    }
    for kind, settings in ways.items():
        path = _place(folder, kind, "x.tif")
        stored = (picture / 65535).astype(np.float32) if settings.pop("of", None) else picture
        tifffile.imwrite(path, stored, photometric="rgb", metadata=None, **settings)
        yield Case(path, readers)
    path = _place(folder, "tiff by LZW", "x.tif")
    path.write_bytes(cv2.imencode(".tif", picture, [cv2.IMWRITE_TIFF_COMPRESSION, 5])[1].tobytes())
    yield Case(path, readers)


def _raws(folder: Path) -> Iterator[Case]:
    readers: dict[str, Read] = {
        **{"raw": read_raw, "size": packed_size, "size from red": size_from_red, "tags": read_tags},
        **{"shot": lambda path: read_shot(path, is_raw=True), "float": is_float},
    }
    path = _place(folder, "dng", "x.dng")
    make_dng(path)
    yield Case(path, readers)
    path = _place(folder, "dng with a gain map", "x.dng")
    write_shaded(path, (32, 48))
    yield Case(path, readers)
    path = _place(folder, "dng of floats", "x.dng")
    write_linear_dng(path, _rng().random((12, 16, 3), dtype=np.float32))
    yield Case(path, {"light": read_float_dng, "float": is_float, "tags": read_tags})


def _texts(folder: Path) -> Iterator[Case]:
    files = [folder / f"{number}.jpg" for number in range(3)]
    lists = {
        "exposure.txt": "1/60 1/15\n1/4 # s\n",
        "ev.txt": "-2, 0, 2\n",
        "image_list.txt": "# name 1/shutter_speed\n0.jpg 60\n1.jpg 15\n2.jpg 4\n",
    }
    for name, text in lists.items():
        path = _place(folder, name, name)
        path.write_text(text)
        yield Case(path, {"list": lambda path: read_list(path.parent, files)})
    texts: dict[str, tuple[str, Read]] = {
        "exposures": ("-2\n0\n2\n", lambda path: read_stated(path, 3, "stops")),
        "pairs": ("00001_00_0.1s.ARW 00001_00_10s.ARW 100\n", lambda path: read_pairs(path, path.parent)),
        "options": ("--name 'x y'\n--lr 1e-4 # of it\n", read_options),
        "settings": ("niter: 40\nsplits: [a, b]\n", read_config),
        "record": ('{"seed": 1, "scale": [1, 2.5, null], "name": "x"}\n', _json),
    }
    for kind, (text, read) in texts.items():
        path = _place(folder, kind, f"{kind}.txt")
        path.write_text(text)
        yield Case(path, {kind: read})
    for name in ("short/00001_00_0.1s.ARW", "long/00001_00_10s.ARW"):
        (folder / "pairs" / name).parent.mkdir()
        (folder / "pairs" / name).touch()


def _weights(folder: Path) -> Iterator[Case]:
    path = _place(folder, "weights", "x.pth")
    state = {"layer.weight": torch.ones(3, 2), "layer.bias": torch.zeros(3)}
    torch.save({"state_dict": state, "network": {"name": "TMRNet", "arguments": {"width": 8}}}, path)
    yield Case(path, {"weights": load_weights})
    path = _place(folder, "weights of old", "x.pth")
    torch.save({"state_dict": state}, path, _use_new_zipfile_serialization=False)
    yield Case(path, {"weights": load_weights})


def _video(folder: Path) -> Iterator[Case]:
    path = _place(folder, "video", "x.avi")
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (32, 24))
    for frame in _rng().integers(0, 256, (3, 24, 32, 3), dtype=np.uint8):
        writer.write(frame)
    writer.release()
    yield Case(path, {"video": lambda path: VideoFile.open(path).read(1)})


def cut_short(content: bytes, rng: np.random.Generator) -> bytes:
    """The beginning of a file."""
    return content[: int(rng.integers(0, len(content)))]


def flipped(content: bytes, rng: np.random.Generator) -> bytes:
    """Some bytes are others, where they matter most: half of the time in the first 200."""
    data = bytearray(content)
    reach = min(len(data), 200 if rng.random() < 0.5 else len(data))
    for place in rng.integers(0, reach, int(rng.integers(1, 9))):
        data[place] = int(rng.integers(0, 256))
    return bytes(data)


def with_odd_number(content: bytes, rng: np.random.Generator) -> bytes:
    """Four bytes hold a number that sizes and offsets are not."""
    odd = (0, 1, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 0x10000, 0xFFFF)
    place = int(rng.integers(0, max(len(content) - 3, 1)))
    number = struct.pack(rng.choice(["<I", ">I"]), odd[rng.integers(len(odd))])
    return content[:place] + number + content[place + 4 :]


def without_a_part(content: bytes, rng: np.random.Generator) -> bytes:
    """Some bytes in the middle are missing, or there twice."""
    start, stop = sorted(rng.integers(0, len(content) + 1, 2).tolist())
    return content[:start] + content[stop:] if rng.random() < 0.5 else content[:stop] + content[start:]


def with_zeros(content: bytes, rng: np.random.Generator) -> bytes:
    """A part was never written."""
    start, stop = sorted(rng.integers(0, len(content) + 1, 2).tolist())
    return content[:start] + bytes(stop - start) + content[stop:]


DAMAGE = (cut_short, flipped, flipped, with_odd_number, without_a_part, with_zeros)
