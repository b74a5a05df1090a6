"""Objects of programs that are not installed here, and such as run a command when they are unpickled."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from types import ModuleType, SimpleNamespace
from typing import Any


class Command:
    """Runs a shell command when it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple:
        return os.system, (self.command,)


class IfdTag:
    """A tag as exifread has it."""

    def __init__(self, values: Any) -> None:
        self.values = values


class Ratio:
    """A fraction as old versions of exifread have it."""

    def __init__(self, num: int, den: int) -> None:
        self.num, self.den = num, den


class NewRatio(Fraction):
    """A fraction as newer versions of exifread have it."""


class Tags(list):
    """A list with a name."""


class Slotted:
    """Made by keyword, its attributes in slots."""

    __slots__ = ("level",)

    def __new__(cls, level: int = 0, unit: str = "s") -> "Slotted":
        made = super().__new__(cls)
        made.level = level
        return made

    def __getnewargs_ex__(self) -> tuple:
        return (), {"unit": "s"}


class NetConstructor:
    """What DBSR and DeepRep build a network with."""

    def __init__(self, fun_name: str, fun_module: str, args: tuple, kwds: dict) -> None:
        self.fun_name, self.fun_module, self.args, self.kwds = fun_name, fun_module, args, kwds


class AverageMeter:
    """A mean of a training run."""

    def __init__(self) -> None:
        self.avg = 0.5


class Settings:
    """Settings of a training run."""

    def __init__(self) -> None:
        self.workspace = "/home/author"


MODULES = {
    IfdTag: "exifread.classes",
    Ratio: "exifread.utils",
    NewRatio: "exifread.utils",
    Tags: "exifread.utils",
    Slotted: "exifread.utils",
    NetConstructor: "admin.model_constructor",
    AverageMeter: "admin.stats",
    Settings: "admin.settings",
}


@contextmanager
def foreign_classes() -> Iterator[SimpleNamespace]:
    """The classes above, importable from the modules that they come from while they are pickled."""
    homes = {kind: kind.__module__ for kind in MODULES}
    names = {name for module in MODULES.values() for name in (module, module.partition(".")[0])}
    try:
        sys.modules.update({name: ModuleType(name) for name in names})
        for kind, module in MODULES.items():
            kind.__module__ = module
            setattr(sys.modules[module], kind.__name__, kind)
        yield SimpleNamespace(**{kind.__name__: kind for kind in MODULES})
    finally:
        for kind, home in homes.items():
            kind.__module__ = home
        for name in names:
            del sys.modules[name]
