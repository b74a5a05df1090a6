"""Spellings of published command lines that are more than another name of an option."""

from collections.abc import Sequence

MODELS = {"eld_model": "eld", "eld_iter_model": "exposure_diffusion"}  # of ExposureDiffusion
NETWORKS = {
    "unet": ["--net", "unet"],
    "naf2": ["--net", "nafnet"],
    **{name: ["--net", "nafnet", "--size", name] for name in ("naf", "naf3", "naf4")},
}
NAMES = {"--model": {name: ["--model", ours] for name, ours in MODELS.items()}, "--netG": NETWORKS}


def translated(words: Sequence[str]) -> list[str]:
    """A command line with `--model eld_iter_model`, `--netG naf` and the like as we say them."""
    result, rest = [], list(words)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        known = NAMES.get(name, {})
        value = value if equals else rest[0] if known and rest else ""
        if value in known:
            result += known[value]
            rest = rest if equals else rest[1:]
        else:
            result.append(word)
    return result
