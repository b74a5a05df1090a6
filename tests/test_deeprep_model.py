"""--model deeprep: networks on bursts, losses, what is trained, refused pairs."""

import argparse
from pathlib import Path

import pytest
import torch

from data import create_dataset
from data.draws import EpochBatches
from data.loading import create_loader, samples
from models import create_model
from models.base_model import BaseModel
from models.burst_losses import pixelwise
from models.deeprep_model import photometric
from models.networks import create_network, network_class
from models.networks.flow.pwcnet import PWCNet
from models.networks.parts.warp import warp
from models.spatial_colour import align
from options.train_options import TrainOptions
from tests import burst_sets, denoising_sets
from train import train_step
from util.device import Place
from util.errors import UserError
from util.progress import Progress

CPU = Place(torch.device("cpu"))
SHORT = "--name x --gpu_ids -1 --size tiny --frame_num 3 --batch_size 2 --epoch_iters 1 -j 0 --patch_size 12"
SR = "--model deeprep --dataset_name synburst_train"
DENOISE = "--model deeprep --dataset_name burst_denoise_train --pre_downsample 2"
FOR_BURSTS = ("deeprep_sr", "deeprep_denoise", "dbsr")
NOWHERE = "--dataroot /does/not/exist"


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, brackets: Path) -> dict[str, Path]:
    """Data by the first words of their names. Not to be written to."""
    root = tmp_path_factory.mktemp("bursts")
    return {
        "synburst": burst_sets.simulate(root / "sr"),
        "burst_denoise": denoising_sets.simulate(root / "denoise"),
        "syn": brackets,
        "synplus": brackets,
    }


@pytest.fixture(scope="module")
def pwcnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of weights by the names of the published one."""
    with torch.device("meta"):
        state = PWCNet().net.state_dict()
    path = tmp_path_factory.mktemp("weights") / "pwcnet.pth"
    torch.save({name.replace("net", "module"): small(value) for name, value in state.items()}, path)
    return path


def small(value: torch.Tensor) -> torch.Tensor:
    """Weights for a parameter, with which no network explodes."""
    generator = torch.Generator().manual_seed(value.numel())
    return 0.02 * torch.randn(value.shape, generator=generator)


def parsed(words: str, folders: dict[str, Path]) -> argparse.Namespace:
    """Options of a short training on one of the folders."""
    name = words.partition("--dataset_name ")[2].split()[0].removesuffix("_train")
    return TrainOptions().parse(f"{SHORT} --dataroot {folders[name]} {words}".split())


def ready(words: str, folders: dict[str, Path]) -> tuple[BaseModel, dict]:
    """A model that is ready to be trained, and its first batch."""
    torch.manual_seed(0)
    opt = parsed(words, folders)
    dataset = create_dataset(opt, "train")
    batches = EpochBatches(len(dataset), opt, 0, 1)
    batches.epoch, batches.first = 1, 0
    model = create_model(opt, CPU, dataset.task)
    model.build()
    model.prepare_training()
    return model, next(iter(samples(create_loader(dataset, opt, batches), CPU.device)))


def changes(model: BaseModel, sample: dict) -> tuple[dict[str, float], set[str]]:
    """The losses of a step, and the names of the parameters that it changed."""
    before = {name: value.detach().clone() for name, value in model.network.named_parameters()}
    losses = train_step(model, [sample], model.opt, Progress())
    after = dict(model.network.named_parameters())
    return losses, {name for name, value in before.items() if not torch.equal(value, after[name])}


# Training


@pytest.mark.parametrize(
    "words",
    [
        f"{SR} --net deeprep_sr",
        f"{SR} --net dbsr",
        f"{SR} --net dbsr --alignment dis",
        f"{SR} --net tmrnet",
        f"{SR} --net nafnet",
        f"{DENOISE} --net deeprep_denoise",
        f"{DENOISE} --net deeprep_denoise --colors grayscale",
        f"{DENOISE} --net deeprep_sr",
        f"{DENOISE} --net tmrnet",
        f"{DENOISE} --net nafnet",
        "--model syn --dataset_name syn --net deeprep_sr",
        "--model syn --dataset_name syn --net deeprep_denoise",
        "--model syn --dataset_name syn --net dbsr",
        "--model synplus --dataset_name synplus --net deeprep_sr --patch_size 8",
    ],
)
def test_a_step_of_training(words: str, folders: dict[str, Path]) -> None:
    """It changes the weights; the flow's loss is there where the flow is learnt along."""
    model, sample = ready(words + (" --loss_border 4" if "deeprep " in words else ""), folders)
    losses, changed = changes(model, sample)
    assert all(0 <= value < 10 for value in losses.values())
    # Of others some begin behind layers of zeros.
    share = 0.8 if model.opt.net in FOR_BURSTS else 0.15
    assert len(changed) > share * len(list(model.network.parameters()))
    if model.opt.model != "deeprep":
        assert bool(getattr(model.network, "bracketed", False))
        return
    learns = model.opt.net in FOR_BURSTS and "dis" not in words
    assert (losses["flow"] > 0) == learns
    assert any("offset_predictors" in name for name in changed) == learns


def test_pwcnet_stays_as_it_is(folders: dict[str, Path], pwcnet: Path) -> None:
    words = f"{SR} --net deeprep_sr --alignment pwcnet --pwcnet_path {pwcnet} --loss_border 4"
    model, sample = ready(words, folders)
    held = {id(parameter) for group in model.optimizer.param_groups for parameter in group["params"]}
    frozen = dict(model.network.alignment_net.named_parameters())
    assert len(frozen) == 126 and not held & {id(value) for value in frozen.values()}
    before = {name: value.clone() for name, value in frozen.items()}
    losses, changed = changes(model, sample)
    assert losses["flow"] == 0 and changed and not any("alignment" in name for name in changed)
    assert all(torch.equal(value, before[name]) for name, value in frozen.items())
    published = torch.load(pwcnet, weights_only=True)
    torch.testing.assert_close(
        before["alignment_net.net.netExtractor.netOne.0.weight"],
        published["moduleExtractor.moduleOne.0.weight"],
    )


# Losses


def losses_of(words: str, folders: dict[str, Path]) -> tuple[BaseModel, float]:
    """A model after its forward pass of a batch, and what it would minimise."""
    model, sample = ready(words, folders)
    model.set_input(sample)
    model.forward()
    return model, float(model.compute_loss().detach())


@pytest.mark.parametrize(
    ("words", "border"),
    [(SR, 40), (f"{DENOISE} --net deeprep_sr", 4), (f"{SR} --burst_loss charbonnier --loss_border 7", 7)],
)
def test_what_is_minimised(words: str, border: int, folders: dict[str, Path]) -> None:
    model, loss = losses_of(f"{words} --flow_weight 0.25", folders)
    image = pixelwise(model.opt.burst_loss, model.output.detach(), model.gt, border)
    frames = model.frames
    moved = warp(frames[:, :1].expand_as(frames[:, 1:]).flatten(0, 1), model.flow.detach().flatten(0, 1))
    flow = (moved - frames[:, 1:].flatten(0, 1)).abs()[..., 4:-4, 4:-4].mean()
    assert float(model.losses["image"]) == pytest.approx(float(image), rel=1e-6)
    assert float(model.losses["flow"]) == pytest.approx(0.25 * float(flow), rel=1e-5)
    assert loss == pytest.approx(float(image + 0.25 * flow), rel=1e-6)


def test_a_border_that_leaves_nothing_is_refused(folders: dict[str, Path]) -> None:
    with pytest.raises(UserError, match="a border of 40 px leaves nothing of images of 80x80"):
        losses_of(f"{SR} --patch_size 10", folders)


def test_photometric_loss_of_a_flow_that_is_known() -> None:
    """0 for the right flow, by the convention of either kind of network; a single frame has none."""
    base = torch.rand(1, 3, 20, 24, generator=torch.Generator().manual_seed(0))
    frames = torch.stack((base, base.roll((1, 2), (-2, -1))), dim=1)
    for from_base, sign in ((False, -1.0), (True, 1.0)):
        kind = "dbsr" if from_base else "deeprep_denoise"
        network = create_network(kind, **network_class(kind).sizes["tiny"] | {"in_channels": 3})
        flow = sign * torch.tensor([2.0, 1.0]).view(1, 1, 2, 1, 1).expand(1, 1, 2, 20, 24)
        assert float(photometric(network, frames, flow)) == pytest.approx(0, abs=1e-5)
        assert float(photometric(network, frames, -flow)) > 0.1
        assert float(photometric(network, frames[:, :1], flow[:, :0])) == 0


def test_aligned_loss_is_ten_times_the_masked_one(folders: dict[str, Path]) -> None:
    """After alignment in place and colour, as for the ground truth of another camera."""
    words = f"{SR} --alignment dis --burst_loss aligned --patch_size 16 --loss_border 20"
    model, _ = losses_of(words, folders)
    model.output = (model.gt * torch.tensor([0.9, 1.0, 1.05]).view(3, 1, 1) + 0.01).requires_grad_()
    loss = model.compute_loss()
    aligned = align(model.output, model.gt, model.frames, model.align.keywords["flow"])
    mask = aligned.mask[..., 20:-20, 20:-20]
    error = (aligned.image - model.gt).abs()[..., 20:-20, 20:-20]
    assert mask.any()
    assert float(loss.detach()) == pytest.approx(
        10 * float((error.detach() * mask).sum() / (3 * mask.sum())), rel=1e-4
    )
    assert torch.autograd.grad(loss, model.output)[0].abs().sum() > 0


# Pairs that cannot be

REFUSED = {
    f"{SR} --net deeprep_denoise": "--net deeprep_denoise cannot restore --dataset_name synburst_train: it "
    "enlarges by 1, not 8",
    "--model deeprep --dataset_name syn": "--model deeprep restores bursts of one exposure, not those of "
    "--dataset_name syn",
    "--model syn --dataset_name synburst_train": "--model syn enlarges by 1, but the targets of "
    "--dataset_name synburst_train by 8",
    "--model synplus --dataset_name burst_denoise_train": "--model synplus enlarges by 4, but the targets of "
    "--dataset_name burst_denoise_train by 1",
    "--model synplus --dataset_name synplus --net deeprep_denoise": "--net deeprep_denoise cannot restore "
    "--dataset_name synplus: it enlarges by 1, not 4",
    f"{DENOISE} --net burst_merge": "--net burst_merge cannot restore --dataset_name burst_denoise_train: it "
    "takes frames of 4 planes, not 3",
}


@pytest.mark.parametrize("words", REFUSED)
def test_impossible_pairs_are_refused_before_data_are_read(words: str) -> None:
    with pytest.raises(UserError) as refused:
        TrainOptions().parse(f"{SHORT} {NOWHERE} {words}".split())
    assert str(refused.value) == REFUSED[words]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (f"{SR} --alignment pwcnet", "pwcnet is not learnt here: give its published weights, --pwcnet_path"),
        (f"{SR} --net dbsr --pwcnet_path x.pth", "--pwcnet_path: this DBSR, by its options, has no pwcnet"),
        (f"{SR} --alignment raft", "cannot be built for --model deeprep: unknown alignment 'raft'"),
        (
            f"{SR} --burst_loss aligned --sca_flow pwcnet",
            "--sca_flow pwcnet needs its weights",
        ),
        (f"{SR} --net burst_merge", "--net burst_merge has no parameters to train or load"),
    ],
)
def test_options_that_cannot_be_are_refused(words: str, text: str, folders: dict[str, Path]) -> None:
    with pytest.raises(UserError, match=text):
        ready(words, folders)
