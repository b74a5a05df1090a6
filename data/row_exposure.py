"""One raw shot whose row pairs are exposed in turn: its pattern, radiance and guidance mask.

As in the SVEHDRI specification, sections 2 and 3: rows 0 and 1 of every four have one exposure, rows 2 and 3
the other, of a Bayer mosaic R, G / G, B. Values are on the scale at which the short exposure clips at 1.
"""

import argparse
from typing import NamedTuple

import numpy as np

from util.errors import UserError
from util.imaging.bayer import PLANES
from util.parser import boolean, fractions
from util.task import Task

PERIOD = (4, 2)  # rows and columns after which the pattern repeats
ORDERS = ("short_first", "long_first")
LIMITS = {"binary": (0.02, 0.98), "soft": (0.005, 0.03, 0.90, 0.98), "ones": ()}
USUAL_EV = 3.0
UNIT = "saturation of the short exposure"
TASK = Task(channels=1, result_channels=3, white=1.0, reference=0, period=PERIOD, carries=("mask",))


class RowExposure(NamedTuple):
    """How rows are exposed, and what is told of it.

    Attributes:
        ratio: of the long exposure to the short one.
        order: which comes first, one of ORDERS.
        mask: kind of the guidance mask, one of LIMITS: "binary", "soft", or "ones", which trusts all.
        limits: measured values between which px are trusted; of "soft" where the trapezoid rises and falls.
    """

    ratio: float = 2**USUAL_EV
    order: str = ORDERS[0]
    mask: str = "binary"
    limits: tuple[float, ...] = LIMITS["binary"]

    @classmethod
    def of(cls, opt: argparse.Namespace, ratio: float | None = None) -> "RowExposure":
        """By the options of `add_options`, with a ratio that was measured, else by `add_sampling_options`.

        Raises:
            UserError: other limits than the kind of mask has.
        """
        limits = LIMITS[opt.guidance_mask] if opt.mask_limits is None else tuple(opt.mask_limits)
        wanted = len(LIMITS[opt.guidance_mask])
        steep = zip(limits[::2], limits[1::2], strict=False)
        rises = list(limits) == sorted(limits) and all(low < high for low, high in steep)
        if len(limits) != wanted or not rises:
            shown = ",".join(f"{limit:g}" for limit in limits)
            kind = f"--guidance_mask {opt.guidance_mask} has {wanted} limits in rising order"
            raise UserError(f"--mask_limits {shown}: {kind}")
        ratio = 2**opt.delta_ev if ratio is None else ratio
        return cls(ratio, opt.row_order, opt.guidance_mask, limits)

    @property
    def exposures(self) -> np.ndarray:
        """Of the short and the long rows, (2,): 1 and the ratio."""
        return np.float32([1, self.ratio])

    def is_long(self, height: int) -> np.ndarray:
        """Which of the rows, counted from one where the pattern begins, have the long exposure: bool (H,)."""
        second = np.arange(height) // 2 % 2 == 1
        return second if self.order == ORDERS[0] else ~second

    def rows_of(self, short: np.ndarray, long: np.ndarray) -> np.ndarray:
        """The shot (..., H, W) whose rows are those of two shots, each exposed as a whole."""
        return np.where(self.is_long(short.shape[-2])[:, None], long, short)

    def guidance(self, values: np.ndarray) -> np.ndarray:
        """How far measured values are to be trusted, of the same shape: 1 = wholly, 0 = not at all."""
        if self.mask == "ones":
            return np.ones(values.shape, np.float32)
        if self.mask == "binary":
            low, high = self.limits
            return ((values > low) & (values < high)).astype(np.float32)
        rise, full, fall, none = self.limits
        rising = np.clip((values - rise) / (full - rise), 0, 1)
        return np.float32(rising * np.clip((none - values) / (none - fall), 0, 1))

    def sample(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """What a sample holds of a shot.

        Args:
            values: its mosaic (H, W), black = 0, white = 1, in float32; clipped here.

        Returns `frames` (2, 1, H, W), the values of the short rows and those of the long ones, 0 elsewhere,
        so that the sum of `frames / exposure` is the Bayer radiance map; `exposure` (2,); `mask` (1, H, W).
        """
        values = np.clip(values, 0, 1)
        is_long = self.is_long(values.shape[0])
        frames = np.zeros((2, 1, *values.shape), np.float32)
        for number, rows in enumerate((~is_long, is_long)):
            frames[number, 0, rows] = values[rows]
        return {"frames": frames, "exposure": self.exposures, "mask": self.guidance(values)[None]}

    def protocol(self) -> tuple[tuple[str, str], ...]:
        """What weights depend on, besides the ratio, as util.task.Task.protocol has it."""
        limits = " ".join(f"{limit:g}" for limit in self.limits)
        return (
            ("row order", self.order),
            ("guidance mask", f"{self.mask} {limits}".strip()),
            ("unit", UNIT),
        )


def sampling_task(rows: RowExposure) -> Task:
    """The task of shots that are made of whole exposures: weights depend on their ratio too."""
    ratio = f"{rows.ratio:g}"
    return TASK._replace(protocol=(("exposure ratio", ratio), *rows.protocol()))


def check_patch_size(side: int) -> None:
    """Raise a UserError if patches of this many px of the mosaic cut the pattern of rows."""
    if side % PERIOD[0]:
        wanted = f"a multiple of {PERIOD[0]}, so that the pattern of rows is whole"
        raise UserError(f"--patch_size {side}: {wanted}")


def check_frame_num(count: int) -> None:
    """Raise a UserError if a shot is to have another number of exposures than it has."""
    if count != 2:
        raise UserError(f"--frame_num {count}: a shot with rows exposed in turn has 2 exposures")


def mosaicked(image: np.ndarray, cfa: str = "RGGB") -> np.ndarray:
    """The mosaic (..., H, W) of an image (..., H, W, 3) by a Bayer pattern."""
    mosaic = image[..., 1].copy()
    red, _, _, blue = PLANES[cfa]
    for colour, (row, column) in ((0, red), (2, blue)):
        mosaic[..., row::2, column::2] = image[..., row::2, column::2, colour]
    return mosaic


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of data whose rows differ in exposure."""
    parser.add_argument(
        "--row_order",
        choices=ORDERS,
        default=ORDERS[0],
        help="exposure of the first two of every four rows",
    )
    parser.add_argument(
        "--guidance_mask",
        choices=tuple(LIMITS),
        default="binary",
        help="how far values are trusted: binary or soft by --mask_limits, or ones, all of them",
    )
    parser.add_argument(
        "--mask_limits",
        type=fractions,
        metavar="LOW,HIGH",
        help="values, 1 = white, between which px are trusted; default: 0.02,0.98; of soft four: "
        "0.005,0.03,0.90,0.98",
    )
    parser.set_defaults(frame_num=2)


def add_sampling_options(parser: argparse.ArgumentParser) -> None:
    """Options of data whose shots are made of whole exposures, with ground truth."""
    add_options(parser)
    add_ev_option(parser)
    parser.add_argument(
        "--clip_truth",
        type=boolean,
        default=True,
        help="clip the ground truth at 1, where the short exposure does: no shot tells of more",
    )


def add_ev_option(parser: argparse.ArgumentParser) -> None:
    """Add `--delta_ev` alone, for what makes the data."""
    parser.add_argument(
        "--delta_ev", type=stops, default=USUAL_EV, help="stops between the exposures, 1 to 6"
    )


def stops(text: str) -> float:
    """Value of `--delta_ev`."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 1 <= value <= 6:
        raise argparse.ArgumentTypeError(f"'{text}': stops between 1 and 6")
    return value
