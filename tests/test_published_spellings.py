"""Published command lines with train.py and test.py in the place of their programs."""

import pytest

from options.published import translated
from options.test_options import TestOptions
from options.train_options import TrainOptions
from util.errors import UserError

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
        ("--model tmrnet --name x", "--model syn --net tmrnet --name x"),
        ("--load_iter 1 2 -j 4", "--load_iter 1,2 -j 4"),
        ("--load_it=3", "--load_iter 3"),
        ("--dataset_name syn synplus", "--dataset_name syn,synplus"),
        ("--gpu_id 0 --save_im t --calc True", "--gpu_ids 0 --save_imgs t --calc_metrics True"),
        ("--gpu_id=-1", "--gpu_ids=-1"),
        ("--stru labels", "--stru_lable_path labels"),
        ("--data x --save 1", "--data x --save 1"),  # of two meanings
        ("--crop 64 --lr 1", "--crop 64 --lr 1"),  # not --crop_patch where it is an option of ours
        ("--suffix --name x", "--suffix --name x"),
    ],
)
def test_translated(given: str, expected: str) -> None:
    assert translated(given.split(), {"crop", "net"}.__contains__) == expected.split()


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


TRAINED = "--lr_decay_iters 50 --weight_decay 0.01 --print_freq 500 --calc_metrics True --gpu_ids 0,1 -j 8"
BRACKETS = {  # argument lists of BracketIRE: specification, 11
    "train_syn": "syn syn --lr_policy cosine_warmup --patch_size 128 --niter 400 --lr 1e-4 --batch_size 8 "
    f"{TRAINED}",
    "train_synplus": "synplus synplus --lr_policy cosine_warmup --patch_size 64 --niter 400 --lr 1e-4 "
    f"--batch_size 8 --load_path ckpt/syn/TMRNet_model_400.pth {TRAINED}",
    "train_real": "real real --lr_policy cosine --patch_size 128 --niter 10 --lr 7.5e-5 --batch_size 8 "
    f"--self_weight 1 {TRAINED}",
    "train_realplus": "realplus real --lr_policy cosine --patch_size 64 --niter 10 --lr 7.5e-5 "
    f"--batch_size 8 --self_weight 1 {TRAINED}",
    "test_syn": "syn syn --load_iter 400 --save_imgs True --calc_metrics False --gpu_id 0 -j 8",
    "test_synplus": "synplus synplus --load_iter 400 --save_imgs True --calc_metrics False --gpu_id 0 -j 8",
    "test_real": "real real --load_iter 10 --save_imgs True --chop True --gpu_id 0 -j 8",
    "test_realplus": "realplus real --load_iter 10 --save_imgs True --chop True --gpu_id 0 -j 8",
}


@pytest.mark.parametrize("script", BRACKETS)
def test_scripts_of_bracketire(script: str, capsys: pytest.CaptureFixture) -> None:
    """The four trainings and the four tests, which say `--gpu_id`; all of what they say is used."""
    model, dataset, rest = BRACKETS[script].split(maxsplit=2)
    words = f"--dataset_name {dataset} --model {model} --name tmrnet --dataroot /data {rest}"
    training = script.startswith("train")
    opt = (TrainOptions if training else TestOptions)().parse(words.split())
    assert (opt.model, opt.dataset_name, opt.net, opt.workers) == (model, dataset, "tmrnet", 8)
    assert opt.gpu_ids == ("0,1" if training else "0")
    if training:
        assert (opt.lr, opt.niter) == ((7.5e-5, 10) if dataset == "real" else (1e-4, 400))
        assert (opt.lr_min, opt.print_freq, opt.weight_decay) == (1e-6, 500, 0.01)
    else:
        assert (opt.load_iter, opt.save_imgs) == ([10 if dataset == "real" else 400], True)
        assert opt.isp == ("published" if dataset == "real" else "full")
        assert opt.tile == (384 if dataset == "real" else None)
    if dataset == "real":
        assert opt.phase == "file"
    assert capsys.readouterr().err == ""


SELFHDR = {  # argument lists of SelfHDR: specification, 11
    "train": "selfhdr1 --niter 150 --lr_policy step --lr_decay_iters 50 --lr 1e-4 --batch_size 16 "
    "--patch_size 128 --save_imgs False --calc_metrics True --print_freq 100",
    "labels": "selfhdr2 --load_iter 150 --save_imgs True --calc_metrics True --stage0_inference True",
    "test": "selfhdr2 --load_iter 150 --save_imgs True --calc_metrics True",
}


@pytest.mark.parametrize("script", SELFHDR)
@pytest.mark.parametrize("network", ["AHDRNet", "FSHDR", "HDR-Transformer", "SCTNet"])
def test_scripts_of_selfhdr(script: str, network: str, capsys: pytest.CaptureFixture) -> None:
    words = (
        f"--dataset_name sig17align --model {SELFHDR[script]} --name x --network {network} --dataroot /data"
    )
    opt = (TrainOptions if script == "train" else TestOptions)().parse([*words.split(), "--gpu_id", "0"])
    assert (opt.net, opt.gpu_ids) == (network.lower().replace("-", "_"), "0")
    if script == "train":
        assert (opt.lr_policy, opt.lr_decay_iters, opt.lr_min) == ("step", 50, 1e-7)
    else:
        assert (opt.load_iter, opt.structure_labels) == ([150], script == "labels")
    assert capsys.readouterr().err == ""


def test_several_data_sets_and_weights() -> None:
    """As published, the weights of each epoch are tested on each of the data sets."""
    words = "--name x --dataroot /data --load_iter 1 2 --save_imgs t --dataset_name {} --model syn"
    each = TestOptions().parse_each(words.format("syn real").split())
    assert [opt.dataset_name for opt in each] == ["syn", "real"]
    assert all(opt.load_iter == [1, 2] and opt.save_imgs is True for opt in each)
    (alone,) = TestOptions().parse_each(words.format("syn").split())
    assert alone.dataset_name == "syn"
    with pytest.raises(UserError, match=r"--model syn enlarges by 1, but the targets .* synplus by 4"):
        TestOptions().parse_each(words.format("syn synplus").split())
    with pytest.raises(UserError, match=r"--dataset_name syn,real: one data set at a time, but in test\.py"):
        TrainOptions().parse(["--name", "x", "--dataroot", "/data", "--dataset_name", "syn", "real"])


def test_challenge() -> None:
    opt = TestOptions().parse(
        ["--name", "x", "--dataroot", "/data", "--model", "tmrnet", "--dataset_name", "syn"]
    )
    assert (opt.model, opt.net) == ("syn", "tmrnet")


@pytest.mark.parametrize(
    ("words", "phase", "isp"),
    [
        ("--model real", "file", "published"),
        ("--model realplus", "file", "published"),
        ("--model real --phase red --isp full", "red", "full"),
        ("--model syn", "red", "full"),
    ],
)
def test_what_published_programs_do_with_real_brackets(words: str, phase: str, isp: str) -> None:
    opt = TestOptions().parse(f"--name x --dataroot /data --dataset_name real {words}".split())
    assert (opt.phase, opt.isp) == (phase, isp)


def test_adapted_weights_on_other_data() -> None:
    """These are rendered as they always are."""
    opt = TestOptions().parse(
        ["--name", "x", "--dataroot", "/data", "--model", "real", "--dataset_name", "syn"]
    )
    assert opt.isp == "full" and not hasattr(opt, "phase")


@pytest.mark.parametrize(
    ("given", "start", "epoch"),
    [
        ("--load_iter 0", None, 1),
        ("--load_iter 4", [4], 5),
        ("--load_iter 4 --first_epoch 1", [4], 1),
        ("--load_iter latest", ["latest"], 1),
        ("--load_path x.pth", None, 1),
    ],
)
def test_where_training_starts(given: str, start: list | None, epoch: int) -> None:
    opt = TrainOptions().parse(f"--name x --dataroot /data --niter 5 {given}".split())
    assert (opt.load_iter, opt.first_epoch) == (start, epoch)


@pytest.mark.parametrize(
    ("given", "expected"),
    [("--load_iter 6", "--load_iter 6: epoch 7"), ("--first_epoch 9", "--first_epoch 9")],
)
def test_training_that_is_done(given: str, expected: str) -> None:
    with pytest.raises(UserError, match=f"^{expected} is the next, but --niter ends with 6: say a larger"):
        TrainOptions().parse(f"--name x --dataroot /data --niter 4 --niter_decay 2 {given}".split())
