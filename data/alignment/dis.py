"""Optical flow by dense inverse search (Kroeger et al., ECCV 2016)."""

import cv2
import numpy as np

SMALLEST = 64  # px, sides below are extended: on smaller ones OpenCV fails or finds no motion


def dis_flow(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Flow (H, W, 2) in px, x first, between uint8 views (H, W): first(p) = second(p + flow(p))."""
    height, width = first.shape
    below, right = max(SMALLEST - height, 0), max(SMALLEST - width, 0)
    views = [cv2.copyMakeBorder(view, 0, below, 0, right, cv2.BORDER_REPLICATE) for view in (first, second)]
    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return np.ascontiguousarray(dis.calc(*views, None)[:height, :width])
