"""Finding the class of a name by convention: `--model syn` is class SynModel in models/syn_model.py."""

import difflib
import importlib
import pkgutil
from types import ModuleType

from util.errors import UserError


def names(package: ModuleType, suffix: str) -> list[str]:
    """Names for which `package` has a file `<name>_<suffix>.py`; the base class is not one."""
    files = [
        module.name.removesuffix(f"_{suffix}")
        for module in pkgutil.iter_modules(package.__path__)
        if module.name.endswith(f"_{suffix}")
    ]
    return [name for name in files if name != "base"]


def find_class(package: ModuleType, suffix: str, name: str) -> type:
    """Class <Name><Suffix> of file <name>_<suffix>.py; letter case and underscores do not matter.

    Raises:
        UserError: no such file; the message names the nearest known ones.
    """
    known = names(package, suffix)
    if name not in known:
        near = difflib.get_close_matches(name, known) or known
        raise UserError(f"unknown {suffix} '{name}'; known: {', '.join(near)}")
    module = importlib.import_module(f"{package.__name__}.{name}_{suffix}")
    wanted = f"{name}{suffix}".replace("_", "").lower()
    return next(value for label, value in vars(module).items() if label.lower() == wanted)
