"""The ledger rises at once and falls only on proof."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

from loadmgr.core.ledger import (
    CLOCK_SLACK,
    FOLLOW,
    SILENT,
    kept,
    per_circuit,
    promised_current,
    tolerated,
    unproven,
    worst_case,
)
from loadmgr.core.state import EvseState, Fading
from loadmgr.events import ReadFallback, SetFallback
from loadmgr.model import CircuitId, EvseId, Policy, Wiring
from tests.core.talk import L1, L2, L3, NOON, Talk, bay, fuse, site_of

FOLLOWED = FOLLOW.total_seconds()


def charging(current_a: float = 16.0, fallback_a: float = 0.0, **more: object) -> Talk:
    """One charger on a quiet site, with a car under a confirmed limit."""
    talk = Talk(site_of(bay("A"), **more))  # type: ignore[arg-type]
    talk.ready("A", fallback_a=fallback_a)
    talk.holds("A", current_a)
    return talk.after(20)


# ── Before anything is known ──────────────────────────────────────────────────────────────


def test_a_charger_nobody_heard_of_counts_at_its_hardware_maximum_on_all_its_phases():
    talk = Talk(site_of(bay("A", "main", L2, max_a=20.0)))
    assert talk.entry("A") == (0.0, 20.0, 0.0)


def test_unknown_wiring_counts_on_all_three_phases():
    talk = Talk(site_of(bay("A", wiring=Wiring((L1,), known=False), max_a=16.0)))
    assert talk.entry("A") == (16.0, 16.0, 16.0)


def test_a_fallback_that_was_written_and_not_read_back_counts_for_nothing():
    talk = Talk(site_of(bay("A")))
    talk.connects("A")
    order = SetFallback(serial=1, evse=EvseId("A"), connection=1, current_a=0.0)
    talk.confirms(talk.sends(order))
    assert talk.after(600).ledger("A") == 32.0


def test_a_fallback_that_is_read_back_counts_once_charger_and_car_have_followed():
    talk = Talk(site_of(bay("A")))
    talk.connects("A")
    talk.proves("A", 6.0)
    assert talk.ledger("A") == 32.0, "the car may have drawn everything until this very moment"
    assert talk.after(FOLLOWED).ledger("A") == 6.0


def test_a_station_that_cannot_say_its_fallback_keeps_its_hardware_maximum():
    talk = Talk(site_of(bay("A")))
    talk.connects("A")
    read = ReadFallback(serial=1, evse=EvseId("A"), connection=1, after_s=360.0)
    talk.confirms(talk.sends(read), None)
    assert talk.after(600).ledger("A") == 32.0


def test_a_fallback_above_the_hardware_counts_as_the_hardware():
    talk = Talk(site_of(bay("A", max_a=16.0)))
    talk.connects("A")
    talk.proves("A", 40.0)
    assert talk.after(60).ledger("A") == 16.0


def test_a_fallback_that_is_being_raised_counts_at_once_and_after_a_lost_answer():
    talk = charging(10.0, fallback_a=0.0)
    order = SetFallback(serial=50, evse=EvseId("A"), connection=1, current_a=20.0)
    talk.loses(talk.sends(order))
    assert talk.after(3600).ledger("A") == 20.0


def test_a_fallback_that_is_lowered_keeps_the_old_one_until_it_is_read_back():
    talk = charging(0.0, fallback_a=16.0)
    order = SetFallback(serial=50, evse=EvseId("A"), connection=1, current_a=0.0)
    talk.confirms(talk.sends(order))
    assert talk.after(3600).ledger("A") == 16.0


# ── Limits ────────────────────────────────────────────────────────────────────────────────


def test_an_increase_counts_from_the_moment_it_is_sent():
    talk = charging(10.0)
    talk.orders("A", 20.0)
    assert talk.ledger("A") == 20.0


def test_a_decrease_counts_only_after_confirmation_and_the_time_to_follow():
    talk = charging(20.0)
    order = talk.orders("A", 8.0)
    assert talk.after(5).ledger("A") == 20.0, "not confirmed"
    talk.confirms(order)
    assert talk.after(FOLLOWED - 0.1).ledger("A") == 20.0, "confirmed, not yet followed"
    assert talk.after(0.1).ledger("A") == 8.0


def test_a_decrease_that_the_chargers_meter_does_not_show_does_not_count():
    talk = charging(20.0)
    talk.holds("A", 8.0)
    for _ in range(20):
        talk.after(5).draws("A", 19.0)
        talk.state = _unquarantined(talk)
        assert talk.ledger("A") == 20.0


def test_a_reading_from_before_the_time_is_over_proves_nothing():
    talk = charging(20.0)
    talk.holds("A", 8.0)
    talk.after(FOLLOWED - 1).draws("A", 7.9)
    assert talk.after(2).ledger("A") == 20.0
    talk.draws("A", 7.9)
    assert talk.ledger("A") == 8.0


@pytest.mark.parametrize(
    ("after_s", "held_a"),
    [(0.0, [20.0, 16.0]), (99.9, [20.0, 16.0]), (100.1, [16.0]), (199.9, [16.0]), (200.1, [])],
)
def test_a_silent_charger_may_hold_what_it_was_told_until_that_had_ended_and_been_followed(
    after_s: float, held_a: list[float]
):
    faded = [
        Fading(
            current_a=current_a,
            until=NOON,
            replaced_by_a=8.0,
            outlasts=NOON + timedelta(seconds=seconds),
        )
        for current_a, seconds in ((20.0, 100.0), (16.0, 200.0))
    ]
    belief = EvseState(metered=True, fading=tuple(faded))
    assert list(unproven(belief, NOON + timedelta(seconds=after_s))) == held_a


def test_a_charger_whose_meter_has_fallen_silent_is_released_when_its_old_limit_has_ended():
    talk = charging(20.0)
    talk.draws("A", 20.0)
    talk.holds("A", 8.0)
    talk.after(SILENT.total_seconds() + 1)
    assert talk.ledger("A") == 20.0, "it may not have taken the new one"
    talk.after(300).holds("A", 8.0)
    assert talk.ledger("A") == 8.0


def test_a_charger_without_a_meter_is_released_by_time_alone():
    talk = Talk(site_of(bay("A")))
    talk.ready("A")
    talk.holds("A", 20.0)
    talk.after(60).holds("A", 8.0)
    assert talk.ledger("A") == 20.0
    assert talk.after(FOLLOWED).ledger("A") == 8.0


def test_a_raise_after_a_decrease_does_not_leave_the_old_reserve_standing_for_ever():
    talk = charging(32.0)
    talk.draws("A", 32.0)
    talk.holds("A", 10.0)
    talk.after(5).holds("A", 20.0)
    for _ in range(10):
        talk.after(5).draws("A", 20.0)
    assert talk.ledger("A") == 20.0


def test_a_lost_answer_keeps_the_higher_of_old_and_new():
    talk = charging(20.0)
    talk.loses(talk.orders("A", 8.0))
    assert talk.after(60).ledger("A") == 20.0
    talk = charging(8.0)
    talk.loses(talk.orders("A", 20.0))
    assert talk.after(60).ledger("A") == 20.0


def test_a_decrease_after_a_lost_increase_is_no_decrease_until_it_is_confirmed():
    talk = charging(8.0)
    talk.loses(talk.orders("A", 20.0))
    order = talk.after(1).orders("A", 10.0)
    assert talk.ledger("A") == 20.0
    talk.confirms(order)
    assert talk.after(FOLLOWED - 1).ledger("A") == 20.0
    assert talk.after(1).ledger("A") == 10.0


def test_a_refused_raise_leaves_what_stood_before():
    talk = charging(8.0)
    talk.refuses(talk.orders("A", 20.0))
    assert talk.ledger("A") == 8.0


def test_a_refusal_on_another_connection_is_not_believed():
    talk = charging(8.0)
    talk.refuses(talk.orders("A", 20.0), connection=7)
    assert talk.after(60).ledger("A") == 20.0


def test_a_confirmation_on_another_connection_does_not_lower_the_ledger():
    talk = charging(20.0)
    talk.confirms(talk.orders("A", 8.0), connection=7)
    assert talk.after(60).ledger("A") == 20.0


def test_an_answer_that_comes_after_the_connection_has_changed_does_not_lower_the_ledger():
    talk = charging(20.0)
    order = talk.orders("A", 8.0)
    talk.drops("A")
    talk.connects("A", 2)
    talk.confirms(order)
    assert talk.after(60).ledger("A") == 20.0


def test_the_same_answer_twice_counts_once():
    talk = charging(20.0)
    order = talk.orders("A", 8.0)
    talk.confirms(order)
    talk.after(5)
    before = talk.state
    talk.confirms(order)
    talk.loses(order)
    talk.refuses(order)
    assert talk.state == before


def test_a_limit_ends_by_itself_but_not_before_a_wrong_clock_would_end_it():
    talk = Talk(site_of(bay("A")))
    talk.ready("A")
    talk.confirms(talk.orders("A", 20.0, lasts_s=300.0))
    beyond = (CLOCK_SLACK + FOLLOW).total_seconds()
    assert talk.after(300.0 + beyond - 0.1).ledger("A") == 20.0
    assert talk.after(0.1).ledger("A") == 0.0


def test_an_unanswered_limit_ends_by_itself_too():
    talk = Talk(site_of(bay("A")))
    talk.ready("A")
    talk.loses(talk.orders("A", 20.0, lasts_s=300.0))
    assert talk.after(344).ledger("A") == 0.0


def test_several_unanswered_limits_count_at_the_highest():
    talk = charging(6.0)
    for current_a in (12.0, 24.0, 9.0):
        talk.loses(talk.orders("A", current_a))
    assert talk.ledger("A") == 24.0


def test_a_limit_above_the_hardware_counts_as_the_hardware():
    talk = charging(100.0)
    assert talk.ledger("A") == 32.0


# ── Proof by the charger's meter ──────────────────────────────────────────────────────────


def test_a_reading_of_16_a_may_show_17_8():
    assert tolerated(16.0) == pytest.approx(17.8), "5 % and one ampere"


def test_what_a_reading_shows_of_a_limit_that_is_kept():
    assert kept(16.0) == pytest.approx(16.52), "2 % and two tenths of an ampere"
    assert kept(0.0) == 1.0, "an ampere is no car"


def test_a_reading_proves_from_the_first_instant_and_up_to_what_is_tolerated():
    talk = charging(20.0)
    talk.holds("A", 8.0)
    talk.after(FOLLOWED).draws("A", tolerated(8.0) + 0.01)
    assert talk.ledger("A") == 20.0
    talk.draws("A", tolerated(8.0))
    assert talk.ledger("A") == tolerated(8.0), "it goes on with more: nobody else gets that"
    talk.draws("A", kept(8.0))
    assert talk.ledger("A") == 8.0


def test_a_car_that_still_draws_an_ampere_and_a_half_has_not_stopped_and_one_ampere_is_nothing():
    talk = charging(20.0)
    talk.holds("A", 0.0)
    talk.after(FOLLOWED).draws("A", 1.5)
    assert talk.ledger("A") == 20.0
    talk.draws("A", 1.0)
    assert talk.ledger("A") == 0.0


def test_a_car_at_its_fallback_has_followed_whatever_it_was_told():
    talk = charging(20.0, fallback_a=6.0)
    talk.holds("A", 0.0)
    talk.after(FOLLOWED).draws("A", 6.0)
    assert talk.ledger("A") == 6.0


def test_a_car_on_its_way_down_has_followed_each_limit_it_came_below():
    talk = charging(20.0)
    talk.holds("A", 10.0)
    talk.after(5).holds("A", 6.0)
    talk.after(FOLLOWED - 5).draws("A", 10.0)
    assert talk.ledger("A") == 10.0, "below the first; the second has not had its time"


def test_the_next_session_is_held_to_its_own_limits_and_to_none_of_the_last_one():
    talk = charging(20.0)
    talk.unplugs("A", "t-A")
    talk.after(1).plugs("A", "t-2")
    talk.holds("A", 16.0)
    talk.after(1).holds("A", 8.0)
    talk.after(FOLLOWED).draws("A", 17.0)
    assert talk.ledger("A") == 20.0, "it shows no sign of either end"
    talk.after(1).draws("A", 8.0)
    assert talk.ledger("A") == 8.0


# ── What its own meter says ───────────────────────────────────────────────────────────────


def test_a_session_that_was_said_to_have_ended_counts_while_its_current_is_still_told():
    """A welded contactor, or a transaction id that was not its own."""
    talk = charging(20.0)
    talk.unplugs("A", "t-A")
    for _ in range(6):
        talk.after(5).draws("A", 20.0)
        assert talk.ledger("A") >= 20.0
    talk.after(5).draws("A", 0.0)
    talk.after(100).holds("A", 0.0)
    assert talk.ledger("A") == 32.0, "it is in quarantine"


def test_a_limit_that_was_replaced_ends_with_its_transaction_whether_the_new_one_was_kept_or_not():
    """The room of a car that has left is not held back until a limit of its own would end."""
    talk = charging(20.0)
    talk.draws("A", 12.0)
    talk.holds("A", 19.0)
    talk.unplugs("A", "t-A")
    talk.after(FOLLOWED - 1)
    assert talk.ledger("A") == 20.0
    talk.after(1.1)
    assert talk.ledger("A") == 0.0


def test_another_transaction_alone_does_not_end_a_limit_that_may_not_have_been_replaced():
    """It may be the same car under another number."""
    talk = charging(20.0)
    talk.draws("A", 12.0)
    talk.holds("A", 19.0)
    talk.plugs("A", "t-B")
    talk.after(FOLLOWED + 32)
    assert talk.ledger("A") == 20.0


def test_nor_does_that_end_while_its_current_is_still_told():
    talk = charging(20.0)
    talk.draws("A", 12.0)
    talk.holds("A", 19.0)
    talk.unplugs("A", "t-A")
    talk.after(FOLLOWED + 1).draws("A", 12.0)
    assert talk.ledger("A") == 20.0


def test_a_car_that_takes_nothing_does_not_prove_that_its_charger_follows():
    """Found by chaos, seed 17003502: 0 A was accepted and 14.1 A held, and its car only waited."""
    talk = charging(14.1)
    talk.draws("A", 0.0)
    before = talk.of("A").in_force
    assert before is not None
    talk.holds("A", 0.0)
    while talk.now < before.ends_at:
        talk.draws("A", 0.0)
        assert talk.ledger("A") == 14.1
        talk.after(5)
    talk.draws("A", 0.0)
    assert talk.ledger("A") == 0.0


@pytest.mark.parametrize(
    ("before_a", "after_a", "proves"),
    [(14.0, 0.0, True), (14.0, 7.0, True), (0.0, 7.0, True), (0.0, 0.0, False), (0.5, 0.5, False)],
)
def test_a_car_that_takes_something_shows_that_its_charger_follows(before_a, after_a, proves):
    talk = charging(14.1)
    talk.draws("A", before_a)
    talk.holds("A", 10.0)
    talk.after(FOLLOWED + 1).draws("A", after_a)
    assert talk.ledger("A") == (10.0 if proves else 14.1)


def test_what_a_car_took_while_it_could_still_follow_its_old_limit_counts_as_well():
    talk = charging(14.1)
    talk.draws("A", 0.0)
    talk.holds("A", 10.0)
    talk.after(5).draws("A", 14.0)
    talk.after(FOLLOWED).draws("A", 7.0)
    assert talk.ledger("A") == 10.0


def test_what_another_car_took_proves_nothing():
    talk = charging(14.1)
    talk.draws("A", 14.0)
    talk.unplugs("A", "t-A")
    talk.after(60).draws("A", 0.0)
    talk.plugs("A", "t-B")
    talk.holds("A", 14.1)
    talk.holds("A", 10.0)
    talk.after(FOLLOWED + 1).draws("A", 0.0)
    assert talk.ledger("A") == 14.1


def test_a_session_that_has_ended_counts_no_longer_when_nothing_is_told_any_more():
    talk = charging(20.0)
    talk.draws("A", 20.0)
    talk.unplugs("A", "t-A")
    assert talk.after(FOLLOWED - 0.1).ledger("A") == 20.0
    assert talk.after(0.1).ledger("A") == 0.0


def test_one_reading_above_all_that_is_allowed_counts_until_the_next():
    talk = charging(10.0)
    talk.after(60).draws("A", 10.0)
    talk.after(5).draws("A", 31.0)
    assert talk.of("A").quarantine is None, "one reading convicts nobody"
    assert talk.ledger("A") == 31.0
    talk.after(5).draws("A", 10.0)
    assert talk.ledger("A") == 10.0


def test_currents_that_cannot_be_do_not_hide_a_power_that_can():
    """Found by chaos, seed 17003502: no numbers for currents, 9.7 kW, and told 0 A."""
    talk = Talk(site_of(bay("A")))
    talk.ready("A")
    talk.holds("A", 0.0)
    nan = float("nan")
    for _ in range(2):
        talk.after(30).draws("A", nan, nan, nan, power_w=9729.0)
        assert talk.ledger("A") >= 12.8
    assert talk.of("A").quarantine is not None


def test_the_ampere_that_convicts_nobody_is_not_given_to_others_either():
    """Found by chaos, seed 15001713: from 9.1 A to 7.7, and it went on with 9.0: tolerated."""
    talk = charging(9.1)
    talk.draws("A", 9.0)
    talk.holds("A", 7.7)
    for _ in range(12):
        talk.after(5).draws("A", 9.0)
        assert talk.of("A").quarantine is None
        assert talk.ledger("A") >= 9.0
    talk.after(5).draws("A", 7.8)
    assert talk.ledger("A") == 7.7
    talk.after(5).draws("A", 9.0)
    assert talk.after(30).ledger("A") == 9.0
    assert talk.after(1).ledger("A") == 7.7, "it tells nothing any more"


@pytest.mark.parametrize("terminals", [(L1,), (L1, L2, L3)])
def test_a_charger_that_tells_power_alone_is_held_to_its_limit_all_the_same(terminals):
    """The least that a power can be: on all phases alike, and at 1.1 times the voltage."""
    talk = Talk(site_of(bay("A", "main", *terminals)))
    talk.ready("A")
    talk.holds("A", 20.0)
    volts = 230.0 * len(terminals)
    talk.after(60).draws("A", power_w=20.0 * volts)
    talk.holds("A", 10.0)
    talk.after(FOLLOWED + 1).draws("A", power_w=20.0 * volts)
    assert talk.ledger("A") == 20.0, "it has not followed"
    talk.after(5).draws("A", power_w=20.0 * volts)
    assert talk.of("A").quarantine is not None
    talk = Talk(site_of(bay("A", "main", *terminals)))
    talk.ready("A")
    talk.holds("A", 20.0)
    talk.after(60).holds("A", 10.0)
    for _ in range(3):
        talk.after(FOLLOWED + 1).draws("A", power_w=10.0 * volts * 1.1)
    assert talk.ledger("A") == 10.0 and talk.of("A").quarantine is None


def test_a_reading_of_energy_alone_does_not_hide_what_the_one_before_it_told():
    talk = charging(20.0)
    talk.after(60).holds("A", 8.0)
    talk.after(FOLLOWED + 1).draws("A", 20.0)
    talk.after(1).draws("A", energy_wh=9000.0)
    assert talk.ledger("A") == 20.0
    talk.after(1).draws("A", 8.0)
    assert talk.ledger("A") == 8.0


def test_who_is_found_with_a_current_and_no_session_counts_until_that_is_seen_to_end():
    """A station with an old limit that nobody knows: its fallback says nothing of it."""
    talk = Talk(site_of(bay("A")))
    talk.connects("A")
    talk.draws("A", 32.0)
    talk.confirms(talk.sends(SetFallback(serial=1, evse=EvseId("A"), connection=1, current_a=0.0)))
    order = ReadFallback(serial=2, evse=EvseId("A"), connection=1, after_s=360.0)
    talk.confirms(talk.sends(order), 0.0)
    for _ in range(20):
        talk.after(5).draws("A", 32.0)
        assert talk.ledger("A") == 32.0
    talk.after(5).draws("A", 0.0)
    assert talk.of("A").quarantine is not None, "and it was caught"


@pytest.mark.parametrize("online", [True, False])
def test_measured_phases_are_trusted_on_the_connection_that_told_them(online):
    """Offline, another car may have come: the fallback counts on all phases again."""
    talk = Talk(site_of(bay("A"), policy=Policy(trust_measured_phases=True)))
    talk.ready("A", fallback_a=6.0)
    talk.holds("A", 6.0)
    for _ in range(4):
        talk.after(5).draws("A", 6.0, 0.0, 0.0)
    if not online:
        talk.drops("A")
    entries = worst_case(talk.site, talk.state, talk.now)
    assert entries[EvseId("A")] == ((6.0, 0.0, 0.0) if online else (6.0, 6.0, 6.0))
    if not online:
        talk.after(5).connects("A", 2)
        assert worst_case(talk.site, talk.state, talk.now)[EvseId("A")][1] >= 6.0


# ── What it comes to ──────────────────────────────────────────────────────────────────────


def test_what_is_promised_is_what_was_told_last_though_more_may_still_be_drawn():
    talk = charging(20.0)
    talk.holds("A", 0.0)
    assert talk.ledger("A") == 20.0
    assert promised_a(talk) == 0.0


def promised_a(talk: Talk) -> float:
    return promised_current(talk.site.evses[0], talk.of("A"), talk.now)


def test_the_ledger_is_never_below_what_is_promised():
    talk = charging(20.0, fallback_a=6.0)
    for current_a, outcome in [(8.0, talk.confirms), (24.0, talk.loses), (0.0, talk.refuses)]:
        outcome(talk.orders("A", current_a))
        for _ in range(12):
            talk.after(30)
            assert promised_a(talk) <= talk.ledger("A")


# ── Connections, boots, sessions, restarts ────────────────────────────────────────────────


def test_an_offline_charger_keeps_its_limit_until_it_ends_and_its_fallback_after_that():
    talk = charging(20.0, fallback_a=6.0)
    talk.drops("A")
    assert talk.after(100).ledger("A") == 20.0
    assert talk.after(300).ledger("A") == 6.0
    assert talk.after(86_400).ledger("A") == 6.0


def test_a_reboot_takes_the_proof_away_until_the_fallback_is_read_back_again():
    talk = charging(10.0)
    talk.boots("A")
    assert talk.ledger("A") == 32.0
    talk.after(30).proves("A", 0.0)
    assert talk.after(FOLLOWED).ledger("A") == 10.0, "the limit may have survived the reboot"


def test_a_boot_on_an_old_connection_is_history():
    talk = charging(10.0)
    talk.connects("A", 2)
    talk.boots("A", 1)
    assert talk.ledger("A") == 10.0


def test_a_reconnect_alone_changes_no_entry():
    talk = charging(10.0)
    talk.drops("A")
    talk.after(5).connects("A", 2)
    assert talk.ledger("A") == 10.0


def test_hearing_of_the_same_connection_twice_changes_nothing():
    talk = charging(10.0)
    talk.orders("A", 20.0)
    before = talk.state
    talk.connects("A", 1)
    assert talk.state == before


def test_the_limit_of_a_session_that_ended_counts_until_the_car_has_followed():
    talk = charging(20.0)
    talk.unplugs("A", "t-A")
    assert talk.after(FOLLOWED - 0.1).ledger("A") == 20.0
    assert talk.after(0.2).ledger("A") == 0.0


def test_the_end_of_another_session_changes_nothing():
    talk = charging(20.0)
    before = talk.state
    talk.unplugs("A", "yesterday")
    assert talk.state == before


def test_an_unanswered_limit_outlives_its_session():
    talk = charging(6.0)
    talk.loses(talk.orders("A", 20.0))
    talk.unplugs("A", "t-A")
    assert talk.after(60).ledger("A") == 20.0


def test_a_restart_starts_every_timer_again_and_lowers_nothing():
    talk = charging(20.0)
    talk.holds("A", 8.0)
    talk.after(5)
    talk.orders("A", 12.0)
    before = talk.ledger("A")
    talk.after(3600).restarts()
    assert talk.ledger("A") == before == 20.0
    assert talk.after(FOLLOWED).ledger("A") == 12.0
    assert talk.after(290).ledger("A") == 12.0
    assert talk.after(60).ledger("A") == 0.0


def test_a_restart_forgets_connections_so_that_no_old_answer_counts():
    talk = charging(20.0)
    order = talk.orders("A", 8.0)
    talk.restarts()
    talk.confirms(order)
    assert talk.after(60).ledger("A") == 20.0


# ── Disobedience ──────────────────────────────────────────────────────────────────────────


def test_a_charger_that_draws_more_than_it_may_counts_at_its_hardware_maximum():
    talk = charging(10.0)
    for _ in range(3):
        talk.after(5).draws("A", 16.0)
    assert talk.of("A").quarantine is not None
    assert talk.ledger("A") == 32.0


def test_one_sample_above_the_limit_is_no_disobedience():
    talk = charging(10.0)
    talk.after(5).draws("A", 16.0)
    talk.after(5).draws("A", 10.0)
    talk.after(5).draws("A", 16.0)
    talk.after(5).draws("A", 10.0)
    assert talk.of("A").quarantine is None


def test_a_charger_may_draw_the_old_limit_until_it_has_followed():
    talk = charging(20.0)
    talk.holds("A", 8.0)
    for _ in range(4):
        talk.after(3).draws("A", 20.0)
    assert talk.of("A").quarantine is None


def test_a_quarantined_charger_is_believed_again_after_a_minute_of_obedience():
    talk = charging(10.0)
    for _ in range(3):
        talk.after(5).draws("A", 16.0)
    for _ in range(12):
        talk.after(5).draws("A", 9.0)
        assert talk.ledger("A") == 32.0
    talk.after(5).draws("A", 9.0)
    assert talk.ledger("A") == 10.0


def test_a_quarantine_survives_a_restart():
    talk = charging(10.0)
    for _ in range(3):
        talk.after(5).draws("A", 16.0)
    talk.restarts()
    assert talk.ledger("A") == 32.0


def test_readings_from_an_old_connection_prove_nothing():
    talk = charging(20.0)
    talk.draws("A", 20.0)
    talk.holds("A", 8.0)
    talk.after(FOLLOWED).draws("A", 7.0, connection=0)
    assert talk.ledger("A") == 20.0


# ── Phases and circuits ───────────────────────────────────────────────────────────────────


def test_measured_phases_are_not_trusted_unless_the_site_says_so():
    talk = charging(16.0)
    for _ in range(4):
        talk.after(5).draws("A", 15.0, 0.0, 0.0)
    assert talk.of("A").phases == {L1}
    assert talk.entry("A") == (16.0, 16.0, 16.0)


def test_trusted_phases_are_released_and_taken_back_at_the_first_stray_current():
    talk = charging(16.0, policy=Policy(trust_measured_phases=True))
    for _ in range(4):
        talk.after(5).draws("A", 15.0, 0.0, 0.0)
    assert talk.entry("A") == (16.0, 0.0, 0.0)
    talk.after(5).draws("A", 15.0, 1.0, 0.0)
    assert talk.entry("A") == (16.0, 16.0, 16.0)


def test_a_quarantined_charger_counts_on_all_its_phases_even_where_phases_are_trusted():
    talk = charging(10.0, policy=Policy(trust_measured_phases=True))
    for _ in range(4):
        talk.after(5).draws("A", 9.0, 0.0, 0.0)
    for _ in range(3):
        talk.after(5).draws("A", 30.0, 0.0, 0.0)
    assert talk.entry("A") == (32.0, 32.0, 32.0)


def test_entries_add_up_on_every_circuit_above_an_evse_and_on_no_other():
    site = site_of(
        bay("A", "north", L1, max_a=16.0),
        bay("B", "south", L2, L3, L1, max_a=10.0),
        circuits=(fuse("main", 63.0), fuse("north", 32.0), fuse("south", 32.0)),
    )
    totals = per_circuit(site, worst_case(site, Talk(site).state, Talk(site).now))
    assert totals[CircuitId("main")] == (26.0, 10.0, 10.0)
    assert totals[CircuitId("north")] == (16.0, 0.0, 0.0)
    assert totals[CircuitId("south")] == (10.0, 10.0, 10.0)


def test_who_has_no_entry_adds_nothing_and_hides_nobody():
    site = site_of(bay("A"), bay("B", max_a=10.0))
    totals = per_circuit(site, {EvseId("B"): (10.0, 10.0, 10.0)})
    assert totals[CircuitId("main")] == (10.0, 10.0, 10.0)


@pytest.mark.parametrize("nonsense", [math.nan, math.inf, -5.0, 81.0])
def test_a_reading_that_cannot_be_true_changes_nothing(nonsense: float):
    talk = charging(10.0)
    talk.draws("A", 10.0)
    before = talk.state
    talk.after(5).draws("A", nonsense)
    assert talk.state == before


def _unquarantined(talk: Talk):  # type: ignore[no-untyped-def]
    """The proof by measurement alone, without the quarantine that a deaf charger meets too."""
    from dataclasses import replace

    belief = replace(talk.of("A"), quarantine=None, over_since=None, over_count=0)
    return replace(talk.state, evses={EvseId("A"): belief})


def test_who_is_gone_before_its_meter_showed_it_follow_may_hold_its_old_limit_until_that_ends():
    """Found by chaos, seed 20013: it said "Accepted" to 0 A, kept 9 A, and its link went."""
    talk = Talk(site_of(bay("A")))
    talk.ready("A")
    talk.holds("A", 9.0)
    talk.after(20).draws("A", 9.0)
    talk.holds("A", 0.0)
    talk.after(2).drops("A")
    talk.after(60)
    assert talk.ledger("A") == 9.0, "nobody has seen it lower"
    talk.after(270)
    assert talk.ledger("A") == 0.0


def test_who_was_seen_lower_before_it_was_gone_holds_its_new_limit():
    talk = Talk(site_of(bay("A")))
    talk.ready("A")
    talk.holds("A", 9.0)
    talk.after(20).draws("A", 9.0)
    talk.holds("A", 0.0)
    talk.after(14).draws("A", 0.0)
    assert talk.ledger("A") == 0.0
    talk.drops("A")
    assert talk.after(60).ledger("A") == 0.0, "what was shown stays shown"
