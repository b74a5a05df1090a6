"""Published command lines of ExposureDiffusion with train.py and test.py in the place of their programs."""

import pytest

from options.published import translated
from options.test_options import TestOptions
from options.train_options import TrainOptions

ITERATIVE = "--model eld_iter_model --with_photon --adaptive_res_and_x0 --iter_num 2 --epoch 300 "
ITERATIVE += "--auxloss --adaptive_loss"
TRAINING = {  # name of the run, and what is said beside ITERATIVE
    "SID_Pg": "--include 4 --noise P+g --continuous_noise",
    "SID_PGru": "--include 4 --noise P+G+r+u --continuous_noise --concat_origin",
    "SID_real": "--concat_origin --dataset_name sid",
    "SID_Pg_naf2": "--include 4 --noise P+g --continuous_noise --netG naf2",
    "SID_PGru_naf2": "--include 4 --noise P+G+r+u --continuous_noise --concat_origin --netG naf2",
}


@pytest.mark.parametrize("name", TRAINING)
def test_training(name: str) -> None:
    opt = TrainOptions().parse(f"--name {name} {TRAINING[name]} {ITERATIVE}".split())
    assert (opt.model, opt.net) == ("exposure_diffusion", "nafnet" if "naf2" in name else "unet")
    assert opt.dataset_name == ("sid" if "real" in name else "sid_syn")
    assert (opt.dataroot, opt.iter_num, opt.niter, opt.batch_size) == ("datasets/SID/Sony", 2, 300, 1)
    assert opt.with_photon is True and opt.adaptive_res_and_x0 is True and opt.auxloss is True
    assert opt.concat_origin is (True if "concat_origin" in TRAINING[name] else None)
    assert (opt.adaptive_loss, opt.lr_policy, opt.lr, opt.frame_num) == ("True", "halves", 1e-4, 1)
    assert (opt.patch_size, opt.weight_decay, opt.resume) == (512, 0.0, False)


@pytest.mark.parametrize("dataset", ["sid", "eld"])
def test_testing(dataset: str, capsys: pytest.CaptureFixture) -> None:
    """The flag that loaded weights, and those that decide nothing, are answered."""
    words = (
        "--name sid -r --model_path a/SID_Pg.pt --model eld_iter_model --with_photon --adaptive_res_and_x0"
    )
    words += f" --include 4 --iter_num 3 --nThreads 2 --no-log --dataset_name {dataset} --dataroot data"
    opt = TestOptions().parse(words.split())
    assert (opt.model, opt.net, opt.load_path, opt.iter_num) == (
        "exposure_diffusion",
        "unet",
        "a/SID_Pg.pt",
        [3],
    )
    assert (opt.oracle, opt.workers) == (False, 2)
    notes = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in notes] == ["--no-log", "--resume"]
    assert "weights are always loaded" in notes[1]


def test_ignored_options_say_why(capsys: pytest.CaptureFixture) -> None:
    words = "--name sid --model eld_model -c 4 --stage_in raw --gt_wb --serial_batches --debug --chop"
    opt = TrainOptions().parse(words.split())
    assert (opt.model, opt.net) == ("eld", "unet")
    notes = capsys.readouterr().err.splitlines()
    assert len(notes) == 6 and all("without effect here: " in line for line in notes)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("--netG naf", "--net nafnet --size naf"),
        ("--netG=naf2", "--net nafnet"),
        ("--model eld_model --name naf", "--model eld --name naf"),
        ("--model syn --net tmrnet", "--model syn --net tmrnet"),
        ("--netG", "--netG"),
    ],
)
def test_translated(given: str, expected: str) -> None:
    assert translated(given.split()) == expected.split()


SURFACE = (
    "--iter_num 2 --adaptive_res_and_x0 --with_photon --concat_origin --resid --chop --no-log --debug --gt_wb"
)
OF_TRAINING = (
    "--adaptive_loss --auxloss -b 1 --lr 1e-4 --wd 0 --loss l1 --noise P+g --continuous_noise --syn_noise"
)


@pytest.mark.parametrize("model", ["eld_model", "eld_iter_model"])
@pytest.mark.parametrize("net", ["unet", "naf"])
def test_every_option_is_known_everywhere(model: str, net: str) -> None:
    """What decides nothing for a model, network or data set is a note, not a mistake."""
    common = f"--name sid --model {model} --netG {net} --include 4 {SURFACE}"
    for dataset in ("sid", "sid_syn"):
        opt = TrainOptions().parse(f"{common} {OF_TRAINING} --dataset_name {dataset}".split())
        assert opt.epoch_iters == {"sid": 2240, "sid_syn": 1288}[dataset]
    for dataset in ("sid", "eld"):
        TestOptions().parse(f"{common} --noise P+g -r -re 3 --dataset_name {dataset} --dataroot data".split())
