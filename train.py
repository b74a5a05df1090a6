"""Train a network: options -> data set -> model -> this loop.

python train.py --name my_run --model syn --dataset_name syn --dataroot DIR        (-h lists the options)
"""

import util.starting  # noqa: F401 isort: skip
import argparse
import math
import shlex
from contextlib import nullcontext

import torch
from torch.utils.data import DataLoader

from data import create_dataset
from data.draws import EpochBatches
from data.loading import create_loader, create_validation_loader, ground_truth, samples
from models import create_model
from models.base_model import BaseModel
from models.demosaicing import create_demosaicer
from models.spatial_colour import create_align
from options.record import FILE as RECORD
from options.run_folder import open_run, owned
from options.train_options import TrainOptions
from util import device, progress
from util.device import Place
from util.door import run
from util.imaging.demosaic import Demosaicer
from util.imaging.pictures import Pictures
from util.logger import Logger
from util.page.training import ValidationPictures
from util.progress import Progress, Rescue
from util.schedule import learning_rate
from util.scores.complexity import parameter_count
from util.scores.evaluation import VALIDATED, Evaluation, finite_mean, unbatched
from util.scores.judged import create_judge
from util.scores.method_scores import RESTORED, TRUTH
from util.scores.picture_metrics import published_validation_psnr
from util.stop import StopRequest


def main() -> None:
    opt = TrainOptions().parse()
    with device.joined(opt) as place, owned(opt, place):
        train(opt, place, StopRequest())


def train(opt: argparse.Namespace, place: Place, stop: StopRequest) -> None:
    """The whole run. What ends it early, a signal or an error, leaves the state of its last whole step."""
    torch.manual_seed(opt.seed)
    dataset = create_dataset(opt, "train")
    batches = EpochBatches(len(dataset), opt, place.rank, place.world)
    loader = create_loader(dataset, opt, batches)
    validation = create_validation_loader(opt) if opt.val_freq else None
    model = create_model(opt, place, dataset.task)
    demosaic = create_demosaicer(opt, place)
    now = begin(model, opt)

    again = f"python train.py {shlex.quote(f'@{model.folder}/{RECORD}')} --resume True"
    rescue = Rescue(now, lambda: save_state(model, now), again) if place.is_main else nullcontext()
    with rescue, Logger(model.folder, opt, now) if place.is_main else nullcontext() as logger:
        while now.epoch <= opt.niter + opt.niter_decay:
            model.set_learning_rate(learning_rate(opt, now.epoch, now.scores))
            batches.epoch, batches.first = now.epoch, now.iteration
            train_epoch(model, loader, now, logger, stop)
            if validation and now.epoch % opt.val_freq == 0:
                save_state(model, now)
                score = validate(model, validation, demosaic, now, logger, stop) if place.is_main else 0.0
                device.stop_together(stop, place)
                now.scores.append(device.from_main(score, place))
            end_epoch(model, opt, now)


def begin(model: BaseModel, opt: argparse.Namespace) -> Progress:
    """Build the model, afresh or as `--resume` finds it; returns how far the run has come."""
    afresh = Progress(epoch=opt.first_epoch), None
    now, state = Progress.load(model.folder, opt.epoch_iters) if opt.resume else afresh
    start = model.checkpoint_path(opt.load_iter[0]) if opt.load_iter else opt.load_path
    model.build(None if state else start, resumed=state)
    model.prepare_training()
    parameters = parameter_count(model.network)
    model.say(f"{type(model.network).__name__} with {parameters:,} parameters on {model.place.device}")
    if state:
        model.load_state(state, model.folder / progress.FILE)
        finished = now.epoch > opt.niter + opt.niter_decay
        place = f"going on in epoch {now.epoch} after iteration {now.iteration}"
        model.say("nothing left to do: all epochs are done" if finished else place)
    device.agree(now.step(opt.epoch_iters), model.place)  # and all have read their weights: they may move
    if model.place.is_main:
        open_run(opt, model.folder, start, now.step(opt.epoch_iters))
    return now


def train_epoch(
    model: BaseModel, loader: DataLoader, now: Progress, logger: Logger | None, stop: StopRequest
) -> None:
    """The steps of this epoch that are still to be made; `Stopped` if the run was asked to stop."""
    opt, parts = model.opt, []
    for sample in samples(loader, model.place.device):
        parts.append(sample)
        if len(parts) < opt.accumulate:
            continue
        model.begin_step(now.seed(opt, rank=0))
        torch.manual_seed(now.seed(opt, model.place.rank))  # of what a network draws, dropout for example
        losses, parts = train_step(model, parts, opt, now), []
        if logger:
            logger.step(now.step(opt.epoch_iters), now.epoch, model.optimizer.param_groups[0]["lr"], losses)
        device.stop_together(stop, model.place)
        if now.iteration % opt.save_latest_freq == 0 and now.iteration < opt.epoch_iters and not now.skipped:
            save_state(model, now)


def train_step(
    model: BaseModel, parts: list[dict], opt: argparse.Namespace, now: Progress
) -> dict[str, float] | None:
    """One step on a batch that comes in one or several parts; its losses, or None if it was left out."""
    model.optimizer.zero_grad(set_to_none=True)
    losses, useless = dict.fromkeys(model.loss_names, 0.0), False
    for number, sample in enumerate(parts, start=1):
        model.set_input(sample)
        with model.last_pass(is_last := number == len(parts)):
            with model.autocast():
                model.forward()
            loss = model.compute_loss() / len(parts)
            losses = {name: value + float(model.losses[name]) / len(parts) for name, value in losses.items()}
            useless = useless or not math.isfinite(loss.item() + sum(losses.values()))
            if is_last:  # in which gradients are shared: all processes go through it, or none
                useless = device.any_process(useless, model.place)
            if not useless:  # kernels of the backward pass may end the process without a word
                model.scaler.scale(loss).backward()
    parameters = list(model.trained.parameters())
    if has_gradient := not useless:
        model.scaler.unscale_(model.optimizer)
        norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        useless = not math.isfinite(norm)  # in all processes or in none
    with now.one_more(useless):
        if not useless:
            if opt.grad_clip:
                torch.nn.utils.clip_grads_with_norm_(parameters, opt.grad_clip, norm)
            model.scaler.step(model.optimizer)
            model.update_averages()
        if has_gradient:
            model.scaler.update()
    if useless:
        model.share_gradients()
        now.skip(name for sample in parts for name in sample["name"])
    return None if useless else losses


def validate(
    model: BaseModel, loader: DataLoader, demosaic: Demosaicer, now: Progress, log: Logger, stop: StopRequest
) -> float:
    """Score the validation set as test.py does; returns the mean PSNR, NaN if asked to stop before."""
    opt, dataset = model.opt, loader.dataset
    judge = create_judge(dataset, create_align(opt, model.place.device, dataset.scores))
    evaluation, views = Evaluation(VALIDATED[dataset.scores], dataset.border, kind=dataset.scores), []
    shown = ValidationPictures(model.folder, now.epoch)
    for sample in samples(loader):
        if stop:
            return math.nan
        name = sample["name"][0]
        frames = model.normalised(sample)
        images = {RESTORED: model.restore(frames, sample).float().cpu(), TRUTH: ground_truth(sample)}
        view = Pictures(demosaic, unbatched(sample["meta"]), white=model.white, border=0, isp="full")
        judged = judge.images(view, images, frames, sample)
        row = evaluation.add(name, judged[RESTORED], judged[TRUTH])
        if dataset.scores == "picture" and model.task.channels == 4:  # the published view is of mosaics
            views.append(published_validation_psnr(*(image.numpy() for image in images.values())))
        if opt.save_imgs:
            shown.add(name, {method: view.picture(image) for method, image in images.items()}, row)
    shown.finish()
    scores = evaluation.mean() | ({"psnr_published_view": finite_mean(views)} if views else {})
    log.log("val", now.step(opt.epoch_iters), epoch=now.epoch, **scores)
    return scores.get(evaluation.metrics[0], math.nan)


def end_epoch(model: BaseModel, opt: argparse.Namespace, now: Progress) -> None:
    """Write the checkpoints that this epoch calls for, and move on to the next."""
    epoch, validated = now.epoch, bool(opt.val_freq) and now.epoch % opt.val_freq == 0
    model.step = now.step(opt.epoch_iters)
    model.check_weights()
    if model.place.is_main:
        if epoch % opt.save_epoch_freq == 0 or epoch == opt.niter + opt.niter_decay:
            model.save_weights(epoch)
        if validated and now.is_best():
            model.save_weights("best")
        model.save_weights("latest")
    now.epoch, now.iteration = epoch + 1, 0
    save_state(model, now)


def save_state(model: BaseModel, now: Progress) -> None:
    """Write what `--resume` goes on from."""
    model.check_weights()
    if model.place.is_main:
        now.save(model.folder, model.state(), model.opt)


if __name__ == "__main__":
    run(main, "lower --batch_size, --patch_size or --workers, or raise --accumulate")
