"""Command-line options: base, train or test, then what the named model, dataset and network add."""
