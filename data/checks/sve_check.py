"""What can be wrong with scenes of bracketed raw files (`python -m data.check`)."""

from collections.abc import Iterator
from pathlib import Path

from data.base_dataset import BaseDataset
from data.checks.base_check import ALL_CLIPPED, MOSTLY_CLIPPED, BaseCheck, Finding
from data.merging.making import doubts, left_out, merge_bracket
from data.merging.merge import CLIPPED, Merge
from data.merging.neighbours import moved_share
from data.merging.prepared import TRUTHS, Preparation, read_facts, sources_of
from data.merging.scenes import FOLDERS, FRAMES, Bracket, find_folders, open_bracket
from data.prepare import MOTION_LIMIT
from util.errors import UserError

DARK = 0.02  # value below which the longest frame shows nothing well
MOSTLY_DARK = 0.5  # share of it


class SveCheck(BaseCheck):
    """Checks of a data set of class SveDataset; a sample is the folder of a scene.

    It has seven frames, or as many as it was prepared with.
    """

    split_names = FOLDERS

    def __init__(self, dataset: type[BaseDataset], root: Path, min_samples: int = 1) -> None:
        self.dataset, self.root, self.min_samples = dataset, root, min_samples
        self.folders = find_folders(root)
        self.splits = [root / name for name in FOLDERS if (root / name).is_dir()]
        self.preparations = [Preparation.found(root, truth) for truth in TRUTHS]
        self.frames = next((made.frames for made in self.preparations if made.folder.is_dir()), FRAMES)

    def samples(self) -> list[Path]:
        """Folders of all scenes."""
        return self.folders

    def layout(self) -> Iterator[Finding]:
        """Missing and small splits, and scenes that are prepared but not there, or not prepared."""
        if self.splits:
            yield from super().layout()
        for preparation in self.preparations:
            if preparation.folder.is_dir():
                yield from _prepared(preparation, self.folders)

    def sample(self, folder: Path) -> list[Finding]:
        """All findings in a scene: number and steps of frames, files, levels, gains, motion."""
        try:
            bracket = open_bracket(folder, self.frames)
            merged = merge_bracket(bracket)
        except UserError as error:
            return [Finding(folder, str(error).removeprefix(str(folder)).lstrip(":/ "))]
        findings = [Finding(file, text, is_fault=False) for file, text in doubts(bracket, merged.pairs)]
        moved = moved_share(merged.pairs)
        if moved > MOTION_LIMIT:
            findings.append(Finding(folder, left_out(moved, MOTION_LIMIT), is_fault=False))
        return [*findings, *_levels(bracket, merged.merge)]


def _prepared(preparation: Preparation, folders: list[Path]) -> Iterator[Finding]:
    """Scenes that are not prepared as they are now."""
    for folder in folders:
        facts = read_facts(preparation.place(folder))
        if facts is None:
            yield Finding(folder, f"is not prepared yet: {preparation.command()}", is_fault=False)
            continue
        try:
            changed = facts.sources != sources_of([folder / name for name, _, _ in facts.sources])
        except UserError:
            changed = True
        if changed:
            yield Finding(folder, f"has changed since it was prepared: {preparation.command()}")


def _levels(bracket: Bracket, merge: Merge) -> Iterator[Finding]:
    """Shortest frames that are clipped, longest ones that are clipped all over, or dark."""
    shortest, longest = bracket.files[0], bracket.files[-1]
    if (share := float((merge.first >= CLIPPED).mean())) > MOSTLY_CLIPPED:
        yield Finding(shortest, f"{share:.0%} of the values are clipped: the truth is not known there")
    if (share := float((merge.last >= CLIPPED).mean())) > ALL_CLIPPED:
        yield Finding(longest, f"{share:.0%} of the values are clipped")
    if (share := float((merge.last < DARK).mean())) > MOSTLY_DARK:
        yield Finding(longest, f"{share:.0%} of the values are below {DARK:.0%} of white", is_fault=False)
