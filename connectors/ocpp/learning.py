"""What a station is asked and told after it connects, between the engine's orders."""

from __future__ import annotations

from collections.abc import Mapping

from connectors.ocpp.dialect import Ability, Dialect, Payload, Step
from connectors.ocpp.frames import CallError
from connectors.ocpp.orders import Ask, NoAnswer
from loadmgr.model import Evse

PATIENCE = 3
"""So many questions may stay without an answer; then the rest is left unasked."""

_TAKEN = ("Accepted", "RebootRequired", "Scheduled")


async def ask_about(dialect: Dialect, ask: Ask, ability: Ability) -> Ability:
    """What the station says it takes; what it does not say stays as it was."""
    for question in dialect.questions():
        try:
            answer = await ask(question)
        except NoAnswer:
            continue
        if not isinstance(answer, CallError):
            ability = dialect.learn(ability, answer.payload)
    return ability


async def instruct(
    dialect: Dialect, ask: Ask, evses: Mapping[int, Evse], sample_every_s: int
) -> None:
    """Have it measure what is needed, often enough, and report how things stand."""
    silences = 0
    for step in dialect.instructions(evses, sample_every_s):
        silences += not await _take(step, ask)
        if silences >= PATIENCE:
            return


async def _take(step: Step, ask: Ask) -> bool:
    """False when the station did not answer."""
    for request in step.alternatives:
        try:
            answer = await ask(request)
        except NoAnswer:
            return False
        if not isinstance(answer, CallError) and _taken(answer.payload):
            return True
    return True


def _taken(answer: Payload) -> bool:
    results = answer.get("setVariableResult")
    if isinstance(results, list):
        return all(
            isinstance(result, dict) and result.get("attributeStatus") in _TAKEN
            for result in results
        )
    return answer.get("status") in _TAKEN
