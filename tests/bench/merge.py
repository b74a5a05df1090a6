"""Times the merge of exposures and compares its result with that of another commit, call by call in turn.

python -m tests.bench.merge --against COMMIT [--size 512] [--frames 5] [--rounds 7] [--threads 1]
    [--stack FILE]

Each commit works in a process of its own, from a worktree of git. What is told: the least time of the rounds,
of the processor and of the clock, for each part; by how much the work raises the peak memory of the process;
the largest and the root mean square difference of the results, in standard deviations of the result.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
RATIO, SHOT, READ = 4.0, 0.0024, 1.8e-5


def simulated(size: int, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy, clipped frames (1, T, 4, H, W) of a picture that moves, and their exposures (1, T)."""
    import cv2

    rng = np.random.default_rng(0)
    layers = [cv2.GaussianBlur(rng.standard_normal((size, size)), (0, 0), 1.5 * 2**k) for k in range(6)]
    picture = sum(layer / layer.std() for layer in layers) / 2
    light = 0.05 * np.exp(picture) * np.linspace(0.7, 1.3, 4)[:, None, None]
    exposure = RATIO ** (np.arange(frames) - frames // 2)
    shown = []
    for number, own in enumerate(exposure):
        clean = np.roll(light, (2 * number, -number), (-2, -1)) * own
        noisy = clean + np.sqrt(SHOT * clean + READ) * rng.standard_normal(clean.shape)
        shown.append(noisy.clip(0, 1) / own)
    return np.stack(shown)[None].astype(np.float32), exposure[None].astype(np.float32)


def timed(times: dict[str, list[float]], part: str, call: Callable) -> Callable:
    """The call, which adds the seconds of processor and clock that it takes to its part of `times`."""

    def measured(*arguments, **named):
        before = time.process_time(), time.perf_counter()
        result = call(*arguments, **named)
        spent = time.process_time() - before[0], time.perf_counter() - before[1]
        times[part] = [sum(pair) for pair in zip(times.get(part, (0, 0)), spent, strict=True)]
        return result

    return measured


def serve(frames_path: str, result_path: str, threads: int) -> None:
    """Merge the frames in a file once for each line of the standard input, and tell the times in a line."""
    import cv2
    import torch

    from models.networks import exposure_merge
    from util.device import keep_memory

    keep_memory()  # as programs do
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    known = np.load(frames_path)
    frames, exposure = (torch.from_numpy(known[key]) for key in ("frames", "exposure"))
    network, times = exposure_merge.ExposureMerge(), {}
    exposure_merge.chained_flow = timed(times, "flow", exposure_merge.chained_flow)
    prepare, merge = timed(times, "flow and noise", network.whole_frame), timed(times, "merge", network)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number, _ in enumerate(sys.stdin):
        times.clear()
        with torch.inference_mode():
            result = merge(frames, exposure, **prepare(frames, exposure))
        if number == 0:
            np.save(result_path, result.numpy())
        peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        print(json.dumps({"times": times, "MiB": peak}), flush=True)


def started(tree: Path, frames_path: Path, result_path: Path, threads: int) -> subprocess.Popen:
    """A process that serves with the code of a tree."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, __file__, "--serve", str(frames_path), str(result_path)]
    command += ["--threads", str(threads)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=tree, env=environment, stdin=pipe, stdout=pipe, text=True)


def compare(trees: dict[str, Path], folder: Path, frames_path: Path, rounds: int, threads: int) -> None:
    """Let the code of each tree merge the frames in turn, and print what it took; results go to a folder."""
    results = {name: folder / f"{number}.npy" for number, name in enumerate(trees)}
    processes = {name: started(tree, frames_path, results[name], threads) for name, tree in trees.items()}
    told = {name: [] for name in trees}
    for _ in range(rounds):
        for name, process in processes.items():
            print(file=process.stdin, flush=True)
            told[name].append(json.loads(process.stdout.readline()))
    for name, process in processes.items():
        process.communicate()
        parts = told[name][0]["times"]
        least = {part: np.min([one["times"][part] for one in told[name]], axis=0) for part in parts}
        least["all"] = least["flow and noise"] + least["merge"]
        spent = "; ".join(f"{part} {cpu:.3f} ({wall:.3f})" for part, (cpu, wall) in least.items())
        print(f"{name}: s of the processor (of the clock): {spent}; {told[name][0]['MiB']:.0f} MiB")
    first, second = (np.load(path) for path in results.values())
    apart = (second - first) / first.std()
    print(f"difference: {np.abs(apart).max():.1e} at most, {np.sqrt(np.mean(apart**2)):.1e} root mean square")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--against", default="HEAD", help="commit to compare the working tree with")
    parser.add_argument("--size", type=int, default=512, help="px, side of each plane")
    parser.add_argument("--frames", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--stack", type=Path, help="npz with frames (1, T, C, H, W) and exposure (1, T)")
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(*options.serve, options.threads)
        return
    with tempfile.TemporaryDirectory() as folder:
        tree, frames_path = Path(folder) / "tree", options.stack or Path(folder) / "frames.npz"
        if not options.stack:
            frames, exposure = simulated(options.size, options.frames)
            np.savez(frames_path, frames=frames, exposure=exposure)
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(tree), options.against], check=True)
        try:
            trees = {options.against: tree, "now": ROOT}
            compare(trees, Path(folder), frames_path, options.rounds, options.threads)
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


if __name__ == "__main__":
    main()
