"""Frames of a bracket that clip below the white level that their files state."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data.reading.row_pairs import LOOKED_AT, SPIKE, TRUSTED, clipping_level

MISSING = 1.15  # times as bright as where they pile up px are to be, by a shorter frame
ABOVE = 1.01  # of a ceiling: px beyond are not below it


def whiten_clipped(files: Sequence[Path], frames: np.ndarray, exposures: np.ndarray) -> None:
    """Set px to 1, white, in place where frames clip below it; with a line on stderr if they do.

    Some cameras saturate well below the white of their files: px then pile up at one value that a shorter
    frame shows to be brighter. What is as bright as that in other frames is clipped too, but for those that
    hold brighter px.

    Args:
        files: of the frames, from the shortest to the longest.
        frames: (T, C, h, w), 0 = black, 1 = white.
        exposures: relative ones (T,).
    """
    ratios = exposures[1:] / exposures[:-1]
    found = np.ones((len(frames), frames.shape[1]))
    for number, plane in np.ndindex(len(ratios), frames.shape[1]):
        found[number + 1, plane] = _ceiling(frames[number, plane], frames[number + 1, plane], ratios[number])
    if (found == 1).all():
        return
    lowest = found.min()
    for plane, levels in enumerate(found.T):
        common = np.median(levels[levels < 1]) if (levels < 1).any() else lowest
        for frame, own in zip(frames[:, plane], levels, strict=True):
            level = own if own < 1 else common
            if own < 1 or _thinned(frame > ABOVE * level).mean() < SPIKE / 10:
                frame[frame > TRUSTED * level] = 1
    clips = f"frames clip at {lowest:.0%} of the white level of their files"
    print(f"note: {files[0].parent}: {clips}, which is taken for white", file=sys.stderr)


def _ceiling(shorter: np.ndarray, longer: np.ndarray, ratio: float) -> float:
    """At which value the longer of two frames (h, w) clips; 1 where that is not below white, or unknown."""
    level = clipping_level(longer)
    if level >= TRUSTED:
        return 1.0
    piled = _thinned(longer) > TRUSTED * level
    return level if np.median(_thinned(shorter)[piled]) * ratio > MISSING * level else 1.0


def _thinned(values: np.ndarray) -> np.ndarray:
    """Some of the px, as `clipping_level` takes them."""
    return values.ravel()[:: max(values.size // LOOKED_AT, 1)]
