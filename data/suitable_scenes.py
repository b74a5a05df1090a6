"""Which scenes of one's own photographs are like those that the small weights were trained on.

    python -m data.suitable_scenes DIR

A line per scene: "network" for five raw files of which each is exposed about four times as long as the one
before, "merge" for any other, and the scene's folder. What is wrong with a scene is for test.py to say.
"""

import argparse
from pathlib import Path

from data.folder_dataset import FolderDataset, find_scenes
from util.errors import UserError, run
from util.parser import Parser

FRAMES = 5
RATIOS = (3.0, 5.4)  # of neighbouring exposures; 4 in training


def suits(scene: Path) -> bool:
    """Whether the small weights know brackets like these."""
    opt = argparse.Namespace(
        dataroot=scene, frame_num=None, max_dataset_size=None, response="srgb", border=0, model="syn"
    )
    try:
        dataset = FolderDataset(opt, "test")
    except UserError:
        return False
    exposures = dataset.scenes[0].exposures
    ratios = exposures[1:] / exposures[:-1]
    alike = bool(((ratios > RATIOS[0]) & (ratios < RATIOS[1])).all())
    return dataset.task.channels == 4 and len(exposures) == FRAMES and alike


def main() -> None:
    parser = Parser(prog="python -m data.suitable_scenes", description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path, metavar="DIR", help="a scene, or a folder of scenes")
    opt = parser.parse_strictly(None)
    for scene in find_scenes(opt.root) or [opt.root]:
        print("network" if suits(scene) else "merge", scene)


if __name__ == "__main__":
    run(main)
