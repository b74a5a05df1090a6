"""Sampling of raw frames between their photosites.

A colour plane of a mosaic has half the resolution of the picture and is not smoothed for it: interpolated by
itself between its photosites it is wrong wherever there is detail. The other colours show that detail. So
frames are demosaiced, as Malvar et al. do ("High-quality linear interpolation for demosaicing of
Bayer-patterned color images", ICASSP 2004), and then sampled at full resolution. Where they are not balanced,
detail is as large as the colour is bright there, and what is no more than noise is left out.
"""

import torch
import torch.nn.functional as F

from models.networks.parts.neighbourhood import local_mean

REACH = 4  # packed px around a place on which its sample depends
STRIP = 64  # rows that are demosaiced at once: whole frames are large
SHRINKING = 0.5  # of the variance of noise that is taken off what other colours add; all of it blurs detail
LARGEST_RATIO = 2.0  # of two colours: what noise makes larger is no detail
SITES = ((0, 0), (0, 1), (1, 0), (1, 1))  # row and column of the planes R, G, G, B
COLOURS = (0, 1, 1, 2)

# Mosaic px around a photosite: means of neighbours of the colour asked for, and what Malvar's method adds
# to them. Those of ROW are in its row; in its column they are the same transposed.
CROSS = ([[0, 1, 0], [1, 0, 1], [0, 1, 0]], 4)
ROW = ([[0, 0, 0], [1, 0, 1], [0, 0, 0]], 2)
CORNERS = ([[1, 0, 1], [0, 0, 0], [1, 0, 1]], 4)
GREEN_ADDED = ([[0, 0, -1, 0, 0], [0] * 5, [-1, 0, 4, 0, -1], [0] * 5, [0, 0, -1, 0, 0]], 8)
ROW_ADDED = (
    [[0, 0, 1, 0, 0], [0, -2, 0, -2, 0], [-2, 0, 10, 0, -2], [0, -2, 0, -2, 0], [0, 0, 1, 0, 0]],
    16,
)
CORNERS_ADDED = ([[0, 0, -3, 0, 0], [0] * 5, [-3, 0, 12, 0, -3], [0] * 5, [0, 0, -3, 0, 0]], 16)


def _kernels() -> tuple[torch.Tensor, torch.Tensor, list[tuple[int, int]]]:
    """Means and additions as convolutions of packed planes, (8, 4, 3, 3); colour and plane of the eight."""
    means, additions, targets = [], [], []
    for plane, (row, _) in enumerate(SITES):
        for colour in sorted({0, 1, 2} - {COLOURS[plane]}):
            if colour == 1:
                pair, is_turned = (CROSS, GREEN_ADDED), False
            elif COLOURS[plane] == 1:  # red is in the rows of the first green, blue in those of the second
                pair, is_turned = (ROW, ROW_ADDED), (row == 0) != (colour == 0)
            else:
                pair, is_turned = (CORNERS, CORNERS_ADDED), False
            mean, added = (torch.tensor(kernel, dtype=torch.float32) / total for kernel, total in pair)
            means.append(_packed(mean.T if is_turned else mean, plane))
            additions.append(_packed(added.T if is_turned else added, plane))
            targets.append((colour, plane))
    return torch.stack(means), torch.stack(additions), targets


def _packed(kernel: torch.Tensor, plane: int) -> torch.Tensor:
    """A kernel around a photosite of a plane, in mosaic px, as one of packed planes: (4, 3, 3)."""
    row, column = SITES[plane]
    reach = kernel.shape[0] // 2
    packed = torch.zeros(4, 3, 3)
    for y in range(-reach, reach + 1):
        for x in range(-reach, reach + 1):
            down, right = row + y, column + x
            packed[2 * (down % 2) + right % 2, 1 + down // 2, 1 + right // 2] = kernel[reach + y, reach + x]
    return packed


MEANS, ADDITIONS, TARGETS = _kernels()
ADDED_NOISE = ADDITIONS.square().sum((1, 2, 3)).view(-1, 1, 1)  # variance of what is added, of white noise


def warp_mosaic(planes: torch.Tensor, flow: torch.Tensor, variance: torch.Tensor) -> torch.Tensor:
    """Sample planes R, G, G, B (4, H, W) of a mosaic at pixel index + `flow` (2, H, W): (4, H, W).

    Bicubic in the demosaiced picture. Channel 0 of the flow is x, 1 is y, in packed px. A plane keeps its
    colour and its place in the cell. Outside lies the nearest px. `variance` (4, H, W) is that of the noise.
    """
    colours = _demosaiced(planes, variance)
    height, width = planes.shape[-2:]
    cell = torch.arange(height, device=flow.device), torch.arange(width, device=flow.device)
    x, y = 2 * (flow[0] + cell[1]), 2 * (flow[1] + cell[0][:, None])
    samples = []
    for (row, column), colour in zip(SITES, COLOURS, strict=True):
        places = ((x + column) / (2 * width - 1), (y + row) / (2 * height - 1))
        grid = torch.stack(places, dim=-1)[None].mul_(2).sub_(1)
        options = {"mode": "bicubic", "padding_mode": "border", "align_corners": True}
        samples.append(F.grid_sample(colours[None, colour : colour + 1], grid, **options)[0, 0])
    return torch.stack(samples)


def _demosaiced(planes: torch.Tensor, variance: torch.Tensor) -> torch.Tensor:
    """Planes (4, H, W) as a picture (3, 2H, 2W), strip by strip."""
    height, width = planes.shape[-2:]
    picture = planes.new_empty(3, 2 * height, 2 * width)
    for top in range(0, height, STRIP):
        start, bottom = max(top - REACH, 0), min(top + STRIP, height)
        rows = slice(start, bottom + REACH)
        strip = _demosaiced_strip(planes[:, rows], variance[:, rows])
        picture[:, 2 * top : 2 * bottom] = strip[:, 2 * (top - start) : 2 * (bottom - start)]
    return picture


def _demosaiced_strip(planes: torch.Tensor, variance: torch.Tensor) -> torch.Tensor:
    """As `_demosaiced`, at once."""
    kernels = torch.cat((MEANS, ADDITIONS)).to(planes)
    means, additions = F.conv2d(F.pad(planes[None], (1,) * 4, mode="replicate"), kernels)[0].chunk(2)
    noise = torch.stack([variance[plane] for _, plane in TARGETS]).mul_(SHRINKING * ADDED_NOISE.to(planes))
    power = local_mean(local_mean(additions.square())).clamp_(min=torch.finfo(planes.dtype).tiny)
    share = noise.div_(power).neg_().add_(1).clamp_(min=0)
    filled = means.addcmul_(additions.mul_(_ratios(planes)), share)
    cells = planes.new_empty(3, 4, *planes.shape[-2:])
    for plane, colour in enumerate(COLOURS):
        cells[colour, plane] = planes[plane]
    for (colour, plane), value in zip(TARGETS, filled, strict=True):
        cells[colour, plane] = value
    return F.pixel_shuffle(cells, 2)[:, 0]


def _ratios(planes: torch.Tensor) -> torch.Tensor:
    """How bright the colour asked for is where planes (4, H, W) show another, against that: (8, H, W)."""
    light = local_mean(local_mean(local_mean(planes))).clamp_(min=torch.finfo(planes.dtype).tiny)
    colours = light[0], (light[1] + light[2]) / 2, light[3]
    ratios = [colours[colour] / colours[COLOURS[plane]] for colour, plane in TARGETS]
    return torch.stack(ratios).clamp_(max=LARGEST_RATIO)
