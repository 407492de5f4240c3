"""Stories in files, played in virtual time: ours keeps them, a naive controller breaks them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from loadmgr.app.stage import Outcome, perform
from loadmgr.app.story import tell
from loadmgr.config import load
from loadmgr.engine.engine import Engine
from tests.naive import NaiveEngine

SCENARIOS = Path(__file__).resolve().parents[1] / "scenarios"
STORIES = sorted(p for p in SCENARIOS.glob("*.yaml") if not p.name.endswith(".site.yaml"))


@cache
def played(path: Path, engine: type[Engine]) -> Outcome:
    story = tell(path)
    return perform(story, load(path.parent / story.site), make_engine=engine)


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_the_story_holds(path: Path):
    outcome = played(path, Engine)
    assert not outcome.broken
    assert outcome.summary.ours_s == 0
    assert not outcome.summary.tripped


def test_there_are_stories():
    assert STORIES


def test_the_story_of_everything_going_wrong_breaks_a_naive_controller():
    """If this one holds it as well, the story proves nothing."""
    outcome = played(SCENARIOS / "everything-goes-wrong.yaml", NaiveEngine)
    assert outcome.summary.ours_s > 0, "no fuse noticed"
    assert outcome.broken


def test_the_naive_controller_is_no_straw_man():
    """It charges as many cars as ours does; what it lacks is care."""
    ours = played(SCENARIOS / "everything-goes-wrong.yaml", Engine).summary.energy_wh
    naive = played(SCENARIOS / "everything-goes-wrong.yaml", NaiveEngine).summary.energy_wh
    assert naive > 0.7 * ours
