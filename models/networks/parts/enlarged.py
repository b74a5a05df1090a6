"""A frame enlarged: what a network that restores it may begin with."""

import torch
import torch.nn.functional as F

BAYER, GUIDED, RGB = 4, 5, 3  # planes: packed, packed and a guidance mask, of colours
SITES = ((0, 0), (0, 1), (1, 0), (1, 1))  # row and column of planes R, G, G, B in a cell of the mosaic


def enlarged(frame: torch.Tensor, scale: int, planes: int) -> torch.Tensor:
    """Frame (N, C, h, w) -> (N, C', scale h, scale w), bilinearly.

    Packed planes become RGB if 3 planes are asked for: px (r, c) of red is put at (scale r, scale c) of the
    result, those of the others by half a cell away; a mask after them is left out. Else as many planes as
    there are keep their places.
    """
    if frame.shape[1] in (BAYER, GUIDED) and planes == RGB:
        red, green1, green2, blue = (
            _placed(frame[:, number : number + 1], scale, site) for number, site in enumerate(SITES)
        )
        return torch.cat((red, (green1 + green2) / 2, blue), dim=1)
    if scale == 1:
        return frame
    return F.interpolate(frame, scale_factor=scale, mode="bilinear", align_corners=False)


def _placed(plane: torch.Tensor, scale: int, site: tuple[int, int]) -> torch.Tensor:
    """A plane (N, 1, h, w), its px (r, c) at scale (r + row / 2), scale (c + column / 2) of the result."""
    for dim, part in zip((-2, -1), site, strict=True):
        size = plane.shape[dim]
        place = torch.arange(size * scale, device=plane.device, dtype=torch.float32) / scale - part / 2
        place = place.clamp(0, size - 1)
        low = place.floor().long()
        share = (place - low).to(plane.dtype)
        share = share[:, None] if dim == -2 else share
        upper = plane.index_select(dim, (low + 1).clamp(max=size - 1))
        plane = torch.lerp(plane.index_select(dim, low), upper, share)
    return plane
