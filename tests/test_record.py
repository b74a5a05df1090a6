"""The record of a run's options, with which it goes on."""

from pathlib import Path

from tests.made_footage import scene
from tests.programs import log_rows, succeed
from util.imaging.images import write_radiance


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
