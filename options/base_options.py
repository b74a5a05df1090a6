"""Options that training and testing share, and how the parser grows with the names on the command line."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import data
import models
from models import networks
from models.pairing import check_pair
from util.errors import UserError
from util.parser import Parser, amount, boolean, positive, whole
from util.tiling import SMALLEST_TILE, USUAL_TILE

# Options of the published programs that decide nothing here (most were read nowhere there either).
PUBLISHED_ONLY = {
    "drop_last": "every training batch is full",
    "init_type": "networks initialise themselves as published",
    "init_gain": "networks initialise themselves as published",
    "load_optimizers": "use --resume",
    "optimizer": "AdamW is always used; with --weight_decay 0 it is Adam",
    "shuffle": "training data are always shuffled",
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


def network_name(text: str) -> str:
    """A network's name in its published spelling or ours: HDR-Transformer is hdr_transformer."""
    return text.lower().replace("-", "_")


class BaseOptions:
    """Builds the parser in the order base, model, dataset, network, and checks what needs no file.

    Attributes:
        elsewhere: published options that decide something in the other program only, and why.
    """

    is_train: bool
    elsewhere: ClassVar[dict[str, str]] = {}

    def add_options(self, parser: Parser) -> None:
        group = parser.add_argument_group("what")
        group.add_argument(
            "--name", required=True, help="name of the run; its files are in CHECKPOINTS_DIR/NAME"
        )
        group.add_argument(
            "--model", default="syn", help="training strategy: " + ", ".join(models.model_names())
        )
        group.add_argument(
            "--net",
            "--network",
            type=network_name,
            help="network, default by the model: " + ", ".join(networks.network_names()),
        )
        group.add_argument(
            "--size", help="preset of the network: full (as published, the default) or a smaller one"
        )
        group.add_argument(
            "--dataset_name", default="syn", help="data set: " + ", ".join(data.dataset_names())
        )
        group.add_argument("--dataroot", required=True, help="folder of the data set")
        group.add_argument("--max_dataset_size", type=positive, help="use only the first so many samples")
        group.add_argument(
            "--frame_num", type=positive, default=5, help="exposures per sample, from the shortest on"
        )
        group.add_argument(
            "--cache_dir",
            help="train from a block copy of the data that is kept here (a fast disk): for slow DATAROOTs, "
            "and for raw files, which are far slower without",
        )
        group = parser.add_argument_group("where and how")
        group.add_argument("--checkpoints_dir", default="./ckpt", help="folder of all runs")
        group.add_argument("--load_path", help="start from the weights of this file")
        group.add_argument("--gpu_ids", default="all", help="all, one or several GPUs as 0 or 0,1; -1 = CPU")
        group.add_argument(
            "-j", "--workers", "--num_dataloader", type=whole, default=4, help="loader processes"
        )
        group.add_argument(
            "--precision", choices=("fp32", "bf16", "fp16"), default="fp32", help="autocast to this"
        )
        group.add_argument(
            "--channels_last", type=boolean, default=True, help="channels-last convolutions (faster)"
        )
        group.add_argument(
            "--compile", type=boolean, default=False, help="compile the network (torch.compile)"
        )
        group.add_argument(
            "--seed", type=whole, default=0, help="of weights, data order, crops and augmentation"
        )
        group = parser.add_argument_group("pictures and scores")
        group.add_argument(
            "--demosaic",
            choices=("bilinear", "menon", "net"),
            default="menon",
            help="demosaicing of pictures",
        )
        group.add_argument(
            "--demosaic_weights", help="file of the published demosaicing network, for --demosaic net"
        )
        group.add_argument(
            "--tile",
            type=whole,
            help="largest side of a tile with its surroundings, in packed px; 0 = the whole frame at once; "
            f"default {USUAL_TILE}, but 0 for networks that look at the whole frame",
        )
        group.add_argument(
            "--tile_overlap",
            type=whole,
            default=32,
            help="px of a tile that surround what it is restored for; more where motion asks for it",
        )

    def build_parser(self, arguments: Sequence[str] | None) -> Parser:
        """The parser with all that the model, dataset and network named in `arguments` add."""
        parser = Parser(add_help=False, prog=Path(sys.argv[0]).name)
        self.add_options(parser)
        chosen, _ = Parser.parse_known_args(_optional(parser), arguments)
        model = models.model_class(chosen.model)
        model.modify_commandline_options(parser, self.is_train)
        trained_net = parser.get_default("net")
        data.dataset_class(chosen.dataset_name).modify_commandline_options(parser, self.is_train)
        if chosen.load_path or chosen.load_iter:  # not the data set's choice for who has no weights
            parser.set_defaults(net=trained_net)
        self._add_network_options(parser, chosen.net or parser.get_default("net"))
        for name, reason in (PUBLISHED_ONLY | self.elsewhere).items():
            parser.add_without_effect(name, reason, *(("-v",) if name == "verbose" else ()))
        parser.add_argument(
            "-h", "--help", action="help", default=argparse.SUPPRESS, help="show this and exit"
        )
        return parser

    def _add_network_options(self, parser: Parser, name: str) -> None:
        """An option for each argument of the network that the model does not decide; None = the preset's."""
        try:
            settings, parts = networks.network_options(name), networks.network_class(name)
        except ValueError as error:
            raise UserError(str(error)) from None
        group = parser.add_argument_group(f"network {name}")
        for setting, default in settings.items():
            kind = {bool: boolean, int: positive, float: amount}.get(type(default), type(default))
            group.add_argument(f"--{setting}", type=kind, help=f"{default} in the full size")
        for part in getattr(parts, "pretrained_parts", {}):
            group.add_argument(f"--{part}_path", help=f"file of the published pretrained {part}")

    def parse(self, arguments: Sequence[str] | None = None) -> argparse.Namespace:
        """The options of a command line (default: this program's).

        Raises:
            UserError: an unknown name, option or value; the message is one line.
        """
        parser = self.build_parser(arguments)
        opt = parser.parse_strictly(arguments)
        opt.is_train = self.is_train
        check_pair(opt, models.model_class(opt.model).scale, data.dataset_class(opt.dataset_name).task)
        if opt.tile and opt.tile < SMALLEST_TILE:
            raise UserError(
                f"--tile {opt.tile} is too small: {SMALLEST_TILE} px or more, or 0 for whole frames"
            )
        if opt.demosaic == "net" and not opt.demosaic_weights:
            raise UserError("--demosaic net needs the published network's file: --demosaic_weights FILE")
        return opt


def _optional(parser: Parser) -> Parser:
    """A copy of a parser for a first look: nothing is required and no value of a later option is judged."""
    first = Parser(add_help=False)
    for name in ("model", "dataset_name"):
        first.add_argument(f"--{name}", default=parser.get_default(name))
    first.add_argument("--net", "--network", type=network_name)
    for name in ("load_path", "load_iter"):
        first.add_argument(f"--{name}")
    return first
