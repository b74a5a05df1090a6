"""Options that training and testing share, and how the parser grows with the names on the command line."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import data
import models
from models import networks
from models.pairing import check_pair
from options import groups, published
from options.settings import Settings, Sources, read_config
from util.errors import UserError
from util.parser import Parser, amount, boolean, positive, whole
from util.tiling import SMALLEST_TILE

PER_CORE = 4  # loader processes, at most
# Options of the published programs that decide nothing here (most were read nowhere there either).
PUBLISHED_ONLY = {
    "channels": "the data set says how many planes there are",
    "crf": "pictures are made with a gamma or a tone curve, see --tonemap",
    "debug": "it was read nowhere",
    "drop_last": "every training batch is full",
    "gt_wb": "white balance is that of the reference's file",
    "init_type": "networks initialise themselves as published",
    "init_gain": "networks initialise themselves as published",
    "load_optimizers": "use --resume",
    "no-log": "a run always keeps its log",
    "no-verbose": "the network's size is always printed",
    "optimizer": "AdamW is always used; with --weight_decay 0 it is Adam",
    "resume_epoch": "name the file by --load_path, or the epoch by --load_iter",
    "serial_batches": "it had no effect",
    "shuffle": "training data are always shuffled",
    "stage_in": "networks are given raw planes",
    "stage_out": "networks give raw planes",
    "suffix": "write the whole name into --name",
    "verbose": "the network's size is always printed",
    **dict.fromkeys(
        (
            "alpha",
            "crop_patch",
            "exposure",
            "momentum",
            "neg_weight",
            "scale",
            "test_every",
            "visual_full_imgs",
        ),
        "it was read nowhere",
    ),
}
# Short names of published options that decide nothing, or nothing in one of the programs.
PUBLISHED_FLAGS = {
    "batchSize": ("-b",),
    "channels": ("-c",),
    "resume": ("-r",),
    "resume_epoch": ("-re",),
    "verbose": ("-v",),
}


class BaseOptions:
    """Builds the parser in the order base, model, dataset, network, and checks what needs no file.

    Attributes:
        elsewhere: published options that decide something in the other program only, and why.
        of_data: names of the options that the data set has of its own, once they are known.
    """

    is_train: bool
    of_data: set[str]
    elsewhere: ClassVar[dict[str, str]] = {}

    def add_options(self, parser: Parser) -> None:
        """Add what does not depend on the model, data set or network."""
        groups.add_run(parser)
        groups.add_data(parser)
        groups.add_model(parser)
        groups.add_place(parser)
        groups.add_restoring(parser)

    def build_parser(self, arguments: Sequence[str] | None) -> Parser:
        """The parser with all that the model, dataset and network named in `arguments` add."""
        return self._prepare(arguments)[0]

    def _prepare(self, arguments: Sequence[str] | None) -> tuple[Parser, Sources]:
        """That parser, and what it is to parse; a first look tells which model, data set and network add."""
        parser = Parser(
            add_help=False, prog=Path(sys.argv[0]).name, usage="%(prog)s --name NAME --dataroot DIR [options]"
        )
        self.add_options(parser)
        given = sys.argv[1:] if arguments is None else list(arguments)
        first, words = _first_look(parser), parser.expanded(self.own_words(given))
        translated = published.translated(words, parser.has)
        config = first.parse_known_args(translated)[0].config
        sources = Sources(translated, read_config(Path(config)) if config else {}, {})
        chosen = self._chosen(first, sources)
        if record := self.record(given, chosen):
            sources = sources._replace(record=record)
            chosen = self._chosen(first, sources)
        decided = self._extend(parser, chosen)
        sources = sources._replace(
            words=published.translated(words, parser.has),
            config=self.known_options(parser, sources.config, chosen),
            record=self.taken(sources.record, chosen, decided),
        )
        return parser, sources.settled(parser)

    def _chosen(self, first: Parser, sources: Sources) -> argparse.Namespace:
        """What the first look finds, with the model's own data set where none is named."""
        chosen = first.parse_known_args(sources.command_line(first))[0]
        if "," in (chosen.dataset_name or ""):
            raise UserError(f"--dataset_name {chosen.dataset_name}: one data set at a time, but in test.py")
        if chosen.dataset_name is None:
            chosen.dataset_name = models.model_class(chosen.model).default_dataset(self.is_train)
        return chosen

    def own_words(self, arguments: list[str]) -> list[str]:
        """The words of a command line that are not for `record`."""
        return arguments

    def record(self, arguments: list[str], chosen: argparse.Namespace) -> Settings:
        """Options of the run that is meant, where they matter."""
        return {}

    def taken(self, record: Settings, chosen: argparse.Namespace, decided: dict[str, set[str]]) -> Settings:
        """What is used of `record`; `decided`: the options that go with each choice of a name."""
        return record

    def known_options(self, parser: Parser, config: Settings, chosen: argparse.Namespace) -> Settings:
        """The options of `--config`; UserError if one is unknown."""
        for name in config:
            if not parser.has(name) or name in ("config", "help"):
                parser.unknown(f"--{name}", f"--config {chosen.config}: ")
        return config

    def _extend(self, parser: Parser, chosen: argparse.Namespace) -> dict[str, set[str]]:
        """Add what model, data set and network bring; returns the options that each choice decides."""
        decided, known = {}, parser.keys()
        with parser.section(f"model {chosen.model}"):
            models.model_class(chosen.model).modify_commandline_options(parser, self.is_train)
        trained_net = parser.get_default("net")
        decided["model"], known = parser.keys() - known, parser.keys()
        with parser.section(f"data set {chosen.dataset_name}"):
            data.dataset_class(chosen.dataset_name).modify_commandline_options(parser, self.is_train)
        self.of_data = parser.keys() - known
        decided["dataset_name"] = {"dataroot", "frame_num"} | self.of_data
        if chosen.load_path or chosen.load_iter:  # not the data set's choice for who has no weights
            parser.set_defaults(net=trained_net)
        net = parser.get_default("net") if chosen.net is None else chosen.net
        decided["net"] = {"size"} | self._add_network_options(parser, net)
        own = (
            models.model_class(chosen.model).without_effect
            | data.dataset_class(chosen.dataset_name).without_effect
        )
        for name, reason in (PUBLISHED_ONLY | self.elsewhere | own).items():
            parser.add_without_effect(name, reason, *PUBLISHED_FLAGS.get(name, ()))
        parser.add_argument(
            "-h", "--help", action="help", default=argparse.SUPPRESS, help="show this and exit"
        )
        return decided

    def _add_network_options(self, parser: Parser, name: str) -> set[str]:
        """An option for each argument of the network that the model does not decide; returns their names."""
        try:
            settings, parts = networks.network_options(name), networks.network_class(name)
        except ValueError as error:
            raise UserError(str(error)) from None
        group = parser.add_argument_group(f"network {name}")
        for setting, default in settings.items():
            number = whole if setting in getattr(parts, "settable", ()) else positive
            kind = {bool: boolean, int: number, float: amount}.get(type(default), type(default))
            group.add_argument(f"--{setting}", type=kind, help=f"default: by --size, {default} in full")
        for part in getattr(parts, "pretrained_parts", {}):
            if parser.has(f"{part}_path"):
                continue
            group.add_argument(
                f"--{part}_path",
                help=f"file of the published pretrained {part}; default: none",
            )
        return set(settings)

    def parse(self, arguments: Sequence[str] | None = None) -> argparse.Namespace:
        """The options of a command line (default: this program's).

        Raises:
            UserError: an unknown name, option or value; the message is one line.
        """
        parser, sources = self._prepare(arguments)
        opt = parser.parse_strictly(sources.command_line(parser))
        opt.is_train, opt.of_data = self.is_train, sorted(self.of_data)
        published.settle(opt)
        opt.name = checked_name(opt.name)
        opt.workers = _at_most_for_cores(opt.workers)
        if opt.dataroot is None:
            parser.error("the following arguments are required: --dataroot")
        check_pair(opt, models.model_class(opt.model), data.dataset_class(opt.dataset_name).asked(opt))
        if opt.tile and opt.tile < SMALLEST_TILE:
            raise UserError(
                f"--tile {opt.tile} is too small: {SMALLEST_TILE} px or more, or 0 for whole frames"
            )
        if opt.demosaic == "net" and not opt.demosaic_weights:
            raise UserError("--demosaic net needs the published network's file: --demosaic_weights FILE")
        self.tell(sources.record)
        return opt

    def tell(self, record: Settings) -> None:
        """Say what was taken from the record of a run."""


def checked_name(name: str) -> str:
    """The name of a run as its folder has it; UserError if that would not be in the folder of all runs."""
    parts = Path(name).parts
    if not parts or Path(name).is_absolute() or ".." in parts or not name.isprintable():
        raise UserError(
            f"--name {name!r}: expected the name of a folder in CHECKPOINTS_DIR, such as mine or a/b"
        )
    return str(Path(name))


def _at_most_for_cores(workers: int) -> int:
    """As many loader processes, unless they would only take each other's time and the memory."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    most = max(8, PER_CORE * cores)
    if workers > most:
        print(f"note: -j {workers}: {most} processes load, {PER_CORE} for each core", file=sys.stderr)
    return min(workers, most)


def _first_look(parser: Parser) -> Parser:
    """A parser for a first look: nothing is required and no value of a later option is judged."""
    first = Parser(add_help=False)
    for name in ("model", "checkpoints_dir"):
        first.add_argument(f"--{name}", default=parser.get_default(name))
    first.add_argument("--net", "--network", type=groups.network_name)
    first.add_argument("--load_path", "--model_path")
    for name in ("name", "dataset_name", "config", "load_iter"):
        first.add_argument(f"--{name}")
    return first
