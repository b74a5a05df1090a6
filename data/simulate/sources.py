"""What footage a user names: files and folders become a list of sources.

A video file or an array of frames is a video. Pictures in one folder are a video if they are numbered without
a gap and the first two show the same scene, else each is a photograph; `--kind` says so instead. Folders are
searched with their subfolders. Each source is a scene: a video is named after its folder or file, a
photograph after its file.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np

from data.simulate.flow import flow_view, is_cut
from data.simulate.photographs import PHOTOGRAPHS
from data.simulate.reading import ARRAYS, RADIANCE, VIDEOS, FrameArray, Pictures, VideoFile, find_files
from data.simulate.scenes import BuiltIn, Photograph, Source, Video, read_light
from data.simulate.storage import RECORD
from util.errors import UserError
from util.imaging.primaries import ALEXA_WIDE_GAMUT, are_equal
from util.imaging.radiance_exr import stated_chromaticities

KINDS = ("auto", "video", "photographs")
COLOURS = ("auto", "srgb", "alexa")
SHOWN = 30
FEWEST_FRAMES = 2  # of a video; whether they suffice for a sample is another question
HDM_HDR_2014 = (  # scenes of this footage, which is in AlexaWideGamut (specification, 9.1)
    "beerfest_lightshow",
    "bistro",
    "carousel_fireworks",
    "cars",
    "fireplace",
    "fishing",
    "hdr_testimage",
    "poker",
    "showgirl",
    "smith",
)
LIKE_HDM = re.compile(rf"({'|'.join(HDM_HDR_2014)})(_|$)")


def built_in() -> dict[str, list[Source]]:
    """The photographs that come with scikit-image, by split."""
    return {split: [BuiltIn(name) for name in names] for split, names in PHOTOGRAPHS.items()}


def find_sources(paths: Sequence[Path], kind: str = "auto", colour: str = "auto") -> list[Source]:
    """The sources that files and folders hold, sorted by name.

    Args:
        kind: one of KINDS, for pictures in folders.
        colour: one of COLOURS, for pictures that hold linear light: sRGB, or AlexaWideGamut at the published
            exposure, or whichever the names of a file and its folder suggest, if the
            file does not state other chromaticities.

    Raises:
        UserError: there is no such path or no footage in it, a file cannot be read or is named twice, or two
            scenes would have the same name.
    """
    found = [source for path in paths for source in _look(path, kind, colour)]
    taken = Counter(source.name for source in found)
    found = [_rename(source) if taken[source.name] > 1 else source for source in found]
    for first, second in pairwise(sorted(found, key=lambda source: source.name)):
        if first.name == second.name:
            if Path(first.source).resolve() == Path(second.source).resolve():
                raise UserError(f"{first.source} is in two of --source: name it in one")
            raise UserError(f"{first.source} and {second.source} are one scene by name: rename one of them")
    return sorted(found, key=lambda source: source.name)


def _look(path: Path, kind: str, colour: str) -> Iterator[Source]:
    """The sources in a path."""
    try:
        path.stat()
    except OSError as error:
        raise UserError(f"--source {path}: {error.strerror or error}") from error
    made = {record.parent for record in path.rglob(RECORD)}  # data sets, whose pictures are no footage
    files = [file for file in find_files(path) if made.isdisjoint(file.parents)] if path.is_dir() else [path]
    if not files:
        known = "pictures (.exr .hdr .tif .png .jpg), videos (.mp4 .avi .mov .mkv) or arrays (.npy)"
        raise UserError(f"--source {path}: holds no {known}")
    for (folder, suffix), group in groupby(sorted(files, key=_folder_and_suffix), _folder_and_suffix):
        if suffix in (*VIDEOS, *ARRAYS):
            for file in group:
                opened = VideoFile.open(file) if suffix in VIDEOS else FrameArray.open(file)
                yield Video(_plain(file.stem), opened)
        else:
            yield from _pictures(folder, list(group), kind, colour)


def _folder_and_suffix(file: Path) -> tuple[Path, str]:
    return file.parent, file.suffix.lower()


def _pictures(folder: Path, files: list[Path], kind: str, colour: str) -> Iterator[Source]:
    """Pictures of one folder as a video or as photographs."""
    name = _plain(folder.resolve().name)
    pictures = Pictures.sorted(files)
    alexa = _is_alexa(files[0], colour)
    if kind == "video" or (kind == "auto" and _is_video(pictures, alexa)):
        yield Video(name, pictures, alexa)
        return
    for file in files:
        yield Photograph(_plain(file.stem), Pictures.sorted([file]), _is_alexa(file, colour))


def _is_video(pictures: Pictures, alexa: bool) -> bool:
    """Whether pictures are numbered without a gap, and the first two show one scene."""
    if len(pictures) < FEWEST_FRAMES or not pictures.is_numbered():
        return False
    first, second = (read_light(pictures, index, alexa) for index in (0, 1))
    return first.shape == second.shape and not is_cut(flow_view(first), flow_view(second))


def _is_alexa(file: Path, colour: str) -> bool:
    """Whether a file's light is in AlexaWideGamut."""
    if file.suffix.lower() not in RADIANCE:
        return False
    if colour != "auto":
        return colour == "alexa"
    names = (file.stem, file.resolve().parent.name)
    if file.suffix.lower() != ".exr" or not any(LIKE_HDM.match(name.lower()) for name in names):
        return False
    stated = stated_chromaticities(file)
    return stated is None or are_equal(stated, ALEXA_WIDE_GAMUT)


def _plain(name: str) -> str:
    """A scene's name of letters, digits and "_": "-" would end it in the names of results."""
    return re.sub(r"\W", "_", name)


def _rename(source: Source) -> Source:
    """A source under a longer name, with the folder it is in."""
    return replace(source, name=f"{_plain(Path(source.source).resolve().parent.name)}_{source.name}")


def split_sources(sources: list[Source], split: str, seed: int) -> dict[str, list[Source]]:
    """Sources by split: all in "Train" or "Test", or a random share of the scenes, such as "0.1", in "Test".

    Raises:
        UserError: `split` is none of these, or there is one scene alone to share out.
    """
    if split in ("Train", "Test"):
        return {split: sources}
    try:
        share = float(split)
    except ValueError:
        share = -1.0
    if not 0 < share < 1:
        raise UserError(
            f"--split {split}: write Train, Test, or the share of scenes that are Test, such as 0.1"
        )
    if len(sources) < 2:
        raise UserError(f"--split {split}: one scene cannot be split; write Train or Test")
    order = np.random.default_rng([seed, *b"split"]).permutation(len(sources))
    count = min(len(sources) - 1, max(1, round(share * len(sources))))
    chosen = set(order[:count].tolist())
    return {
        "Train": [source for index, source in enumerate(sources) if index not in chosen],
        "Test": [source for index, source in enumerate(sources) if index in chosen],
    }


def describe(sources: Sequence[Photograph | Video]) -> str:
    """A line for each source, up to SHOWN of them: its scene, its kind and where it is from."""
    lines = []
    for source in sources[:SHOWN]:
        kind = "video" if isinstance(source, Video) else "photograph"
        light = " in AlexaWideGamut" if source.alexa else ""
        lines.append(f"{source.name}: {kind}{light}, {source.source}")
    if len(sources) > SHOWN:
        lines.append(f"and {len(sources) - SHOWN} more")
    return "\n".join(lines)
