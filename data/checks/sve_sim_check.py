"""What can be wrong with the files that `sve_sim` makes its shots of (`python -m data.check`)."""

from pathlib import Path

from data.checks.base_check import Finding
from data.checks.synburst_train_check import SynburstTrainCheck
from data.simulate.radiance import find_radiance, is_coded, read_linear
from data.sve_sim_dataset import PATCH
from util.errors import UserError


class SveSimCheck(SynburstTrainCheck):
    """Checks of a data set of class SveSimDataset; a sample is a file."""

    def found(self, split: str) -> list[Path]:
        """The files of a split; UserError where there are none."""
        return [source.path for source in find_radiance(self.root, split)]

    def sample(self, path: Path) -> list[Finding]:
        """A file that cannot be read, is too small, shows nothing, or had its highlights cut off."""
        try:
            light = read_linear(path)
        except UserError as error:
            return [Finding(path, str(error))]
        findings, (height, width) = [], light.shape[:2]
        if min(height, width) < PATCH:
            findings.append(Finding(path, f"{width}x{height} px are too few for patches of {PATCH}"))
        if light.min() == light.max():
            findings.append(Finding(path, f"all values are {light.max():g}"))
        elif is_coded(path):
            text = "a photograph: what is brighter than its white is made up"
            findings.append(Finding(path, text, is_fault=False))
        return findings
