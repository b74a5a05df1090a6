"""How long the frames of a set were exposed, relative to each other: by a list in its folder, or by EXIF."""

import itertools
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data.reading.exif import Shot
from data.reading.number_list import read_numbers, read_text
from util.errors import UserError

TOLERANCE = 1.25  # factor by which a list and EXIF may differ
WIDEST = 40  # stops from the shortest to the longest of a list
DIFFERENT = 1.05  # factor by which two exposures must differ
EXPOSURES, STOPS, BY_NAME = LISTS = ("exposure.txt", "ev.txt", "image_list.txt")
HINT = "write exposure.txt there, one number per frame in the order of their names"


def read_list(folder: Path, files: Sequence[Path]) -> tuple[np.ndarray, Path] | None:
    """Relative exposures (T,) of `files` by the list in their folder, and its path; None if there is none.

    The first of these that exists:
        exposure.txt: a number per file, in the order of `files`, which is the natural one of their names,
            proportional to the exposure. Where that is not the order of texts, a note says who got what.
        ev.txt: a number per file in stops, +1 = twice the exposure; before them there may be the
            denominators of the shutter times, one per file, which are passed over.
        image_list.txt: a line per file, its name first; the column that a heading calls 1/shutter_speed
            counts.
    Numbers are separated by white space or commas; 1/60 is one of them. What follows # is passed over.

    Raises:
        UserError: the list is damaged, or does not fit the files.
    """
    path = find_list(folder)
    if path is None:
        return None
    exposures = READERS[path.name](path, read_text(path), files)
    if not (np.isfinite(exposures).all() and (exposures > 0).all()):
        raise UserError(f"{path}: exposures must be numbers above 0{_stops_hint(path, exposures)}")
    if np.ptp(np.log2(exposures)) > WIDEST:
        raise UserError(f"{path}: the longest exposure is over 2^{WIDEST} times the shortest")
    if path.name != BY_NAME and list(files) != sorted(files):
        shown = ", ".join(f"{file.name} {value:.4g}" for file, value in zip(files, exposures, strict=True))
        print(f"note: {path}: numbers in names count by value: {shown}", file=sys.stderr)
    return exposures, path


def find_list(folder: Path) -> Path | None:
    """The list of exposures that counts in a folder, if there is one."""
    return next((folder / name for name in LISTS if (folder / name).is_file()), None)


def _stops_hint(path: Path, numbers: np.ndarray) -> str:
    """What to do about numbers that are not above 0, but could be stops."""
    could_be = path.name == EXPOSURES and np.isfinite(numbers).all() and np.ptp(numbers) <= WIDEST
    return f"; stops (+1 = twice the exposure) are listed in {STOPS}" if could_be else ""


def _exposure_txt(path: Path, text: str, files: Sequence[Path]) -> np.ndarray:
    numbers = read_numbers(path, text)
    if len(numbers) != len(files):
        raise UserError(f"{path}: {len(numbers)} numbers for {len(files)} frames; one for each is needed")
    return numbers


def _ev_txt(path: Path, text: str, files: Sequence[Path]) -> np.ndarray:
    numbers, count = read_numbers(path, text), len(files)
    if len(numbers) not in (count, 2 * count):
        raise UserError(f"{path}: {len(numbers)} numbers for {count} frames; one in stops for each is needed")
    if len(numbers) > count and not (numbers[:count] > 0).all():  # 1/shutter of each frame stands first
        raise UserError(f"{path}: two numbers for each frame; write -1.5, not -1,5")
    stops = numbers[-count:]
    if not (np.abs(stops) < 64).all():
        raise UserError(f"{path}: exposures in stops lie between -64 and 64")
    return np.exp2(stops)


def _image_list(path: Path, text: str, files: Sequence[Path]) -> np.ndarray:
    heading, *lines = text.splitlines() or [""]
    columns = heading.lstrip("# ").split()
    if "1/shutter_speed" not in columns:
        raise UserError(f"{path}: its first line names no column 1/shutter_speed; {HINT}")
    rows = {row[0]: row for row in map(str.split, lines) if row}
    place, speeds = columns.index("1/shutter_speed"), []
    for file in files:
        row = rows.get(file.name, ())
        numbers = read_numbers(path, row[place]) if len(row) > place else ()
        if not len(numbers):
            raise UserError(f"{path}: has no 1/shutter_speed for {file.name}")
        speeds.append(numbers[0])
    with np.errstate(divide="ignore"):
        return 1 / np.array(speeds)


READERS = dict(zip(LISTS, (_exposure_txt, _ev_txt, _image_list), strict=True))


def from_shots(files: Sequence[Path], shots: Sequence[Shot]) -> np.ndarray:
    """Relative exposures (T,): time * ISO / F-number^2. An ISO or F-number that no file tells of is alike.

    Raises:
        UserError: a file does not tell of its time, or of an ISO or F-number that another tells of.
    """
    values = {"exposure time": [], "ISO": [], "F-number": []}
    for shot in shots:
        for column, value in zip(values.values(), shot, strict=True):
            column.append(value)
    for name, column in values.items():
        silent = [file for file, value in zip(files, column, strict=True) if value is None]
        if silent and (name == "exposure time" or len(silent) < len(files)):
            raise UserError(f"{silent[0]} does not tell its {name}: {HINT}")
    time, iso, f_number = (np.array([value or 1.0 for value in column]) for column in values.values())
    return time * iso / f_number**2


def set_exposures(folder: Path, files: Sequence[Path], shots: Sequence[Shot]) -> np.ndarray:
    """Relative exposures (T,) of a set; a list in the folder overrides EXIF, and a contradiction is printed.

    Raises:
        UserError: neither tells them, or two frames have the same.
    """
    listed = read_list(folder, files)
    if listed is None:
        exposures, source = from_shots(files, shots), "EXIF"
    else:
        exposures, source = listed
        if note := contradiction(*listed, files, shots):
            print(f"note: {note}", file=sys.stderr)
    check_different(exposures, files, source)
    return exposures


def contradiction(
    exposures: np.ndarray, path: Path, files: Sequence[Path], shots: Sequence[Shot]
) -> str | None:
    """What EXIF says otherwise than the list at `path`, beyond a quarter; None if it agrees or is silent."""
    try:
        noted = from_shots(files, shots)
    except UserError:
        return None
    stops = np.log2(exposures / noted).round(6)
    pair = int(stops.argmin()), int(stops.argmax())
    if np.ptp(stops) <= np.log2(TOLERANCE):
        return None
    short, long = sorted(pair, key=lambda index: exposures[index])
    said, otherwise = (values[long] / values[short] for values in (exposures, noted))
    times = f"{said:.3g} times as long as {files[short].name}, but by EXIF {otherwise:.3g} times"
    return f"{path}: {files[long].name} was exposed {times}; the list counts"


def check_different(exposures: np.ndarray, files: Sequence[Path], source: object) -> None:
    """Raise a UserError if two frames were exposed alike."""
    order = np.argsort(exposures)
    for low, high in itertools.pairwise(order):
        if exposures[high] < DIFFERENT * exposures[low]:
            pair = f"{files[low]} and {files[high].name} have the same exposure"
            raise UserError(f"{pair} ({exposures[low]:.4g} by {source}): leave one out, or {HINT}")
