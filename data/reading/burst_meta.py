"""What the files of a synthetic burst say of its camera (DeepRep specification, sections 4 and 6)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from util.errors import UserError
from util.inert_pickle import read_pickle
from util.json_record import as_json, read_json

STEM = "meta_info"
SHAPES = {  # of what is needed to show the picture
    **dict.fromkeys(("rgb_gain", "red_gain", "blue_gain", "smoothstep", "gamma"), ()),
    "cam2rgb": (3, 3),
}
NEUTRAL = {"rgb_gain": 1, "red_gain": 1, "blue_gain": 1, "smoothstep": 1, "gamma": 1, "cam2rgb": np.eye(3)}


def read_burst_meta(folder: Path) -> dict[str, Any]:
    """The `meta` of a sample from `meta_info.json` of a folder, or from the published `meta_info.pkl`.

    Raises:
        UserError: there is neither, it cannot be read, or an entry is missing or is no such number.
    """
    record, pickled = (folder / f"{STEM}{suffix}" for suffix in (".json", ".pkl"))
    if record.exists():
        return sample_meta(read_json(record, "copy it again"), record)
    if pickled.exists():
        return sample_meta(read_pickle(pickled), pickled)
    raise UserError(f"{folder} has neither {pickled.name} nor {record.name}: copy the burst again")


def sample_meta(found: object, path: Path | str) -> dict[str, Any]:
    """`meta` as of `unprocessing.SrgbCamera.meta`, from the entries of a file."""
    if not isinstance(found, Mapping):
        raise UserError(f"{path}: expected a dictionary, found {type(found).__name__}: copy it again")
    values = {name: _number(found, name, shape, path) for name, shape in SHAPES.items()}
    return {
        "white_balance": np.float32([values.pop("red_gain"), 1, values.pop("blue_gain")]),
        "cfa": "RGGB",
        **values,
    }


def _number(found: Mapping, name: str, shape: tuple[int, ...], path: Path | str) -> np.ndarray:
    """An entry as float32 of this shape."""
    if name not in found:
        raise UserError(f"{path}: there is no {name}: copy the file again")
    try:
        with np.errstate(over="ignore"):
            value = np.asarray(found[name], np.float32)
        value = value.reshape(shape) if value.size == np.prod(shape, dtype=int) else value
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: {name} is no number: copy the file again") from error
    if value.shape != shape or not np.isfinite(value).all():
        raise UserError(f"{path}: {name} must be finite, of shape {shape}, not {value.shape}: copy it again")
    return value


def write_burst_meta(folder: Path, entries: Mapping[str, Any]) -> None:
    """Write `meta_info.json` with entries whose arrays become lists."""
    values = {name: np.asarray(value).tolist() for name, value in entries.items()}
    (folder / f"{STEM}.json").write_text(as_json(values))
