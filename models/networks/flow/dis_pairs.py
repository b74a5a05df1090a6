"""Optical flow of bursts without weights: DIS (Kroeger et al., ECCV 2016) on noisy frames."""

import cv2
import numpy as np
import torch
from torch import nn

from models.networks.flow.dis_flow import consistent, dis_between, followed, proven
from models.networks.flow.pair_flow import Tell

WHITE = 0.995  # quantile of the light that is white in views
BLUR = 0.8  # px, standard deviation of the blur of views
ERROR = 0.3  # px by which DIS may err
FARTHEST = 1.5  # px that refinement may move anything
ITERATIONS = 30
SMALL, LARGEST = 256, 1024  # px of a frame's longer side, as far as refinement minds it
APART = 1.0  # px by which DIS differs from the motion of the whole picture where something moves by itself
MOST = 0.25  # share of the picture that is enough for refinement
FITS = 5  # of the motion of the whole picture, each with less weight of what does not follow
TEXTURE_REACH = 4.0  # px, standard deviation of the neighbourhood whose texture counts


class DisFlow(nn.Module):
    """Flow between frames of one exposure, without gradients; see PairFlow for the grids."""

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Images (N, C, H, W) -> flow (N, 2, H, W) in px on the target's grid into the source."""
        return self.from_base(torch.stack((target, source), dim=1))[:, 0]

    def into_base(self, frames: torch.Tensor, tell: Tell | None = None) -> torch.Tensor:
        """Frames (N, T, C, H, W) -> flow (N, T-1, 2, H, W) on the grids of frames 1 .. into frame 0."""
        return self._of_bursts(frames, False, tell)

    def from_base(self, frames: torch.Tensor, tell: Tell | None = None) -> torch.Tensor:
        """Frames (N, T, C, H, W) -> flow (N, T-1, 2, H, W) on the grid of frame 0 into frames 1 .."""
        return self._of_bursts(frames, True, tell)

    @torch.no_grad()
    def _of_bursts(self, frames: torch.Tensor, base_is_target: bool, tell: Tell | None) -> torch.Tensor:
        number, count, size = len(frames), frames.shape[1], frames.shape[-2:]
        if frames.is_meta:  # multiply-adds are counted
            return frames.new_zeros(number, count - 1, 2, *size)
        flows = np.zeros((number, count - 1, *size, 2), np.float32)
        for sample, light in enumerate(frames.float().mean(2).cpu().numpy()):
            views, noise = _views(light)
            for other in range(1, count):
                pair = (views[0], views[other]) if base_is_target else (views[other], views[0])
                flows[sample, other - 1] = _flow(*pair, noise)
                if tell:
                    tell((sample * (count - 1) + other) / (number * (count - 1)))
        return torch.from_numpy(flows).permute(0, 1, 4, 2, 3).contiguous().to(frames.device)


def _flow(target: np.ndarray, source: np.ndarray, noise: float) -> np.ndarray:
    """Flow (H, W, 2) between views (H, W) with noise of this variance.

    A hand moves the whole picture: what differs from that by no more than DIS errs by is taken for an error.
    """
    found = dis_between(target, source)
    flow = consistent(proven(found, target, source), dis_between(source, target))
    whole = _affine(found, _texture(target, noise))
    whole = _refined(whole, target, source, np.linalg.norm(found - whole, axis=2) < APART)
    apart = np.linalg.norm(flow - whole, axis=2, keepdims=True)
    own = np.clip(apart / ERROR - 1, 0, 1)
    return followed(whole + own * (flow - whole), target, noise)


def _texture(view: np.ndarray, noise: float) -> np.ndarray:
    """Variance of a view (H, W) around each px, without that of its noise."""
    view = view.astype(np.float32)
    mean, square = (cv2.GaussianBlur(image, (0, 0), TEXTURE_REACH) for image in (view, view * view))
    return np.maximum(square - mean**2 - noise, 0)


def _affine(flow: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The affine motion of most of a flow (H, W, 2), as a flow, by weighted least squares with outliers."""
    height, width = flow.shape[:2]
    step = max(1, max(height, width) // 64)
    rows, columns = np.indices((height, width), np.float32)
    place = np.stack([columns / width - 0.5, rows / height - 0.5, np.ones_like(rows)], axis=-1)
    known, wanted = (image[::step, ::step].reshape(-1, image.shape[2]) for image in (place, flow))
    weight = weight[::step, ::step].reshape(-1, 1) + 1e-3
    trusted, matrix = weight, np.zeros((3, 2), np.float32)
    for _ in range(FITS):
        matrix = np.linalg.lstsq(known * np.sqrt(trusted), wanted * np.sqrt(trusted), rcond=None)[0]
        apart = np.linalg.norm(known @ matrix - wanted, axis=1, keepdims=True)
        spread = max(float(np.median(apart)), ERROR / 2)
        trusted = weight / (1 + (apart / spread) ** 2) ** 2
    return (place @ matrix).astype(np.float32)


def _refined(flow: np.ndarray, target: np.ndarray, source: np.ndarray, along: np.ndarray) -> np.ndarray:
    """An affine flow (H, W, 2) that correlates views (H, W) better (Evangelidis and Psarakis, PAMI 2008).

    What does not move `along` with it, (H, W), does not count, unless that is most of the target. Of small
    frames it is a shift and a turn: they do not tell more. The flow stays where none is near it.
    """
    height, width = target.shape
    motion = cv2.MOTION_EUCLIDEAN if max(height, width) < SMALL else cv2.MOTION_AFFINE
    shrink = max(1.0, max(height, width) / LARGEST)
    corners = np.float32([[0, 0], [width - 1, 0], [0, height - 1]])
    moved = corners + np.stack([flow[0, 0], flow[0, -1], flow[-1, 0]])
    matrix = cv2.getAffineTransform(corners / shrink, moved / shrink).astype(np.float32)
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, ITERATIONS, 1e-5)
    counts = (along | (along.mean() < MOST)).astype(np.uint8)
    *views, counts = (
        cv2.resize(view, None, fx=1 / shrink, fy=1 / shrink, interpolation=cv2.INTER_AREA)
        for view in (target, source, counts)
    )
    border = cv2.BORDER_REPLICATE
    counts = cv2.warpAffine(counts, matrix, counts.shape[::-1], flags=cv2.INTER_NEAREST, borderMode=border)
    try:
        matrix = cv2.findTransformECC(*views, matrix, motion, stop, counts, 1)[1]
    except cv2.error:  # it does not converge
        return flow
    rows, columns = np.indices((height, width), np.float32)
    place = np.stack([columns, rows], axis=-1)
    found = place @ matrix[:, :2].T + shrink * matrix[:, 2] - place
    return found if np.abs(found - flow).max() < FARTHEST else flow


def _views(light: np.ndarray) -> tuple[list[np.ndarray], float]:
    """Gray frames (T, H, W) as 8-bit codes of their square roots, and the variance of noise in these."""
    white = max(float(np.quantile(light[0], WHITE)), 1e-6)
    views = []
    for frame in light:
        soft = cv2.GaussianBlur(np.clip(frame / white, 0, 1), (0, 0), BLUR)
        views.append(np.round(255 * np.sqrt(soft)).astype(np.uint8))
    first = 255 * np.sqrt(np.clip(light[0] / white, 0, 1))
    a, b, c, d = first[:-1, :-1], first[:-1, 1:], first[1:, :-1], first[1:, 1:]
    deviation = float(np.median(np.abs(a - b - c + d))) / 2 / 0.6745  # of white noise (Donoho)
    return views, deviation**2 / (4 * np.pi * BLUR**2)
