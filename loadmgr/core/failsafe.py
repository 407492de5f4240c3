"""What holds while nobody hears from the utility: its fail-safe limit.

A channel that has a fail-safe limit must be heard of regularly. Silence for
longer than its heartbeat allows, or a restart of ours, puts the fail-safe limit
in force; it is left only when the channel is heard again *and* then says what
holds (EEBUS LPC 1.0 states "failsafe" and "limited"/"unlimited controlled").
It never ends by time: a utility that cannot be heard has not said "unlimited".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from loadmgr.core.state import Contact, State
from loadmgr.model import Failsafe, Limit, Site

SOURCE = "failsafe"


def limits(site: Site, state: State, now: datetime) -> tuple[Limit, ...]:
    """All limits that count now: those that were set, and the fail-safe ones in force."""
    return (*state.limits.values(), *in_force(site, state, now))


def in_force(site: Site, state: State, now: datetime) -> Iterator[Limit]:
    """The fail-safe limits of all channels that are not in contact."""
    for failsafe in site.failsafes:
        if not _in_contact(failsafe, state.contacts.get(failsafe.name), now):
            yield Limit(
                name=f"{failsafe.name}-{SOURCE}",
                circuit=failsafe.circuit,
                current_a=failsafe.current_a,
                power_w=failsafe.power_w,
                source=f"{SOURCE}:{failsafe.name}",
                reason="nothing is heard of it",
                valid_from=now,
            )


def heard(site: Site, state: State, name: str, at: datetime, *, says: bool) -> State:
    """A channel was heard; `says`: it set or released its limit, and so said what holds."""
    failsafe = next((f for f in site.failsafes if f.name == name), None)
    if failsafe is None:
        return state
    known = state.contacts.get(name)
    contact = Contact(at=at, said=says or _in_contact(failsafe, known, at))
    return replace(state, contacts={**state.contacts, name: contact})


def _in_contact(failsafe: Failsafe, contact: Contact | None, now: datetime) -> bool:
    silent = timedelta(seconds=failsafe.heartbeat_s)
    return contact is not None and contact.said and now - contact.at <= silent
