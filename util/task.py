"""What a data set asks of whatever restores it; data sets state it, models and networks follow."""

from typing import NamedTuple


class Task(NamedTuple):
    """Facts of the frames of a data set.

    Attributes:
        channels: planes of a frame and of the result: 4 = packed Bayer R, G, G, B; 3 = RGB.
        white: value of the target that is white in pictures: that at which the shortest frame clips.
        reference: number of the frame, from 0 in rising order of exposure, that the target shows; None where
            there is no target: whichever the network was made for.
    """

    channels: int = 4
    white: float = 16.0
    reference: int | None = 0
