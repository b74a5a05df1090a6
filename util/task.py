"""What a data set asks of whatever restores it: data sets state it, models and networks follow."""

from typing import NamedTuple

# What samples may carry besides frames and exposures, for the networks whose `forward` has a keyword of that
# name: whether it belongs to the px of the frames (so that tiles are given their part), and what it is.
CARRIED = {
    "noise_map": (True, "(T, 1 or C, H, W): standard deviation of the noise of each value of `frames`"),
    "mask": (True, "(1 or C, H, W): 1 where the frames tell of the scene, 0 where they do not"),
    "trust": (True, "(S, 1, H, W): of `frames` that were aligned before, 1 where they tell of the scene"),
    "merge": (True, "(C, H, W): the merge of these, on the scale of the result"),
    "noise_law": (False, "(S, 2): the variance of light x in them is noise_law[0] x + noise_law[1]"),
    "gain": (False, "(T,): values of `frames` per photoelectron"),
    "ratio": (False, "(T,): how many times longer the target was exposed than each frame"),
}

FRAME_PLANES = "planes per frame"  # in the protocol of weights of networks that take 4 (raw) and 3 (RGB)


class Task(NamedTuple):
    """Facts of the frames of a data set.

    Attributes:
        channels: planes of a frame, and of the result: 4 = packed Bayer R, G, G, B; 3 = RGB.
        white: value of the target that is white in pictures: that at which the shortest frame clips.
        reference: number of the frame, from 0 in rising order of exposure, that the target shows; None where
            there is no target: whichever the network was made for.
        result_channels: planes of the result where it has others than a frame; None = as many.
        scale: of the result's size against the frames'; None = there is no target to fit: the model's.
        period: rows and columns after which the arrangement of a plane's px repeats: crops and tiles begin at
            multiples of it. (1, 1) for packed and RGB planes, (2, 2) for a Bayer mosaic as one plane.
        carries: names in CARRIED that every sample has.
        mosaic: whether four planes are those of an RGGB mosaic, each where its colour is in a cell of it: not
            where they were reduced or mirrored, or where the mosaic may begin with another colour.
        bracketed: whether the frames of a sample differ in exposure.
        protocol: facts (name, value) of how samples are made that weights depend on beyond all this: they are
            kept in checkpoints, and weights that were made with other values are refused.
    """

    channels: int = 4
    white: float = 16.0
    reference: int | None = 0
    result_channels: int | None = None
    scale: int | None = 1
    period: tuple[int, int] = (1, 1)
    carries: tuple[str, ...] = ()
    mosaic: bool = True
    bracketed: bool = True
    protocol: tuple[tuple[str, str], ...] = ()

    @property
    def planes_out(self) -> int:
        """Planes of the result."""
        return self.result_channels or self.channels
