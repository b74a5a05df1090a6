"""Files and folders are written whole or not at all, and what hinders it is told with the final path."""

import os
from pathlib import Path

import pytest

from util.errors import UserError
from util.files import regular


def test_fifo_is_refused_and_other_paths_are_given_back(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link"):
        with pytest.raises(UserError, match=f"{name} is a FIFO, not a file"):
            regular(tmp_path / name)
    (tmp_path / "file").touch()
    for name in ("file", "missing", ".", "n" * 300, "a\0b"):
        assert regular(tmp_path / name) == tmp_path / name
