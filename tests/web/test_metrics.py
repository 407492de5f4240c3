"""Figures for Prometheus: complete, parseable, and of this site only."""

from __future__ import annotations

import httpx
from prometheus_client.parser import text_string_to_metric_families

from loadmgr.web.metrics import Metrics
from tests.web.snapshots import FakeDesk, car_park


def _samples(text: str) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_metrics_say_how_full_each_row_is_and_what_each_charger_has(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    found = _samples(answer.text)
    assert found["loadmgr_tick_age_seconds",] == 0.4
    assert found["loadmgr_ticks_total",] == 1234
    assert found["loadmgr_circuit_current_amperes", "L1", "main", "used"] == 55.2
    assert found["loadmgr_circuit_power_watts", "main", "usable"] == 40_000
    assert found["loadmgr_charger_limit_amperes", "CP03", "planned"] == 11.8
    assert found["loadmgr_charger_current_amperes", "CP05", "L2"] == 13.0
    assert found["loadmgr_chargers", "charging"] == 3
    assert found["loadmgr_alarms",] == 2
    assert ("loadmgr_charger_limit_amperes", "CP06", "confirmed") not in found


def test_two_sites_in_one_process_do_not_mix() -> None:
    first, second = Metrics(FakeDesk(car_park())), Metrics(FakeDesk())
    assert b"loadmgr_ticks_total" in first.text()
    assert b"loadmgr_ticks_total" not in second.text()
