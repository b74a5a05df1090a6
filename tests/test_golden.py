"""Runs every golden file of tests/golden, or of --golden-dir, through the checks of its system."""

import importlib
import pkgutil
from pathlib import Path

import numpy as np
import pytest

from tests import checks

MODULES = [
    importlib.import_module(f"tests.checks.{module.name}") for module in pkgutil.iter_modules(checks.__path__)
]
PREFIXES = {prefix for module in MODULES for prefix in module.CHECKS}


def checks_of(stem: str) -> list:
    """The checks of all modules for the longest known prefix of a file's name."""
    known = max((prefix for prefix in PREFIXES if stem.startswith(prefix)), key=len, default=None)
    return [module.CHECKS[known] for module in MODULES if known in module.CHECKS]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    folder = Path(metafunc.config.getoption("--golden-dir"))
    files = sorted(folder.glob("*.npz"))
    metafunc.parametrize("path", files, ids=[file.stem for file in files])


def test_golden(path: Path) -> None:
    found = checks_of(path.stem)
    if not found:
        pytest.skip(f"{path.name} belongs to a system that does not exist here yet")
    with np.load(path, allow_pickle=False) as data:
        for check in found:
            check(data)
