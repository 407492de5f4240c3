"""Charging profiles: which of them holds."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadmgr.simulate.profiles import (
    DAY_S,
    Kind,
    Period,
    Profile,
    ProfileStore,
    Purpose,
    Unacceptable,
)

T0 = 1_000_000.0


def profile(limit_a: float, **more) -> Profile:
    given = {"id": 1, "level": 0, "purpose": Purpose.DEFAULT, "start_s": T0} | more
    return Profile(periods=(Period(0.0, limit_a),), **given)


def test_without_a_profile_there_is_no_limit():
    assert ProfileStore().limit_a(1, T0, T0) == math.inf


def test_a_transaction_profile_overrules_the_default_until_it_ends():
    store = ProfileStore()
    store.put(1, profile(6.0), T0)
    store.put(1, profile(20.0, id=2, purpose=Purpose.TX, duration_s=300.0), T0)
    assert store.limit_a(1, T0 + 299.9, T0) == 20.0
    assert store.limit_a(1, T0 + 300.0, T0) == 6.0
    assert store.limit_a(1, T0 + 10.0) == 6.0  # no transaction: only the default counts
    assert store.changes_after_s(1, T0, T0) == T0 + 300.0


def test_the_maximum_caps_both_and_is_shared():
    store = ProfileStore()
    store.put(0, profile(16.0, id=3, purpose=Purpose.MAX), T0)
    store.put(1, profile(20.0, id=2, purpose=Purpose.TX), T0)
    assert store.limit_a(1, T0, T0) == 16.0
    assert store.limit_a(1, T0, T0, sharers=2) == 8.0


def test_the_highest_stack_level_that_says_something_wins():
    store = ProfileStore()
    store.put(1, profile(10.0, id=1, level=1), T0)
    store.put(1, profile(30.0, id=2, level=5, valid_from_s=T0 + 60, valid_to_s=T0 + 120), T0)
    assert [store.limit_a(1, T0 + s, T0) for s in (0, 60, 119, 120)] == [10.0, 30.0, 30.0, 10.0]


def test_same_purpose_and_level_replaces_in_16_and_is_refused_in_201():
    loose, strict = ProfileStore(), ProfileStore(strict=True)
    for store in (loose, strict):
        store.put(1, profile(10.0, id=1), T0)
    loose.put(1, profile(12.0, id=2), T0)
    assert len(loose) == 1 and loose.limit_a(1, T0, T0) == 12.0
    with pytest.raises(Unacceptable, match="profile 1 holds"):
        strict.put(1, profile(12.0, id=2), T0)
    strict.put(1, profile(12.0, id=1), T0)
    assert strict.limit_a(1, T0, T0) == 12.0


def test_a_default_of_the_evse_comes_before_one_of_the_station():
    store = ProfileStore()
    store.put(0, profile(10.0, id=1), T0)
    store.put(1, profile(8.0, id=2), T0)
    assert (store.limit_a(1, T0, T0), store.limit_a(2, T0, T0)) == (8.0, 10.0)


def test_a_recurring_profile_comes_back_every_day():
    store = ProfileStore()
    daily = Profile(
        id=1,
        level=0,
        purpose=Purpose.DEFAULT,
        kind=Kind.RECURRING,
        periods=(Period(0.0, 6.0), Period(3600.0, 16.0)),
        start_s=T0,
        duration_s=7200.0,
    )
    store.put(1, daily, T0)
    later = T0 + 3 * DAY_S
    assert [store.limit_a(1, later + s, T0) for s in (0, 3600, 7200)] == [6.0, 16.0, math.inf]
    assert store.changes_after_s(1, later + 7200.0, T0) == later + DAY_S


def test_a_relative_profile_starts_with_the_transaction_or_with_its_receipt():
    relative = Profile(
        id=1,
        level=0,
        purpose=Purpose.TX,
        kind=Kind.RELATIVE,
        periods=(Period(0.0, 6.0),),
        duration_s=60.0,
    )
    by_transaction, by_receipt = ProfileStore(), ProfileStore(relative_from_receipt=True)
    for store in (by_transaction, by_receipt):
        store.put(1, relative, T0 + 100)
    assert by_transaction.limit_a(1, T0 + 100, T0) == math.inf
    assert by_receipt.limit_a(1, T0 + 100, T0) == 6.0


def test_clearing_by_id_purpose_or_everything():
    store = ProfileStore()
    store.put(1, profile(6.0), T0)
    store.put(1, profile(20.0, id=2, purpose=Purpose.TX), T0)
    assert store.clear(id=9) == 0
    assert store.clear(purpose=Purpose.TX) == 1
    assert store.clear() == 1
    assert len(store) == 0


@pytest.mark.parametrize("keeps_default", [True, False])
def test_a_reboot_forgets_transaction_profiles_and_perhaps_the_default(keeps_default):
    store = ProfileStore()
    store.put(1, profile(6.0), T0)
    store.put(1, profile(20.0, id=2, purpose=Purpose.TX), T0)
    store.reboot(keeps_default=keeps_default)
    assert store.limit_a(1, T0, T0) == (6.0 if keeps_default else math.inf)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"periods": ()}, "first period"),
        ({"periods": (Period(5.0, 1.0),)}, "first period"),
        ({"periods": (Period(0.0, 1.0), Period(0.0, 2.0))}, "order"),
        ({"periods": (Period(0.0, -1.0),)}, "0 or more"),
        ({"periods": (Period(0.0, math.nan),)}, "0 or more"),
        ({"start_s": None}, "startSchedule"),
        ({"duration_s": 0.0}, "duration"),
        ({"level": -1}, "stack level"),
    ],
)
def test_a_malformed_profile_is_unacceptable(wrong, why):
    good = {
        "id": 1,
        "level": 0,
        "purpose": Purpose.DEFAULT,
        "periods": (Period(0.0, 6.0),),
        "start_s": T0,
    }
    with pytest.raises(Unacceptable, match=why):
        Profile(**good | wrong)


def test_profiles_stay_where_they_belong():
    with pytest.raises(Unacceptable, match="whole station"):
        ProfileStore().put(1, profile(6.0, purpose=Purpose.MAX), T0)
    with pytest.raises(Unacceptable, match="one EVSE"):
        ProfileStore().put(0, profile(6.0, purpose=Purpose.TX), T0)


@st.composite
def profiles(draw) -> Profile:
    starts = sorted(draw(st.sets(st.integers(1, 500), max_size=3)))
    limits = st.integers(0, 32).map(float)
    return Profile(
        id=draw(st.integers(1, 8)),
        level=draw(st.integers(0, 3)),
        purpose=draw(st.sampled_from([Purpose.DEFAULT, Purpose.TX])),
        periods=tuple(Period(float(start), draw(limits)) for start in (0, *starts)),
        start_s=T0 + draw(st.integers(-300, 300)),
        duration_s=draw(st.none() | st.integers(1, 600).map(float)),
        valid_from_s=T0 + draw(st.integers(-300, 300)),
        valid_to_s=T0 + draw(st.integers(0, 900)),
    )


def oracle(kept: list[Profile], now_s: float) -> float:
    """By the letter: of each purpose the highest level in force, transaction before default."""
    for purpose in (Purpose.TX, Purpose.DEFAULT):
        said = [
            (
                p.level,
                [period.limit_a for period in p.periods if p.start_s + period.start_s <= now_s],
            )
            for p in kept
            if p.purpose is purpose
            and p.valid_from_s <= now_s < p.valid_to_s
            and p.start_s <= now_s < p.start_s + (p.duration_s or math.inf)
        ]
        if said:
            return max(said)[1][-1]
    return math.inf


@settings(deadline=None)
@given(st.lists(profiles(), max_size=8))
def test_the_store_agrees_with_the_letter_of_the_standard(given_profiles):
    store, kept = ProfileStore(), []
    for new in given_profiles:
        store.put(1, new, T0)
        kept = [
            p for p in kept if p.id != new.id and (p.purpose, p.level) != (new.purpose, new.level)
        ]
        kept.append(new)
    for second in range(-10, 1000, 7):
        assert store.limit_a(1, T0 + second, T0 - 1e6) == oracle(kept, T0 + second)


@settings(deadline=None)
@given(st.lists(profiles(), max_size=6))
def test_the_composite_schedule_tells_the_limit_of_every_second(given_profiles):
    store = ProfileStore()
    for new in given_profiles:
        store.put(1, new, T0)
    schedule = store.composite(1, T0, 600.0, T0 - 10.0)
    for second in range(600):
        told = next(p.limit_a for p in reversed(schedule) if p.start_s <= second)
        assert told == store.limit_a(1, T0 + second, T0 - 10.0)
