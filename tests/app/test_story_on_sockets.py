"""The whole product in one story over real sockets, with everything going wrong in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.app.on_sockets import Played, play

STORY = Path(__file__).parents[1] / "scenarios" / "everything-goes-wrong.yaml"
SPEED = 8.0


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play(STORY, tmp_path_factory.mktemp("journal"), speed=SPEED)


pytestmark = pytest.mark.timeout(600)


def test_no_fuse_ever_carries_more_than_its_rating(played: Played) -> None:
    assert not played.broken
    assert played.summary.ours_s == 0
    assert not played.summary.tripped


def test_both_versions_of_the_protocol_took_part(played: Played) -> None:
    assert {"ocpp1.6", "ocpp2.0.1"} <= played.protocols


def test_the_utility_is_obeyed_within_fifteen_seconds(played: Played) -> None:
    assert 0 < played.felt_s <= 15.0


def test_a_killed_engine_finds_its_transactions_again(played: Played) -> None:
    before, after = played.transactions_before_kill, played.transactions_after_kill
    before.pop("CP10", None)  # it disobeys: its transaction may have been ended meanwhile
    assert len(before) >= 10
    assert before.items() <= after.items()
