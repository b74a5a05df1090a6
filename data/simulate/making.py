"""Makes samples and what is missing of a data set."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from tqdm import tqdm

from data.simulate.burst_sets import SourcePhotograph, StoredBurst, photographed
from data.simulate.camera import draw_camera
from data.simulate.denoising_sets import write_burst_files
from data.simulate.ldr import Triple, take_triple
from data.simulate.low_light import Exposures, take_exposures
from data.simulate.sampling import Sample, Scene, take
from data.simulate.scenes import Photograph, SceneCut, Shot, Source, Video
from data.simulate.settings import (
    BURST_DENOISE,
    LDR,
    LOW_LIGHT,
    OF_PHOTOGRAPHS,
    SVE,
    SVE_SHOTS,
    VERSION,
    Settings,
)
from data.simulate.shards import WHOLE, Plan, Shard
from data.simulate.sources import built_in
from data.simulate.storage import (
    check_dataset,
    check_scene,
    is_finished,
    open_dataset,
    sample_folder,
    write_manifest,
    write_record,
    write_sample,
)
from data.simulate.sve_sets import RowShot, StillBracket, take_row_shot, take_still_bracket
from util.locks import locked
from util.workers import do_all


class Job(NamedTuple):
    """A sample that is missing, and the position of its first frame in its source."""

    folder: Path
    source: Source
    start: int
    shot: Shot


Taken = Sample | Triple | Exposures | SourcePhotograph | StoredBurst | StillBracket | RowShot


def simulate(source: Source, start: int, shot: Shot) -> tuple[Taken, dict]:
    """A sample, the same for the same arguments, always; and all that was drawn for it, in JSON's types.

    Raises:
        SceneCut: the frames show two scenes.
        UserError: a file cannot be read or does not fit.
    """
    if shot.settings.layout in OF_PHOTOGRAPHS:
        (sample, measured), drawn = photographed(source.codes(start), shot), {}
    else:
        scene, drawn = source.scene(start, shot)
        sample, measured = TAKERS.get(shot.settings.layout, _bracket)(scene, shot)
    parameters = {
        "version": VERSION,
        "seed": shot.settings.seed,
        "split": shot.split,
        "scene": shot.scene,
        "number": shot.number,
        "source": source.source,
        "alexa": is_alexa(source),
        "device": "cpu" if shot.device is None else shot.device.type,
    }
    return sample, parameters | measured | drawn


def _bracket(scene: Scene, shot: Shot) -> tuple[Sample, dict]:
    """A raw bracket of a scene, and what was drawn for its camera."""
    camera = draw_camera(shot.rng("camera"))
    sample = take(
        scene,
        camera,
        lambda factor: shot.rng("noise" if factor == 1 else f"noise_x{factor}"),
        shot.settings.recipe,
    )
    return sample, {
        "red_gain": camera.red_gain,
        "blue_gain": camera.blue_gain,
        "noise": {f"x{factor}": levels for factor, levels in sample.noise.items()},
        "scene_max": sample.scene_max,
    }


def _triple(scene: Scene, shot: Shot) -> tuple[Triple, dict]:
    """An LDR triple of a scene, and what was drawn for its camera."""
    triple = take_triple(scene, shot.step, shot.rng("noise"))
    recorded = ("stops", "shot", "read", "clipped")
    return triple, {name: getattr(triple, name) for name in recorded}


def _exposures(scene: Scene, shot: Shot) -> tuple[Exposures, dict]:
    """Long and short exposures of a scene, and what was drawn for its camera."""
    camera = draw_camera(shot.rng("camera"))
    exposures = take_exposures(scene, camera, shot.rng("noise"))
    return exposures, {"red_gain": camera.red_gain, "blue_gain": camera.blue_gain, **exposures.drawn()}


def _still_bracket(scene: Scene, shot: Shot) -> tuple[StillBracket, dict]:
    """A bracket of a still scene, and what was drawn for its camera."""
    camera = draw_camera(shot.rng("camera"))
    bracket = take_still_bracket(scene, camera, shot.rng("noise"))
    return bracket, {"red_gain": camera.red_gain, "blue_gain": camera.blue_gain}


def _row_shot(scene: Scene, shot: Shot) -> tuple[RowShot, dict]:
    """A shot with rows exposed in turn, and what was drawn for its camera."""
    camera = draw_camera(shot.rng("camera"))
    row_shot = take_row_shot(scene, camera, shot.settings.rows, shot.rng("noise"))
    return row_shot, {"red_gain": camera.red_gain, "blue_gain": camera.blue_gain}


TAKERS = {LDR: _triple, LOW_LIGHT: _exposures, SVE: _still_bracket, SVE_SHOTS: _row_shot}  # by layout


def is_alexa(source: Source) -> bool:
    """Whether the light of a source is in AlexaWideGamut."""
    return isinstance(source, Photograph | Video) and source.alexa


def _do(job: Job) -> tuple[Job, bool]:
    """Make and write a sample; the result says whether that was possible, or a cut was in the way."""
    try:
        sample, parameters = simulate(job.source, job.start, job.shot)
    except SceneCut:
        return job, False
    write_sample(job.folder, sample, job.shot.settings.layout, parameters)
    return job, True


class Made(NamedTuple):
    """What a call wrote, left out for a scene cut, and did not come to; and the shards still to be made."""

    written: int
    cut: list[Path]
    missing: int
    unfinished: list[int]


def make_dataset(
    out: Path,
    settings: Settings,
    frames_per_scene: int,
    sources: dict[str, list[Source]] | None = None,
    workers: int = 1,
    devices: Sequence[torch.device] = (),
    stopped: Callable[[], bool] = lambda: False,
    shard: Shard = WHOLE,
) -> Made:
    """Write what is missing of a data set, or of a shard of it.

    Args:
        frames_per_scene: samples of each photograph; a video has as many as its length allows.
        sources: by split; None = the built-in photographs.
        workers: processes. devices: where they work, in turn; none = CPU.
        stopped: asked after each sample whether to go on later.

    Raises:
        UserError: another process makes it, or see `storage.check_dataset`, `storage.check_scene`,
            `shards.Plan` and `do_all`.
    """
    part = "" if shard.is_whole else f"shard_{shard.number}_of_{shard.count}"
    with locked(out, "wait until it has ended, or give another folder to --out", part):
        check_dataset(out, settings)
        jobs = find_jobs(out, settings, frames_per_scene, sources or built_in())
        plan = Plan(out, shard, settings.record(), [(job.folder, job.source.source) for job in jobs])
        plan.check()
        if not shard.is_whole and not is_finished(out):
            plan.begin()
        open_dataset(out, settings, shard.count if plan.is_begun else 1)
        todo = [job for job in shard.part(jobs) if not job.folder.is_dir()]
        try:
            results = tqdm(
                do_all(_do, _placed(todo, devices), workers, stopped), str(out), len(todo), unit="sample"
            )
            written, cut = _count(results, plan, settings)
        finally:
            if shard.is_whole:
                write_manifest(out)
        missing = len(todo) - written - len(cut)
        unfinished = plan.unfinished() if missing else plan.mark_done()
        if not missing and not unfinished:
            _complete(settings, plan)
    return Made(written, sorted(cut), missing, unfinished)


def _count(results: Iterable[tuple[Job, bool]], plan: Plan, settings: Settings) -> tuple[int, list[Path]]:
    """How many samples were written, and which were left out.

    A set that is finished becomes one in shards when it grows, and not before: samples that are left out for
    a cut are tried again and again.
    """
    written, cut = 0, []
    for job, is_written in results:
        if is_written and not plan.shard.is_whole and not plan.is_begun:
            plan.begin()
            write_record(plan.out, settings, plan.shard.count)
        written += is_written
        cut += [] if is_written else [job.folder]
    return written, cut


def _complete(settings: Settings, plan: Plan) -> None:
    """Write what the files of all samples are needed for, and forget the shards."""
    if settings.layout == BURST_DENOISE:
        write_burst_files(plan.out, settings)
    if not plan.shard.is_whole:
        write_manifest(plan.out)
        write_record(plan.out, settings)
        plan.remove()


def _placed(jobs: list[Job], devices: Sequence[torch.device]) -> list[Job]:
    """Jobs with the device on which each is to be done; none = CPU."""
    if not devices:
        return jobs
    turns = zip(jobs, itertools.cycle(devices), strict=False)
    return [job._replace(shot=replace(job.shot, device=device)) for job, device in turns]


def find_jobs(
    out: Path, settings: Settings, frames_per_scene: int, sources: dict[str, list[Source]]
) -> list[Job]:
    """The samples of a data set, in order, whether they exist or not.

    Raises:
        UserError: a source is too short, or its scene is there already from elsewhere or in other colours.
    """
    jobs = []
    for split, found in sources.items():
        places = itertools.count()
        copies = 1 if split == "Train" and settings.layout in OF_PHOTOGRAPHS else frames_per_scene
        for source in found:
            starts = source.samples(settings, copies)
            folders = {
                n: sample_folder(out, split, source.name, n, settings.layout, next(places)) for n in starts
            }
            made_of = {"source": source.source, "alexa": is_alexa(source)}
            check_scene(out, split, source.name, settings.layout, made_of, list(folders.values()))
            for number, start in starts.items():
                jobs.append(Job(folders[number], source, start, Shot(split, source.name, number, settings)))
    return jobs
