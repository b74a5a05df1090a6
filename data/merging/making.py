"""Prepares a scene: reads its frames once, and writes ground truth and frames that shots are made of."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from data.merging.merge import Merge
from data.merging.neighbours import Neighbours, compare, moved_share
from data.merging.prepared import SCENE, TRUTH, VALID, Facts, frame_name, read_facts, sources_of
from data.merging.scenes import STEP, Bracket
from data.reading.exposures import find_list
from data.reading.raw import RawImage, normalise, read_alike, read_raw
from util.errors import UserError
from util.files import complete_or_absent, save_array, write_atomically
from util.imaging.bayer import unpack
from util.imaging.demosaic import menon
from util.json_record import as_json

DOUBTFUL = 0.05  # residual gain of a frame, against EXIF, that is said
WRONG = 1.7  # residual gain that no exposure has: copies and swapped frames are off by 2 and 4
COLOURS = ("white_balance", "cam2rgb", "cam2xyz")


class Job(NamedTuple):
    """A scene that is to be prepared.

    Attributes:
        bracket: its raw files. place: where its folder appears.
        is_binned: whether px of the truth are cells of the mosaic.
        frames: numbers, from 0, of the frames that shots are made of.
        motion_limit: share that may move.
    """

    bracket: Bracket
    place: Path
    is_binned: bool
    frames: tuple[int, ...]
    motion_limit: float

    def facts(self) -> Facts | None:
        """What is known of the scene, if it is prepared and its raw files have not changed since.

        Raises:
            UserError: its record is damaged.
        """
        facts = read_facts(self.place)
        return facts if facts and facts.sources == sources_of([*self.bracket.files]) else None

    def missing(self) -> tuple[int, ...]:
        """Frames that are not there of a scene that is prepared."""
        return tuple(number for number in self.frames if not (self.place / frame_name(number)).is_file())

    def is_done(self) -> bool:
        """Whether nothing is to be done."""
        facts = self.facts()
        return facts is not None and (facts.is_left_out or not self.missing())


class Outcome(NamedTuple):
    """Notes of a scene, a line each, and whether it was left out."""

    notes: list[str]
    is_left_out: bool


def prepare_scene(job: Job) -> Outcome:
    """Prepare a scene; of one that is prepared already, add the frames that are missing.

    Its folder appears, in place of an outdated one, when all is there.

    Raises:
        UserError: a frame cannot be read or does not fit, or the scene cannot be written.
    """
    facts = job.facts()
    if facts is not None:
        for number in job.missing():
            image = read_raw(job.bracket.files[number]).from_red()
            with write_atomically(job.place / frame_name(number)) as temporary:
                save_array(temporary, image.planes)
        return Outcome([], facts.is_left_out)
    (job.place / SCENE).unlink(missing_ok=True)  # first: without it, the rest counts for nothing
    shutil.rmtree(job.place, ignore_errors=True)
    merged = merge_bracket(job.bracket, job.frames)
    moved = moved_share(merged.pairs)
    facts = _facts(job, merged, moved)
    with complete_or_absent(job.place) as partial:
        partial.mkdir()
        if not facts.is_left_out:
            _write_arrays(partial, job, merged)
        (partial / SCENE).write_text(as_json(facts._asdict()))
    notes = [f"{file} {text}" for file, text in doubts(job.bracket, merged.pairs)]
    if facts.is_left_out:
        notes.append(f"{job.bracket.folder} {left_out(moved, job.motion_limit)}")
    return Outcome(notes, facts.is_left_out)


def left_out(moved: float, limit: float) -> str:
    """What is said of a scene that moved."""
    return f"is left out: {moved:.2%} of it moved between frames, {limit:.2%} may"


def doubts(bracket: Bracket, pairs: Sequence[Neighbours]) -> list[tuple[Path, str]]:
    """Frames that are not as much brighter than the one before as their files say, and by how much."""
    return [
        (file, f"is {pair.gain:.3g} times as bright as its exposure says: that is taken into account")
        for file, pair in zip(bracket.files[1:], pairs, strict=True)
        if abs(pair.gain - 1) > DOUBTFUL
    ]


class Merged(NamedTuple):
    """A bracket that was read.

    Attributes:
        merge: of all frames. pairs: comparisons of neighbours. exposures: by EXIF and measured gain.
        kept: planes of the frames asked for, by number. levels, colours: as Facts has them.
    """

    merge: Merge
    pairs: list[Neighbours]
    exposures: list[float]
    kept: dict[int, np.ndarray]
    levels: list[list[float]]
    colours: dict[str, list]


def merge_bracket(bracket: Bracket, wanted: Sequence[int] = ()) -> Merged:
    """Read the frames of a bracket, from their first red px on, and merge them.

    Args:
        wanted: numbers, from 0, of frames whose planes are kept.

    Raises:
        UserError: one cannot be read, has another size, pattern or camera than the first, or is not brighter
            than the one before as its exposure says.
    """
    merged = Merged(Merge(), [], [1.0], {}, [], {})
    before = None
    for number, stored in enumerate(read_alike(bracket.files)):
        image = stored.from_red()
        values = normalise(image.planes, image.black, image.white)
        np.minimum(values, 1, out=values)
        if before is None:
            merged.colours.update(_colours(image))
        else:
            merged.pairs.append(compare(before, values, 2**STEP))
            check_gain(bracket, number, merged.pairs[-1].gain)
            merged.exposures.append(merged.exposures[-1] * 2**STEP * merged.pairs[-1].gain)
        merged.merge.add(values, merged.exposures[-1])
        merged.levels.append([*image.black.tolist(), image.white])
        if number in wanted:
            merged.kept[number] = image.planes
        before = values
    return merged


def check_gain(bracket: Bracket, number: int, gain: float) -> None:
    """Raise a UserError if a frame is so far from its exposure that those of the bracket cannot be right."""
    if not 1 / WRONG < gain < WRONG:
        short, long = bracket.files[number - 1 : number + 1]
        seen = f"is {gain * 2**STEP:.2g} times as bright as {short.name}, but was exposed {2**STEP:g} times"
        told = find_list(bracket.folder) or "EXIF"
        raise UserError(f"{long} {seen} as long by {told}: are these the exposures, and in this order?")


def _colours(image: RawImage) -> dict[str, list]:
    meta = image.meta()
    return {name: meta[name].tolist() for name in COLOURS if name in meta}


def _facts(job: Job, merged: Merged, moved: float) -> Facts:
    return Facts(
        sources=sources_of([*job.bracket.files]),
        exposures=merged.exposures,
        levels=merged.levels,
        moved=moved,
        is_left_out=moved > job.motion_limit,
        colours=merged.colours,
    )


def _write_arrays(folder: Path, job: Job, merged: Merged) -> None:
    truth, is_known = merged.merge.radiance(), merged.merge.is_known()
    truth, is_known = binned(truth, is_known) if job.is_binned else demosaiced(truth, is_known)
    save_array(folder / TRUTH, truth)
    save_array(folder / VALID, is_known[..., None].astype(np.uint8))
    for number, planes in merged.kept.items():
        save_array(folder / frame_name(number), planes)


def binned(planes: np.ndarray, is_known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Planes (h, w, 4) as px R, mean of the greens, B (h, w, 3), and what is known of these (h, w)."""
    green = (planes[..., 1] + planes[..., 2]) / 2
    return np.stack([planes[..., 0], green, planes[..., 3]], axis=-1), is_known


def demosaiced(planes: np.ndarray, is_known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Planes (h, w, 4) as a picture (2h, 2w, 3), and what is known of it: not near unknown cells."""
    picture = menon(unpack(planes.transpose(2, 0, 1)), "RGGB")
    reach = np.ones((menon.support + 1, menon.support + 1), np.uint8)  # cells are 2 px: half on each side
    near = cv2.erode(is_known.astype(np.uint8), reach)
    return picture, near.repeat(2, axis=0).repeat(2, axis=1) > 0
