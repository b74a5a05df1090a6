"""Aligning LDR scenes: flow, warping, filling, and the command that writes the aligned scenes."""

import hashlib
import json
import shutil
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torchvision.models.optical_flow import raft_small

from data import align as command
from data.alignment.color_merge import colour_component, merge_weights
from data.alignment.dis import dis_flow
from data.alignment.frames import align, contradicted, re_expose
from data.alignment.learnt import LearntFlow
from data.alignment.making import quantise
from data.alignment.sources import SOURCES
from data.checks.sig17align_check import Sig17alignCheck
from data.reading.ldr_frames import LINEAR
from data.sig17align_dataset import Sig17alignDataset
from models.networks.flow.pwcnet import PWCNet
from tests.alignment_pairs import (
    PHOTOGRAPHS,
    flagged,
    moved_pair,
    no_flow,
    passing_pair,
    photograph,
    psnr,
    score,
    smooth_flow,
)
from tests.ldr_sets import make_ldr_set
from tests.programs import Running
from util.errors import UserError
from util.imaging.radiance import read_radiance
from util.imaging.tiff_pictures import read_tiff
from util.imaging.tonemap import mu_law


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    return make_ldr_set(tmp_path / "set", aligned=False)


def run(root: Path, *arguments: object) -> tuple[int, int, int]:
    words = ["--dataroot", str(root), *(str(argument) for argument in arguments)]
    return command.align_all(command.parse(words))


def message(root: Path, *arguments: object) -> str:
    with pytest.raises(UserError) as caught:
        run(root, *arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def contents(root: Path) -> dict[str, bytes]:
    files = (path for folder in root.glob("*_align") for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def shifted_by(x: float, y: float):
    return lambda first, _: np.full((*first.shape, 2), (x, y), np.float32)


@pytest.mark.parametrize("ratio", [0.25, 4.0])
def test_dis_recovers_a_shift(ratio: float) -> None:
    picture = photograph("astronaut")[50:306, 100:420]
    pair = moved_pair(picture, np.full((*picture.shape[:2], 2), (7.3, -4.6), np.float32), ratio)
    result = score(pair, dis_flow)
    assert result.error < 0.3
    assert result.after > result.before + 8


def test_the_table_of_simulated_pairs() -> None:
    """Mean end-point error and PSNR over four photographs and both pairs; `-s` prints them."""
    gains = []
    for seed, name in enumerate(PHOTOGRAPHS):
        picture = photograph(name)
        for ratio in (0.25, 4.0):
            pair = moved_pair(picture, smooth_flow(picture.shape[:2], seed), ratio)
            still, dis = score(pair, no_flow), score(pair, dis_flow)
            tested = score(pair, dis_flow, check=True)
            share, wrong, right = flagged(pair, dis_flow)
            print(
                f"{name:10} x{ratio:<5} error {still.error:5.2f} -> {dis.error:.2f} px "
                f"(95 %: {dis.largest:.2f}), PSNR {dis.before:.2f} -> {dis.after:.2f}, "
                f"check {tested.after:.2f} dB; refused {share:.1%} of {wrong:.2f} px, kept {right:.2f} px"
            )
            assert still.error > 10
            assert dis.error < 0.45
            assert share < 0.03
            assert tested.after > dis.after - 0.2
            gains.append(dis.after - dis.before)
    assert min(gains) > 12


@pytest.mark.parametrize("ratio", [0.25, 4.0])
def test_the_test_removes_ghosts_of_what_passes(ratio: float) -> None:
    pair = passing_pair(photograph("chelsea"), photograph("astronaut"), 20, ratio)
    plain, tested = score(pair, dis_flow), score(pair, dis_flow, check=True)
    assert plain.after > plain.before + 8
    assert tested.after > plain.after + 3
    share, wrong, right = flagged(pair, dis_flow)
    assert 0.005 < share < 0.05
    assert wrong > 10 * right


def test_what_lies_outside_is_the_reference_re_exposed() -> None:
    rng = np.random.default_rng(0)
    reference, moving = rng.random((2, 20, 30, 3), np.float32)
    aligned = align(reference, moving, 0.25, shifted_by(4, -3))
    np.testing.assert_allclose(aligned[3:, :26], moving[:-3, 4:], atol=1e-6)
    outside = re_expose(reference, 0.25)
    np.testing.assert_array_equal(aligned[:3], outside[:3])
    np.testing.assert_array_equal(aligned[:, 26:], outside[:, 26:])
    np.testing.assert_allclose(outside, (reference**2.2 * 0.25) ** (1 / 2.2), rtol=1e-5)


def test_the_original_frame_is_warped_not_the_re_exposed_one() -> None:
    moving = np.full((70, 70, 3), 0.9, np.float32)
    seen = []
    aligned = align(moving / 2, moving, 0.25, lambda *views: seen.append(views) or no_flow(*views))
    np.testing.assert_array_equal(aligned, moving)
    first, second = seen[0]
    assert (first == round(0.45 * 255)).all()
    assert (second == 255).all()  # 0.9 with four times the exposure


def test_a_contradicted_flow_counts_only_where_the_reference_shows_it() -> None:
    reference = np.full((70, 90, 3), 0.5, np.float32)
    reference[:, :30], reference[:, 60:, 2] = 0.02, 0.98  # dark, and clipped in one channel
    moving = np.full_like(reference, 0.3)
    both_ways = shifted_by(0, 5)  # the flow back should be (0, -5)
    aligned = align(reference, moving, 1.0, both_ways, check=True)[:60]
    np.testing.assert_allclose(aligned[:, 30:60], 0.5, atol=1e-6)
    np.testing.assert_allclose(aligned[:, :30], 0.3, atol=1e-6)
    np.testing.assert_allclose(aligned[:, 60:], 0.3, atol=1e-6)


def test_a_flow_may_miss_its_beginning_by_a_part_of_its_length() -> None:
    forward = np.full((8, 8, 2), (10, 0), np.float32)
    allowed = np.sqrt(0.01 * (10**2 + 8.8**2) + 0.5)  # 1.51 px
    assert allowed > 1.2
    assert not contradicted(forward, np.full_like(forward, (-8.8, 0))).any()
    assert contradicted(forward, np.full_like(forward, (-8, 0))).all()


def test_files_hold_65536_times_the_picture_and_65535_for_white() -> None:
    picture = np.array([0, 0.5, 1 - 2**-16, 1], np.float32)
    assert quantise(picture).tolist() == [0, 32768, 65535, 65535]
    codes = np.arange(1 << 16)
    np.testing.assert_array_equal(quantise(codes.astype(np.float32) / (1 << 16)), codes)


@pytest.mark.parametrize("size", [(1, 1), (5, 200), (12, 12), (40, 63), (64, 64)])
def test_small_pictures(size: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).random((*size, 3), np.float32)
    aligned = align(picture, picture, 1.0, dis_flow, check=True)
    np.testing.assert_allclose(aligned, picture, atol=0.02)


def test_a_shift_in_a_small_picture() -> None:
    picture = cv2.GaussianBlur(np.random.default_rng(1).random((60, 60), np.float32), (0, 0), 3)
    view = cv2.normalize(picture, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    flow = dis_flow(view[8:48, 8:48], view[8:48, 6:46])
    assert abs(np.median(flow[..., 0]) - 2) < 0.3
    assert abs(np.median(flow[..., 1])) < 0.3


def test_weights_sum_to_one_and_switch_at_one_half() -> None:
    level = np.array([0, 0.25, 0.5, 0.75, 1], np.float32)
    short, middle, long = merge_weights(level)
    assert short.tolist() == [0, 0, 0, 0.5, 1]
    assert middle.tolist() == [0, 0.5, 1, 0.5, 0]
    assert long.tolist() == [1, 0.5, 0, 0, 0]


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_aligned_exposures_merge_to_the_radiance(kind) -> None:
    """Wherever no frame with a weight is clipped."""
    radiance = np.random.default_rng(0).uniform(0, 0.99, (3, 20, 30)).astype(np.float32)
    exposure = np.array([1, 1.5, 2], np.float32)
    frames = np.minimum(radiance * exposure[:, None, None, None], 1)
    merged = np.asarray(colour_component(kind(frames), kind(exposure)))
    seen = radiance * 1.5 < 1
    np.testing.assert_allclose(merged[seen], radiance[seen], rtol=2e-6)
    np.testing.assert_allclose(merged[~seen], radiance[~seen], rtol=2e-6)  # by the short frame alone


def test_three_frames_are_merged() -> None:
    with pytest.raises(ValueError, match="three frames are merged, not 4"):
        colour_component(np.ones((4, 3, 2, 2)), np.ones(4))


def test_the_command_writes_the_published_layout(scenes: Path) -> None:
    assert run(scenes) == (3, 3, 3)
    for split, names in (("Training", ("001", "002")), ("Test", ("001",))):
        assert {path.name for path in (scenes / f"{split}_align").iterdir()} == set(names)
        for name in names:
            plain, aligned = scenes / split / name, scenes / f"{split}_align" / name
            assert {path.name for path in aligned.iterdir()} == {
                "1.tif",
                "2.tif",
                "3.tif",
                "HDRImg.hdr",
                SOURCES,
            }
            assert (aligned / "2.tif").read_bytes() == (plain / "2.tif").read_bytes()
            codes = np.stack([read_tiff(aligned / f"{number}.tif") for number in (1, 2, 3)])
            assert codes.dtype == np.uint16
            light = LINEAR[codes.transpose(0, 3, 1, 2)]
            merged = colour_component(light, np.array([1, 4, 16], np.float32)).transpose(1, 2, 0)
            error = np.abs(read_radiance(aligned / "HDRImg.hdr") - merged)
            assert (error <= 0.004 * merged.max(axis=2, keepdims=True) + 1e-9).all()  # of RGBE
    assert json.loads((scenes / "Test_align.json").read_text()) == {
        "version": 1,
        "flow": "dis",
        "occlusion": "none",
    }


def test_the_colour_component_is_closer_to_the_truth_than_the_merge_without_alignment(scenes: Path) -> None:
    run(scenes)
    found = []
    for name in ("001", "002"):
        truth = read_radiance(scenes / "Training" / name / "HDRImg.hdr")
        for folder in ("Training", "Training_align"):
            codes = np.stack([read_tiff(scenes / folder / name / f"{number}.tif") for number in (1, 2, 3)])
            light = LINEAR[codes.transpose(0, 3, 1, 2)]
            merged = colour_component(light, np.array([1, 4, 16], np.float32)).transpose(1, 2, 0)
            found.append(psnr(mu_law(merged), mu_law(truth)))
    assert found[1] > found[0] + 8
    assert found[3] > found[2] + 8


@pytest.mark.slow
def test_two_workers_write_what_one_does(scenes: Path) -> None:
    run(scenes, "--occlusion", "check")
    alone = contents(scenes)
    for folder in scenes.glob("*_align"):
        shutil.rmtree(folder)
    run(scenes, "--occlusion", "check", "--workers", 2)
    assert contents(scenes) == alone


def test_going_on_gives_what_an_unbroken_run_does(scenes: Path) -> None:
    run(scenes)
    whole = contents(scenes)
    shutil.rmtree(scenes / "Training_align" / "002")
    kept = (scenes / "Training_align/001/1.tif").stat().st_mtime_ns
    left = scenes / "Training_align" / ".002.999999999.partial"
    left.mkdir()
    assert run(scenes) == (1, 3, 3)
    assert not left.exists()
    assert contents(scenes) == whole
    assert (scenes / "Training_align/001/1.tif").stat().st_mtime_ns == kept


def test_a_stop_finishes_the_scene_under_way(scenes: Path) -> None:
    options = command.parse(["--dataroot", str(scenes)])
    answers = iter((False, True))
    assert command.align_all(options, lambda: next(answers)) == (1, 1, 3)
    assert command.align_all(options) == (2, 3, 3)


def test_the_program_stops_on_a_signal_and_goes_on(scenes: Path) -> None:
    for number in range(3, 40):
        shutil.copytree(scenes / "Training" / "001", scenes / "Training" / f"{number:03d}")
    program = Running("data/align.py", "--dataroot", scenes, environment={"PYTHONPATH": "."})
    while not list((scenes / "Training_align").glob("0*")):
        assert program.process.is_alive(), program.wait()
    program.terminate()
    result = program.wait()
    assert result.status == 128 + signal.SIGTERM, result.err
    aligned = len(list(scenes.glob("*_align/0*")))
    assert 0 < aligned < 40
    assert f"{aligned} scenes aligned now, {aligned} of 40 scenes in all" in result.out
    assert result.err.splitlines()[-1] == "stopped by SIGTERM: the same command goes on"
    assert not list(scenes.glob("*_align/.*"))


def test_one_split(scenes: Path) -> None:
    assert run(scenes, "--split", "Test") == (1, 1, 1)
    assert not (scenes / "Training_align").exists()


def test_a_set_without_test_scenes(scenes: Path) -> None:
    shutil.rmtree(scenes / "Test")
    assert run(scenes) == (2, 2, 2)
    assert message(scenes, "--split", "Training,Test").endswith("has no folder Test")


@pytest.mark.parametrize(
    ("name", "folder", "suffix", "count", "chosen", "listing"),
    [
        ("sen", "Scenes", ".tif", 5, (2, 3, 4), "exposures.txt"),
        ("tursun", "dataset", ".tiff", 9, (5, 7, 9), "exposure.txt"),
    ],
)
def test_sets_without_labels(scenes, name, folder, suffix, count, chosen, listing) -> None:
    place = scenes / folder / "one"
    place.mkdir(parents=True)
    spread = {2: 1, 3: 2, 4: 3} if name == "sen" else {5: 1, 7: 2, 9: 3}
    for number in range(1, count + 1):
        like = spread.get(number, 1 if number < chosen[1] else 3)
        shutil.copy(scenes / "Training/001" / f"{like}.tif", place / f"{number}{suffix}")
    stops = np.linspace(0, 2 * (count - 1) / (chosen[2] - chosen[1]), count)
    numbers = stops if name == "sen" else np.exp2(stops)
    (place / listing).write_text("\n".join(map(str, numbers)))
    assert run(scenes, "--dataset_name", name) == (1, 1, 1)
    aligned = scenes / f"{folder}_align" / "one"
    assert {path.name for path in aligned.iterdir()} == {SOURCES, *(f"{number}{suffix}" for number in chosen)}
    assert (aligned / f"{chosen[1]}{suffix}").read_bytes() == (place / f"{chosen[1]}{suffix}").read_bytes()


def test_another_setting_is_refused(scenes: Path) -> None:
    run(scenes)
    text = message(scenes, "--occlusion", "check")
    assert "Test_align" in text or "Training_align" in text
    assert "occlusion none, not check" in text


def test_scenes_aligned_by_others_are_not_mixed_with_ours(tmp_path: Path) -> None:
    root = make_ldr_set(tmp_path, scenes=3, aligned=True)
    before = contents(root)
    shutil.rmtree(root / "Training_align" / "002")
    assert message(root) == (
        f"{root}/Training_align holds scenes that this command did not align, but 002 is not there: "
        "complete it, or rename Training_align"
    )
    assert {name: before[name] for name in contents(root)} == contents(root)


@pytest.mark.parametrize(
    ("file", "problem"),
    [("001/2.tif", "001 holds 2 frames *.tif of 3"), ("002/HDRImg.hdr", "002 holds no HDRImg.hdr or .exr")],
)
def test_an_incomplete_scene_aligned_by_others_is_named(tmp_path: Path, file: str, problem: str) -> None:
    root = make_ldr_set(tmp_path, aligned=True)
    (root / "Training_align" / file).unlink()
    assert f"did not align, but {problem}: complete it" in message(root)


def test_scenes_aligned_by_others_are_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    root = make_ldr_set(tmp_path, aligned=True)
    (root / "Test_align" / "001" / "HDRImg.hdr").unlink()  # the published test scenes have none
    before = contents(root)
    assert run(root) == (0, 3, 3)
    assert contents(root) == before
    assert capsys.readouterr().err.splitlines() == [
        f"note: {root}/{name}_align was not aligned by this command: left as it is"
        for name in ("Training", "Test")
    ]
    shutil.rmtree(root / "Test_align")
    assert run(root) == (1, 3, 3)


def test_scenes_without_labels_aligned_by_others(scenes: Path) -> None:
    for folder in ("Scenes", "Scenes_align"):
        shutil.copytree(scenes / "Training/001", scenes / folder / "a")
        (scenes / folder / "a/exposure.txt").rename(scenes / folder / "a/exposures.txt")
        (scenes / folder / "a/HDRImg.hdr").unlink()
    assert run(scenes, "--dataset_name", "sen") == (0, 1, 1)


def frames_of_another(root: Path) -> None:
    for number in (1, 2, 3):
        shutil.copy(root / f"Training/001/{number}.tif", root / f"Training/002/{number}.tif")


@pytest.mark.parametrize(
    "change",
    [
        frames_of_another,
        lambda root: shutil.copy(root / "Training/001/1.tif", root / "Training/002/1.tif"),
        lambda root: (root / "Training/002/exposure.txt").write_text("0 2.2 4.4"),
        lambda root: (root / "Training_align/002/HDRImg.hdr").unlink(),
        lambda root: (root / "Training_align/002/3.tif").unlink(),
        lambda root: (root / "Training_align/002" / SOURCES).unlink(),
    ],
)
def test_outdated_and_incomplete_scenes_are_aligned_anew(
    scenes: Path, capsys: pytest.CaptureFixture, change
) -> None:
    run(scenes)
    change(scenes)
    kept = (scenes / "Training_align/001/1.tif").stat().st_mtime_ns
    capsys.readouterr()
    assert run(scenes) == (1, 3, 3)
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    assert notes == [
        f"note: {scenes}/Training_align: scenes lack a file or were made of other frames or exposures: "
        "they are aligned anew (1, 002 the first)"
    ]
    assert (scenes / "Training_align/001/1.tif").stat().st_mtime_ns == kept
    found = contents(scenes)
    shutil.rmtree(scenes / "Training_align")
    shutil.rmtree(scenes / "Test_align")
    assert run(scenes) == (3, 3, 3)
    assert contents(scenes) == found


def test_copies_of_a_set_are_not_aligned_again(scenes: Path) -> None:
    run(scenes)
    shutil.copytree(scenes, scenes.with_name("copy"), copy_function=shutil.copyfile)
    (scenes.with_name("copy") / "Training/001/exposure.txt").write_text("1.0, 3.0, 5.0")  # the same ratios
    assert run(scenes.with_name("copy")) == (0, 3, 3)


def test_the_check_tells_outdated_scenes(scenes: Path) -> None:
    run(scenes)
    check, folder = Sig17alignCheck(Sig17alignDataset, scenes), scenes / "Training/002"
    aligned = scenes / "Training_align/002"
    assert not [found for found in check.sample(folder) if found.path == aligned]
    (folder / "exposure.txt").write_text("0 2.2 4.4")
    texts = [found.text for found in check.sample(folder) if found.path == aligned]
    assert texts == ["was made of other frames or exposures: data.align makes it anew"]
    run(scenes)
    assert not [found for found in check.sample(folder) if found.path == aligned]


def test_what_is_left_of_an_outdated_scene_is_removed(scenes: Path) -> None:
    run(scenes)
    left = scenes / "Training_align" / ".002.outdated.999999999.partial"
    (scenes / "Training_align/002").rename(left)
    assert run(scenes) == (1, 3, 3)
    assert not left.exists()


def test_a_wrong_folder(tmp_path: Path) -> None:
    text = message(tmp_path / "none")
    assert "none has no folder Training or Test; expected: Training/" in text


def test_an_unknown_split(scenes: Path) -> None:
    assert message(scenes, "--split", "Train") == "--split Train: sig17align has Training, Test"


def test_no_scenes(tmp_path: Path) -> None:
    (tmp_path / "Training").mkdir()
    assert "Training holds no scenes" in message(tmp_path)


def test_a_missing_frame(scenes: Path) -> None:
    (scenes / "Training/002/3.tif").unlink()
    assert "002 holds 2 frames" in message(scenes)
    assert not list(scenes.glob("*_align/0*"))


def test_a_missing_list_of_exposures(scenes: Path) -> None:
    (scenes / "Training/002/exposure.txt").unlink()
    assert "002/exposure.txt" in message(scenes)


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_frames_of_different_sizes(scenes: Path, workers: int) -> None:
    other = make_ldr_set(scenes.parent / "other", scenes=1, size=(80, 88), aligned=False)
    shutil.copy(other / "Training/001/3.tif", scenes / "Training/002/3.tif")
    assert "same size" in message(scenes, "--workers", workers)
    assert not (scenes / "Training_align/002").exists()
    assert not list(scenes.glob("*_align/.*"))


@pytest.fixture
def raft_weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    torch.save(raft_small().state_dict(), tmp_path / "raft_small.pth")
    return tmp_path / "raft_small.pth"


def test_raft(raft_weights: Path) -> None:
    flow = LearntFlow("raft", raft_weights, torch.device("cpu"))
    views = np.random.default_rng(0).integers(0, 256, (2, 130, 60), np.uint8)
    found = flow(*views)
    assert found.shape == (130, 60, 2)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found, flow(*views))


def test_where_the_record_is(scenes: Path) -> None:
    """Beside the scenes; one among them, of earlier versions, is read and moved; it may outlast scenes."""
    assert run(scenes) == (3, 3, 3)
    folder, record = scenes / "Test_align", scenes / "Test_align.json"
    record.rename(folder / "align.json")
    assert "occlusion none, not check" in message(scenes, "--occlusion", "check")
    assert run(scenes) == (0, 3, 3)
    assert record.is_file() and not (folder / "align.json").exists()
    (folder / "001" / SOURCES).unlink()  # as if the authors' scenes had taken the place of ours
    before = (folder / "001" / "1.tif").stat().st_mtime_ns
    assert run(scenes) == (0, 3, 3)
    assert (folder / "001" / "1.tif").stat().st_mtime_ns == before


def test_the_command_with_raft(scenes: Path, raft_weights: Path) -> None:
    shutil.rmtree(scenes / "Training")
    assert run(scenes, "--flow", "raft", "--raft_weights", raft_weights, "--gpu_ids", "-1") == (1, 1, 1)
    record = json.loads((scenes / "Test_align.json").read_text())
    assert record["flow"].startswith("raft_small ")
    assert "flow raft_small" in message(scenes)


@pytest.fixture
def pwcnet_weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    network = PWCNet()
    names = {name: name.removeprefix("net.").replace("net", "module") for name in network.state_dict()}
    assert "moduleExtractor.moduleOne.0.weight" in names.values()
    state = {names[name]: value for name, value in network.state_dict().items()}
    torch.save(state, tmp_path / "pwcnet-network-default.pth")
    return tmp_path / "pwcnet-network-default.pth"


def test_pwcnet_is_given_the_views_in_their_order(pwcnet_weights: Path) -> None:
    """`first` is what flow is to show, so it is the target."""
    flow = LearntFlow("pwcnet", pwcnet_weights, torch.device("cpu"))
    views = np.random.default_rng(0).integers(0, 256, (2, 70, 60), np.uint8)
    found = flow(*views)
    assert found.shape == (70, 60, 2)
    first, second = (torch.from_numpy(view).expand(1, 3, -1, -1) / 255 for view in views)
    with torch.no_grad():
        expected = flow.network(source=second, target=first)[0].permute(1, 2, 0).numpy()
        other = flow.network(source=first, target=second)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(expected - other).max() > 1e-3


def test_the_command_with_pwcnet(scenes: Path, pwcnet_weights: Path) -> None:
    shutil.rmtree(scenes / "Training")
    words = ("--flow", "pwcnet", "--pwcnet_weights", pwcnet_weights, "--gpu_ids", "-1")
    assert run(scenes, *words) == (1, 1, 1)
    record = json.loads((scenes / "Test_align.json").read_text())
    digest = hashlib.sha256(pwcnet_weights.read_bytes()).hexdigest()
    assert record["flow"] == f"pwcnet {digest[:12]}"
    assert run(scenes, *words) == (0, 1, 1)
    assert f"flow pwcnet {digest[:12]}, not dis" in message(scenes)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--flow", "pwcnet"), "pwcnet"),
        (("--pwcnet_weights", "x.pth"), "pwcnet"),
        (("--flow", "raft", "--pwcnet_weights", "x.pth"), "raft"),
        (("--flow", "raft", "--raft_weights", "x.pth", "--pwcnet_weights", "x.pth"), "pwcnet"),
    ],
)
def test_a_flow_and_the_weights_of_another(scenes: Path, words: tuple[str, ...], named: str) -> None:
    expected = f"--flow {named} and --{named}_weights FILE need each other: give both or neither"
    assert message(scenes, *words) == expected


def test_weights_of_another_flow(scenes: Path, raft_weights: Path) -> None:
    text = message(scenes, "--flow", "pwcnet", "--pwcnet_weights", raft_weights)
    assert text == f"{raft_weights}: not the weights of PWC-Net, such as pwcnet-network-default.pth"
    text = message(scenes, "--flow", "pwcnet", "--pwcnet_weights", scenes / "none.pth")
    assert text == f"no checkpoint {scenes / 'none.pth'}"
    assert not list(scenes.glob("*_align"))


def test_raft_without_its_weights(scenes: Path) -> None:
    assert "need each other" in message(scenes, "--flow", "raft")
    text = message(scenes, "--flow", "raft", "--raft_weights", scenes / "none.pth")
    assert text == f"no checkpoint {scenes / 'none.pth'}"


def test_weights_of_something_else(scenes: Path) -> None:
    torch.save({"weight": torch.zeros(3)}, scenes / "other.pth")
    text = message(scenes, "--flow", "raft", "--raft_weights", scenes / "other.pth")
    assert text.endswith("other.pth: not the weights of torchvision's raft_large or raft_small")
    (scenes / "text.pth").write_text("nothing")
    assert "text.pth: damaged" in message(scenes, "--flow", "raft", "--raft_weights", scenes / "text.pth")
    assert not list(scenes.glob("*_align"))
