"""Imported first by a program: Ctrl-C while it imports the rest, which takes seconds, is no traceback.

`util.door.run` takes over then. Where other programs import one of these, they keep their signals.
"""

import sys
from pathlib import Path

from util.stop import end_at_once

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = ("data", "models", "util")  # folders of programs, besides those in ROOT itself

_main = Path(getattr(sys.modules["__main__"], "__file__", None) or "/").resolve()
if _main.is_relative_to(ROOT) and _main.relative_to(ROOT).parts[0] in (*PROGRAMS, _main.name):
    end_at_once()
