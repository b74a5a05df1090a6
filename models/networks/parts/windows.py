"""Small overlapping windows of images, in which merging and denoising work by frequency."""

import math

import torch
import torch.nn.functional as F

SIDE, HOP = 12, 6  # px of a window, and from one to the next
WAVE = torch.sin((torch.arange(SIDE) + 0.5) * (math.pi / SIDE))
TAPER = WAVE[:, None] * WAVE  # (SIDE, SIDE), of a window before its spectrum and after


class Windows:
    """Overlapping windows of images (C, H, W), whose tapers add up to one in the square.

    `origin` is the place (top, left) of the images in a larger one: windows lie as they would lie there.
    """

    def __init__(self, size: tuple[int, int], origin: tuple[int, int], device: torch.device) -> None:
        self.size, self.before = size, [HOP + place % HOP for place in origin]
        self.counts = [(before + side - 1) // HOP + 1 for before, side in zip(self.before, size, strict=True)]
        self.rows, self.columns = (
            _mirrored(before, side, count * HOP + HOP).to(device)
            for before, side, count in zip(self.before, size, self.counts, strict=True)
        )
        self.taper = TAPER.to(device)
        self.energy = self.taper.square().sum()
        self.constant = squared(torch.fft.rfft2(self.taper))  # power of what is the same everywhere
        self.fit, self.planes = (matrix.to(device) for matrix in _planes())

    def cut(self, image: torch.Tensor, tapered: bool = True) -> torch.Tensor:
        """(C, H, W) -> (C, rows, columns, SIDE, SIDE)."""
        image = image.index_select(1, self.rows).index_select(2, self.columns)
        windows = image.unfold(1, SIDE, HOP).unfold(2, SIDE, HOP)
        return windows * self.taper if tapered else windows

    def mean(self, image: torch.Tensor) -> torch.Tensor:
        """(C, H, W) -> its mean under the squared taper, (C, rows, columns)."""
        return (self.cut(image) * self.taper).sum((-1, -2)) / self.energy

    def plane(self, spectra: torch.Tensor) -> torch.Tensor:
        """The plane through each window, by least squares: spectra like `spectra`.

        The taper spreads it over several frequencies. Overlapping windows only add up to what is smooth if
        these are weighted alike, or else the windows show.
        """
        flat = torch.view_as_real(spectra).flatten(-3)
        return torch.view_as_complex((flat @ self.fit @ self.planes).view(*spectra.shape, 2))

    def image(self, spectra: torch.Tensor) -> torch.Tensor:
        """The image (C, H, W) of spectra (C, rows, columns, SIDE, SIDE/2+1) of tapered windows."""
        windows = torch.fft.irfft2(spectra, s=(SIDE, SIDE)) * self.taper
        patches = windows.permute(0, 3, 4, 1, 2).reshape(len(windows), SIDE**2, -1)
        padded = [count * HOP + HOP for count in self.counts]
        image = F.fold(patches, padded, SIDE, stride=HOP)[:, 0]
        (top, left), (height, width) = self.before, self.size
        return image[:, top : top + height, left : left + width]


def _planes() -> tuple[torch.Tensor, torch.Tensor]:
    """Real values of the spectra of tapered planes, (3, SIDE * (SIDE/2+1) * 2), after what fits them."""
    place = torch.arange(SIDE) - (SIDE - 1) / 2
    planes = torch.stack([TAPER, TAPER * place, TAPER * place[:, None]])
    times = torch.full((SIDE // 2 + 1, 1), 2.0)  # a half spectrum has most frequencies once instead of twice
    times[[0, -1]] = 1
    spectra = torch.view_as_real(torch.fft.rfft2(planes))
    energy = SIDE**2 * planes.square().sum((-1, -2))
    return (spectra * times).flatten(1).T / energy, spectra.flatten(1)


def _mirrored(before: int, size: int, total: int) -> torch.Tensor:
    """Indices (total,) of `size` px with `before` more before them and the rest after them, mirrored."""
    index = (torch.arange(total) - before) % (2 * size)
    return torch.minimum(index, 2 * size - 1 - index)


def smoothed(power: torch.Tensor) -> torch.Tensor:
    """Mean of (..., SIDE, SIDE/2+1) over neighbouring frequencies: one alone says little."""
    flat = F.pad(power.flatten(0, -3)[:, None], (0, 0, 1, 1), mode="circular")
    return F.avg_pool2d(F.pad(flat, (1, 1, 0, 0), mode="reflect"), 3, 1)[:, 0].view(power.shape)


def squared(spectra: torch.Tensor) -> torch.Tensor:
    """Squared absolute values."""
    return spectra.real.square() + spectra.imag.square()
