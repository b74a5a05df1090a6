"""JSON files: records of settings that tell with what the files of a folder were made, and scores."""

import json
import math
from pathlib import Path

from util.errors import UserError
from util.files import regular


def read_json(path: Path, advice: str) -> object:
    """What a JSON file holds.

    Raises:
        UserError: it cannot be read, or is damaged; then the message ends with the `advice`.
    """
    try:
        return json.loads(regular(path).read_text())
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged: {advice}") from error


def as_json(content: object, indent: int | None = None) -> str:
    """`content` as the text of a file; numbers that are not finite, which JSON does not have, are null."""
    return json.dumps(_finite(content), indent=indent, allow_nan=False) + "\n"


def _finite(content: object) -> object:
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def differences(found: object, wanted: dict[str, object]) -> str:
    """The settings in which a record is another one, such as "seed 1, not 2"."""
    found, wanted = _finite(found) if isinstance(found, dict) else {}, _finite(wanted)
    keys = [key for key in sorted(found.keys() | wanted.keys()) if found.get(key) != wanted.get(key)]
    return "; ".join(f"{key} {found.get(key)}, not {wanted.get(key)}" for key in keys)
