"""Folders of photographs that training data are made of on the fly."""

from pathlib import Path

from util.errors import UserError

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff")
FOLDERS = {"train": "train", "val": "test", "test": "test"}
HELD_OUT = 10  # of as many photographs of one folder, one is not trained on
LAYOUT = (
    f"photographs ({' '.join(SUFFIXES)}) in train/ and test/, or in train/canon/ and test/canon/, or all in "
    f"one folder, of which every {HELD_OUT}th, or else the last, is for validation"
)


def find_photographs(root: Path, split: str) -> list[Path]:
    """The photographs of split "train", "val" or "test" by name; the layouts are those of LAYOUT.

    Raises:
        UserError: there are none.
    """
    if any((root / name).is_dir() for name in FOLDERS.values()):
        folder = root / FOLDERS[split]
        found = _pictures(folder / "canon") or _pictures(folder)
    else:
        folder, everything = root, _pictures(root)
        held_out = everything[HELD_OUT - 1 :: HELD_OUT] or everything[1:][-1:]
        found = sorted(set(everything) - set(held_out)) if split == "train" else held_out
    if not found:
        hint = "; --val_freq 0 trains without validation" if split == "val" else ""
        raise UserError(f"{folder} holds no photographs to {_purpose(split)}{hint}; expected: {LAYOUT}")
    return found


def _purpose(split: str) -> str:
    return {"train": "train on", "val": "validate on", "test": "test on"}[split]


def _pictures(folder: Path) -> list[Path]:
    """The pictures of a folder by name; none where there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(
        entry
        for entry in folder.iterdir()
        if entry.suffix.lower() in SUFFIXES and not entry.name.startswith(".")
    )
