"""What is in a folder, by name."""

from pathlib import Path


def subfolders(folder: Path) -> list[Path]:
    """Folders in a folder by name, without hidden ones (unfinished copies)."""
    return sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
