"""Small overlapping windows of images, in which merging and denoising work by frequency.

Windows are rows of SIDE^2 px, spectra are rows of FREQUENCIES real parts and, apart from these, of imaginary
ones: Fourier transforms, planes and means over frequencies are products with small matrices. For so few px
that is faster than the fast transform.
"""

import itertools
import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F

SIDE, HOP = 12, 6  # px of a window, and from one to the next
WAVE = torch.sin((torch.arange(SIDE) + 0.5) * (math.pi / SIDE))
TAPER = WAVE[:, None] * WAVE  # (SIDE, SIDE), of a window before its spectrum and after
FREQUENCIES = SIDE * (HOP + 1)
PAIRED = SIDE * (HOP - 1)  # from this one on frequencies have their conjugates in the spectrum, too
CONSTANT = PAIRED  # the frequency of what is the same everywhere
STRIP = 512  # windows, about, that are worked on at once: what they need stays in cache
SHARED_STRIP = 8192  # the same if threads share the work: they wait for each other at every step


def _places() -> torch.Tensor:
    """Row and column of each frequency in the half spectrum of a window, (FREQUENCIES, 2)."""
    once = [(row, column) for row in range(SIDE) for column in range(1, HOP)]
    real = [(row, column) for row in (0, HOP) for column in (0, HOP)]
    first = [(row, column) for row in range(1, HOP) for column in (0, HOP)]
    return torch.tensor(once + real + first + [(SIDE - row, column) for row, column in first])


PLACES = _places()
LOWEST = (((PLACES[:, 0] + 1) % SIDE <= 2) & (PLACES[:, 1] <= 1)).nonzero()[
    :, 0
]  # numbers of those of planes
HIGH = torch.minimum(PLACES[:, 0], SIDE - PLACES[:, 0]) + PLACES[:, 1] > 0.6 * SIDE  # (FREQUENCIES,)
TIMES = torch.where(torch.arange(FREQUENCIES) < PAIRED, 2.0, 1.0)  # that a frequency is in the whole spectrum


def _transforms() -> tuple[torch.Tensor, torch.Tensor]:
    """From windows to spectra, (2, SIDE^2, FREQUENCIES), and back, (2, FREQUENCIES, SIDE^2)."""
    px = torch.cartesian_prod(torch.arange(SIDE), torch.arange(SIDE))
    angle = (px @ PLACES.T % SIDE).double() * (2 * math.pi / SIDE)
    there = torch.stack((angle.cos(), -angle.sin()))
    return there.float(), (there * TIMES / SIDE**2).mT.float().contiguous()


THERE, BACK = _transforms()


def _planes() -> tuple[torch.Tensor, torch.Tensor]:
    """What fits planes to spectra, (2, FREQUENCIES, 16), and spectra of tapered planes, (2, 3, FREQUENCIES).

    13 columns of zeros follow the three that fit: products with three alone are slow.
    """
    place = torch.arange(SIDE) - (SIDE - 1) / 2
    planes = torch.stack([TAPER, TAPER * place, TAPER * place[:, None]])
    spectra = planes.flatten(1) @ THERE
    energy = SIDE**2 * planes.square().sum((-1, -2))
    return F.pad((spectra * TIMES).mT / energy, (0, 13)).contiguous(), spectra


def _doubled() -> torch.Tensor:
    """What of paired frequencies no window shows, as they are not conjugates: (2, 24, 24)."""
    row, column = PLACES[PAIRED:].T
    same = (row[:, None] + row) % SIDE + (column[:, None] - column).abs() == 0
    one = torch.eye(len(row))
    return torch.stack((one - same.float(), one + same.float())) / 2


def _neighbours() -> torch.Tensor:
    """Mean over a frequency and its eight neighbours as a matrix, (FREQUENCIES, FREQUENCIES)."""
    whole = torch.zeros(FREQUENCIES, SIDE, HOP + 1)
    whole[torch.arange(FREQUENCIES), PLACES[:, 0], PLACES[:, 1]] = 1
    whole = F.pad(F.pad(whole, (0, 0, 1, 1), mode="circular"), (1, 1, 0, 0), mode="reflect")
    return F.avg_pool2d(whole, 3, 1)[:, PLACES[:, 0], PLACES[:, 1]]


class Windows:
    """Overlapping windows of images (C, H, W), whose tapers add up to one in the square.

    `origin` is the place (top, left) of the images in a larger one: windows lie as they would lie there.
    """

    def __init__(self, size: tuple[int, int], origin: tuple[int, int], device: torch.device) -> None:
        self.size, self.before = size, [HOP + place % HOP for place in origin]
        self.counts = [(before + side - 1) // HOP + 1 for before, side in zip(self.before, size, strict=True)]
        self.borders = [
            _borders(before, side, count * HOP + HOP, device)
            for before, side, count in zip(self.before, size, self.counts, strict=True)
        ]
        self.taper = TAPER.flatten().to(device)
        self.halves = (WAVE.square() / WAVE.square().sum()).view(2, HOP).to(device)
        self.there, self.back = THERE.to(device), BACK.to(device)
        self.tapered = self.there * self.taper[:, None]
        self.fit, self.planes = (matrix.to(device) for matrix in _planes())
        self.doubled, self.neighbours = _doubled().to(device), _neighbours().to(device)
        self.lowest = LOWEST.to(device)
        constant = squared(self.planes[:, 0])  # power of what is the same everywhere
        self.errors = torch.stack((self.taper.square().sum().expand_as(constant), constant))

    def strips(self) -> Iterator[slice]:
        """Rows of windows to be worked on together; on a GPU all of them."""
        rows, columns = self.counts
        most = STRIP if torch.get_num_threads() == 1 else SHARED_STRIP
        step = rows if self.taper.is_cuda else max(1, most // columns)
        return (slice(first, min(first + step, rows)) for first in range(0, rows, step))

    def extended(self, image: torch.Tensor) -> torch.Tensor:
        """An image (C, H, W) with its mirror image around it, as far as windows reach."""
        for dim, borders in zip((1, 2), self.borders, strict=True):
            before, after = (image.index_select(dim, border) for border in borders)
            image = torch.cat((before, image, after), dim)
        return image

    def cut(self, extended: torch.Tensor, strip: slice) -> torch.Tensor:
        """The windows of an extended image in a strip, (C, n, SIDE^2), not tapered."""
        rows = extended[:, strip.start * HOP : strip.stop * HOP + HOP]
        return rows.unfold(1, SIDE, HOP).unfold(2, SIDE, HOP).reshape(len(rows), -1, SIDE**2)

    def mean(self, extended: torch.Tensor) -> torch.Tensor:
        """The mean of an extended image under the squared taper, (C, rows, columns)."""
        for _ in range(2):
            parts = extended.unflatten(-1, (-1, HOP))
            first, second = (parts @ weights for weights in self.halves)
            extended = (first[..., :-1] + second[..., 1:]).mT.contiguous()
        return extended

    def spectra(self, windows: torch.Tensor, tapered: bool = True) -> torch.Tensor:
        """Windows (C, n, SIDE^2), tapered first or not -> (2, C, n, FREQUENCIES)."""
        matrix = self.tapered if tapered else self.there
        return torch.bmm(windows.flatten(0, 1).expand(2, -1, -1), matrix).unflatten(1, windows.shape[:2])

    def windows(self, spectra: torch.Tensor) -> torch.Tensor:
        """Spectra (2, C, n, FREQUENCIES) -> windows (C, n, SIDE^2)."""
        real, imaginary = spectra.flatten(1, 2)
        return torch.mm(real, self.back[0]).addmm_(imaginary, self.back[1]).unflatten(0, spectra.shape[1:3])

    def subtract_shown(self, spectra: torch.Tensor, state: torch.Tensor) -> None:
        """Take from spectra (2, C, n, FREQUENCIES) what windows show of others, in place."""
        spectra -= state
        paired, of_state = (each.flatten(1, 2)[..., PAIRED:] for each in (spectra, state))
        paired.baddbmm_(of_state, self.doubled)

    def slopes(self, spectra: torch.Tensor) -> torch.Tensor:
        """The plane through each window, by least squares, as level and slopes, (C, n, 3).

        The taper spreads it over several frequencies. Overlapping windows only add up to what is smooth if
        these are weighted alike, or else the windows show.
        """
        real, imaginary = spectra.flatten(1, 2)
        found = torch.mm(real, self.fit[0]).addmm_(imaginary, self.fit[1])[:, :3]
        return found.unflatten(0, spectra.shape[1:3])

    def add_planes(self, spectra: torch.Tensor, slopes: torch.Tensor, factor: float = 1.0) -> None:
        """Add to spectra (2, C, n, FREQUENCIES) planes of these slopes times a factor, in place."""
        slopes = slopes.flatten(0, 1).expand(2, -1, -1)
        spectra.flatten(1, 2).baddbmm_(slopes, self.planes, alpha=factor)

    def canvas(self, channels: int) -> torch.Tensor:
        """For an image of so many channels, and for what windows show around it."""
        rows, columns = self.counts
        return self.taper.new_zeros(channels, rows + 1, HOP, columns + 1, HOP)

    def paste(self, canvas: torch.Tensor, spectra: torch.Tensor, strip: slice) -> None:
        """Add the tapered windows of a strip, by their spectra (2, C, n, FREQUENCIES), to a canvas."""
        columns = self.counts[1]
        windows = (self.windows(spectra) * self.taper).unflatten(1, (-1, columns))
        parts = windows.unflatten(-1, (2, HOP, 2, HOP))  # (C, rows, columns, 2, HOP, 2, HOP)
        for down, right in itertools.product((0, 1), repeat=2):
            place = canvas[:, strip.start + down : strip.stop + down, :, right : right + columns]
            place += parts[:, :, :, down, :, right].transpose(2, 3)

    def image(self, canvas: torch.Tensor) -> torch.Tensor:
        """The image (C, H, W) on a canvas on which all windows are."""
        (top, left), (height, width) = self.before, self.size
        image = canvas.flatten(3).flatten(1, 2)
        return image[:, top : top + height, left : left + width]


def _borders(before: int, size: int, total: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Which of `size` px are mirrored before and after them, `total` px in all."""
    index = (torch.arange(total, device=device) - before) % (2 * size)
    index = torch.minimum(index, 2 * size - 1 - index)
    return index[:before], index[before + size :]


def squared(spectra: torch.Tensor) -> torch.Tensor:
    """Squared absolute values of spectra, (2, ...) -> (...)."""
    real, imaginary = spectra
    return (real * real).addcmul_(imaginary, imaginary)
