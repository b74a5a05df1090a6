#!/usr/bin/env bash
# Makes the environment and runs the tests; arguments go to pytest.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
ruff check .
ruff format --check .
python -m pytest "$@"
