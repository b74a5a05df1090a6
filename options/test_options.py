"""Options of test.py."""

import argparse
import math
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import data
from models.self_ensemble import NUMBERS
from options import record
from options.base_options import BaseOptions
from options.published import translated
from options.settings import Settings
from options.train_options import TrainOptions
from util.errors import UserError
from util.imaging.pictures import TONE_MAPS
from util.imaging.rendering import ISPS
from util.parser import Parser, amount, boolean, iterations
from util.scores.burst_metrics import BURST_METRICS
from util.scores.evaluation import SCORED, USUAL
from util.scores.learned_metrics import NO_REFERENCE
from util.scores.picture_metrics import METRICS
from util.scores.radiance_metrics import RADIANCE_METRICS
from util.tiling import USUAL_TILE

# What a run's record decides in testing, beside the options that go with its model, data set and network.
CHOICES = ("model", "dataset_name", "net")
RECORDED = (*CHOICES, "name", "checkpoints_dir", "demosaic", "demosaic_weights")
OF_TRAINING = ("name", "checkpoints_dir", "load_path", "load_iter")  # where it was and what it began with


def metric_list(text: str) -> list[str]:
    """A comma list of metrics."""
    return text.split(",")


def stops(text: str) -> float | str:
    """A number of stops, or auto."""
    if text == "auto":
        return text
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"expected auto or a number of stops, not '{text}'")
    return number


class TestOptions(BaseOptions):
    """Base options and those of restoring, writing and scoring; the record of the run that is tested says
    what it was trained with.
    """

    is_train = False
    elsewhere: ClassVar[dict[str, str]] = dict.fromkeys(
        (
            *("batch_size", "patch_size", "niter", "niter_decay", "print_freq", "save_epoch_freq"),
            *("lr", "lr_policy", "lr_decay_iters", "weight_decay", "beta1", "beta2", "stru_lable_path"),
            *("epoch", "batchSize", "wd", "auxloss", "adaptive_loss", "continuous_noise", "syn_noise"),
        ),
        "it is for training",
    ) | {"resume": "weights are always loaded"}
    __test__ = False  # not a test case, whatever pytest makes of the name

    def add_options(self, parser: Parser) -> None:
        super().add_options(parser)
        add_weights(parser)
        add_output(parser)
        add_tones(parser)
        add_scores(parser)

    def own_words(self, arguments: list[str]) -> list[str]:
        return [word for word in arguments if not is_record(word)]

    def record(self, arguments: list[str], chosen: argparse.Namespace) -> Settings:
        """The record named as `@FILE`, else that of run `--name`.

        Not of the run where `--load_path` names weights outside of its folder, which may be of anything.
        """
        named = [Path(word[1:]) for word in arguments if is_record(word)]
        if not named:
            run = Path(chosen.checkpoints_dir) / (chosen.name or "")
            foreign = chosen.load_path and run.resolve() not in Path(chosen.load_path).resolve().parents
            if not chosen.name or foreign or not (run / record.FILE).is_file():
                return {}
            named, place = [run / record.FILE], {}
        else:  # the run may have been moved or renamed since it was trained
            run = named[-1].absolute().parent
            place = {"name": run.name, "checkpoints_dir": str(run.parent)}
        self.path = named[-1]
        found = record.read_options(self.path)
        return {name: value for name, value in found.items() if name not in OF_TRAINING} | place

    def taken(self, record: Settings, chosen: argparse.Namespace, decided: dict[str, set[str]]) -> Settings:
        names = set(RECORDED)
        for choice in CHOICES:
            if record.get(choice) == getattr(chosen, choice):
                names |= decided[choice]
        return {name: value for name, value in record.items() if name in names}

    def known_options(self, parser: Parser, config: Settings, chosen: argparse.Namespace) -> Settings:
        """Those of testing: a file may serve train.py as well."""
        passed_over = []
        if not all(parser.has(name) and name not in self.elsewhere for name in config):
            names = [f"--{choice}={getattr(chosen, choice)}" for choice in CHOICES if getattr(chosen, choice)]
            training = TrainOptions().build_parser(names)
            passed_over = [
                name
                for name in config
                if name in self.elsewhere or (training.has(name) and not parser.has(name))
            ]
        if passed_over:
            names = ", ".join(passed_over)
            print(f"note: --config {chosen.config}: passed over, of training alone: {names}", file=sys.stderr)
        rest = {name: value for name, value in config.items() if name not in passed_over}
        return super().known_options(parser, rest, chosen)

    def tell(self, record: Settings) -> None:
        if record:
            words = " ".join(f"--{name} {_shown(value)}" for name, value in record.items())
            print(f"from {self.path}: {words}")

    def parse(self, arguments: Sequence[str] | None = None) -> argparse.Namespace:
        opt = super().parse(arguments)
        dataset = data.dataset_class(opt.dataset_name)
        kind = dataset.scored(opt)
        opt.metrics = opt.metrics or USUAL[kind]
        opt.tonemap = opt.tonemap or ("mu_law" if dataset.task.bracketed else "exposure")
        opt.save_hdr = opt.save_hdr or ("hdr" if kind == "radiance" else "none")
        known = [*SCORED[kind], *(NO_REFERENCE if kind in ("picture", "radiance") else ())]
        unknown = [name for name in opt.metrics if name not in known]
        if unknown:
            raise UserError(f"unknown metric '{unknown[0]}'; known: {', '.join(known)}")
        if not opt.peak_luminance:
            raise UserError("--peak_luminance 0: the brightest value must have some, in cd/m2")
        if opt.ev != "auto" and opt.tonemap != "exposure":
            raise UserError(f"--ev {opt.ev:g} is for --tonemap exposure; --tonemap {opt.tonemap} has none")
        if opt.chop is False:
            opt.tile = 0
        elif opt.chop and opt.tile is None:
            opt.tile = USUAL_TILE
        return opt

    def parse_each(self, arguments: Sequence[str] | None = None) -> list[argparse.Namespace]:
        """The options for each of the data sets that `--dataset_name` names, in a comma list or as published.

        Raises:
            UserError: as `parse`, of any of them.
        """
        given = sys.argv[1:] if arguments is None else list(arguments)
        first = Parser(add_help=False)
        first.add_argument("--dataset_name", default="")
        names = first.parse_known_args(translated(self.own_words(given), first.has))[0].dataset_name
        if "," not in names:
            return [self.parse(given)]
        return [self.parse([*given, "--dataset_name", name]) for name in names.split(",")]


def is_record(word: str) -> bool:
    """Whether a word of the command line is `@.../opt_train.args`."""
    return word.startswith("@") and Path(word[1:]).name == record.FILE


def _shown(value: str | list[str]) -> str:
    return " ".join(map(shlex.quote, [value] if isinstance(value, str) else value))


def add_weights(parser: Parser) -> None:
    """Which weights, and how they restore."""
    group = parser.add_argument_group("what is tested")
    group.add_argument(
        "--load_iter",
        type=iterations,
        default=["latest"],
        help="checkpoints of the run: 400, latest, best, or a comma list",
    )
    group.add_argument(
        "--any_protocol",
        type=boolean,
        default=False,
        help="use weights all the same that were trained on data of another protocol: another ratio of row "
        "exposures, say",
    )
    group.add_argument(
        "--self_ensemble",
        type=int,
        choices=NUMBERS,
        default=1,
        help="mean over so many mirror images of the frames, in as many times the time",
    )
    group.add_argument(
        "--chop",
        type=boolean,
        help="published spelling: True = in tiles, False = whole frames; default: as --tile says",
    )


def add_output(parser: Parser) -> None:
    """Which files are written."""
    group = parser.add_argument_group("what is written")
    group.add_argument(
        "--save_imgs",
        type=boolean,
        default=True,
        help="write PNGs of 16 bits (of LDR data sets, with --tonemap mu_law, of 8 as published) and "
        "contact sheets",
    )
    group.add_argument(
        "--save_hdr",
        choices=("none", "exr", "hdr", "dng"),
        help="write linear radiance files, on the scale of the frames divided by their exposures; dng: "
        "floats, for raw developers; "
        "default: hdr for LDR data sets, else none",
    )


def add_tones(parser: Parser) -> None:
    """How pictures are made of radiance."""
    group = parser.add_argument_group("tones and colours")
    group.add_argument(
        "--tonemap",
        choices=TONE_MAPS,
        help="of the PNGs: mu_law as published, reinhard, exposure (--ev and sRGB only), matlab_like, "
        "an approximation of the MATLAB tone mapping of SelfHDR's figures, or camera, that of Deep-Rep's; "
        "scores do not depend on it; default: exposure for bursts of one exposure, else mu_law",
    )
    group.add_argument(
        "--ev",
        type=stops,
        default="auto",
        help="for --tonemap exposure: stops, 0 = as bright as the shortest frame, or auto",
    )
    group.add_argument(
        "--isp",
        choices=ISPS,
        help="colours of raw files: by all their tags, or the published pipeline (ColorMatrix1, 14 bits); "
        "default: published for --model real and realplus on --dataset_name real, else full",
    )


def add_scores(parser: Parser) -> None:
    """What is scored, and how."""
    group = parser.add_argument_group("scores")
    group.add_argument(
        "--calc_metrics",
        type=boolean,
        default=True,
        help="score the pictures, against the ground truth where there is one",
    )
    group.add_argument(
        "--metrics",
        type=metric_list,
        help="comma list; default: as the data set's paper has it; of pictures: "
        f"{', '.join(METRICS)}; of radiance (LDR data sets): {', '.join(RADIANCE_METRICS)}; of bursts "
        f"{', '.join(BURST_METRICS['linear14'])}, and likewise with display or aligned; of row "
        f"exposures: {', '.join(USUAL['guided'])}, pu_psnr; without ground truth: {', '.join(NO_REFERENCE)}",
    )
    group.add_argument(
        "--protocol",
        choices=("paper", "ntire2024"),
        default="paper",
        help="paper: border left out; ntire2024: whole frames",
    )
    group.add_argument(
        "--baselines",
        type=boolean,
        default=False,
        help="score the shortest bracket, the reference frame where it is another, the exposure average, "
        "--net exposure_merge, and the colour component where there is one as well",
    )
    group.add_argument(
        "--peak_luminance",
        type=amount,
        default=1000.0,
        help="cd/m2 of the brightest value, for pu_psnr, pu_ssim and cvvdp",
    )
