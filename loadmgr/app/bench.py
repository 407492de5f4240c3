"""`loadmgr bench`: the benchmarks of the solver, wherever loadmgr is installed."""

from __future__ import annotations

from collections.abc import Sequence


class NoBenchmarks(Exception):
    """They are not here; says what to do."""


def perform(arguments: Sequence[str]) -> int:
    """Run `python -m benchmarks` with these arguments; returns its exit status."""
    try:
        import benchmarks
    except ModuleNotFoundError as error:
        raise NoBenchmarks(
            f"the benchmarks cannot be loaded ({error}). They come with loadmgr: "
            "pip install --force-reinstall --no-deps loadmgr, or run it in a checkout."
        ) from error
    return benchmarks.main(arguments)
