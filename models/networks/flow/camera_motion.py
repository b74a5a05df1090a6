"""The motion of a hand-held camera between two exposures: one affine map of the whole picture.

Where noise hides what a px shows, all px together still tell six numbers. They are found by Gauss-Newton
steps on the light itself (Lucas and Kanade, IJCAI 1981), weighted by its noise and robust against what moves
by itself. Light that differs by an offset and a factor is no motion. A motion that explains the frames hardly
better than none is none.
"""

import math
from typing import NamedTuple

import cv2
import numpy as np

MOST = 1 << 17  # px of a frame, above which it is reduced: the motion is known well enough then
BLUR = 1.6  # px, standard deviation of the blur of the frames: sampled between px, they are hardly smoother
INDEPENDENT = 1 / (4 * math.pi * BLUR**2)  # px for each px whose noise is independent after it
CLIPPED_AROUND = 11  # px, side of the square around clipped light that tells nothing: blur spreads it
BORDER = 4  # px
FEWEST = 64  # px that tell a motion
UNCERTAIN = 0.02  # of the light, by which it may differ besides noise
ROBUST = 6.0  # deviations from which differences count less (Cauchy)
STEPS = 8
SMALL_GAIN = 0.5  # in twice the logarithmic likelihood: then it is enough
LIKELY_SHIFT = 0.02  # of half the longer side: shifts of the whole frame, a priori
LIKELY_TURN = 0.01  # shifts of its ends against its centre, a priori
EVIDENCE = 40.0  # twice the gain in logarithmic likelihood from which a motion is believed
PARTS = 6  # of the frame, each way
MOST_OF_PART = 10.0  # that one of them may add to the evidence: the frame moved, not something in it
SOME = (slice(2, None, 4), slice(2, None, 4))  # px that the first guess is made of
OUTLYING = 0.3  # px by which flow departs from the first guess before it counts less


def camera_flow(
    reference: np.ndarray,
    support: np.ndarray,
    variance: tuple[float, float],
    white: float,
    is_longer: bool,
    start: np.ndarray,
) -> np.ndarray:
    """Flow (H, W, 2) in px, x first, by which a camera moved from `reference` to `support`; 0 if unknown.

    Args:
        reference, support: (H, W) float32, light on one scale.
        variance: (shot, read): light x differs by noise of the variance shot x + read between the frames.
        white: light above which one of them is clipped.
        is_longer: whether `support` is the longer exposure, and so has less noise.
        start: (H, W, 2), flow that is right for most of the picture.
    """
    if not is_longer:  # the other way: of the longer one the light is known better between px
        reference, support, start = support, reference, -start
    height, width = reference.shape
    factor = math.ceil(math.sqrt(reference.size / MOST))
    size = (-(-width // factor), -(-height // factor))
    unclipped = ((reference < white) & (support < white)).astype(np.float32)
    images = (reference, support, unclipped, start / factor)
    *frames, start = (cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in images)
    pair = _Pair(*frames, [part / factor**2 for part in variance])
    motion = pair.motion(start)
    flow = pair.flow(motion if is_longer else pair.inverse(motion))
    return cv2.resize(flow, (width, height)) * np.float32(factor)


class _Pair:
    """Two frames (H, W), of which the longer exposed is moved onto the other.

    A motion is an array (8,): x = (1, x, y) @ motion[:3], y = (1, x, y) @ motion[3:6], coordinates from the
    centre in half the longer side; then an offset and a factor of the light.

    Args:
        unclipped: (H, W), 1 where both tell of the scene. variance: as of `camera_flow`.
    """

    def __init__(
        self, shorter: np.ndarray, longer: np.ndarray, unclipped: np.ndarray, variance: list[float]
    ) -> None:
        inner = np.zeros_like(shorter)
        inner[BORDER:-BORDER, BORDER:-BORDER] = 1
        kernel = np.ones((CLIPPED_AROUND, CLIPPED_AROUND), np.uint8)
        self.unclipped = inner * cv2.erode(unclipped, kernel)
        self.shorter, self.longer = (cv2.GaussianBlur(frame, (0, 0), BLUR) for frame in (shorter, longer))
        self.level = np.maximum(self.longer, 0)
        shot, read = variance
        self.variance = (shot * self.level + read) * INDEPENDENT + (UNCERTAIN * self.level) ** 2
        height, width = shorter.shape
        self.half = max(height, width) / 2
        x, y = (np.arange(side, dtype=np.float32) - (side - 1) / 2 for side in (width, height))
        x, y = np.broadcast_arrays(x / np.float32(self.half), y[:, None] / np.float32(self.half))
        self.places = np.stack((np.ones_like(x), x, y))

    def flow(self, motion: np.ndarray) -> np.ndarray:
        """(H, W, 2) of a motion."""
        parts = np.float32(motion[:6].reshape(2, 3))
        return np.tensordot(self.places, parts, axes=(0, 1))

    def inverse(self, motion: np.ndarray) -> np.ndarray:
        """The motion back."""
        shift, turn = motion[:6].reshape(2, 3)[:, :1], motion[:6].reshape(2, 3)[:, 1:]
        back = np.linalg.inv(np.eye(2) + turn / self.half)
        parts = np.hstack((-back @ shift, self.half * (back - np.eye(2))))
        return np.concatenate((parts.ravel(), motion[6:]))

    def motion(self, start: np.ndarray) -> np.ndarray:
        """The motion that explains the frames best; all 0 if that is little better than none."""
        nothing = np.zeros(8)
        still = self._descend(self._state(nothing), moves=False)
        if math.isinf(still.cost):
            return nothing
        guess = self._state(np.concatenate((self._guess(start), still.motion[6:])))
        moved = self._descend(min(guess, still, key=lambda state: state.cost))
        gain = still.known * moved.known * (still.costs - moved.costs)
        parts = cv2.resize(gain, (PARTS, PARTS), interpolation=cv2.INTER_AREA) * (gain.size / PARTS**2)
        return moved.motion if parts.clip(-MOST_OF_PART, MOST_OF_PART).sum() > EVIDENCE else nothing

    def _guess(self, start: np.ndarray) -> np.ndarray:
        """The affine map (6,) that most of a flow (H, W, 2) follows, above all where there is texture."""
        slopes = self._slopes(self.longer)
        weights = (sum(np.square(slopes)) / self.variance + 1e-3)[SOME].reshape(-1, 1)
        places, flow = self.places[:, *SOME].reshape(3, -1).T, start[SOME].reshape(-1, 2)
        shares = weights
        for _ in range(STEPS):
            guess = np.linalg.lstsq(*_normal(places, flow, shares), rcond=None)[0]
            miss = np.linalg.norm(flow - places @ guess, axis=1, keepdims=True)
            shares = weights / (1 + np.square(miss / OUTLYING))
        return guess.T.ravel()

    def _descend(self, state: "_State", moves: bool = True) -> "_State":
        """The best state that Gauss-Newton steps lead to; without `moves` only by offset and factor."""
        chosen = slice(0 if moves else 6, 8)
        shift, turn = (1 / (part * self.half) ** 2 for part in (LIKELY_SHIFT, LIKELY_TURN))
        prior = np.array([shift, turn, turn, shift, turn, turn, 0, 0])[chosen]
        for _ in range(STEPS):
            slopes = self._slopes(state.moved)
            columns = [place * slope for slope in slopes for place in self.places]
            columns = np.stack([*columns, self.places[0], self.level])[chosen].reshape(len(prior), -1)
            sides = (part.reshape(-1, 1) for part in (state.difference, state.weights))
            matrix, right = _normal(columns.T, *sides)
            matrix += np.diag(prior + 1e-6 * np.diag(matrix) + 1e-30)
            scale = 1 / np.sqrt(np.diag(matrix))
            right = (right[:, 0] - prior * state.motion[chosen]) * scale
            step = np.zeros(8)
            step[chosen] = np.linalg.solve(matrix * scale * scale[:, None], right) * scale
            following = self._state(state.motion + step)
            gain = float(state.known.sum()) * (state.cost - following.cost)
            if gain > 0:
                state = following
            if gain < SMALL_GAIN:
                break
        return state

    def _state(self, motion: np.ndarray) -> "_State":
        flow = self.flow(motion)
        moved, unclipped = (sampled(image, flow) for image in (self.longer, self.unclipped))
        known = (unclipped > 0.99).astype(np.float32)
        difference = self.shorter - moved - np.float32(motion[6]) - np.float32(motion[7]) * self.level
        relative = np.square(difference) / (ROBUST**2 * self.variance)
        weights = INDEPENDENT * known / (self.variance * (1 + relative))
        costs = INDEPENDENT * ROBUST**2 * np.log1p(relative)
        cost = float((known * costs).sum() / known.sum()) if known.sum() >= FEWEST else math.inf
        return _State(motion, moved, difference, weights, known, costs, cost)

    @staticmethod
    def _slopes(image: np.ndarray) -> list[np.ndarray]:
        """Derivatives of (H, W) by x and by y, per px."""
        return [cv2.Sobel(image, cv2.CV_32F, *axis, ksize=3, scale=1 / 8) for axis in ((1, 0), (0, 1))]


class _State(NamedTuple):
    """What a motion leads to: the longer frame moved (H, W); of each px the difference, its weight, whether
    it is known, and what it costs; and the mean cost of those that are.
    """

    motion: np.ndarray
    moved: np.ndarray
    difference: np.ndarray
    weights: np.ndarray
    known: np.ndarray
    costs: np.ndarray
    cost: float


def _normal(columns: np.ndarray, right: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Normal equations, float64 (K, K) and (K, M), of columns (N, K), right sides (N, M), weights (N, 1)."""
    weighted = (columns * weights).T
    return np.float64(weighted @ columns), np.float64(weighted @ right)


def sampled(image: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """An image (H, W, ...) along a flow (H, W, 2), bilinearly."""
    height, width = flow.shape[:2]
    x = flow[..., 0] + np.arange(width, dtype=np.float32)
    y = flow[..., 1] + np.arange(height, dtype=np.float32)[:, None]
    return cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
