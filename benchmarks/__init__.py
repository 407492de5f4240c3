"""How fast, beside what a user could pick instead. `python -m benchmarks --help`."""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run benchmarks as from the command line; returns the exit status."""
    from benchmarks.command import run

    return run(arguments)
