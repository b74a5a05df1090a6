"""Runs side by side: tables of what test.py wrote into their folders, printed and as CSV and Markdown.

python -m util.compare ckpt/run1 ckpt/run2 [--out FILE]
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from util.errors import run
from util.files import write_atomically
from util.parser import Parser
from util.scores.comparison import Scores, as_csv, as_markdown, as_text, read_run, tables


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line.

    Raises:
        UserError: an unknown option, or no run.
    """
    parser = Parser(prog="python -m util.compare", description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs, in the order of the table")
    parser.add_argument(
        "--out", type=Path, default=Path("comparison"), help="FILE.csv and FILE.md are written (comparison)"
    )
    return parser.parse_strictly(arguments)


def main() -> None:
    options = parse()
    names = [folder.resolve().name for folder in options.runs]
    scores: list[Scores] = []
    for folder, name in zip(options.runs, names, strict=True):
        scores += read_run(folder, name if names.count(name) == 1 else str(folder))
    blocks = tables(scores)
    print("\n\n".join(f"{title}\n{as_text(rows)}" for title, rows in blocks.items()))
    if len(blocks) > 1:
        print(
            "\nnot scored alike, so in tables of their own: what their headings state, or the images, differ"
        )
    out = options.out.with_suffix("") if options.out.suffix in (".csv", ".md") else options.out
    for suffix, text in ((".csv", as_csv(blocks)), (".md", as_markdown(blocks))):
        with write_atomically(out.with_name(out.name + suffix)) as temporary:
            temporary.write_text(text)
    print(f"written: {out}.csv, {out}.md")


if __name__ == "__main__":
    run(main)
