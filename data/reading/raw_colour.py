"""What a raw file tells of its camera's colours, from the tags of a DNG or from LibRaw."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data.reading.exif import numbers
from util.imaging.camera_colour import ColourTags

D65 = 21  # EXIF LightSource: the light of the matrices that LibRaw knows
SIGNATURES = ("CameraCalibrationSignature", "ProfileCalibrationSignature")


def colour_tags(tags: Mapping[str, Any], white_balance: Sequence[float], matrix: np.ndarray) -> ColourTags:
    """Colours by the tags of a DNG as far as they are there, by LibRaw's knowledge otherwise.

    Args:
        white_balance: LibRaw's gains of R, G, B and perhaps the second G. matrix: its XYZ to camera, (4, 3),
            zero where it does not know the camera.

    Raises:
        UserError: a tag of colours holds something else than numbers, or not as many as it should.
    """
    places = range(1, 4)
    matrices = [_numbers(tags, f"ColorMatrix{place}", 9) for place in places]
    forward = [_numbers(tags, f"ForwardMatrix{place}", 9) for place in places]
    calibrations = [_numbers(tags, f"CameraCalibration{place}", 9) for place in places]
    if tags.get(SIGNATURES[0], "") != tags.get(SIGNATURES[1], ""):
        calibrations = []  # made for another profile: the DNG specification says to leave it out
    codes = [_numbers(tags, f"CalibrationIlluminant{place}", 1) for place in places]
    lights = [0 if code is None else int(code[0]) for code in codes]
    known = [number for number, one in enumerate(matrices) if one is not None]
    if not known and np.any(matrix[:3]):
        matrices, lights, known, forward, calibrations = [matrix[:3].astype(np.float64)], [D65], [0], [], []
    return ColourTags(
        neutral=_neutral(tags, white_balance),
        color_matrices=tuple(matrices[number].reshape(3, 3) for number in known),
        illuminants=tuple(lights[number] for number in known),
        forward_matrices=_all_of(forward, known),
        calibrations=_all_of(calibrations, known),
        analog_balance=tuple(_positive_numbers(tags, "AnalogBalance", (1.0, 1.0, 1.0))),
    )


def _neutral(tags: Mapping[str, Any], white_balance: Sequence[float]) -> tuple[float, float, float]:
    """Camera RGB of white, green = 1; equal parts where nobody knows."""
    gains = np.array(white_balance[:3], np.float64)
    usable = np.isfinite(gains).all() and (gains > 0).all()
    red, green, blue = _positive_numbers(tags, "AsShotNeutral", 1 / gains if usable else (1.0, 1.0, 1.0))
    return float(red / green), 1.0, float(blue / green)


def _all_of(matrices: Sequence[np.ndarray | None], known: Sequence[int]) -> tuple[np.ndarray, ...]:
    """The matrices of the known lights, if there is one for each; else none."""
    chosen = [matrices[number] for number in known if number < len(matrices)]
    if len(chosen) < len(known) or any(one is None for one in chosen):
        return ()
    return tuple(one.reshape(3, 3) for one in chosen)


def _numbers(tags: Mapping[str, Any], name: str, count: int) -> np.ndarray | None:
    """The numbers of a tag; None if it is not there, or void."""
    values = numbers(tags, name, count, void=True) if name in tags else None
    return None if values is None or not np.isfinite(values).all() else values


def _positive_numbers(
    tags: Mapping[str, Any], name: str, otherwise: Sequence[float]
) -> np.ndarray | Sequence[float]:
    values = _numbers(tags, name, 3)
    return values if values is not None and (values > 0).all() else otherwise
