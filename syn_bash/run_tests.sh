#!/usr/bin/env bash
# Makes the environment and runs the tests, two at a time with one thread each; arguments go to pytest.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
ruff check .
ruff format --check .
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
python -m pytest -n 2 --dist loadfile "$@"
