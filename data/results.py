"""Where the results of one's own photographs lie, and which scene each of them is of."""

import os
from pathlib import Path

from util.errors import UserError
from util.files import write_atomically
from util.json_record import as_json, read_json

RECORD = "restored.json"  # marks a folder of results, which is not one of photographs


def is_results(folder: Path) -> bool:
    """Whether a folder holds results."""
    return (folder / RECORD).is_file()


class Results:
    """A folder of results; `restored.json` there says which folder of photographs each name belongs to.

    Raises:
        UserError: it cannot be made or written into, or the record is damaged.
    """

    def __init__(self, folder: Path) -> None:
        if folder.exists() and not folder.is_dir():
            raise UserError(f"--out {folder} is a file: name a folder")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot make {folder} for the results: {error.strerror}") from None
        if not os.access(folder, os.W_OK):
            raise UserError(f"cannot write into {folder}: name another folder, --out FOLDER")
        self.folder, self.path = folder, folder / RECORD
        advice = "remove it, and results get new names"
        self.made: dict[str, dict] = read_json(self.path, advice) if self.path.exists() else {}
        if not isinstance(self.made, dict) or not all(isinstance(note, dict) for note in self.made.values()):
            raise UserError(f"{self.path} is damaged: {advice}")

    def name(self, scene: str, photos: Path) -> str:
        """The name of a scene's results: its own, with a number where one of another folder has it."""
        source, number, name = str(photos.resolve()), 1, scene
        while self._is_taken(name, source):
            number += 1
            name = f"{scene}_{number}"
        return name

    def _is_taken(self, name: str, source: str) -> bool:
        if name in self.made:
            return self.made[name].get("photos") != source
        if f"{name}_sheet" in self.made or name.removesuffix("_sheet") in self.made:
            return True  # what one writes would have the name of what the other has written
        return any((self.folder / f"{name}{suffix}").exists() for suffix in (".png", ".exr", ".hdr"))

    def add(self, name: str, photos: Path, **facts: object) -> None:
        """Note what the results of this name are of, before they are written."""
        self.made[name] = {"photos": str(photos.resolve()), **facts}
        with write_atomically(self.path) as temporary:
            temporary.write_text(as_json(self.made, indent=1))
