"""Records of settings, in JSON, that tell with what the files of a folder were made."""

import json
from pathlib import Path

from util.errors import UserError


def read_json(path: Path, advice: str) -> object:
    """What a JSON file holds.

    Raises:
        UserError: it cannot be read; the message ends with the `advice`.
    """
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is damaged: {advice}") from error


def differences(found: object, wanted: dict[str, object]) -> str:
    """The settings in which a record is another one, such as "seed 1, not 2"."""
    found = found if isinstance(found, dict) else {}
    keys = [key for key in sorted(found.keys() | wanted.keys()) if found.get(key) != wanted.get(key)]
    return "; ".join(f"{key} {found.get(key)}, not {wanted.get(key)}" for key in keys)
