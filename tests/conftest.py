"""Options and fixtures that all tests share."""

import signal
from pathlib import Path

import pytest

from data.simulate.brackets import Settings, make_dataset

ROOT = Path(__file__).resolve().parents[1]
SIZE = (64, 80)  # packed px of a sample of `brackets`

# What runs in a shell's background ignores Ctrl-C, and its programs would keep to that.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--golden-dir", default=str(ROOT / "tests" / "golden"), help="folder of golden .npz files"
    )


@pytest.fixture(scope="session")
def brackets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set for `syn` and `synplus`: 8 training and 2 test samples. Not to be written to."""
    folder = tmp_path_factory.mktemp("data") / "brackets"
    make_dataset(folder, Settings(size=SIZE), 1)
    return folder


@pytest.fixture(scope="session")
def common(brackets: Path) -> tuple[str, ...]:
    """Options of train.py for short runs of the smallest network on `brackets`."""
    words = (
        f"--dataroot {brackets} --gpu_ids -1 --size tiny --patch_size 24 --batch_size 2 -j 0 --print_freq 1"
    )
    return tuple(words.split())
