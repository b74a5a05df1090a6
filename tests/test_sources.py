"""What becomes a source, how it is read, and how it is lit."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose

from data.simulate.camera import ALEXA_TO_SRGB
from data.simulate.leave_one_out import against
from data.simulate.lighting import draw_lighting, median_level
from data.simulate.motion import canvas_size
from data.simulate.reading import FrameArray, Pictures, VideoFile
from data.simulate.sampling import SPANS
from data.simulate.scenes import Photograph, Shot, Video, read_light
from data.simulate.settings import Settings
from data.simulate.sources import describe, find_sources, split_sources
from tests.made_footage import pan, scene, write_frames, write_plain_exr
from util.imaging.primaries import ALEXA_WIDE_GAMUT
from util.imaging.radiance import write_radiance
from util.imaging.tonemap import srgb_decode


def test_video_leaves_a_remainder_and_is_numbered_by_its_frames(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "my-walk", pan(26, 2.0), first=77)
    (source,) = find_sources([tmp_path])
    assert isinstance(source, Video)
    assert source.name == "my_walk"
    assert source.source == str(folder)
    assert source.samples(Settings(), 5) == {77: 0, 89: 12}
    assert source.samples(Settings(steps_per_frame=340), 5) == {77 + 2 * i: 2 * i for i in range(13)}


def test_kinds_of_pictures_in_a_folder(tmp_path: Path) -> None:
    write_frames(tmp_path / "pan", pan(3, 2.0))
    unrelated = [cv2.resize(scene(name), (128, 96)) for name in ("coffee", "brick", "rocket")]
    write_frames(tmp_path / "holiday", unrelated)
    found = {source.name: source for source in find_sources([tmp_path])}
    assert isinstance(found["pan"], Video)
    assert all(isinstance(found[f"frame_000{n}"], Photograph) for n in (1, 2, 3))
    assert [source.name for source in find_sources([tmp_path], "video")] == ["holiday", "pan"]
    write_frames(tmp_path / "gap", pan(3, 2.0))
    (tmp_path / "gap" / "frame_0002.png").unlink()
    assert len(find_sources([tmp_path / "gap"])) == 2
    names = [source.name for source in find_sources([tmp_path / "pan", tmp_path / "gap"], "photographs")]
    assert names == ["frame_0002", "gap_frame_0001", "gap_frame_0003", "pan_frame_0001", "pan_frame_0003"]


def test_alexa_footage_is_known_by_its_name(tmp_path: Path) -> None:
    frames = [frame * 8 for frame in pan(2, 2.0)]
    write_frames(tmp_path / "carousel_fireworks_02", frames, suffix=".exr")
    (source,) = find_sources([tmp_path])
    assert source.alexa
    assert_allclose(read_light(source.frames, 0, True), frames[0] / 16 @ ALEXA_TO_SRGB, rtol=1e-4, atol=1e-6)
    assert not find_sources([tmp_path], colour="srgb")[0].alexa
    write_frames(tmp_path / "garden", frames, suffix=".hdr")
    assert [source.alexa for source in find_sources([tmp_path])] == [True, False]
    assert [source.alexa for source in find_sources([tmp_path], colour="alexa")] == [True, True]


@pytest.mark.parametrize(
    ("file", "alexa"),
    [
        ("bistro_01/exr/bistro_01_0001.exr", True),
        ("Smith_hammering/frame_1.exr", True),
        ("cars.exr", True),
        ("carsten_wedding/carsten_1.exr", False),
        ("smithsonian/hall.exr", False),
        ("bistro_01/frame_1.hdr", False),
    ],
)
def test_names_of_alexa_footage_are_whole_words(file: str, alexa: bool, tmp_path: Path) -> None:
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    write = write_plain_exr if file.endswith(".exr") else write_radiance
    write(tmp_path / file, scene()[:40, :50])
    assert [source.alexa for source in find_sources([tmp_path])] == [alexa]


def test_stated_chromaticities_of_alexa_footage_are_not_converted_twice(tmp_path: Path) -> None:
    light = scene()[:40, :50]
    write_plain_exr(tmp_path / "cars.exr", light, chromaticities=ALEXA_WIDE_GAMUT)
    (source,) = find_sources([tmp_path])
    assert source.alexa
    assert_allclose(read_light(source.frames, 0, True), light / 16 @ ALEXA_TO_SRGB, rtol=1e-4, atol=1e-6)
    (other,) = find_sources([tmp_path], colour="srgb")
    assert_allclose(
        read_light(other.frames, 0, False), np.maximum(light @ ALEXA_TO_SRGB, 0), rtol=0, atol=2e-3
    )


def test_a_file_of_a_known_name_that_states_srgb_is_no_alexa_footage(tmp_path: Path) -> None:
    write_radiance(tmp_path / "cars.exr", scene()[:40, :50])
    assert not find_sources([tmp_path])[0].alexa
    assert find_sources([tmp_path], colour="alexa")[0].alexa


def test_simulated_sets_are_no_footage(tmp_path: Path) -> None:
    write_frames(tmp_path / "pan", pan(3, 2.0))
    write_frames(tmp_path / "set" / "Train" / "pan" / "000001", pan(2, 2.0))
    assert len(find_sources([tmp_path])) == 2
    (tmp_path / "set" / "simulation.json").write_text("{}")
    assert [source.name for source in find_sources([tmp_path])] == ["pan"]


def test_names_keep_the_letters_of_all_languages(tmp_path: Path) -> None:
    for name in ("日本", "東京-1"):
        write_radiance(tmp_path / f"{name}.exr", scene()[:40, :50])
    assert [source.name for source in find_sources([tmp_path])] == ["日本", "東京_1"]


def test_video_files_and_arrays_hold_the_frames_in_order(tmp_path: Path) -> None:
    frames = np.stack([np.round(255 * f ** (1 / 2.2)).astype(np.uint8) for f in pan(14, 4.0)])
    np.save(tmp_path / "array.npy", frames)
    writer = cv2.VideoWriter(str(tmp_path / "film.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 24, (128, 96))
    for frame in frames:
        writer.write(frame[..., ::-1])
    writer.release()
    array, film = find_sources([tmp_path])
    assert (array.name, film.name) == ("array", "film")
    assert isinstance(array.frames, FrameArray)
    assert isinstance(film.frames, VideoFile)
    assert len(array.frames) == len(film.frames) == 14
    for index in (3, 13, 0):  # not only forwards
        truth = srgb_decode(frames[index] / 255.0)
        assert_allclose(array.frames.read(index), truth, atol=1e-6)
        assert against(truth)(film.frames.read(index)) > 30
        assert against(srgb_decode(frames[index - 2] / 255.0))(film.frames.read(index)) < 30


def test_light_is_scaled_to_a_night_and_cut_highlights_grow() -> None:
    hdr = scene() * 37
    for seed in range(5):
        lighting = draw_lighting(np.random.default_rng(seed), hdr, coded=False)
        assert 0.02 <= median_level(lighting.apply(hdr)) <= 0.1
        assert_allclose(lighting.apply(hdr) / lighting.scale, hdr, rtol=1e-5)
    fire = np.full((100, 100, 3), 1e-4, np.float32)
    fire[:10] = 5
    assert draw_lighting(np.random.default_rng(0), fire, coded=False).apply(fire).max() == pytest.approx(16)
    lamp = np.full((200, 300, 3), 0.1, np.float32)
    lamp[90:100, 100:120] = 1
    lit = draw_lighting(np.random.default_rng(0), lamp, coded=True).apply(lamp)
    assert 16 <= lit.max() <= 96
    sky = lamp.copy()
    sky[:60] = 1
    lighting = draw_lighting(np.random.default_rng(0), sky, coded=True)
    assert lighting.peak == 16
    first, second = lighting.apply(sky), lighting.apply(0.5 * sky)
    assert second.max() < first.max() / 4  # the same curve for every frame


def test_photographs_are_used_whole_unless_a_size_is_set(tmp_path: Path) -> None:
    write_radiance(tmp_path / "still.exr", scene()[:300, :420])
    (source,) = find_sources([tmp_path])
    assert source.samples(Settings(), 3).keys() == {0, 1, 2}
    whole, drawn = source.scene(0, Shot("Train", "still", 0, Settings()))
    assert whole.size == (264, 384)
    assert drawn["window"]["size"] == canvas_size(whole.size)
    part, drawn = source.scene(0, Shot("Train", "still", 0, Settings(size=(32, 48))))
    assert part.size == (64, 96)
    assert len(drawn["path"]) == len(SPANS)


def test_sources_are_listed_with_an_end() -> None:
    sources = [Photograph(f"s{index}", Pictures((Path(f"{index}.png"),), (0,))) for index in range(40)]
    lines = describe(sources).splitlines()
    assert (lines[0], lines[-1], len(lines)) == ("s0: photograph, 0.png", "and 10 more", 31)


def test_scenes_are_split_by_share() -> None:
    sources = [Photograph(f"s{index}", Pictures((Path(f"{index}.png"),), (0,))) for index in range(20)]
    split = split_sources(sources, "0.2", seed=1)
    assert len(split["Test"]) == 4
    assert {s.name for s in split["Train"]} | {s.name for s in split["Test"]} == {s.name for s in sources}
    assert split == split_sources(sources, "0.2", seed=1)
    assert split != split_sources(sources, "0.2", seed=2)
    assert split_sources(sources, "Test", seed=1) == {"Test": sources}
