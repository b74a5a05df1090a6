"""Runs side by side: tables of what test.py wrote into their folders, printed, as CSV, Markdown and a page.

python -m util.compare ckpt/run1 ckpt/run2 [--out FILE]
"""

import util.starting  # noqa: F401 isort: skip
import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from util.door import run
from util.files import write_atomically
from util.imaging.images import write_png8
from util.parser import Parser
from util.scores.comparison import Row, Scores, as_csv, as_markdown, as_text, grouped, read_run, rows_of
from util.scores.comparison_page import curves, metric_of, picture_of, write_comparison


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line.

    Raises:
        UserError: an unknown option, or no run.
    """
    parser = Parser(prog="python -m util.compare", description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs, in the order of the table")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("comparison"),
        help="FILE.csv, FILE.md and FILE.html are written, and FILE_frames.png, a plot, where there are "
        "results of several numbers of frames (comparison)",
    )
    return parser.parse_strictly(arguments)


def main() -> None:
    options = parse()
    names = [folder.resolve().name for folder in options.runs]
    scores: list[Scores] = []
    for folder, name in zip(options.runs, names, strict=True):
        scores += read_run(folder, name if names.count(name) == 1 else str(folder))
    groups = grouped(scores)
    blocks = {title: rows_of(entries) for title, entries in groups.items()}
    print("\n\n".join(f"{title}\n{as_text(rows)}" for title, rows in blocks.items()))
    if len(blocks) > 1:
        print(
            "\nnot scored alike, so in tables of their own: what their headings state, or the images, differ"
        )
    out = options.out.with_suffix("") if options.out.suffix in (".csv", ".md", ".html") else options.out
    for suffix, text in ((".csv", as_csv(blocks)), (".md", as_markdown(blocks))):
        with write_atomically(out.with_name(out.name + suffix)) as temporary:
            temporary.write_text(text)
    write_comparison(out.with_name(f"{out.name}.html"), groups)
    print(", ".join([f"written: {out}.csv", f"{out}.md", f"{out}.html", *write_plots(out, blocks)]))


def write_plots(out: Path, blocks: Mapping[str, Sequence[Row]]) -> list[str]:
    """Write a plot of each table that has scores of several numbers of frames; returns their files."""
    plots = [(metric_of(rows), found) for rows in blocks.values() if (found := curves(rows))]
    files = []
    for number, (metric, found) in enumerate(plots, start=1):
        files.append(f"{out}_frames{'' if number == 1 else f'_{number}'}.png")
        write_png8(files[-1], picture_of(metric, found))
    return files


if __name__ == "__main__":
    run(main)
