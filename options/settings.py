"""Values of options from files, and how they and the command line make one: the nearest to the user wins."""

from pathlib import Path
from typing import NamedTuple

import yaml

from util.errors import UserError
from util.files import regular
from util.parser import Parser

Settings = dict[str, str | list[str]]  # name of an option -> what the command line would take for it
UNSET = ("", "null", "~", [])  # how YAML writes no value


def read_config(path: Path) -> Settings:
    """The options of a YAML file; a name without a value is left out.

    Raises:
        UserError: it cannot be read, is not YAML, or holds anything but names with a value or a plain list.
    """
    try:
        # All values are text, as on the command line: "yes" and 007 stay what they are, and nothing is made
        # of a tag.
        content = yaml.load(regular(path).read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    except FileNotFoundError:
        raise UserError(f"--config {path}: no such file") from None
    except OSError as error:
        raise UserError(f"--config {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"--config {path}: not a text file") from None
    except RecursionError:
        raise UserError(f"--config {path}: expected options, a line each, not lists in lists") from None
    except yaml.YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"--config {path}: not YAML: {problem or error}{line}") from None
    if not isinstance(content, dict):
        if content is None:
            return {}
        raise UserError(f"--config {path}: expected options, a line each, such as `niter: 40`")
    for name, value in content.items():
        parts = value if isinstance(value, list) else [value]
        if not all(isinstance(part, str) for part in [name, *parts]):
            raise UserError(f"--config {path}: {name}: expected a value or a list of values, nothing nested")
    return {name: value for name, value in content.items() if value not in UNSET}


class Sources(NamedTuple):
    """Where options get their values: the first of these that has one decides, then the default.

    Attributes:
        words: the command line. config: the file of `--config`. record: that of the run that is tested.
    """

    words: list[str]
    config: Settings
    record: Settings

    def settled(self, parser: Parser) -> "Sources":
        """The same without what a source before decides: options that may be repeated do not add up."""
        decided, rest = parser.keys(self.words), []
        for settings in (self.config, self.record):
            rest.append({name: value for name, value in settings.items() if parser.key(name) not in decided})
            decided |= {parser.key(name) for name in rest[-1]}
        return Sources(self.words, *rest)

    def command_line(self, parser: Parser) -> list[str]:
        """One command line that says all of it."""
        found = self.settled(parser)
        items = [*found.record.items(), *found.config.items()]
        return [word for item in items for word in parser.words(*item)] + self.words
