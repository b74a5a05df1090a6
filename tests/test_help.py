"""What -h says of every option of every program: a help text, and what happens where it is not given."""

import argparse
import importlib
import re
import sys

import pytest

from data import dataset_names
from models import model_names
from models.networks import network_names
from options.test_options import TestOptions
from options.train_options import TrainOptions
from util.parser import Parser

PROGRAMS = (
    "restore",
    "data.check",
    "data.align",
    "data.simulate.brackets",
    "data.simulate.leave_one_out",
    "util.compare",
)
NAMED = [
    *(("--model", name) for name in model_names()),
    *(("--dataset_name", name) for name in dataset_names()),
    *(("--net", name) for name in network_names()),
]


def assert_complete(parser: Parser) -> None:
    """Each option has a help text, which ends with its default or says what there is in its place."""
    text = re.sub(r"\s+", " ", parser.format_help())
    assert "None" not in re.sub(r"none", "", text), text
    assert "(default: )" not in text and "(default: [" not in text
    shown = [action for action in parser._actions if action.help is not argparse.SUPPRESS]
    for action in shown:
        assert action.help and action.help.strip(), action.dest
        if action.default is None and not action.required:
            assert re.search(r"default|none = |not given|may be given", action.help), action.help


@pytest.mark.parametrize("options", [TrainOptions, TestOptions])
@pytest.mark.parametrize("words", NAMED, ids=" ".join)
def test_training_and_testing(options, words) -> None:
    parser = options().build_parser(words)
    assert_complete(parser)
    loose = {action.dest for action in parser._optionals._group_actions if action.help != argparse.SUPPRESS}
    assert loose == {"help"}  # all others stand in groups


@pytest.mark.parametrize("program", PROGRAMS)
def test_other_programs(program, monkeypatch) -> None:
    """Their parsers are caught as they ask for help."""
    seen = []
    monkeypatch.setattr(Parser, "print_help", lambda self, file=None: seen.append(self))
    monkeypatch.setattr(sys, "argv", [program, "-h"])
    with pytest.raises(SystemExit):
        importlib.import_module(program).main()
    assert_complete(seen[0])


def test_defaults_as_they_are_typed() -> None:
    parser = Parser(prog="x")
    parser.add_argument("--some", default=["a", 3], help="some")
    parser.add_argument("--share", default="5%", help="share")
    parser.add_argument("--must", required=True, help="must")
    parser.add_argument("--may", help="may; default: it is not")
    parser.add_argument("file", help="file")
    text = parser.format_help()
    for line in ("some (default: a,3)", "share (default: 5%)", "must (required)", "default: it is not\n"):
        assert line in text
    assert text.count("(default") == 2


def test_sections() -> None:
    """What a model or a data set adds stands under its name."""
    text = TrainOptions().build_parser(["--model", "selfhdr2", "--dataset_name", "sig17align"]).format_help()
    for title, option in (("model selfhdr2:", "--vgg_order"), ("data set sig17align:", "--align_inputs")):
        assert option in text.partition(f"\n{title}\n")[2].partition("\n\n")[0]
