"""Runs side by side: what test.py wrote into their folders, and tables of it as text, CSV and Markdown."""

import csv
import math
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from util.errors import UserError
from util.json_record import read_json
from util.natural import natural
from util.scores.evaluation import SCORED
from util.scores.learned_metrics import NO_REFERENCE
from util.scores.metrics import ABSOLUTE
from util.scores.samples import Origin

# Runs that differ in one of these were not scored alike, and so stand in tables of their own.
CONDITIONS = ("dataset", "protocol", "scored", "sca_flow", "border", "reference", "demosaic", "isp")
WHAT = ("run", "model", "network", "checkpoint", "frames", "precision", "self_ensemble")
COST = ("parameters", "gmacs_per_megapixel", "gmacs_per_image", "ms_per_megapixel", "peak_memory_mb")
MEASURES = ("megapixels", "peak_luminance")  # numbers above 0
KNOWN_METRICS = list(dict.fromkeys([name for kind in SCORED.values() for name in kind] + [*NO_REFERENCE]))
Row = dict[str, Any]


@dataclass(frozen=True)
class Scores:
    """A metrics file: how it was scored, which images, its run and row; `baseline` is empty for the run.

    `path`, `origin`: of the file, and of the data.

    `sheets`: the folder where contact sheets of a run are, if it wrote any; None for what is on them as well.
    """

    conditions: tuple[tuple[str, Any], ...]
    images: tuple[str, ...]
    run: str
    baseline: str
    row: Row
    path: Path
    origin: Origin
    sheets: Path | None = None


def read_run(folder: Path, name: str) -> list[Scores]:
    """The scores in a run's folder, oldest checkpoint first as far as files tell; `name` is for the table.

    Raises:
        UserError: there is no such folder, no metrics file, or a damaged one.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; runs are folders such as ckpt/my_run")
    paths = sorted(folder.glob("metrics_*.json"), key=lambda path: (path.stat().st_mtime, natural(path.stem)))
    if not paths:
        raise UserError(f"{folder} holds no metrics_*.json; test.py --name {folder.name} writes them")
    return [read_scores(path, name) for path in paths]


def read_scores(path: Path, name: str) -> Scores:
    """One metrics file of run `name`.

    Raises:
        UserError: it is damaged, something else, or named otherwise than test.py names such files.
    """
    advice = "delete it, or run test.py again"
    facts = read_json(path, advice)
    try:
        means = {str(metric): _score(facts["mean"], metric) for metric in facts["mean"]}
        images = tuple(str(image["name"]) for image in facts["images"])
        facts = {key: value for key, value in facts.items() if value is not None}
        label = str(facts["checkpoint"])
        known = {key: _plain(facts, key) for key in (*CONDITIONS, *WHAT) if key in facts}
        known |= {key: _number(facts, key) for key in (*COST, *MEASURES) if key in facts}
        source = path, Origin.of(facts)
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not a metrics file of test.py: {advice}") from error
    except ValueError as error:
        raise UserError(f"{path} is not a metrics file of test.py, {error}: {advice}") from error
    peak = known.get("peak_luminance")  # which is named, so that different ones stand in different columns
    means = {f"{key} {peak:g} cd/m2" if key in ABSOLUTE and peak else key: means[key] for key in means}
    dataset, baseline = _named(path, known.get("dataset"), label)
    conditions = {"scored": "picture", "dataset": dataset} | known
    stated = tuple((key, conditions[key]) for key in CONDITIONS if key in conditions)
    if match := re.fullmatch(r"(\d+) frames", baseline):  # the run's network, with the first frames alone
        known["frames"] = int(match[1])
        kept = (*WHAT, *means, "parameters")
        known |= {"run": name, **means}
        return Scores(stated, images, name, "", {key: known[key] for key in kept if key in known}, *source)
    if baseline:  # the facts of its file are those of the run's network
        return Scores(stated, images, name, baseline, {"run": baseline, **means}, *source)
    if "megapixels" in known and "gmacs_per_image" in known:
        known["gmacs_per_megapixel"] = known.pop("gmacs_per_image") / known["megapixels"]
    known |= {"run": name, **means}
    kept = (*WHAT, *means, *COST)
    row = {key: known[key] for key in kept if key in known}
    return Scores(stated, images, name, "", row, *source, path.parent / f"report_{dataset}_{label}")


def _plain(facts: dict[str, Any], key: str) -> str | int | float:
    """A fact that is text or a number.

    Raises:
        ValueError: it is something else.
    """
    if not isinstance(facts[key], str | int | float):
        raise ValueError(f"{key} {facts[key]!s:.40}")
    return facts[key]


def _score(means: dict[str, Any], metric: str) -> float | None:
    """A mean score; None is one that is not finite, which is stored as null.

    Raises:
        ValueError: it is something else.
    """
    value = None if means[metric] is None else float(_number(means, metric))
    return value if value is not None and math.isfinite(value) else None


def _number(facts: dict[str, Any], key: str) -> int | float:
    """A fact that is a number, of MEASURES one above 0.

    Raises:
        ValueError: it is something else.
    """
    value = _plain(facts, key)
    as_float = isinstance(value, float) or (isinstance(value, int) and abs(value) <= sys.float_info.max)
    if not as_float or (key in MEASURES and not value > 0):
        raise ValueError(f"{key} {value!s:.40}")
    return value


def _named(path: Path, dataset: str | None, label: str) -> tuple[str, str]:
    """Data set and baseline ("" = the run itself) by the name of a metrics file.

    Raises:
        UserError: it has another name than test.py gives.
    """
    held = ".+?" if dataset is None else re.escape(str(dataset))
    found = re.fullmatch(f"metrics_({held})_{re.escape(label)}(?:_(.+))?", path.stem)
    if not found:
        meant = f"metrics_{'DATASET' if dataset is None else dataset}_{label}"
        raise UserError(f"{path} is not named as test.py named it: {meant}.json, or {meant}_BASELINE.json")
    return found[1], (found[2] or "").replace("_", " ")


def grouped(scores: Sequence[Scores]) -> dict[str, list[Scores]]:
    """What was scored alike, by a heading that says how.

    Raises:
        UserError: two runs were scored alike, on images of the same names, but not on the same data.
    """
    groups: dict[tuple, list[Scores]] = {}
    for entry in scores:
        group = groups.setdefault((entry.conditions, entry.images), [])
        for other in group:
            if found := other.origin.differences(entry.origin):
                both = f"{other.path} and {entry.path} are of different data, though images are called alike"
                raise UserError(f"{both} ({found}): test both runs on one data set, with the same options")
        group.append(entry)
    result: dict[str, list[Scores]] = {}
    for (conditions, images), entries in groups.items():
        title = ", ".join(f"{key} {value}" for key, value in conditions)
        title += f", {len(images)} images"
        number = sum(heading.startswith(title) for heading in result)
        if number:
            title += f" (other images, {number + 1})"
        result[title] = entries
    return result


def rows_of(entries: Sequence[Scores]) -> list[Row]:
    """The rows of a table: runs as given, then each baseline once.

    A baseline of which two runs have different scores stands there twice, the second time with its run.
    """
    baselines: list[Row] = []
    for entry in entries:
        if entry.baseline:
            _add_baseline(baselines, entry)
    return [entry.row for entry in entries if not entry.baseline] + baselines


def _add_baseline(rows: list[Row], entry: Scores) -> None:
    """Add a baseline's row, or what is new in it to the row that agrees with it as far as it is shown."""
    same = [row for row in rows if row["run"].startswith(entry.baseline)]
    for known in same:
        shared = (known.keys() & entry.row.keys()) - {"run"}
        if all(_agree(known[key], entry.row[key]) for key in shared):
            known.update({key: value for key, value in entry.row.items() if key not in known})
            return
    rows.append(entry.row | {"run": f"{entry.baseline} ({entry.run})" if same else entry.baseline})


def _agree(a: float | None, b: float | None) -> bool:
    return a is b is None or (None not in (a, b) and math.isclose(a, b, rel_tol=1e-4))


def columns(rows: Sequence[Row]) -> list[str]:
    """The columns that any of the rows has, in the order of a table."""
    found = {key for row in rows for key in row}
    metrics = sorted(found - {*WHAT, *COST}, key=lambda key: (_place(key), key))
    return [key for key in (*WHAT, *metrics, *COST) if key in found]


def _place(key: str) -> int:
    """Where a metric stands, in the order in which the metrics are known."""
    name = key.partition(" ")[0]
    return KNOWN_METRICS.index(name) if name in KNOWN_METRICS else len(KNOWN_METRICS)


def shown(key: str, value: Any) -> str:
    """A value as the tables have it; blank where there is none."""
    if value is None:
        return ""
    if isinstance(value, float):
        digits = 2 if key in COST or "psnr" in key else 4
        return f"{value:,.{digits}f}"
    return f"{value:,}" if key in COST and isinstance(value, int) else str(value)


def as_text(rows: Sequence[Row]) -> str:
    """A table for the terminal."""
    keys = columns(rows)
    lines = [keys] + [[shown(key, row.get(key)) for key in keys] for row in rows]
    widths = [max(len(line[place]) for line in lines) for place in range(len(keys))]
    aligned = [str.ljust if key in WHAT else str.rjust for key in keys]
    return "\n".join(
        "  ".join(
            align(cell, width) for align, cell, width in zip(aligned, line, widths, strict=True)
        ).rstrip()
        for line in lines
    )


def as_markdown(blocks: dict[str, list[Row]]) -> str:
    """All tables in Markdown."""
    parts = []
    for title, rows in blocks.items():
        keys = columns(rows)
        lines = [keys, [":--" if key in WHAT else "--:" for key in keys]]
        lines += [[shown(key, row.get(key)).replace("|", "\\|") for key in keys] for row in rows]
        parts.append(f"## {title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n")
    return "\n".join(parts)


def as_csv(blocks: dict[str, list[Row]]) -> str:
    """All rows with full digits; the column `scores` says to which table a row belongs."""
    text = StringIO()
    everything = [row for rows in blocks.values() for row in rows]
    writer = csv.DictWriter(text, fieldnames=["scores", *columns(everything)], lineterminator="\n")
    writer.writeheader()
    for title, rows in blocks.items():
        writer.writerows({"scores": title, **row} for row in rows)
    return text.getvalue()
