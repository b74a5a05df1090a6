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
from data.simulate.lighting import Lighting, draw_lighting
from data.simulate.motion import canvas_size, draw_shake
from data.simulate.photographs import draw_night, read_photograph
from data.simulate.reading import Frames
from data.simulate.sampling import SPANS, STEPS, HandHeld, Scene
from data.simulate.settings import BUILT_IN_SIZE, SMALLEST, Settings
from data.simulate.window import Window, centred_window, draw_window
from util.errors import UserError

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


@dataclass(frozen=True)
class BuiltIn:
    """A photograph that comes with scikit-image, lit as a night, before a hand-held camera."""

    name: str
    source: str = "scikit-image"

    def samples(self, settings: Settings, count: int) -> dict[int, int]:
        return dict.fromkeys(range(count), 0)

    def scene(self, start: int, shot: Shot) -> tuple[Scene, dict]:
        height, width = shot.settings.size or BUILT_IN_SIZE
        size = (2 * height, 2 * width)
        picture = read_photograph(self.name)
        lamps = shot.split == "Train"
        night = draw_night(shot.rng("scene"), picture.shape[:2], canvas_size(size), lamps)
        scene, drawn = hand_held(night.light(picture), size, shot)
        return scene, asdict(night) | drawn


@dataclass(frozen=True)
class _Files:
    """Files of a user; `alexa` says that their light is in AlexaWideGamut."""

    name: str
    frames: Frames
    alexa: bool = False

    @property
    def source(self) -> str:
        return str(self.frames.path)


class Photograph(_Files):
    """A user's picture before a hand-held camera."""

    def samples(self, settings: Settings, count: int) -> dict[int, int]:
        return dict.fromkeys(range(count), 0)

    def scene(self, start: int, shot: Shot) -> tuple[Scene, dict]:
        picture = read_light(self.frames, start, self.alexa)
        height, width = picture.shape[:2]
        shaken = canvas_size((height, width))[0] - height  # px that are seen in a part of the time
        packed = shot.settings.size or packed_size((height - shaken, width - shaken))
        size = (2 * packed[0], 2 * packed[1])
        window = choose_window(shot, (height, width), packed, canvas_size(size), self.source)
        light = window.cut(picture)
        lighting = Lighting() if self.alexa else draw_lighting(shot.rng("light"), light, self.frames.coded)
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
        lighting = self._lighting(shot, frames)
        frames = [lighting.apply(frame) for frame in frames]
        if shot.settings.recipe.clip_subframes:  # the first frame's brightest is white for all (9.2)
            frames = [np.minimum(frame, frames[0].max()) for frame in frames]
        numbers = [self.frames.number(index) for index in indices]
        drawn = {"frames": numbers, "window": asdict(window), "lighting": asdict(lighting)}
        if interpolator := shot.settings.find_interpolator():
            return Footage(frames, per_frame, interpolator), drawn
        return MotionFootage(frames, per_frame, shot.device), drawn

    def _lighting(self, shot: Shot, frames: list[np.ndarray]) -> Lighting:
        """One for all frames, since a light may go on after the first."""
        if self.alexa:
            return Lighting()
        return draw_lighting(shot.rng("light"), np.concatenate(frames), self.frames.coded)


def read_light(frames: Frames, index: int, alexa: bool) -> np.ndarray:
    """A frame as linear sRGB float32 (H, W, 3); of the Alexa at the published exposure (9.1)."""
    light = frames.read(index)
    return alexa_to_srgb(light) if alexa else np.maximum(light, 0)


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
    path = draw_shake(shot.rng("shake"), STEPS)
    scene = HandHeld(shot.place(light), path, size)
    rng = shot.rng("foreground")
    if rng.uniform() >= shot.settings.foreground:
        return scene, {"path": _ends(path)}
    patch = draw_patch(rng, size, lamps=shot.split == "Train")
    drawn = {"size": patch.light.shape[:2], "place": patch.place, "path": _ends(patch.path)}
    return Covered(scene, patch.on(shot.device)), {"path": _ends(path), "foreground": drawn}


def _ends(path: np.ndarray) -> list[list[float]]:
    """Poses (x, y in px, angle in radians) at the end of each exposure, rounded for reading."""
    return [[round(float(value), 6) for value in path[span.stop - 1]] for span in SPANS]
