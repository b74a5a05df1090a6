"""Options of test.py."""

from options.base_options import BaseOptions
from util.errors import UserError
from util.metrics import METRICS
from util.parser import Parser, amount, boolean, iterations


def metric_list(text: str) -> list[str]:
    """A comma list of metrics."""
    return text.split(",")


class TestOptions(BaseOptions):
    """Base options and those of restoring, writing and scoring."""

    is_train = False
    __test__ = False  # not a test case, whatever pytest makes of the name

    def add_options(self, parser: Parser) -> None:
        super().add_options(parser)
        group = parser.add_argument_group("testing")
        group.add_argument(
            "--load_iter",
            type=iterations,
            default=["latest"],
            help="checkpoints of the run: 400, latest, best, or a comma list",
        )
        group.add_argument(
            "--chop", type=boolean, help="published spelling: True = in tiles, False = whole frames"
        )
        group.add_argument(
            "--save_imgs", type=boolean, default=True, help="write 16-bit PNGs and contact sheets"
        )
        group.add_argument(
            "--save_hdr", choices=("none", "exr", "hdr"), default="none", help="write linear radiance files"
        )
        group.add_argument(
            "--calc_metrics",
            type=boolean,
            default=True,
            help="score against the ground truth, where there is one",
        )
        group.add_argument(
            "--metrics",
            type=metric_list,
            default=["psnr_mu", "ssim_mu"],
            help="comma list of: " + ", ".join(METRICS),
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
            help="score the shortest bracket and the exposure average as well",
        )
        group.add_argument(
            "--peak_luminance", type=amount, default=1000.0, help="cd/m2 of the brightest value, for pu_psnr"
        )

    def parse(self, arguments=None):
        opt = super().parse(arguments)
        unknown = [name for name in opt.metrics if name not in METRICS]
        if unknown:
            raise UserError(f"unknown metric '{unknown[0]}'; known: {', '.join(METRICS)}")
        if opt.chop is False:
            opt.tile = 0
        return opt
