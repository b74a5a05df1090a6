"""Simulated sets that are made in shards: the same files as of one call, in any order, or a refusal."""

import argparse
import json
import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from data.simulate import brackets, making, storage
from data.simulate.making import make_dataset
from data.simulate.scenes import BuiltIn, SceneCut
from data.simulate.settings import LAYOUTS, Settings
from data.simulate.shards import Shard, read_shard
from data.simulate.sources import find_sources
from tests.programs import PATIENCE
from tests.test_simulated_sid import digests
from util.errors import UserError
from util.imaging.images import write_png8

LAYOUT = "burst_denoise"  # the quickest
SMALL = Settings(seed=3, size=(16, 24), layout=LAYOUT)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list]:
    """Three photographs to train on and one to test with."""
    folder, rng = tmp_path_factory.mktemp("photographs"), np.random.default_rng(0)
    for name in ("a", "b", "c"):
        write_png8(folder / f"{name}.png", rng.integers(0, 256, (80, 112, 3), np.uint8))
    return {"Train": find_sources([folder], kind="photographs"), "Test": [BuiltIn("coffee")]}


@pytest.fixture(scope="module")
def whole(sources, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Digests of the files of a set that one call made."""
    out = tmp_path_factory.mktemp("whole") / "set"
    assert make_dataset(out, SMALL, 2, sources).unfinished == []
    return digests(out)


def make(out: Path, sources: dict, shard: str, settings: Settings = SMALL, **more) -> making.Made:
    return make_dataset(out, settings, 2, sources, shard=read_shard(shard), **more)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_shards_make_the_files_of_one_call(layout, sources, tmp_path):
    """Of each layout, the last shard first; the record says what is missing until all are made."""
    settings = Settings(seed=3, size=(16, 24), layout=layout)
    few = {"Train": sources["Train"][:1], "Test": sources["Test"]}
    make_dataset(tmp_path / "whole", settings, 1, few)
    record = json.loads((tmp_path / "whole" / "simulation.json").read_text())
    made = make_dataset(tmp_path / "set", settings, 1, few, shard=Shard(2, 2))
    assert (made.written, made.missing, made.unfinished) == (1, 0, [1])
    half = json.loads((tmp_path / "set" / "simulation.json").read_text())
    assert half.pop("incomplete") == "2 shards, of which shards tells what is done"
    assert half == record
    assert not (tmp_path / "set" / "manifest.jsonl").exists()
    made = make_dataset(tmp_path / "set", settings, 1, few, shard=Shard(1, 2))
    assert (made.written, made.missing, made.unfinished) == (1, 0, [])
    assert digests(tmp_path / "set") == digests(tmp_path / "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set", "whole"]  # no locks remain


def test_shards_run_at_the_same_time(whole, sources, tmp_path):
    """Each of them may be the first to begin or the last to end."""
    context = multiprocessing.get_context("fork")  # at once: imports would take longer than the shards
    shards = [context.Process(target=make, args=(tmp_path / "set", sources, f"{n}/3")) for n in (1, 2, 3)]
    for shard in shards:
        shard.start()
    for shard in shards:
        shard.join(PATIENCE)
    assert [shard.exitcode for shard in shards] == [0, 0, 0]
    assert digests(tmp_path / "set") == whole


def test_an_interrupted_shard_goes_on(whole, sources, tmp_path):
    """Stopped, it is not done, although the others are; so when it is stopped in completing the set."""
    out, rest = tmp_path / "set", iter((False, True))
    made = make(out, sources, "2/2", stopped=lambda: next(rest))
    assert (made.written, made.missing, made.unfinished) == (1, 1, [1, 2])
    assert make(out, sources, "1/2").unfinished == [2]
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(making, "write_manifest", lambda out: (_ for _ in ()).throw(KeyboardInterrupt))
        make(out, sources, "2/2")
    assert "incomplete" in json.loads((out / "simulation.json").read_text())
    assert make(out, sources, "1/2") == making.Made(0, [], 0, [])  # any shard completes it
    assert digests(out) == whole


def test_folders_of_two_machines_are_one_when_copied_together(whole, sources, tmp_path):
    """The last call finds every sample, and completes the set."""
    for number in (1, 2):
        assert make(tmp_path / str(number), sources, f"{number}/2").unfinished == [3 - number]
    for path in (tmp_path / "2").rglob("*"):
        target = tmp_path / "1" / path.relative_to(tmp_path / "2")
        if path.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    assert make(tmp_path / "1", sources, "2/2") == making.Made(0, [], 0, [])
    assert digests(tmp_path / "1") == whole


def test_other_shards_are_refused(sources, tmp_path):
    """Another number, seed, or source, even before there are samples; and a call without shards."""
    out = tmp_path / "set"
    make(out, sources, "1/3", stopped=lambda: True)
    for shard, settings, found, message in (
        ("1/2", SMALL, sources, "with shards 3, not 2: give the same options and number of shards"),
        ("1/1", SMALL, sources, "with shards 3, not 1: "),
        ("2/3", Settings(seed=4, size=(16, 24), layout=LAYOUT), sources, "with seed 3, not 4: "),
        ("2/3", SMALL, {"Train": sources["Train"]}, "with samples 5, not 3; sources [0-9a-f]{12}, not "),
    ):
        with pytest.raises(UserError, match=f"^{out} is being made in shards, {message}"):
            make(out, found, shard, settings)
    (out / "shards" / "plan.json").write_text("{")
    with pytest.raises(
        UserError, match=r"plan.json is damaged: delete .*set, or give another folder to --out$"
    ):
        make(out, sources, "1/3")


def test_more_shards_than_samples_are_refused(sources, tmp_path):
    """Before anything is made."""
    for count in (6, 999_999):
        with pytest.raises(UserError, match=f"^--shard 1/{count}: 5 samples need at most as many shards$"):
            make(tmp_path / "set", sources, f"1/{count}")
    assert not (tmp_path / "set").exists()
    assert make(tmp_path / "set", sources, "5/5").unfinished == [1, 2, 3, 4]


def test_a_finished_set_stays_finished(whole, sources, tmp_path, monkeypatch):
    """Calling a shard again changes nothing, also where a cut is tried again; more samples begin anew."""
    out, simulate = tmp_path / "set", making.simulate
    make_dataset(out, SMALL, 2, sources)
    assert make(out, sources, "2/2").written == 0
    assert digests(out) == whole

    def cut(source, start, shot):
        if shot.number >= 2:
            raise SceneCut
        return simulate(source, start, shot)

    monkeypatch.setattr(making, "simulate", cut)
    made = make_dataset(out, SMALL, 3, sources, shard=Shard(1, 2))
    assert (made.written, len(made.cut), made.unfinished) == (0, 0, [])
    made = make_dataset(out, SMALL, 3, sources, shard=Shard(2, 2))
    assert (made.written, len(made.cut), made.unfinished) == (0, 1, [])
    assert digests(out) == whole
    monkeypatch.undo()
    made = make_dataset(out, SMALL, 3, sources, shard=Shard(2, 2))
    assert (made.written, made.unfinished) == (1, [1])
    assert storage.INCOMPLETE in json.loads((out / "simulation.json").read_text())
    assert make_dataset(out, SMALL, 3, sources, shard=Shard(1, 2)).unfinished == []
    make_dataset(tmp_path / "larger", SMALL, 3, sources)
    assert digests(out) == digests(tmp_path / "larger")


def test_options(sources, tmp_path, monkeypatch, capsys):
    """A shard is written I/N; the command says which are to be made."""
    for text in ("0/3", "4/3", "3", "1/0", "-1/3", "1/3/2", "a/b", ""):
        with pytest.raises(argparse.ArgumentTypeError, match=f"^expected I/N .* not '{text}'$"):
            read_shard(text)
    with pytest.raises(argparse.ArgumentTypeError, match=f"not '1/{'9' * 38}'$"):
        read_shard("1/" + "9" * 5000)
    command = f"--out {tmp_path}/set --layout {LAYOUT} --size 16 24 --frames_per_scene 1 --gpu_ids -1"
    monkeypatch.setattr(brackets, "built_in", lambda: sources)
    monkeypatch.setattr("sys.argv", ["simulate", *command.split(), "--shard", "2/4"])
    brackets.main()
    assert capsys.readouterr().out == (
        f"{tmp_path}/set: 1 samples written now, 0 missing\n"
        "the set is incomplete until these shards are made: 1, 3, 4\n"
    )
