"""Which files in a folder are the frames of a scene."""

import sys
from pathlib import Path

from data.reading import picture_stack, raw
from data.reading.folders import subfolders
from data.results import is_results
from util.errors import UserError
from util.natural import by_name


def shot_files(folder: Path) -> list[Path]:
    """The raw files in a folder, by name.

    Raises:
        UserError: it holds pictures.
    """
    files = one_kind(frame_files(folder))
    if files and not is_raw(files[0]):
        raise UserError(f"{files[0]} is no raw file: --sve True is for raw files")
    return files


def is_raw(file: Path) -> bool:
    return file.suffix.lower() in raw.SUFFIXES


def frame_files(folder: Path) -> list[Path]:
    """The pictures in a folder by name, without hidden files."""
    suffixes = raw.SUFFIXES | picture_stack.SUFFIXES
    files = (file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
    return by_name(file for file in files if file.suffix.lower() in suffixes)


def find_scenes(root: Path) -> list[Path]:
    """The folder itself if it holds pictures, else those in it that do, by name; none that holds results."""
    if frame_files(root):
        return [root]
    return [folder for folder in subfolders(root) if frame_files(folder) and not is_results(folder)]


def one_kind(files: list[Path]) -> list[Path]:
    """All files if they are of one kind; the raw files if each picture was stored by the camera beside one.

    Raises:
        UserError: raw files and pictures that do not belong together.
    """
    raws = [file for file in files if is_raw(file)]
    pictures = [file for file in files if not is_raw(file)]
    if not raws or not pictures:
        return files
    stems = {file.stem for file in raws}
    others = [file for file in pictures if file.stem not in stems]
    if others:
        raise UserError(f"{others[0]} is no raw file, {raws[0].name} is one: keep one kind in a folder")
    print(f"note: {files[0].parent}: the raw files are taken, not the pictures beside them", file=sys.stderr)
    return raws
