"""What a file of a run was made with: when, by which version of the project, after how many steps."""

import argparse
import subprocess
import tomllib
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 5  # s that git may take


def provenance(opt: argparse.Namespace, step: int | None = None) -> dict[str, str | int]:
    """Plain facts to keep beside weights, logs, options and scores.

    Args:
        opt: options of the run, of which `dataroot` is noted. step: steps that its weights have been trained
            for; left out where nobody knows.

    Returns `time` (ISO 8601, UTC), `version`, `step` and `dataroot`.
    """
    facts: dict[str, str | int] = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": version(),
        "dataroot": str(opt.dataroot),
    }
    return facts if step is None else facts | {"step": step}


@cache
def version() -> str:
    """The project's version, in a git checkout with its commit: 0.1.0+5b0f649b1c or 0.1.0+5b0f649b1c-dirty.

    It is that of the first call: what a program goes on with when its sources are edited under it.
    """
    released = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    commit = _commit() if (ROOT / ".git").exists() else ""  # not that of a repository around a plain copy
    return f"{released}+{commit}" if commit else released


def _commit() -> str:
    """The checkout's commit, with -dirty where tracked files differ from it; "" where git cannot tell."""
    command = ["git", "--no-optional-locks", "-C", str(ROOT), "describe"]
    command += ["--always", "--dirty", "--exclude=*", "--abbrev=10"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
