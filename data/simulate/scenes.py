"""From sources to scenes: what is drawn for one sample, and the light that a camera then sees."""

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
import torch

from data.simulate.camera import alexa_to_srgb
from data.simulate.flow import flow_view, is_cut
from data.simulate.footage import Footage, MotionFootage, frames_needed
from data.simulate.foreground import Covered, draw_patch
from data.simulate.ldr import draw_stops, spans
from data.simulate.lighting import Lighting, draw_daylight, draw_lighting
from data.simulate.motion import canvas_size, draw_shake
from data.simulate.photographs import draw_night, draw_part, lit, read_photograph, seen_by_lens
from data.simulate.reading import Frames
from data.simulate.sampling import SPANS, STEPS, HandHeld, Scene
from data.simulate.settings import OF_STILL_SCENES, SMALLEST, Settings
from data.simulate.window import Window, centred_window, draw_window
from util.errors import UserError
from util.imaging.tonemap import srgb_encode

DAY_MEDIANS = (0.05, 0.5)  # of a moving patch by day, where 1 is the reference's white
DAY_EXTENTS = (0.3, 0.7)  # of the view's shorter side: its sides, as of people
CELL = 8  # mosaic px: a sample has whole cells of 2x2 px when it is reduced four times


class SceneCut(Exception):
    """The frames of a sample show two scenes."""


@dataclass(frozen=True)
class Shot:
    """A sample that is to be made: of which scene, under which number, how and where."""

    split: str
    scene: str
    number: int
    settings: Settings
    device: torch.device | None = None

    def rng(self, purpose: str) -> np.random.Generator:
        """The random numbers of one purpose."""
        return self.settings.rng(self.split, self.scene, self.number, purpose)

    @property
    def step(self) -> int:
        """The stops between two frames of an LDR triple."""
        return draw_stops(self.rng("stops"))

    @property
    def contrast(self) -> float:
        """How much brighter the white of the shortest exposure of a day is than that of the reference."""
        return 2.0**self.step if self.settings.is_ldr else self.settings.rows.ratio

    @property
    def spans(self) -> list[range]:
        """The sub-frames of each exposure."""
        if self.settings.layout in OF_STILL_SCENES:
            return [range(1)]
        return spans(self.step) if self.settings.is_ldr else SPANS

    def lighting(self, linear: np.ndarray, coded: bool, alexa: bool = False) -> Lighting:
        """Of a source's light (H, W, 3): a day, or a night, or the Alexa's own."""
        if self.settings.is_by_day:
            return draw_daylight(self.rng("light"), linear, coded, self.contrast)
        return Lighting() if alexa else draw_lighting(self.rng("light"), linear, coded)

    def place(self, light: np.ndarray) -> np.ndarray | torch.Tensor:
        """Light where the work is done."""
        return light if self.device is None else torch.from_numpy(light).to(self.device)


class Source(Protocol):
    """Where scenes come from: `name` is the scene, `source` the file or folder."""

    name: str

    @property
    def source(self) -> str: ...

    def samples(self, settings: Settings, count: int) -> dict[int, int]:
        """The number of each sample -> the position of its first frame. `count` is for photographs."""

    def scene(self, start: int, shot: Shot) -> tuple[Scene, dict]:
        """The scene of a sample, and what was drawn for it, in JSON's types."""

    def codes(self, start: int) -> np.ndarray:
        """The picture at a position as a camera would have developed it: sRGB codes uint8 (H, W, 3)."""


@dataclass(frozen=True)
class BuiltIn:
    """A photograph that comes with scikit-image, lit as a night, before a hand-held camera."""

    name: str
    source: str = "scikit-image"

    def samples(self, settings: Settings, count: int) -> dict[int, int]:
        return dict.fromkeys(range(count), 0)

    def scene(self, start: int, shot: Shot) -> tuple[Scene, dict]:
        height, width = shot.settings.size or shot.settings.built_in_size
        size = (2 * height, 2 * width)
        picture = read_photograph(self.name)
        part = (picture.shape[:2], canvas_size(size, shot.settings.shake(size)), shot.split == "Train")
        if shot.settings.is_by_day:
            window, lamps = draw_part(shot.rng("scene"), *part)
            linear = lit(picture, window, lamps)
            lighting = shot.lighting(linear, coded=True)
            light = seen_by_lens(lighting.apply(linear))
            made_of = {
                "window": asdict(window),
                "lamps": lamps and asdict(lamps),
                "lighting": asdict(lighting),
            }
        else:
            night = draw_night(shot.rng("scene"), *part)
            light, made_of = night.light(picture), asdict(night)
        scene, drawn = hand_held(light, size, shot)
        return scene, made_of | drawn

    def codes(self, start: int) -> np.ndarray:
        return as_codes(read_photograph(self.name))


@dataclass(frozen=True)
class _Files:
    """Files of a user; `alexa` says that their light is in AlexaWideGamut."""

    name: str
    frames: Frames
    alexa: bool = False

    @property
    def source(self) -> str:
        return str(self.frames.path)

    def codes(self, start: int) -> np.ndarray:
        return as_codes(srgb_encode(np.clip(read_light(self.frames, start, self.alexa), 0, 1)))


class Photograph(_Files):
    """A user's picture before a hand-held camera."""

    def samples(self, settings: Settings, count: int) -> dict[int, int]:
        return dict.fromkeys(range(count), 0)

    def scene(self, start: int, shot: Shot) -> tuple[Scene, dict]:
        picture = read_light(self.frames, start, self.alexa)
        height, width = picture.shape[:2]
        whole = (height, width)
        shaken = canvas_size(whole, shot.settings.shake(whole))[0] - height  # px that are seen at times
        packed = shot.settings.size or packed_size((height - shaken, width - shaken))
        size = (2 * packed[0], 2 * packed[1])
        canvas = canvas_size(size, shot.settings.shake(size))
        window = choose_window(shot, whole, packed, canvas, self.source)
        light = window.cut(picture)
        lighting = shot.lighting(light, self.frames.coded, self.alexa)
        scene, drawn = hand_held(lighting.apply(light), size, shot)
        return scene, {"window": asdict(window), "lighting": asdict(lighting)} | drawn


class Video(_Files):
    """Consecutive frames."""

    def samples(self, settings: Settings, count: int) -> dict[int, int]:
        """Groups of frames that follow each other, by the number of their first frame; a remainder is left.

        Raises:
            UserError: there are too few frames for one sample.
        """
        needed = frames_needed(settings.steps_per_frame)
        if len(self.frames) < needed:
            option = f"--subframes_per_frame {settings.steps_per_frame}"
            raise UserError(
                f"{self.source} has {len(self.frames)} frames, a sample takes {needed} at {option}: "
                "give more frames, a larger number, or --kind photographs"
            )
        starts = range(0, len(self.frames) - needed + 1, needed)
        return {self.frames.number(start): start for start in starts}

    def scene(self, start: int, shot: Shot) -> tuple[Scene, dict]:
        """As `Source` says.

        Raises:
            SceneCut: the frames show two scenes.
        """
        per_frame = shot.settings.steps_per_frame
        indices = range(start, start + frames_needed(per_frame))
        frames = [read_light(self.frames, index, self.alexa) for index in indices]
        sizes = {frame.shape[:2] for frame in frames}
        if len(sizes) > 1:
            raise UserError(f"{self.source}: the frames of a video have one size, not {sorted(sizes)}")
        if shows_cut(frames):  # a small window may show too little for the comparison
            raise SceneCut
        whole = frames[0].shape[:2]
        packed = shot.settings.size or packed_size(whole)
        window = choose_window(shot, whole, packed, (2 * packed[0], 2 * packed[1]), self.source)
        frames = [window.cut(frame) for frame in frames]
        all_frames = np.concatenate(frames)  # a light may go on after the first
        lighting = shot.lighting(all_frames, self.frames.coded, self.alexa)
        frames = [lighting.apply(frame) for frame in frames]
        if shot.settings.recipe.clip_subframes:  # the first frame's brightest is white for all (9.2)
            frames = [np.minimum(frame, frames[0].max()) for frame in frames]
        numbers = [self.frames.number(index) for index in indices]
        drawn = {"frames": numbers, "window": asdict(window), "lighting": asdict(lighting)}
        if interpolator := shot.settings.find_interpolator():
            return Footage(frames, per_frame, interpolator), drawn
        return MotionFootage(frames, per_frame, shot.device), drawn


def as_codes(coded: np.ndarray) -> np.ndarray:
    """Coded values in [0, 1] -> uint8."""
    return np.rint(255 * coded).astype(np.uint8)


def read_light(frames: Frames, index: int, alexa: bool) -> np.ndarray:
    """A frame as linear sRGB float32 (H, W, 3); of the Alexa at the published exposure (9.1)."""
    if alexa:
        return alexa_to_srgb(frames.read(index, as_stored=True))
    return np.maximum(frames.read(index), 0)


def shows_cut(frames: list[np.ndarray]) -> bool:
    """Whether consecutive whole frames, linear light (H, W, 3), are not of one scene."""
    return any(is_cut(*pair) for pair in pairwise([flow_view(frame) for frame in frames]))


def packed_size(shape: tuple[int, int]) -> tuple[int, int]:
    """The largest packed size inside a picture of `shape` px."""
    return shape[0] // CELL * (CELL // 2), shape[1] // CELL * (CELL // 2)


def choose_window(
    shot: Shot, shape: tuple[int, int], packed: tuple[int, int], canvas: tuple[int, int], source: str
) -> Window:
    """The `canvas` px of a picture of `shape` that are used for a sample of a packed size.

    A random part at a random zoom if the size was set, else the middle, which is then nearly all.

    Raises:
        UserError: the picture is too small.
    """
    found = f"{source} has {shape[1]}x{shape[0]} px"
    if shot.settings.size is None:
        if min(packed) < SMALLEST:
            raise UserError(f"{found}, too few for the smallest sample, of {SMALLEST}x{SMALLEST} packed px")
        return centred_window(shape, canvas)
    if shape[0] < canvas[0] or shape[1] < canvas[1]:
        size = f"--size {packed[0]} {packed[1]}"
        raise UserError(f"{found}, {size} takes {canvas[1]}x{canvas[0]}: give a smaller --size")
    return draw_window(shot.rng("window"), shape, canvas)


def hand_held(light: np.ndarray, size: tuple[int, int], shot: Shot) -> tuple[Scene, dict]:
    """A picture before a shaking camera, and perhaps something that moves between them."""
    path = draw_shake(shot.rng("shake"), STEPS, shot.settings.shake(size))
    scene = HandHeld(shot.place(light), path, size)
    rng = shot.rng("foreground")
    if rng.uniform() >= shot.settings.foreground:
        return scene, {"path": _ends(path, shot.spans)}
    day = (DAY_MEDIANS, (1.0, 2.0**shot.step), DAY_EXTENTS)
    patch = draw_patch(rng, size, shot.split == "Train", *(day if shot.settings.is_ldr else ()))
    drawn = {"size": patch.light.shape[:2], "place": patch.place, "path": _ends(patch.path, shot.spans)}
    return Covered(scene, patch.on(shot.device)), {"path": _ends(path, shot.spans), "foreground": drawn}


def _ends(path: np.ndarray, spans: list[range]) -> list[list[float]]:
    """Poses (x, y in px, angle in radians) at the end of each exposure, rounded for reading."""
    return [[round(float(value), 6) for value in path[span.stop - 1]] for span in spans]
