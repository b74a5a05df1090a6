"""How well DIS aligns noisy bursts: photographs that move as a whole, and two that move by themselves."""

import cv2
import numpy as np
import pytest
import torch

from models.networks.flow import dis_flow
from models.networks.flow.dis_pairs import DisFlow
from tests.alignment_pairs import photograph
from util.imaging.tonemap import srgb_decode

FINE = 2  # px of a photograph in one of a frame


def motion(x: float, y: float, degrees: float, size: tuple[int, int]) -> np.ndarray:
    """The matrix (2, 3) of a turn about the centre and a shift, in px of frames (H, W)."""
    matrix = cv2.getRotationMatrix2D(((size[1] - 1) / 2, (size[0] - 1) / 2), degrees, 1.0)
    matrix[:, 2] += x, y
    return matrix


def flow_of(matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Flow (2, H, W) from the base to what has moved so."""
    rows, columns = np.indices(size)
    place = np.stack((columns, rows, np.ones(size)))
    return np.einsum("ij,jyx->iyx", matrix, place) - place[:2]


def detailed(name: str, size: tuple[int, int], corner: tuple[int, int]) -> np.ndarray:
    """Light of a part of a photograph, (FINE H, FINE W), in gray."""
    top, left = corner
    part = photograph(name)[top : top + FINE * size[0], left : left + FINE * size[1]]
    return srgb_decode(part.astype(np.float32) / 255).mean(2)


def moved(light: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Detailed light after a motion in px of frames."""
    to_frame = np.diag([1 / FINE, 1 / FINE, 1.0])
    to_frame[:2, 2] = (1 / FINE - 1) / 2
    whole = np.linalg.inv(to_frame) @ np.vstack((matrix, (0, 0, 1))) @ to_frame
    size = light.shape[::-1]
    return cv2.warpAffine(light, whole[:2], size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)


def frame(light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A noisy frame (H, W) of detailed light, as near ISO 800."""
    light = np.maximum(cv2.resize(light, None, fx=1 / FINE, fy=1 / FINE, interpolation=cv2.INTER_AREA), 0)
    return (light + np.sqrt(1e-3 * light + 1e-5) * rng.standard_normal(light.shape)).astype(np.float32)


def misses(found: torch.Tensor, expected: np.ndarray) -> np.ndarray:
    """Px (H, W) by which a flow (2, H, W) errs."""
    return np.linalg.norm(found.numpy() - expected, axis=0)


@pytest.mark.parametrize(
    ("name", "corner"), [("astronaut", (30, 100)), ("coffee", (80, 150)), ("chelsea", (20, 100))]
)
def test_dis_aligns_a_noisy_burst_that_shifts_and_turns(name: str, corner: tuple[int, int]) -> None:
    """To less than 0.15 px on average, on both grids; most of them to less than 0.1 px."""
    size, inner, rng = (112, 128), (slice(8, -8), slice(8, -8)), np.random.default_rng(0)
    matrices = [motion(*way, size) for way in ((2.3, -1.4, 0.5), (-3.2, 0.6, -1.0), (0.4, 2.7, 0.8))]
    light = detailed(name, size, corner)
    shown = [light, *(moved(light, matrix) for matrix in matrices)]
    frames = torch.from_numpy(np.stack([frame(one, rng) for one in shown]))[None, :, None]
    alignment, errors = DisFlow(), []
    for number, matrix in enumerate(matrices):
        back = cv2.invertAffineTransform(matrix)
        for flow, way in ((alignment.from_base, matrix), (alignment.into_base, back)):
            errors.append(float(misses(flow(frames)[0, number], flow_of(way, size))[inner].mean()))
    assert max(errors) < 0.15
    assert sorted(errors)[3] < 0.1


def test_large_frames_are_aligned_at_half_their_size(monkeypatch) -> None:
    """As well at ISO 100; what moves far in strong noise is followed less well (docs/photos.md)."""
    size, inner, rng = (192, 192), (slice(8, -8), slice(8, -8)), np.random.default_rng(0)
    matrix = motion(2.3, -1.4, 0.5, size)
    light = detailed("astronaut", size, (30, 100))
    frames = torch.from_numpy(np.stack([frame(one, rng) for one in (light, moved(light, matrix))]))
    at_full = DisFlow().from_base(frames[None, :, None])[0, 0]
    monkeypatch.setattr(dis_flow, "LARGEST", size[0] * size[1] - 1)
    at_half = DisFlow().from_base(frames[None, :, None])[0, 0]
    assert misses(at_half, flow_of(matrix, size))[inner].mean() < 0.3
    assert (at_full != at_half).any()


@pytest.mark.parametrize(
    ("behind", "before"), [("astronaut", "chelsea"), ("chelsea", "coffee"), ("coffee", "astronaut")]
)
def test_dis_follows_two_motions(behind: str, before: str) -> None:
    """A disc before a scene, which shifts and turns itself: median errors of both."""
    size, rng = (136, 160), np.random.default_rng(0)
    scene, front = (detailed(name, size, (20, 60)) for name in (behind, before))
    ways = motion(1.6, -0.8, 0.3, size), motion(-2.6, 2.2, 0.0, size)
    rows, columns = np.indices(size)
    reach = np.hypot(rows - size[0] / 2, columns - size[1] / 2)
    fine = np.kron(reach < 30, np.ones((FINE, FINE))).astype(np.float32)
    disc, covered = moved(front, ways[1]), moved(fine, ways[1])
    shown = [scene + fine * (front - scene), moved(scene, ways[0]) * (1 - covered) + covered * disc]
    frames = torch.from_numpy(np.stack([frame(one, rng) for one in shown]))[None, :, None]
    found = DisFlow().from_base(frames)[0, 0]
    errors = [misses(found, flow_of(way, size)) for way in ways]
    assert np.median(errors[0][reach > 38]) < 0.2
    assert np.median(errors[1][reach < 22]) < 0.15
