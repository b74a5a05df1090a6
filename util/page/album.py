"""Albums: the images of a folder, each by several methods, with what a page needs to show them."""

import base64
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import cv2
import numpy as np

from util.errors import UserError
from util.files import write_atomically
from util.imaging.detail import detail_of
from util.imaging.tonemap import mu_law_picture8
from util.json_record import as_json, read_json
from util.page.radiance_data import WHOLE, pack, shrunk
from util.scores.method_scores import RESTORED, TRUTH

FILE, DATA = "album.json", "data"  # in the folder of an album
THUMB = (96, 20_000)  # px that a thumbnail is high, and px that it has at most
DETAIL = 640  # px of a detail's side at most
ADVICE = "delete it, or run the program again that wrote it"


@dataclass
class Plate:
    """An image of an album.

    Attributes:
        thumb: a JPEG as a data URL. size: width and height of the original in px.
        sheet: URL of a contact sheet, "" where there is none.
        shots: method -> view ("whole", "detail") -> URL of the file, key in it, width and height.
        scores: method -> metric -> value, None where it is not finite.
    """

    name: str
    thumb: str
    size: tuple[int, int]
    sheet: str = ""
    shots: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    scores: dict[str, dict[str, float | None]] = field(default_factory=dict)


class Album:
    """Collects images in a folder; files are named by their content, so that an older page stays whole.

    `data`: the folder of light, from there; albums that share one hold what is the same in them once.
    """

    def __init__(self, folder: Path, data: str = DATA) -> None:
        self.folder, self.data = folder, data
        self.plates: list[Plate] = []

    def add(
        self,
        name: str,
        lights: Mapping[str, np.ndarray],
        scores: Mapping[str, Mapping[str, float]],
        sheet: str = "",
    ) -> None:
        """Write the light (H, W, 3), 1 = white, that each method has made of image `name`.

        Of images of more than 1.5 Mpx a page shows a reduced one, and the detail with the most texture as it
        is. `sheet`: the URL of a picture, from the folder.

        Raises:
            UserError: a file cannot be written.
        """
        main = lights.get(TRUTH, lights.get(RESTORED, next(iter(lights.values()))))
        height, width = main.shape[:2]
        thumb = shrunk(lights.get(RESTORED, main), THUMB[1])
        plate = Plate(name, _jpeg(mu_law_picture8(thumb)), (width, height), sheet)
        corner = _detail(main) if height * width > WHOLE else None
        for method, light in lights.items():
            views = {"whole": shrunk(light)}
            if corner and light.shape == main.shape:
                top, left = corner
                views["detail"] = light[top : top + DETAIL, left : left + DETAIL]
            plate.shots[method] = {view: self._write(part) for view, part in views.items()}
        plate.scores = {method: dict(row) for method, row in scores.items() if row}
        self.plates.append(plate)

    def _write(self, light: np.ndarray) -> dict[str, Any]:
        packed = pack(light)
        key = f"{zlib.crc32(packed.packed.encode()):08x}{len(packed.packed):x}"
        path = self.folder / self.data / f"{key}.js"
        if not path.exists():
            with write_atomically(path) as temporary:
                temporary.write_text(f'register("{key}","{packed.packed}")\n')
        return {"file": f"{self.data}/{key}.js", "key": key, "width": packed.width, "height": packed.height}

    def save(self) -> None:
        """Write what `read_album` reads; remove what its own folder of data holds of images of the past.

        Raises:
            UserError: the file cannot be written.
        """
        with write_atomically(self.folder / FILE) as temporary:
            temporary.write_text(as_json([asdict(plate) for plate in self.plates]))
        kept = {self.folder / shot["file"] for plate in self.plates for shot in shots_of(plate)}
        for path in (self.folder / DATA).glob("*.js"):
            if path not in kept:
                path.unlink(missing_ok=True)


def shots_of(plate: Plate) -> list[dict[str, Any]]:
    """All files of an image: of each method and view."""
    return [shot for views in plate.shots.values() for shot in views.values()]


def read_album(folder: Path) -> list[Plate]:
    """The images of an album; none where a folder has none.

    Raises:
        UserError: its file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return []
    try:
        return [Plate(**plate) for plate in read_json(path, ADVICE)]
    except TypeError as error:
        raise UserError(f"{path} is not an album: {ADVICE}") from error


def merged(albums: Sequence[tuple[str, Path]], place: Path) -> list[Plate]:
    """One album of several, each a label and its folder, for a page in folder `place`.

    An image has the restored one of each album under its label, then those of the other methods, each of the
    first album that has it.

    Raises:
        UserError: an album is damaged.
    """
    plates: dict[str, Plate] = {}
    for label, folder in albums:
        for found in read_album(folder):
            plate = plates.setdefault(found.name, Plate(found.name, found.thumb, found.size))
            for method, views in found.shots.items():
                title = label if method == RESTORED else method
                if title not in plate.shots:
                    moved = {view: _moved(shot, folder, place) for view, shot in views.items()}
                    plate.shots[title] = moved
                    plate.scores |= {title: found.scores[method]} if method in found.scores else {}
    labels = [label for label, _ in albums]
    for plate in plates.values():
        plate.shots = {label: plate.shots[label] for label in labels if label in plate.shots} | plate.shots
    return list(plates.values())


def _moved(shot: dict[str, Any], folder: Path, place: Path) -> dict[str, Any]:
    """A shot of an album in `folder`, whose file is to be found from `place`."""
    return shot | {"file": quote(Path(os.path.relpath(folder / shot["file"], place)).as_posix())}


def _detail(light: np.ndarray) -> tuple[int, int]:
    """First row and column of a part with much texture."""
    part = detail_of(light)
    top, left = part.top + (part.height - DETAIL) // 2, part.left + (part.width - DETAIL) // 2
    return max(0, min(top, light.shape[0] - DETAIL)), max(0, min(left, light.shape[1] - DETAIL))


def _jpeg(picture: np.ndarray) -> str:
    width = max(1, round(picture.shape[1] * THUMB[0] / picture.shape[0]))
    small = cv2.resize(picture, (width, THUMB[0]), interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 80])
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode()
