"""Motion between two frames of footage: dense optical flow, and whether they show one scene at all."""

import cv2
import numpy as np

from data.simulate.warp import channel_mean, displace
from util.imaging.tonemap import mu_law

WHITEST = 16.0  # light beyond it, the white of the shortest frame, is not seen by the flow
AGREEMENT_PIXELS = 9  # side of the square over which two explanations of a pixel are compared
CUT_PIXELS = 160  # longer side of the frames when they are compared
CUT_DETAIL_PIXELS = 4.0  # what is finer counts as detail
CUT_CORRELATION = 0.13  # of the detail of two frames; of unrelated pictures one in a hundred has more


def flow_view(light: np.ndarray) -> np.ndarray:
    """Linear light (H, W, 3) as the flow sees it: the mu-law of the mean of the channels, uint8 (H, W)."""
    gray = channel_mean(light) / np.float32(WHITEST)
    return np.round(mu_law(np.clip(gray, 0, 1)) * 255).astype(np.uint8)


def optical_flow(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Flow (H, W, 2) in px between views uint8 (H, W): `first` at p is `second` at p + flow(p).

    Dense inverse search (Kroeger et al., ECCV 2016). Around what moves it smears the motion over the ground:
    where the motion of the picture as a whole explains a pixel better, the pixel gets that one.
    """
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST).calc(first, second, None)
    whole = np.median(flow[::8, ::8].reshape(-1, 2), axis=0)
    first, second = first.astype(np.float32), second.astype(np.float32)

    def residual(motion: np.ndarray) -> np.ndarray:
        difference = cv2.absdiff(displace(second, motion), first)
        return cv2.blur(difference, (AGREEMENT_PIXELS, AGREEMENT_PIXELS))

    as_whole = np.broadcast_to(whole, flow.shape).astype(np.float32)
    return np.where((residual(as_whole) < residual(flow))[..., None], as_whole, flow)


def is_cut(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two views (`flow_view`) of equal size show different scenes.

    The finer detail of the second, moved by the optical flow, must correlate with the first's. Light that
    goes on or off is no cut; nor is a frame without any detail, such as a black one.
    """
    scale = min(1.0, CUT_PIXELS / max(first.shape))
    size = (max(8, round(first.shape[1] * scale)), max(8, round(first.shape[0] * scale)))
    first, second = (cv2.resize(view, size, interpolation=cv2.INTER_AREA) for view in (first, second))
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST).calc(first, second, None)
    first, moved = _detail(first.astype(np.float32)), _detail(displace(second.astype(np.float32), flow))
    power = np.sqrt(np.sum(first**2) * np.sum(moved**2))
    return bool(power > 0 and np.sum(first * moved) < CUT_CORRELATION * power)


def _detail(view: np.ndarray) -> np.ndarray:
    detail = view - cv2.GaussianBlur(view, (0, 0), CUT_DETAIL_PIXELS)
    return detail - detail.mean()
