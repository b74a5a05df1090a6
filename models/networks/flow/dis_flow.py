"""Optical flow from one of bracketed frames to the others, by DIS (Kroeger et al., ECCV 2016).

The shortest frame is too noisy to be compared with the longest. Neighbours have similar noise: their flows
are composed. A flow that does not show that it is right is dropped for the motion of the camera, or for none
where that agrees better, as is one that the flow back contradicts (what it leads to is hidden in one frame);
where there is less texture than noise, it follows its surroundings.
"""

import math
from collections.abc import Callable

import cv2
import numpy as np
import torch

from models.networks.flow.camera_motion import camera_flow, sampled
from models.networks.parts.warp import warp

UNCLIPPED = 0.95  # of the longer frame's white level: two frames are compared up to there
BLUR = 0.5  # px, standard deviation of the blur of views
CONSISTENT = 2.0  # px by which flow to a frame and back from there may miss where it began
REACH = 4.0  # px, standard deviation of the neighbourhood whose texture and agreement are measured
IMPROVEMENT = 0.9  # share of the squared difference of two views that a flow must get below
SURROUNDINGS = 48.0  # px, standard deviation of the neighbourhood that a flow follows
STIFFNESS = 2.0  # texture that makes a flow follow itself as much as its surroundings, in variances of noise
SMALLEST = 64  # px, sides below are extended for DIS
LARGEST = 1 << 20  # px of a frame, above which flow is that of half the size: a fourth of the time


def chained_flow(
    light: torch.Tensor,
    exposure: torch.Tensor,
    shot: torch.Tensor,
    read: torch.Tensor,
    reference: int = 0,
    tell: Callable[[float], None] | None = None,
) -> torch.Tensor:
    """Flow (T-1, 2, H, W) in px, x first, from the reference to each of the others in rising order.

    The frame sampled at p + flow(p) shows the reference at p.

    Args:
        light: (T, H, W) on the CPU, gray frames divided by their exposures, in rising order of exposure.
        exposure: (T,).
        shot, read: (T,), a measured value y has the variance shot * y + read.
        reference: number of the frame from which the flows start.
        tell: is told which part of the frames is done.
    """
    flows = light.new_zeros(len(light), 2, *light.shape[-2:])
    for done, (last, i) in enumerate(_outwards(reference, len(light)), 1):
        frames, exposures = ([part[k] for k in (last, i)] for part in (light, exposure))
        laws = [(float(shot[k]), float(read[k])) for k in (last, i)]
        step = torch.from_numpy(_flow_between(frames, [float(one) for one in exposures], laws))
        step = step.permute(2, 0, 1)
        flows[i] = flows[last] + warp(step[None], flows[last][None], "border")[0]
        if tell:
            tell(done / (len(light) - 1))
    flows[1 : reference + 1] = flows[:reference].clone()
    return flows[1:]  # without the reference's own


def _flow_between(
    frames: list[torch.Tensor], exposures: list[float], laws: list[tuple[float, float]]
) -> np.ndarray:
    """Flow (H, W, 2) from the first to the second of two frames (H, W), with exposures and laws of noise."""
    is_longer = exposures[1] >= exposures[0]
    white = UNCLIPPED / max(exposures)
    longer = frames[is_longer]
    level = max(float(longer.clamp(0, white).median()), white / 500)
    pairs = list(zip(laws, exposures, strict=True))
    deviation = max(math.sqrt(shot * level * own + read) / own for (shot, read), own in pairs)
    noise = deviation / (2 * math.sqrt(level * white))  # of the square root of light / white
    views = [_view(frame, white) for frame in frames]
    flow = dis_between(*views)
    law = sum(shot / own for (shot, _), own in pairs), sum(read / own**2 for (_, read), own in pairs)
    camera = camera_flow(*(frame.numpy() for frame in frames), law, white, is_longer, flow)
    usual = proven(np.zeros_like(flow), *views, camera)
    step = proven(flow, *views, usual)
    if (step != usual).any():
        step = consistent(step, dis_between(*reversed(views)), usual)
    return camera + followed(step - camera, views[is_longer], (255 * noise) ** 2 / (4 * math.pi * BLUR**2))


def _outwards(reference: int, number: int) -> list[tuple[int, int]]:
    """Pairs of neighbours (known, next) by which all frames are reached from the reference."""
    longer = [(i - 1, i) for i in range(reference + 1, number)]
    return longer + [(i + 1, i) for i in reversed(range(reference))]


def _view(light: torch.Tensor, white: float) -> np.ndarray:
    """Light (H, W) as 8-bit codes of its square root, in which shot noise is the same everywhere."""
    soft = cv2.GaussianBlur((light / white).clamp(0, 1).numpy(), (0, 0), BLUR)
    return np.round(255 * np.sqrt(soft)).astype(np.uint8)


def dis_between(reference: np.ndarray, support: np.ndarray) -> np.ndarray:
    """Flow (H, W, 2) between 8-bit views (H, W)."""
    height, width = reference.shape
    below, right = max(SMALLEST - height, 0), max(SMALLEST - width, 0)
    views = [
        cv2.copyMakeBorder(view, 0, below, 0, right, cv2.BORDER_REPLICATE) for view in (reference, support)
    ]
    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    dis.setFinestScale(int(height * width > LARGEST))
    dis.setPatchSize(16)  # larger ones reach beyond the border that OpenCV reserves
    dis.setPatchStride(8)
    return dis.calc(*views, None)[:height, :width]


def proven(
    flow: np.ndarray, reference: np.ndarray, support: np.ndarray, usual: np.ndarray | None = None
) -> np.ndarray:
    """The flow (H, W, 2) where views (H, W) agree better along it than along the usual one, that elsewhere.

    The usual flow is none at all if it is not given.
    """
    usual = np.zeros_like(flow) if usual is None else usual
    squares = (cv2.absdiff(reference, sampled(support, each)) for each in (flow, usual))
    squares = (cv2.multiply(view, view, dtype=cv2.CV_32F) for view in squares)
    along, usually = (cv2.GaussianBlur(square, (0, 0), REACH) for square in squares)
    return _where(along < IMPROVEMENT * usually, flow, usual)


def consistent(flow: np.ndarray, back: np.ndarray, usual: np.ndarray | None = None) -> np.ndarray:
    """The flow (H, W, 2) where that of the other frame, `back`, leads to where it began, else the usual one.

    That is none at all if it is not given.
    """
    miss = flow + sampled(back, flow)
    usual = np.zeros_like(flow) if usual is None else usual
    return _where(cv2.magnitude(*cv2.split(miss)) < CONSISTENT, flow, usual)


def _where(known: np.ndarray, flow: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """The flow (H, W, 2) where it is known, (H, W), the usual one elsewhere."""
    return cv2.copyTo(flow, known.view(np.uint8), usual.copy())


def followed(flow: np.ndarray, view: np.ndarray, noise: float) -> np.ndarray:
    """The flow (H, W, 2), drawn to the mean of its textured surroundings where it has little texture itself.

    `noise` is the variance of noise in the view (H, W).
    """
    view = view.astype(np.float32)
    mean, square = (cv2.GaussianBlur(image, (0, 0), REACH) for image in (view, view * view))
    texture = np.maximum(square - mean**2 - noise, 0) + np.float32(1e-3)
    stiffness = STIFFNESS * noise
    pull, weight = stiffness / _wide_mean(texture), texture + stiffness
    textured = [part * texture for part in cv2.split(flow)]
    return cv2.merge([(part + pull * _wide_mean(part)) / weight for part in textured])


def _wide_mean(image: np.ndarray) -> np.ndarray:
    """Gaussian mean of (H, W) over SURROUNDINGS, taken at a quarter of the size."""
    height, width = image.shape
    small = cv2.resize(image, (-(-width // 4), -(-height // 4)), interpolation=cv2.INTER_AREA)
    return cv2.resize(cv2.GaussianBlur(small, (0, 0), SURROUNDINGS / 4), (width, height))
