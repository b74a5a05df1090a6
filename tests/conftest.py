"""Options and fixtures that all tests share."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--golden-dir", default=str(ROOT / "tests" / "golden"), help="folder of golden .npz files"
    )
