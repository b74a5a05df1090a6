"""`python -m data.simulate`: the command of data/simulate/brackets.py."""

import util.starting  # noqa: F401 isort: skip
from data.simulate.brackets import main
from util.door import run

if __name__ == "__main__":
    run(main, "give fewer --workers")
