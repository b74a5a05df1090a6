"""A simulated data set on disk: samples that are complete or absent, and records of what was drawn for them.

Layouts: specification of BracketIRE, sections 5.1 and 5.2, and 5.4 for DNG files; of SelfHDR, 8.1, for LDR;
of ExposureDiffusion, 4.2, for low light; of DeepRep, 6, for bursts; of SVEHDRI, 6, for still brackets.
"""

import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from data.simulate.burst_sets import SourcePhotograph, StoredBurst
from data.simulate.dng import write_real_sample
from data.simulate.ldr import Triple
from data.simulate.low_light import Exposures, write_exposures
from data.simulate.noise import WHITE_LEVEL
from data.simulate.sampling import EXPOSURES, Sample
from data.simulate.settings import LDR, LOW_LIGHT, OF_PHOTOGRAPHS, SVE, SVE_SHOTS, Settings
from data.simulate.shards import FOLDER as SHARDS
from data.simulate.sve_sets import RowShot, StillBracket
from util.errors import UserError
from util.files import complete_or_absent, remove_partial, save_array, write_atomically
from util.imaging.demosaic import menon
from util.imaging.images import write_png8, write_png16, write_tiff16
from util.imaging.radiance import write_radiance
from util.imaging.rendering import linear_srgb, render_png16
from util.imaging.tonemap import srgb_encode
from util.json_record import as_json, differences, read_json

RECORD = "simulation.json"  # of the settings, at the root of a data set
PARAMETERS = "parameters.json"  # of what was drawn, in each sample
INCOMPLETE = "incomplete"  # key of that record until all shards of the set are made
MANIFEST = "manifest.jsonl"  # all parameters, at the root
RECORDS = "records"  # folder with those of layouts whose files lie in folders that all samples share
SPLIT_DIGITS = {"Train": 0, "Test": 1}  # which names of low light begin with


def split_folder(out: Path, split: str, layout: str) -> Path:
    """Where the samples of "Train" or "Test" are, or their records."""
    if layout in (LOW_LIGHT, *OF_PHOTOGRAPHS):
        return out / RECORDS / split
    return out / ("Training" if layout == LDR and split == "Train" else split)


def sample_folder(out: Path, split: str, scene: str, number: int, layout: str, place: int = 0) -> Path:
    """Where a sample is: in a folder of its scene; but in the layouts of real data each is one by itself.

    Samples of low light, and bursts, are numbered by their `place` among those of the split; in low light
    the first digit tells it.
    """
    folder = split_folder(out, split, layout)
    if layout in OF_PHOTOGRAPHS:
        return folder / (f"{place:04d}" if split == "Test" else f"{scene}_{number:06d}")
    if layout == LOW_LIGHT:
        return folder / f"{SPLIT_DIGITS[split]}{place:04d}"
    if layout == LDR:
        return folder / f"{scene}_{number:03d}"
    if layout in ("real", SVE, SVE_SHOTS):
        return folder / f"{scene}_{number:06d}"
    return folder / scene / f"{number:06d}"


def write_sample(
    folder: Path,
    sample: Sample | Triple | Exposures | SourcePhotograph | StoredBurst | StillBracket | RowShot,
    layout: str = "bracketire",
    parameters: dict | None = None,
) -> None:
    """Write a sample and what was drawn for it into a new folder, which appears when all files are there.

    The files of low light and of bursts lie in folders that all samples share, the new one has the record
    alone.

    Raises:
        UserError: it cannot be written.
    """
    with complete_or_absent(folder) as partial:
        if isinstance(sample, Triple):
            _write_triple(partial, sample)
        elif isinstance(sample, Exposures):
            partial.mkdir()
            write_exposures(folder.parents[2], folder.name, sample)
        elif isinstance(sample, SourcePhotograph | StoredBurst):
            partial.mkdir()
            sample.write(folder.parents[2], folder.name)
        elif isinstance(sample, StillBracket | RowShot):
            partial.mkdir()
            sample.write(partial)
        elif layout == "real":
            write_real_sample(partial, sample)
        else:
            _write_arrays(partial, sample)
            _write_pictures(partial, sample)
        if parameters is not None:
            (partial / PARAMETERS).write_text(as_json(parameters))


def _write_triple(folder: Path, triple: Triple) -> None:
    for number, frame in enumerate(triple.frames, 1):
        write_tiff16(folder / f"{number}.tif", frame)
    (folder / "exposure.txt").write_text("".join(f"{stops}\n" for stops in triple.stops))
    write_radiance(folder / "HDRImg.hdr", triple.label)


def _write_arrays(folder: Path, sample: Sample) -> None:
    for factor, frames in sample.reduced.items():
        inputs = folder if factor == 1 else folder / f"x{factor}"
        inputs.mkdir()
        for exposure, frame in zip(EXPOSURES, frames, strict=True):
            save_array(inputs / f"raw_{exposure}.npy", frame)
    save_array(folder / "raw_gt.npy", sample.gt)
    save_array(folder / "alignratio.npy", np.float32(sample.scene_max))
    _save_object(folder / "metadata.npy", sample.camera.metadata())


def _save_object(path: Path, value: object) -> None:
    """What `np.save` writes for a 0-d object array, by the names that every version of NumPy knows.

    NumPy 2 calls a module `numpy._core` that was `numpy.core`, and knows both; earlier ones, which the
    published code was written for, know the old name alone.
    """
    content = pickle.dumps(np.array(value, dtype=object), protocol=3)  # names are plain text in it
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": ()})
        file.write(content.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"))


def _write_pictures(folder: Path, sample: Sample) -> None:
    """The reference picture of the metrics, 16 bit, and sRGB previews of the five frames, 8 bit.

    The published reference is demosaiced by a network whose weights are not ours to ship; this one by Menon
    2007.
    """
    camera = sample.camera
    meta = {
        "white_balance": (camera.red_gain, 1.0, camera.blue_gain),
        "cam2rgb": camera.metadata()["cam2rgb"],
        "cfa": "RGGB",
    }
    picture = render_png16(sample.gt.transpose(2, 0, 1), meta, menon)
    write_png16(folder / "rgb_vis_gt.png", picture, is_srgb=False)
    for exposure, frame in zip(EXPOSURES, sample.frames, strict=True):
        linear = linear_srgb(frame.transpose(2, 0, 1), meta, menon, white=WHITE_LEVEL)
        preview = np.round(srgb_encode(linear) * 255).astype(np.uint8)
        write_png8(folder / f"rgb_vis_{exposure}.png", preview)


def check_dataset(out: Path, settings: Settings) -> None:
    """Check that `out` is a data set of these settings, or can become one.

    Raises:
        UserError: `out` is a file, cannot be read, holds something else, or was made with other settings.
    """
    wanted, record = settings.record(), out / RECORD
    try:
        names = {entry.name for entry in out.iterdir()} if out.exists() else set()
        passing = {name for name in names if name.startswith(f".{SHARDS}.") or name.endswith(".lock")}
        begun = {RECORD, SHARDS} & names or names == passing
    except NotADirectoryError as error:
        raise UserError(f"{out} is a file: give a folder to --out") from error
    except OSError as error:
        raise UserError(f"--out {out}: cannot read the folder: {error.strerror or error}") from error
    if not begun:
        raise UserError(f"{out} is not empty and was not made by this command: give another folder to --out")
    if RECORD in names:
        found = read_json(record, f"delete {out}, or give another folder to --out")
        if isinstance(found, dict):
            found.pop(INCOMPLETE, None)
        if found != wanted and any(_samples(out)):
            differing = differences(found, wanted)
            raise UserError(f"{out} was made with {differing}: give another folder to --out")


def open_dataset(out: Path, settings: Settings, shards: int = 1) -> None:
    """Make `out`, which `check_dataset` accepts, a data set; remove what killed processes left half done.

    One of several shards says in the record that it is incomplete.

    Raises:
        UserError: it cannot be written.
    """
    write_record(out, settings, shards)
    remove_partial(out, depth=3)


def write_record(out: Path, settings: Settings, shards: int = 1) -> None:
    """Write `simulation.json`; until several shards are made it says so.

    Raises:
        UserError: it cannot be written.
    """
    more = {} if shards == 1 else {INCOMPLETE: f"{shards} shards, of which {SHARDS} tells what is done"}
    with write_atomically(out / RECORD) as temporary:
        temporary.write_text(as_json(settings.record() | more))


def is_finished(out: Path) -> bool:
    """Whether `out` is a data set that was made by one call, or of which all shards were made.

    Raises:
        UserError: its record is damaged.
    """
    if not (out / MANIFEST).exists() or not (out / RECORD).exists():
        return False
    found = read_json(out / RECORD, f"delete {out}, or give another folder to --out")
    return isinstance(found, dict) and INCOMPLETE not in found


def _samples(out: Path) -> Iterator[Path]:
    """What was drawn for each sample that is there, hidden (unfinished) ones left out."""
    for pattern in (f"*/[!.]*/{PARAMETERS}", f"*/*/[!.]*/{PARAMETERS}"):
        yield from out.glob(pattern)


def check_scene(
    out: Path, split: str, scene: str, layout: str, made_of: dict[str, object], folders: list[Path]
) -> None:
    """Refuse a scene that is in the data set already, in the other split, from another source or colours.

    `made_of` is what its samples' parameters say of its `source` and whether it is `alexa`; `folders` are
    those of its samples, of which some may exist.

    Raises:
        UserError: it is there.
    """
    other = "Test" if split == "Train" else "Train"
    here, there = (split_folder(out, name, layout) for name in (split, other))
    for folder in folders:
        parameters = folder / PARAMETERS
        if (there / folder.relative_to(here)).exists():
            raise UserError(f"{out}: scene {scene} is in {other} already: name the split by --split {other}")
        if parameters.exists():
            found = read_json(parameters, f"delete {folder}, and it is made again")
            source = made_of["source"]
            if found["source"] != source:
                raise UserError(
                    f"{out}: scene {scene} was made of {found['source']}, not of {source}: "
                    "name the sources as before, or give another folder to --out"
                )
            if found.get("alexa", made_of["alexa"]) != made_of["alexa"]:
                used, now = ("alexa" if alexa else "srgb" for alexa in (found["alexa"], made_of["alexa"]))
                raise UserError(
                    f"{out}: scene {scene} was made with --colour {used}, not {now}: give it again"
                )
            return


def write_manifest(out: Path) -> None:
    """Write `manifest.jsonl`: the parameters of each sample in a line, by split, scene and number."""
    lines = [path.read_text() for path in sorted(_samples(out))]
    with write_atomically(out / MANIFEST) as temporary:
        temporary.write_text("".join(lines))
