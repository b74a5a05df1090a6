"""The options that training and testing share, a function per subject."""

import data
import models
from models import networks
from util.parser import Parser, boolean, given, positive, up_to, whole
from util.tiling import USUAL_TILE

LARGEST_SEED = 2**64 - 1  # that PyTorch takes


def network_name(text: str) -> str:
    """A network's name in its published spelling or ours: HDR-Transformer is hdr_transformer."""
    return text.lower().replace("-", "_")


def add_run(parser: Parser) -> None:
    """What the run is called, and where its options are."""
    group = parser.add_argument_group("run")
    group.add_argument("--name", required=True, help="name of the run; its files are in CHECKPOINTS_DIR/NAME")
    group.add_argument("--checkpoints_dir", type=given, default="./ckpt", help="folder of all runs")
    group.add_argument(
        "--config",
        metavar="FILE.yml",
        help="YAML file with options, as `niter: 40`; the command line wins over it; default: none",
    )


def add_data(parser: Parser) -> None:
    """Which data set, and how much of it."""
    group = parser.add_argument_group("data")
    group.add_argument("--dataset_name", default="syn", help="data set: " + ", ".join(data.dataset_names()))
    group.add_argument(
        "--dataroot",
        type=given,
        help="folder of the data set (required, but for data sets with a default)",
    )
    group.add_argument(
        "--max_dataset_size", type=positive, help="use only the first so many samples; default: all"
    )
    group.add_argument(
        "--frame_num",
        type=positive,
        default=5,
        help="exposures per sample, from the shortest on; of a folder of photographs by default all",
    )
    group.add_argument(
        "--cache_dir",
        help="train from a block copy of the data that is kept here (a fast disk): for slow DATAROOTs, "
        "and for raw files, which are far slower without; default: no copy",
    )


def add_model(parser: Parser) -> None:
    """Which training strategy and network, and with what weights it starts."""
    group = parser.add_argument_group("model")
    group.add_argument("--model", default="syn", help="training strategy: " + ", ".join(models.model_names()))
    group.add_argument(
        "--net",
        "--network",
        type=network_name,
        help="network: " + ", ".join(networks.network_names()),
    )
    group.add_argument(
        "--size", help="preset of the network: full (as published, the default) or a smaller one"
    )
    group.add_argument(
        "--load_path",
        "--model_path",
        type=given,
        help="file of the weights to start from, or to test; default: none in training, and in testing the "
        "run's own, by --load_iter",
    )


def add_place(parser: Parser) -> None:
    """Where and how it is computed."""
    group = parser.add_argument_group("where and how")
    group.add_argument("--gpu_ids", default="all", help="all, one or several GPUs as 0 or 0,1; -1 = CPU")
    group.add_argument(
        *("-j", "--workers", "--num_dataloader", "--nThreads"), type=whole, default=4, help="loader processes"
    )
    group.add_argument(
        "--precision", choices=("fp32", "bf16", "fp16"), default="fp32", help="autocast to this"
    )
    group.add_argument(
        "--channels_last", type=boolean, default=True, help="channels-last convolutions (faster)"
    )
    group.add_argument("--compile", type=boolean, default=False, help="compile the network (torch.compile)")
    group.add_argument(
        "--seed",
        type=up_to(LARGEST_SEED, 0),
        default=0,
        help="of weights, data order, crops and augmentation",
    )


def add_restoring(parser: Parser) -> None:
    """How whole frames are restored, and their pictures made."""
    group = parser.add_argument_group("whole frames and pictures")
    group.add_argument(
        "--demosaic", choices=("bilinear", "menon", "net"), default="menon", help="demosaicing of pictures"
    )
    group.add_argument(
        "--demosaic_weights",
        help="file of the published demosaicing network, for --demosaic net; default: none",
    )
    group.add_argument(
        "--tile",
        type=whole,
        help="largest side of a tile with its surroundings, in packed px; 0 = the whole frame at once; "
        f"default: {USUAL_TILE}, but 0 for networks that look at the whole frame",
    )
    group.add_argument(
        "--tile_overlap",
        type=whole,
        default=32,
        help="px of a tile that surround what it is restored for; more where motion asks for it",
    )
