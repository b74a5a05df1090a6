"""Files of settings, --config: what they say, what wins over them, and what is wrong with them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from options.test_options import TestOptions
from options.train_options import TrainOptions
from tests.programs import ROOT, log_rows, run, succeed
from util.errors import UserError

TEXT = """
# a comment
name: 007
dataroot: /my data
model: syn
network: HDR-Transformer
lr: 1e-4
niter: 12
grad_clip: 0.5
ema_decay: .9
compile: no
channels_last: False
align_inputs: yes
dataset_name: sig17align
gpu_ids: [0, 1]
cache_dir:
load_path: null
tile: ~
"""


@pytest.fixture
def config(tmp_path):
    """Writes a file of settings; returns the words that name it."""

    def write(text: str) -> list[str]:
        (tmp_path / "run.yml").write_text(text)
        return ["--config", str(tmp_path / "run.yml")]

    return write


def test_values(config) -> None:
    """They become what the command line makes of the same words."""
    opt = TrainOptions().parse(config(TEXT))
    words = (
        "--name 007 --model syn --network HDR-Transformer --lr 1e-4 --niter 12 --grad_clip 0.5 "
        "--ema_decay .9 --compile no --channels_last False --align_inputs yes --dataset_name sig17align "
        "--gpu_ids 0,1"
    )
    expected = TrainOptions().parse([*words.split(), "--dataroot", "/my data"])
    assert vars(opt) == vars(expected) | {"config": opt.config}
    assert (opt.net, opt.name, opt.compile, opt.lr) == ("hdr_transformer", "007", False, 1e-4)


def test_the_command_line_wins(config, tmp_path) -> None:
    """Wherever it stands, by any of an option's names, and over lists as well; @files are part of it."""
    words = config("name: a\ndataroot: /d\nniter: 12\nlr: 3\nworkers: 7\ndataset_name: sim\nsource: [x, y]\n")
    (tmp_path / "words").write_text("--lr 5\n")
    opt = TrainOptions().parse(["--niter", "3", *words, "-j", "2", "--source=z", f"@{tmp_path}/words"])
    assert (opt.niter, opt.workers, opt.lr, opt.source) == (3, 2, 5, [Path("z")])
    assert TrainOptions().parse(words).source == [Path("x"), Path("y")]


def test_of_test(config, tmp_path) -> None:
    """Over the run's record; lists are comma lists; a file may serve train.py as well."""
    (tmp_path / "run").mkdir()
    record = (
        "--dataroot /recorded\n--size small\n--frame_num 3\n--model syn\n--dataset_name syn\n--net tmrnet\n"
    )
    (tmp_path / "run" / "opt_train.args").write_text(record)
    text = f"checkpoints_dir: {tmp_path}\nname: run\ndataroot: /given\nmetrics: [psnr_mu, psnr_l]\n"
    words = config(text + "load_iter: [1, best]\nsize: tiny\nprotocol: ntire2024\n")
    opt = TestOptions().parse([*words, "--protocol", "paper"])
    assert (opt.dataroot, opt.size, opt.frame_num, opt.protocol) == ("/given", "tiny", 3, "paper")
    assert (opt.metrics, opt.load_iter) == (["psnr_mu", "psnr_l"], [1, "best"])


def test_options_of_training_in_testing(config, capsys) -> None:
    """One note names them; what is an option of neither is an error."""
    text = (
        "name: x\ndataroot: /d\nniter: 4\nval_freq: 0\nteacher_decay: 0.9\nmodel: real\nstru_lable_path: x\n"
    )
    opt = TestOptions().parse(config(text))
    assert opt.model == "real"
    note = capsys.readouterr().err.splitlines()
    assert len(note) == 1
    assert note[0].endswith("passed over, of training alone: niter, val_freq, teacher_decay, stru_lable_path")
    with pytest.raises(UserError, match="unknown option --val_frq; did you mean"):
        TestOptions().parse(config(text + "val_frq: 3\n"))


@pytest.mark.parametrize(
    "text, expected",
    [
        ("nitre: 3", "run.yml: unknown option --nitre; did you mean --niter"),
        ("config: other.yml", "run.yml: unknown option --config"),
        ("help: True", "run.yml: unknown option --help"),
        ("- niter\n- 3", "run.yml: expected options, a line each"),
        ("niter", "run.yml: expected options, a line each"),
        ("optimisation:\n  lr: 3", "run.yml: optimisation: expected a value or a list of values"),
        ("gpu_ids: [[0], 1]", "run.yml: gpu_ids: expected a value or a list of values"),
        ("? [a, b]\n: 3", "run.yml: not YAML"),
        ("niter: 3: 4", "run.yml: not YAML: mapping values are not allowed here, line 1"),
        ("niter: [3", "run.yml: not YAML"),
        ("frame_num: four", "--frame_num: expected a whole number above 0, not 'four'"),
        ("frame_num: [1, 2]", "--frame_num: expected a whole number above 0, not '1,2'"),
        (
            "frame_num: !!python/object/apply:os.system [ls]",
            "--frame_num: expected a whole number above 0, not 'ls'",
        ),
        ("model: sny", "unknown model 'sny'"),
    ],
)
@pytest.mark.parametrize("options", [TrainOptions, TestOptions])
def test_mistakes(options, text, expected, config) -> None:
    with pytest.raises(UserError) as error:
        options().parse([*config(text), "--name", "x", "--dataroot", "/d"])
    assert expected in str(error.value)


def test_files_that_cannot_be_read(tmp_path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\xd8")
    for file, expected in (
        ("nowhere.yml", "no such file"),
        (".", "Is a directory"),
        ("binary", "not a text"),
    ):
        result = run("train.py", "--config", tmp_path / file, "--name", "x", "--dataroot", tmp_path)
        assert result.status == 2
        assert result.err.startswith(f"error: --config {tmp_path / file}: {expected}")
        assert len(result.err.splitlines()) == 1


def test_empty_file(config) -> None:
    opt = TrainOptions().parse([*config("# nothing yet\n"), "--name", "x", "--dataroot", "/d"])
    assert (opt.name, opt.niter) == ("x", 400)


def test_one_file_for_both_programs(brackets, config, tmp_path) -> None:
    """A run that is described by a file is trained, recorded, resumed and tested."""
    settings = {"name": "run", "checkpoints_dir": tmp_path, "dataroot": brackets, "size": "tiny", "niter": 1}
    settings |= {"patch_size": 24, "batch_size": 2, "workers": 0, "gpu_ids": -1, "epoch_iters": 2}
    settings |= {"print_freq": 1, "val_freq": 0}
    words = config("".join(f"{key}: {value}\n" for key, value in settings.items()))
    succeed("train.py", *words)
    recorded = (tmp_path / "run" / "opt_train.args").read_text()
    assert "--size tiny\n" in recorded and "config" not in recorded
    succeed("train.py", *words, "--niter", 2, "--resume", True)
    assert [row["step"] for row in log_rows(tmp_path / "run")] == [1, 2, 3, 4]
    result = succeed("test.py", *words, "--metrics", "psnr_mu")
    assert "psnr_mu" in result.out and result.err.count("note: ") == 1


@pytest.mark.parametrize(
    "text, message",
    [
        ("--niter 3\n--cache_dir 'a\nb\n", r"words, line 2: No closing quotation: --cache_dir 'a"),
        ("# it's\n--niter 3 \\", r"words, line 2: No escaped character: --niter 3"),
        ("--niter 3\n--lr \0", r"words, line 2: not a text file"),
        ("@words", r"files of options that name each other, more than 8 deep"),
        ("@nowhere", r"cannot read nowhere: No such file"),
    ],
)
def test_damaged_files_of_options(tmp_path, monkeypatch, text, message) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "words").write_text(text)
    with pytest.raises(UserError, match=message):
        TrainOptions().parse(["--name", "a", "--dataroot", "/d", "@words"])


def test_settings_nested_without_end(config) -> None:
    with pytest.raises(UserError, match="expected options, a line each, not lists in lists"):
        TrainOptions().parse(config("niter: " + 1100 * "["))


LIMITS = [
    (["--name="], "--name '': expected the name of a folder in CHECKPOINTS_DIR, such as mine or a/b"),
    (["--name", "."], "--name '.': expected"),
    (["--name", ".."], "--name '..': expected"),
    (["--name", "/tmp/a"], "--name '/tmp/a': expected"),
    (["--name", "a/../../b"], "--name 'a/../../b': expected"),
    (["--name", "a\nb"], "--name 'a.nb': expected"),
    (["--net", ""], "unknown network ''"),
    (["--model", ""], "unknown model ''"),
    (["--dataset_name", ""], "unknown dataset ''"),
    (["--seed", str(2**64)], f"--seed: expected a whole number from 0 to {2**64 - 1}"),
    (["--patch_size", "9000"], "--patch_size: expected a whole number from 1 to 8192"),
    (["--batch_size", str(10**9)], "-b: expected a whole number from 1 to 65536"),
    (["--niter", str(10**9)], "expected a whole number from 1 to 1000000"),
    (["--niter_decay", str(10**9)], "--niter_decay: expected a whole number from 0 to 1000000"),
    (["--epoch_iters", "9" * 5000], "--epoch_iters: expected a whole number from 1 to"),
    (["--lr", "nan"], "--lr: expected a number, 0 or more, not 'nan'"),
    *((words, f"{words[0]}: -- is no value") for words in (["--lr=--"], ["--chop=--"], ["-j--"])),
    *(
        ([f"{name}="], f"{name}.*: expected a value, not ''")
        for name in ("--load_path", "--dataroot", "--checkpoints_dir", "--load_iter")
    ),
    (["--lr", "inf"], "--lr: expected a number, 0 or more, not 'inf'"),
]


@pytest.mark.parametrize("words, message", LIMITS)
def test_limits(words, message) -> None:
    with pytest.raises(UserError, match=message):
        TrainOptions().parse(["--name", "a", "--dataroot", "/d", *words])


def test_names_in_folders_and_the_largest_numbers() -> None:
    words = ["--name", "a/b c", "--dataroot", "/d", "--seed", str(2**64 - 1), "--niter", "1000000"]
    assert TrainOptions().parse(words).seed == 2**64 - 1


@pytest.mark.parametrize("name", ["a/b", "a/b/", "a//b", "./a/./b"])
def test_names_are_those_of_their_folders(name) -> None:
    assert TrainOptions().parse(["--name", name, "--dataroot", "/d"]).name == "a/b"


def test_more_loaders_than_the_cores_bear(monkeypatch, capsys) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2})
    words = ["--name", "a", "--dataroot", "/d", "-j"]
    assert TrainOptions().parse([*words, "12"]).workers == 12
    assert capsys.readouterr().err == ""
    assert TrainOptions().parse([*words, "13"]).workers == 12
    assert capsys.readouterr().err == "note: -j 13: 12 processes load, 4 for each core\n"
    monkeypatch.delattr("os.sched_getaffinity")  # macOS
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    assert TrainOptions().parse([*words, "17"]).workers == 16


def test_paths_for_scripts_are_from_where_they_are_called(tmp_path) -> None:
    """Sourced in a project folder whose environment is there."""
    project, here = tmp_path / "project", tmp_path / "my work"
    for folder in (project / "syn_bash", project / ".venv" / "bin", here):
        folder.mkdir(parents=True)
    shutil.copy(ROOT / "syn_bash" / "environment.sh", project / "syn_bash")
    for name in ("requirements.txt", ".venv/requirements.txt", ".venv/bin/activate"):
        (project / name).write_text("")
    script = f'source "{project}/syn_bash/environment.sh"; echo "$PWD|$DATAROOT|$HDR|${{VGG:-none}}"'
    variables = os.environ | {"DATAROOT": "a b", "HDR": "/hdr", "VGG": ""}
    done = subprocess.run(
        ["bash", "-c", script], cwd=here, env=variables, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{project}|{here}/a b|/hdr|none\n"
