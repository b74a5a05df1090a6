"""The record of a run's options, with which it goes on and is tested; what its files say of themselves."""

import json
import re
import shutil
import subprocess
from argparse import Namespace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import torch

from options.record import FILE, TO_READ, read_options, rename, write_options
from options.test_options import TestOptions
from options.train_options import TrainOptions
from tests.made_footage import scene
from tests.programs import ROOT, log_rows, run, succeed
from util import provenance
from util.errors import UserError
from util.imaging.radiance import write_radiance

LATEST = "TMRNet_model_latest.pth"
RECORD = (
    "--batch_size 2\n--checkpoints_dir /old/place\n--dataroot '/my data'\n--dataset_name synplus\n"
    "--demosaic bilinear\n--frame_num 3\n--gpu_ids -1\n--load_path /old/start.pth\n--max_dataset_size 1\n"
    "--mid_channels 24\n--model synplus\n--name old\n--net tmrnet\n--niter 7\n--save_imgs False\n"
    "--size small\n"
)
ALL = {"model": "synplus", "dataset_name": "synplus", "net": "tmrnet", "size": "small", "mid_channels": 24}
ALL |= {"dataroot": "/my data", "frame_num": 3, "demosaic": "bilinear", "name": "run"}
USUAL = {"gpu_ids": "all", "load_path": None, "load_iter": ["latest"], "save_imgs": True}
USUAL |= {"max_dataset_size": None}


@pytest.fixture
def recorded(tmp_path) -> Path:
    """Folder of checkpoints with the record of run `run`."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "opt_train.args").write_text(RECORD)
    return tmp_path


def test_numbers_of_one_option_are_recorded_as_a_list(tmp_path: Path) -> None:
    write_options(Namespace(name="x", full_well=[3000.0, 3e4], load_iter=[4, 5]), tmp_path)
    found = read_options(tmp_path / "opt_train.args")
    assert found == {"name": "x", "full_well": "3000.0,30000.0", "load_iter": "4,5"}


ODD = [
    "-x",
    "--lr",
    "two words",
    "it's",
    'a "b"',
    "a\nb\r\n\x0b--name z",
    "#",
    "a # b",
    "@x",
    "",
    "ß\u2028",
    "=",
    "\\",
]
ODD += ["$HOME `x` *", "-", "\udce9.raw"]


def test_values_of_any_kind_are_read_back(tmp_path: Path) -> None:
    """As @FILE too, and after a run was moved aside; the list to read has a line for each."""
    for number, value in enumerate(ODD):
        folder = tmp_path / str(number)
        folder.mkdir()
        write_options(Namespace(name="run", demosaic_weights=value, dataroot=f"{value}/", seed=3), folder)
        rename(folder, "it's")
        assert read_options(folder / FILE) == {
            "name": "it's",
            "demosaic_weights": value,
            "dataroot": f"{value}/",
            "seed": "3",
        }
        opt = TrainOptions().parse([f"@{folder / FILE}"])
        assert (opt.name, opt.demosaic_weights, opt.dataroot, opt.seed) == ("it's", value, f"{value}/", 3)
        lines = (folder / TO_READ).read_bytes().splitlines()
        assert [line.split(b":")[0].strip() for line in lines] == [
            b"dataroot",
            b"demosaic_weights",
            b"name",
            b"seed",
        ]


def test_records_as_they_were_written_before(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(RECORD)
    rename(tmp_path, "new")
    assert read_options(tmp_path / FILE)["name"] == "new"


def test_options_that_may_be_repeated_are_recorded_as_they_were_given(tmp_path: Path, common) -> None:
    for name in ("first, one", "second"):
        write_radiance(tmp_path / f"{name}.exr", scene()[:200, :260])
    sources = [word for name in ("first, one", "second") for word in ("--source", tmp_path / f"{name}.exr")]
    words = (*common, "--dataset_name", "sim", "--epoch_iters", 1, "--val_freq", 0)
    words = (*words, "--niter", 1, "--name", "run", "--checkpoints_dir", tmp_path)
    succeed("train.py", *words, *sources)
    record = tmp_path / "run" / "opt_train.args"
    lines = record.read_text()
    assert lines.count("--source ") == 2
    assert "load_iter" not in lines
    succeed("train.py", f"@{record}", "--resume", "True", "--niter", 2)
    assert len(log_rows(tmp_path / "run", "train")) == 2
    result = succeed("test.py", "--name", "run", "--checkpoints_dir", tmp_path, "--gpu_ids", -1, "-j", 0)
    assert f"from {record}: " in result.out and "--source" not in result.out
    assert (tmp_path / "run" / "metrics_sim_latest.json").exists()  # of the set that it was validated on


def test_a_run_is_tested_by_its_name(common, brackets, tmp_path) -> None:
    """Network, model and data are those that it was trained with, and its files say how they came about."""
    plus = ("--model", "synplus", "--dataset_name", "synplus", "--patch_size", 8, "--mid_channels", 24)
    words = (*common, *plus, "--niter", 1, "--epoch_iters", 2, "--val_freq", 0, "--name", "run")
    succeed("train.py", *words, "--checkpoints_dir", tmp_path)
    folder, here = tmp_path / "run", ("--gpu_ids", -1, "-j", 0)
    result = succeed("test.py", "--name", "run", "--checkpoints_dir", tmp_path, *here)
    (line,) = [line for line in result.out.splitlines() if line.startswith("from ")]
    assert line.startswith(f"from {folder}/opt_train.args: ") and result.err.count("note") == 0
    for word in ("--model synplus", f"--dataroot {brackets}", "--size tiny", "--mid_channels 24"):
        assert word in line
    first = json.loads((folder / "metrics_synplus_latest.json").read_text())
    assert first["model"] == "synplus"
    shutil.move(folder, tmp_path / "renamed")
    result = succeed("test.py", *here, f"@{tmp_path}/renamed/opt_train.args")
    assert "option" not in result.err
    again = json.loads((tmp_path / "renamed" / "metrics_synplus_latest.json").read_text())
    assert again["mean"] == first["mean"]
    assert_provenance(tmp_path / "renamed", brackets)


def assert_provenance(folder: Path, dataroot: Path) -> None:
    """Time, version, steps and data root stand in each file of a run of two steps."""
    files = [torch.load(folder / name, weights_only=True) for name in (LATEST, "train_state.pth")]
    (start,) = log_rows(folder, "start")
    text = (folder / "opt_train.txt").read_text()
    options = {key.strip(): value for key, value in re.findall(r"(.*?): (.*)\n", text)}
    for facts, step in ((files[0], 2), (files[1], 2), (start, 0), (options, "0")):
        age = datetime.now(UTC) - datetime.fromisoformat(facts["time"])
        assert timedelta(0) <= age + timedelta(seconds=1) < timedelta(minutes=5)
        assert re.fullmatch(r"\d+\.\d+\.\d+(\+[0-9a-f]+(-dirty)?)?", facts["version"])
        assert (facts["step"], facts["dataroot"]) == (step, str(dataroot))


# What test.py takes of a record


def parsed(*words: object) -> dict:
    return vars(TestOptions().parse([str(word) for word in words]))


def assert_options(found: dict, expected: dict) -> None:
    assert {key: found[key] for key in expected} == expected


def test_options_of_the_record(recorded, capsys) -> None:
    """Those that say what is tested; not where and how it was trained, nor what it began with."""
    found = parsed("--name", "run", "--checkpoints_dir", recorded)
    assert_options(found, ALL | USUAL | {"checkpoints_dir": str(recorded)})
    expected = (
        "--dataroot '/my data' --dataset_name synplus --demosaic bilinear --frame_num 3 "
        "--mid_channels 24 --model synplus --net tmrnet --size small"
    )
    assert capsys.readouterr() == (f"from {recorded}/run/opt_train.args: {expected}\n", "")


def test_record_as_a_file_of_options(recorded, capsys) -> None:
    """`@FILE` is the same, of the run in whose folder it is."""
    found = parsed("--save_hdr", "exr", f"@{recorded}/run/opt_train.args")
    assert_options(found, ALL | USUAL | {"checkpoints_dir": str(recorded), "save_hdr": "exr"})
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("at_first", [True, False])
def test_the_command_line_wins(at_first, recorded, capsys) -> None:
    words, record = ["--dataroot", "/other", "--frame_num", 5], [f"@{recorded}/run/opt_train.args"]
    found = parsed(*(words + record if at_first else record + words))
    assert_options(found, ALL | {"dataroot": "/other", "frame_num": 5})
    assert "--dataroot" not in capsys.readouterr().out


def test_another_network(recorded) -> None:
    """Sizes are those of the network that was trained."""
    found = parsed("--name", "run", "--checkpoints_dir", recorded, "--net", "exposure_merge")
    assert_options(found, {"net": "exposure_merge", "size": None, "model": "synplus", "frame_num": 3})


def test_another_data_set(recorded) -> None:
    """The root and the number of frames are those of the data that it was trained with."""
    words = ("--name", "run", "--checkpoints_dir", recorded, "--dataset_name", "folder")
    with pytest.raises(UserError, match="required: --dataroot"):
        parsed(*words)
    found = parsed(*words, "--dataroot", "/photos")
    assert_options(found, {"frame_num": None, "net": "tmrnet", "size": "small", "model": "synplus"})


def test_weights_from_elsewhere(recorded) -> None:
    """They may be of anything: the record of the run says nothing of them."""
    words = ("--name", "run", "--checkpoints_dir", recorded, "--load_path")
    found = parsed(*words, "/some/weights.pth", "--dataroot", "/data")
    assert_options(found, {"model": "syn", "dataset_name": "syn", "size": None, "frame_num": 5})
    found = parsed(*words, recorded / "run" / "TMRNet_model_3.pth")
    assert_options(found, ALL)


def test_no_record(tmp_path) -> None:
    with pytest.raises(UserError, match="required: --dataroot"):
        parsed("--name", "run", "--checkpoints_dir", tmp_path)


def test_training_options_by_hand(recorded) -> None:
    """Only in the record they are passed over: on the command line they are a mistake."""
    with pytest.raises(UserError, match="unknown option --val_freq"):
        parsed("--name", "run", "--checkpoints_dir", recorded, "--val_freq", 1)


@pytest.mark.parametrize("text", ["--name 'run", "run\n", b"\xff\xfe\x00"])
def test_damaged_record(text, tmp_path) -> None:
    (tmp_path / "run").mkdir()
    path = tmp_path / "run" / "opt_train.args"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    result = run("test.py", "--name", "run", "--checkpoints_dir", tmp_path)
    assert (result.status, len(result.err.splitlines())) == (2, 1)
    assert f"error: {path}" in result.err
    result = run("test.py", f"@{tmp_path}/nowhere/opt_train.args")
    assert (result.status, len(result.err.splitlines())) == (2, 1)
    assert "nowhere/opt_train.args: No such file" in result.err


def test_records_are_read_as_shells_do(tmp_path) -> None:
    """Also when they were edited."""
    path = tmp_path / "opt_train.args"
    path.write_text(
        "--name 'a b' --gpu_ids=-1  # here\n--load_iter -1\n--source x\n--source y -j 3\n--verbose\n"
    )
    expected = {"name": "a b", "gpu_ids": "-1", "load_iter": "-1", "source": ["x", "y"], "j": "3"}
    assert read_options(path) == expected


def test_rename(tmp_path) -> None:
    write_options(Namespace(name="a b", dataset_name="syn", is_train=True), tmp_path)
    before = [(tmp_path / file).read_text() for file in ("opt_train.args", "opt_train.txt")]
    rename(tmp_path, "a b.1")
    after = [(tmp_path / file).read_text() for file in ("opt_train.args", "opt_train.txt")]
    assert after == [text.replace("a b", "a b.1") for text in before]
    rename(tmp_path / "nowhere", "x")


# Versions


@pytest.fixture
def copy(tmp_path, monkeypatch) -> Path:
    """Folder of a project of version 1.2.3, for whose version the next call asks anew."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "1.2.3"\n')
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    provenance.version.cache_clear()
    yield tmp_path
    provenance.version.cache_clear()


def git(folder: Path, *words: str) -> None:
    command = ["git", "-C", folder, "-c", "user.name=x", "-c", "user.email=x@x", *words]
    subprocess.run(command, check=True, capture_output=True)


def test_version_of_a_checkout(copy) -> None:
    git(copy, "init")
    git(copy, "add", ".")
    git(copy, "commit", "-m", "one")
    git(copy, "tag", "-a", "v9", "-m", "nine")
    clean = provenance.version()
    assert re.fullmatch(r"1\.2\.3\+[0-9a-f]{10}", clean)
    (copy / "pyproject.toml").write_text((copy / "pyproject.toml").read_text() + "# changed\n")
    assert provenance.version() == clean  # of what runs
    provenance.version.cache_clear()
    assert provenance.version() == f"{clean}-dirty"


def test_version_without_git(copy, monkeypatch) -> None:
    """In a plain copy, where git is not installed, and where the repository is damaged."""
    assert provenance.version() == "1.2.3"
    (copy / ".git").write_text("nonsense")
    provenance.version.cache_clear()
    assert provenance.version() == "1.2.3"
    monkeypatch.setenv("PATH", "/nowhere")
    provenance.version.cache_clear()
    assert provenance.version() == "1.2.3"


def test_steps_that_nobody_knows() -> None:
    facts = provenance.provenance(Namespace(dataroot=ROOT))
    assert facts.keys() == {"time", "version", "dataroot"}
    assert all(type(value) is str for value in facts.values())
