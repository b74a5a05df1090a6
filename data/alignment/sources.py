"""What an aligned scene was made of, so that it can be told whether that has changed since."""

import hashlib

from data.reading.ldr_frames import Scene
from util.errors import UserError

SOURCES = "sources.sha256"  # beside aligned frames: the digest of what they were made of


def digest(scene: Scene) -> bytes:
    """What tells the frames and exposures of a scene from others; copies of them are alike.

    Raises:
        UserError: a frame cannot be read.
    """
    state = hashlib.sha256(repr(scene.stated.exposures.tolist()).encode())
    for file in scene.frames:
        try:
            state.update(f" {file.name} {file.stat().st_size} ".encode() + file.read_bytes())
        except OSError as error:
            raise UserError(f"cannot read picture {file}: {error.strerror or error}") from error
    return state.hexdigest().encode() + b"\n"
