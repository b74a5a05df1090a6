"""One's own photographs: brackets of a scene, or single raw files, in a folder, or a folder of such."""

import argparse
import dataclasses
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.base_dataset import BaseDataset
from data.own_rows import check_shot_options, read_rows, shot_task
from data.reading.ceilings import whiten_clipped
from data.reading.exif import read_tags, shot_of_tags
from data.reading.exposures import find_list, set_exposures
from data.reading.measured_exposures import Claim, add_trust_option, confirmed, thinned
from data.reading.picture_codes import frames_in, read_stack
from data.reading.picture_stack import RESPONSES, brightness, linearise, tone_curve
from data.reading.raw import RawImage, agreed_orientation, normalise, read_alike, read_raw, stack
from data.reading.raw_linear import is_linear, read_linear
from data.reading.row_pairs import check_rows_alike
from data.reading.single_frame import light_of
from data.row_exposure import add_options
from data.scene_files import find_scenes, frame_files, is_raw, one_kind, shot_files
from data.simulate.sensors import read_sensor
from util.errors import UserError
from util.parser import boolean, factor, positive, whole
from util.task import Task

FEWEST, MOST = 2, 9  # frames of a scene
RAW_FILES, LINEAR_FILES, PICTURES = "raw files", "linear DNG files", "pictures"
SHORTEST = 1 / 16  # exposure of the shortest frame: what it clips at is 16, as in the published brackets


class Brackets(NamedTuple):
    """The frames of a scene from the shortest to the longest.

    Attributes:
        exposures: relative ones, of each (T,). source: the list that tells them; None: EXIF.
        kind: of the frames, one of RAW_FILES, LINEAR_FILES and PICTURES.
        pages: which of the pictures in their one file the frames are; empty where each has its own file.
    """

    folder: Path
    files: tuple[Path, ...]
    exposures: np.ndarray
    kind: str = RAW_FILES
    source: Path | None = None
    pages: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        return self.folder.name or self.folder.resolve().name


class FolderDataset(BaseDataset):
    """Scenes to restore, without ground truth: raw files with a Bayer mosaic, or developed pictures.

    Frames are sorted by exposure. Those of raw files are packed planes of RGGB mosaics, which begin with the
    first red px, clipped to black, 0, and white, 1, as the networks' training data are. Those of pictures
    are linear sRGB, without the tone curve that `--response` names.

    Whether they are raw files, of 4 planes, or pictures, of 3, is known by their suffixes. A raw file that is
    alone is a dark frame, to be amplified: its exposure is 1 / `ratio`, and it carries that and its gain.

    With `--sve True` every raw file is a shot whose row pairs are exposed in turn (data.row_exposure), whose
    ratio is measured.
    """

    task = Task(reference=None, scale=None)  # there are no targets

    @staticmethod
    def modify_commandline_options(parser: argparse.ArgumentParser, is_train: bool) -> None:
        parser.add_argument(
            "--response",
            choices=RESPONSES,
            default="debevec",
            help="tone curve of JPEG, TIFF and PNG files; debevec estimates it from each scene's frames",
        )
        parser.add_argument(
            "--border",
            type=whole,
            default=0,
            help="px of each frame to leave out on each side, where registered frames show nothing",
        )
        parser.add_argument(
            "--ratio",
            type=factor,
            help="of a single raw file: how many times brighter it is to be; default: by its brightest parts",
        )
        parser.add_argument(
            "--camera",
            metavar="FILE",
            help="of a single raw file or a burst: calibration of its camera, by data.calibrate; default: the"
            " file's NoiseProfile, else a calibration that comes with the project, else its noise",
        )
        parser.add_argument(
            "--sve",
            type=boolean,
            help="True: each raw file is a shot of its own, in which two rows of every four are exposed or "
            "amplified more, as by Dual ISO: which, and how much, is measured; default: none is, and one "
            "that looks like it is refused, which False leaves out",
        )
        parser.add_argument(
            "--white",
            type=positive,
            metavar="N",
            help="value of white in TIFF and PNG files, as 4095 of 12 bits; default: the largest of their "
            "type, or where all values end if that is the largest of 8 to 15 bits",
        )
        add_options(parser)
        add_trust_option(parser)
        if not is_train:
            parser.set_defaults(tonemap="reinhard")  # nothing is scored: the pictures are for the eye
        parser.set_defaults(frame_num=None)  # all
        parser.set_defaults(net="exposure_merge")  # where no weights are named

    @staticmethod
    def describe_layout() -> str:
        kinds = "raw files (DNG, CR2, NEF, ARW, RAF, ...) or JPEG, TIFF, PNG files"
        several = f"{FEWEST} to {MOST} {kinds} of one scene"
        return f"{several}, or one dark raw file, or folders that hold such scenes"

    @classmethod
    def asked(cls, opt: argparse.Namespace) -> Task:
        """Shots of rows that are exposed in turn, or frames.

        Raises:
            UserError: the model restores no such shots.
        """
        if not opt.sve:
            return cls.task
        if opt.model != "sve":
            raise UserError(f"--sve True: such shots are restored by --model sve, not by --model {opt.model}")
        return shot_task(opt)

    def __init__(self, opt: argparse.Namespace, split: str) -> None:
        super().__init__(opt, split)
        if split != "test":
            raise UserError(
                "--dataset_name folder has no targets: test.py restores it, nothing is trained on it"
            )
        folders = find_scenes(self.root)
        if not folders:
            raise UserError(f"{self.root} holds no pictures; expected: {self.describe_layout()}")
        if opt.sve:
            self._open_shots(folders)
            return
        self.scenes = [self._open(folder) for folder in folders[: opt.max_dataset_size]]
        kinds = {scene.kind for scene in self.scenes}
        if len(kinds) > 1:
            both = " and ".join(f"scenes of {kind}" for kind in sorted(kinds, reverse=True))
            raise UserError(f"{self.root} has {both}: restore them apart")
        self.kind = kinds.pop() if kinds else PICTURES
        self.task = self.task._replace(channels=4 if self.kind == RAW_FILES else 3)
        if alone := {len(scene.files) == 1 for scene in self.scenes}:
            if len(alone) > 1:
                raise UserError(f"{self.root} has scenes of one frame and of several: restore them apart")
            if not (is_alone := alone.pop()):
                for name in ("ratio", "camera"):
                    if getattr(opt, name) is not None:
                        count = len(self.scenes[0].files)
                        holds = f"{self.scenes[0].folder} holds {count}"
                        raise UserError(f"--{name} is for a single raw file, and {holds}")
            if is_alone:
                self.task = self.task._replace(white=1.0, carries=("gain", "ratio"))
        if opt.white and self.kind != PICTURES:
            raise UserError(f"--white is for pictures: {self.scenes[0].files[0]} tells its white by itself")
        self.sensor = read_sensor(Path(opt.camera)) if opt.camera else None
        self.inner = opt.border // 2 * 2  # px of a mosaic left out: whole cells
        self.border = self.inner * (4 if opt.model.endswith("plus") else 1)
        opt.frame_num = max(len(scene.files) for scene in self.scenes)

    def __len__(self) -> int:
        return len(self.scenes)

    def _open_shots(self, folders: list[Path]) -> None:
        """Each raw file as a scene of its own."""
        check_shot_options(self.opt)
        files = [file for folder in folders for file in shot_files(folder)][: self.opt.max_dataset_size]
        self.scenes = [Brackets(file.parent, (file,), np.ones(1)) for file in files]
        self.task, self.opt.frame_num = shot_task(self.opt), 2

    def _open(self, folder: Path) -> Brackets:
        """The frames of a scene that `--frame_num` chooses; their headers are read."""
        files, wanted = one_kind(frame_files(folder)), self.opt.frame_num
        if len(files) == 1 and is_raw(files[0]):
            return Brackets(folder, tuple(files), np.ones(1))
        pages = tuple(range(frames_in(files)))
        files = files * (len(pages) or 1)
        if len(files) < FEWEST:
            raise UserError(
                f"{folder} holds a single picture, {files[0].name}: brackets are {FEWEST} or more"
            )
        if wanted is None and len(files) > MOST:
            raise UserError(
                f"{folder} holds {len(files)} frames, {MOST} are the most: "
                f"--frame_num {MOST} takes that many, spread over their exposures"
            )
        if wanted is not None and wanted < FEWEST and not is_raw(files[0]):
            raise UserError(f"--frame_num {wanted}: pictures are restored from {FEWEST} frames or more")
        if wanted is not None and wanted > min(len(files), MOST):
            raise UserError(f"--frame_num {wanted}: {folder} holds {len(files)} frames, {MOST} are the most")
        tags = [{} if pages else read_tags(file) for file in files]
        shots = [shot_of_tags(*known, is_raw(known[0])) for known in zip(files, tags, strict=True)]
        kind = (LINEAR_FILES if is_linear(tags[0]) else RAW_FILES) if is_raw(files[0]) else PICTURES
        exposures = set_exposures(folder, files, shots)
        order = np.argsort(exposures)
        order = order[np.rint(np.linspace(0, len(files) - 1, wanted or len(files))).astype(int)]
        files, pages = (tuple(values[index] for index in order if values) for values in (files, pages))
        return Brackets(folder, files, exposures[order], kind, find_list(folder), pages)

    def whole(self, index: int) -> dict:
        scene = self.scenes[index]
        if self.opt.sve:
            place = {"scene": scene.name, "name": f"{scene.name}-{scene.files[0].stem}"}
            return place | read_rows(scene.files[0], self.opt)
        light = {}
        if self.kind == PICTURES:
            (frames, meta), exposures = self._read_pictures(scene), scene.exposures
        else:
            frames, first = self._read_raw(scene)
            meta, exposures = first.meta(), self._confirmed(scene, map(thinned, frames[:, 1]))
        exposure = np.float32(SHORTEST * exposures / exposures[0])
        if self.opt.sve is None and self.task.channels == 4:
            middle = len(frames) // 2
            check_rows_alike(scene.files[middle], frames[middle])
        if self.task.carries:
            found = light_of(scene.files[0], first, self.opt.ratio, self.sensor)
            light = {name: np.float32([value]) for name, value in found._asdict().items()}
            exposure = 1 / light["ratio"]
        place = {"scene": scene.name, "frame": scene.files[0].stem}
        return (
            place
            | light
            | {
                "frames": frames,
                "exposure": exposure,
                "meta": meta,
                "name": f"{scene.name}-{scene.files[0].stem}",
            }
        )

    def _read_pictures(self, scene: Brackets) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Linear frames (T, 3, H, W), and their colours unless they are those of sRGB."""
        found = read_stack(scene.files, scene.pages, self.opt.response, self.opt.white)
        pictures = found.codes
        response = self.opt.response
        is_known = response != "debevec"
        self._confirmed(scene, (brightness(picture, response) for picture in pictures), is_known)
        curve = tone_curve(found.for_curve(), scene.exposures, self.opt.response)
        rows, columns = self._window(scene, pictures[0].shape, self.inner)
        linear = (linearise(picture[rows, columns], curve) for picture in pictures)
        return stack(len(pictures), linear), found.meta()

    def _confirmed(self, scene: Brackets, greens: Iterable[np.ndarray], is_linear: bool = True) -> np.ndarray:
        """Exposures (T,) of a scene that its frames' greens (h, w), which are thinned, agree with."""
        if self.opt.trust_exposures or len(scene.files) < FEWEST:
            return scene.exposures
        return confirmed(Claim(scene.files, scene.exposures, scene.source, is_linear), greens)

    def _read_raw(self, scene: Brackets) -> tuple[np.ndarray, RawImage]:
        """Frames (T, 4 or 3, h, w) of raw files, and the first of the files, cut to the same window."""
        is_mosaic = self.task.channels == 4
        files = read_alike(scene.files, read_raw if is_mosaic else read_linear)
        images = (image.from_red() for image in files)
        first, orientations = next(images), []
        window = self._window(scene, first.planes.shape, self.inner // (2 if is_mosaic else 1))

        def values() -> Iterator[np.ndarray]:
            for image in itertools.chain([first], images):
                orientations.append(image.orientation)
                yield normalise(image.planes[window], image.black, image.white)

        frames = stack(len(scene.files), values())
        whiten_clipped(scene.files, frames, scene.exposures)
        np.clip(frames, 0, 1, out=frames)
        upright = agreed_orientation(scene.files, orientations)
        return frames, dataclasses.replace(first.cropped(*window), orientation=upright)

    def _window(self, scene: Brackets, shape: tuple[int, ...], border: int) -> tuple[slice, slice]:
        """Rows and columns of frames of `shape` without the border."""
        if 2 * border >= min(shape[:2]):
            raise UserError(f"--border {self.opt.border} leaves nothing of {scene.files[0]}")
        return slice(border, shape[0] - border), slice(border, shape[1] - border)
