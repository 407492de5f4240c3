"""Who compiles: one process for all that start, however often they are killed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from solver import compiled


@pytest.fixture
def stamp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is compiled yet, and it would be noted here."""
    stamp = tmp_path / "cache" / "compiled-1"
    monkeypatch.setattr(compiled, "_stamps", lambda: (stamp,))
    return stamp


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How often a compiler was begun, here or elsewhere. It compiles nothing."""
    begun: list[str] = []

    def instead(what: str, status: int | None) -> Callable[[], int | None]:
        def begin() -> int | None:
            begun.append(what)
            return status

        return begin

    monkeypatch.setattr(compiled, "_compile_all", instead("here", None))
    monkeypatch.setattr(compiled, "_in_a_process_of_its_own", instead("elsewhere", 0))
    return begun


def test_who_compiles_leaves_a_stamp_and_the_next_one_has_nothing_to_do(stamp, begun):
    assert compiled._compile_once() == 0
    assert stamp.exists() and begun == ["here"]
    assert compiled._compile_once() == 0
    compiled._compile_elsewhere()
    assert begun == ["here"]


def test_who_finds_another_one_compiling_leaves_at_once(stamp, begun):
    with compiled._alone():
        assert compiled._compile_once() == compiled.BUSY
    assert begun == [] and not stamp.exists()


def test_while_another_one_compiles_no_process_is_begun_and_its_work_is_waited_for(stamp, begun):
    """A process that is killed again and again left one waiting compiler each time: 349."""
    waits = threading.Thread(target=compiled._compile_elsewhere)
    with compiled._alone():
        waits.start()
        waits.join(3 * compiled.LOOKS_EVERY_S)
        assert waits.is_alive()
        stamp.touch()
        waits.join(10.0)
    assert not waits.is_alive() and begun == []


def test_where_the_other_one_dies_a_new_one_is_begun(stamp, begun):
    waits = threading.Thread(target=compiled._compile_elsewhere)
    with compiled._alone():
        waits.start()
        waits.join(3 * compiled.LOOKS_EVERY_S)
    waits.join(10.0)
    assert not waits.is_alive() and begun == ["elsewhere"]


def test_where_nothing_can_be_written_everybody_compiles_for_itself(monkeypatch, tmp_path, begun):
    (tmp_path / "file").touch()
    monkeypatch.setattr(compiled, "_stamps", lambda: (tmp_path / "file" / "compiled-1",))
    assert compiled._compile_once() == 0
    assert begun == ["here"]
    compiled._compile_elsewhere()
    assert begun == ["here", "elsewhere"]
