"""Spellings of published command lines that are more than another name of an option."""

import argparse
from collections.abc import Callable, Sequence
from itertools import takewhile

MODELS = {  # of ExposureDiffusion, and of the NTIRE 2024 challenge
    "eld_model": ["--model", "eld"],
    "eld_iter_model": ["--model", "exposure_diffusion"],
    "tmrnet": ["--model", "syn", "--net", "tmrnet"],
}
NETWORKS = {
    "unet": ["--net", "unet"],
    "naf2": ["--net", "nafnet"],
    **{name: ["--net", "nafnet", "--size", name] for name in ("naf", "naf3", "naf4")},
}
# What published programs for real brackets do, which is an option here, and what is usual here.
REAL = {"phase": ("file", "red"), "isp": ("published", "full")}
NAMES = {"--model": MODELS, "--netG": NETWORKS}
LISTS = ("--load_iter", "--dataset_name")  # take several words, for which we have a comma list
# Options of BracketIRE (specification, 11) and SelfHDR (specification, 11), whose parsers take abbreviations.
OPTIONS = tuple(
    f"--{name}"
    for name in (
        *("dataroot", "dataset_name", "max_dataset_size", "frame_num", "batch_size", "patch_size", "shuffle"),
        *("num_dataloader", "drop_last", "gpu_ids", "checkpoints_dir", "verbose", "suffix", "name", "model"),
        *("load_path", "load_iter", "chop", "self_weight", "init_type", "init_gain", "optimizer", "niter"),
        *("niter_decay", "lr_policy", "lr_decay_iters", "lr", "load_optimizers", "weight_decay", "beta1"),
        *("beta2", "print_freq", "save_epoch_freq", "calc_metrics", "save_imgs", "crop_patch", "neg_weight"),
        *("exposure", "scale", "momentum", "alpha", "test_every", "visual_full_imgs"),
        *("network", "stage0_inference", "stru_lable_path"),
    )
)


def translated(words: Sequence[str], known: Callable[[str], bool]) -> list[str]:
    """A published command line as we say it.

    `--model eld_iter_model`, `--netG naf` and the like become options of ours, `--load_iter 1 2` a comma
    list, and an abbreviation that means one published option, as `--gpu_id`, its whole name.

    Args:
        known: whether `--name` is an option of ours, which means itself.
    """
    result, rest = [], list(words)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        name = name if known(name.removeprefix("--")) else _in_full(name)
        values = [value] if equals else list(takewhile(lambda word: not word.startswith("-"), rest))
        if name in LISTS and values:
            result += [name, ",".join(values)]
            rest = rest if equals else rest[len(values) :]
        elif values and values[0] in NAMES.get(name, {}):
            result += NAMES[name][values[0]]
            rest = rest if equals else rest[1:]
        else:
            result.append(f"{name}{equals}{value}")
    return result


def settle(opt: argparse.Namespace) -> None:
    """Fill in what `--model real` and `realplus` of published command lines mean without saying it."""
    as_published = opt.dataset_name == "real" and opt.model in ("real", "realplus")
    for name, (published, ours) in REAL.items():
        if vars(opt).get(name, ours) is None:
            setattr(opt, name, published if as_published else ours)


def _in_full(name: str) -> str:
    """The published option that `name` is short for, or `name` where that is none or not clear."""
    if not name.startswith("--") or name in OPTIONS:
        return name
    meant = [option for option in OPTIONS if option.startswith(name)]
    return meant[0] if len(meant) == 1 else name
