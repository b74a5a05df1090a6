"""Use Bracketeer from a program or a notebook, and as one command.

    import bracketeer
    scene = bracketeer.read("photos/night")            # a folder, or bracketeer.scene(frames, exposures)
    image = bracketeer.load("weights.pth").restore(scene)     # load() is the merge, which needs no weights
    image.write("night.png"); image.write("night.exr")

The command `bracketeer train|test|restore|simulate|check|align|calibrate|compare` hands its arguments to the
program of that name. The project's rooms (`data`, `models`, `options`, `util`) are imported by these names.
"""

import importlib
import itertools
import os
import runpy
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from data.photos import Scene
    from models.restorer import Restorer

ROOT = Path(__file__).resolve().parent
ROOMS = ("data", "models", "options", "util")
SCRIPTS = {"train": "train.py", "test": "test.py", "restore": "restore.py"}
# What test.py knows and says here which run, data set or file of options is meant.
NOT_HERE = ("--name", "--load_iter", "--dataroot", "--dataset_name", "--checkpoints_dir", "--config")
MODULES = {
    "simulate": "data.simulate",
    "check": "data.check",
    "align": "data.align",
    "calibrate": "data.calibrate",
    "compare": "util.compare",
}


def _import_rooms() -> None:
    """Import the rooms from this project, whatever else of these names lies on the way.

    Raises:
        ImportError: they are not there, or another module of such a name has been imported before.
    """
    if not (ROOT / "models").is_dir():
        raise ImportError(
            "bracketeer works from the project's folder: install that with pip install -e FOLDER"
        )
    for name in ROOMS:
        known = sys.modules.get(name)
        if known is not None and not _is_ours(known):
            place = getattr(known, "__file__", None) or "a folder"
            raise ImportError(f"bracketeer needs its own module '{name}', but {place} was imported before")
    sys.path.insert(0, str(ROOT))
    try:
        for name in ROOMS:
            importlib.import_module(name)
    finally:
        sys.path.remove(str(ROOT))


def _is_ours(module: ModuleType) -> bool:
    return Path(getattr(module, "__file__", None) or "/").resolve().parent.parent == ROOT


_import_rooms()
from util.errors import UserError  # noqa: E402  (of the rooms)

__all__ = ["UserError", "load", "read", "restorer", "scene"]


def read(folder: str | Path, **settings: Any) -> "Scene":
    """The scene in a folder of raw files or pictures, exposed differently, of a burst, or of one raw file.

    Args:
        settings: `response` (of pictures: debevec, srgb, linear, ...), `frame_num`, `border`,
            `trust_exposures`, even where the frames contradict them, `white` (value in pictures); of a burst
            `burst`, "x4" or "denoise", and `reference`; `sve=True` for a raw file, or the folder that holds
            it, whose rows are exposed in turn, and `row_order`; as the options of restore.py.

    Raises:
        UserError: there is no such folder, a file is damaged, exposures are not known, ...; one line.
    """
    from data.photos import read_scene, reading_options

    return read_scene(folder, reading_options(**settings))


def scene(
    frames: "np.ndarray",
    exposures: "list[float]",
    meta: "dict[str, np.ndarray] | None" = None,
    trust_exposures: bool = False,
) -> "Scene":
    """A scene of arrays (T, H, W, 3), linear sRGB, or (T, H, W, 4), packed R, G, G, B: `scene_of_arrays`."""
    from data.photos import scene_of_arrays

    return scene_of_arrays(frames, exposures, meta, trust_exposures=trust_exposures)


def load(weights: str | Path | None = None, net: str | None = None, **settings: Any) -> "Restorer":
    """A network with its weights, or without any the classical merge of exposures.

    Args:
        weights: file of ours, or a published one, which does not say of which `net` it is.
        settings: options of test.py and of the network: `gpu_ids="-1"`, `tile=256`, `precision="bf16"`, ...

    Raises:
        UserError: no such file, network or option; one line.
    """
    chosen = {"net": net, **settings}
    words = [f"--{key}={value}" for key, value in chosen.items() if value is not None]
    return restorer(weights, words)


def restorer(weights: str | Path | None, words: list[str], fast: bool = False) -> "Restorer":
    """As `load`, with options as test.py's command line has them, which win.

    Args:
        fast: without `--precision`, half precision where it takes less time on this machine.
    """
    from models import model_class, model_names
    from models.networks import needs_weights, network_names
    from models.restorer import Restorer
    from options.test_options import TestOptions
    from util import checkpoint

    for word in words:
        if word.startswith("@") or word.partition("=")[0] in NOT_HERE:
            raise UserError(
                f"{word}: a scene is restored by --net and --load_path FILE, not by a run's record"
            )
    weights = _value(words, "--load_path") or weights
    content = checkpoint.load(weights) if weights else {}
    held = (checkpoint.weights_in(content, weights)[1] or {}) if weights else {"name": "exposure_merge"}
    net = _value(words, "--net", "--network") or held.get("name")
    if net is None:
        raise UserError(f"{weights} does not say which network it holds: name it, as tmrnet (--net tmrnet)")
    if not weights and net in network_names() and needs_weights(net):
        raise UserError(f"--net {net} needs weights: --load_path FILE")
    model = "synplus" if held.get("scale") == 4 else "syn"
    own = content.get("strategy")
    if own in model_names() and model_class(own).takes_brackets:  # some restore in a way of their own
        model = own  # those for bursts are chosen by the scene
    chosen = {
        "name": "restored",
        "checkpoints_dir": os.devnull,  # where no run is
        "dataroot": ".",
        "dataset_name": "folder",
        "model": model,
        "net": net,
    }
    if weights:
        chosen["load_path"] = str(weights)
    if model == "sve":
        chosen["sve"] = "True"
    first = [f"--{key}={value}" for key, value in chosen.items()]
    opt = TestOptions().parse([*first, "--save_hdr=exr", *words])
    return Restorer(opt, fast and not opt.compile and _value(words, "--precision") is None)


def _value(words: list[str], *names: str) -> str | None:
    """The value that an option has on a command line."""
    found = None
    for word, following in itertools.zip_longest(words, words[1:]):
        name, equals, value = word.partition("=")
        if name in names:
            found = value if equals else following
    return found


def main() -> None:
    """The command `bracketeer`."""
    known = [*SCRIPTS, *MODULES]
    name, words = (sys.argv[1] if len(sys.argv) > 1 else "-h"), sys.argv[2:]
    if name in ("-h", "--help"):
        print(f"usage: bracketeer {'|'.join(known)} ...        (bracketeer {known[0]} -h lists its options)")
        return
    if name not in known:
        print(f"error: unknown command '{name}'; known: {', '.join(known)}", file=sys.stderr)
        sys.exit(2)
    sys.path.insert(0, str(ROOT))  # as a program of the project's folder has it
    if name in SCRIPTS:
        program = ROOT / SCRIPTS[name]
        sys.argv = [str(program), *words]
        runpy.run_path(str(program), run_name="__main__")
    else:
        sys.argv = [f"bracketeer {name}", *words]
        runpy.run_module(MODULES[name], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
