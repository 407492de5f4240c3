"""What the tests of site.yaml share: files, and connectors that need not be installed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from loadmgr.config import Configuration, ConfigurationError, Problem, load, references

FILES = Path(__file__).parent / "files"

INSTALLED = {
    "meter": frozenset({"csv", "http", "modbus", "simulated"}),
    "limit": frozenset({"schedule"}),
}


@pytest.fixture(autouse=True)
def _connectors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "known_types", INSTALLED.__getitem__)


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str], Configuration]:
    """Loads a text as site.yaml."""

    def read(text: str) -> Configuration:
        file = tmp_path / "site.yaml"
        file.write_text(text, encoding="utf-8")
        return load(file)

    return read


@pytest.fixture
def complaints(read) -> Callable[[str], tuple[Problem, ...]]:
    """What is wrong with a text, errors or else warnings."""

    def complaints(text: str) -> tuple[Problem, ...]:
        try:
            return read(text).warnings
        except ConfigurationError as error:
            return error.problems

    return complaints
