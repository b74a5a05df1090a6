"""The scenes of Tursun et al. (Eurographics 2016), to be restored (SelfHDR specification, 8.3)."""

from collections.abc import Sequence

from data.sen_dataset import SenDataset


class TursunDataset(SenDataset):
    """Scenes of nine or more frames without labels, whose exposures are told in times, not in stops."""

    folder, exposure_file, unit = "dataset", "exposure.txt", "times"
    fewest = 9

    @staticmethod
    def chosen(count: int) -> Sequence[int]:
        """Which frames are taken, from 0: the fifth, seventh and ninth."""
        return (4, 6, 8)
