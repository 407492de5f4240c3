"""Figures for Prometheus, made from the last tick when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from loadmgr import gauge
from loadmgr.ports import Desk
from loadmgr.snapshot import Snapshot, Standing
from loadmgr.units import PHASES


class Metrics(Collector):
    """One desk as a collector with a registry of its own: two sites in one process do not mix."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        yield _single("tick_age_seconds", "Since the last tick was decided", self._desk.age_s())
        snapshot = self._desk.snapshot()
        if snapshot is not None:
            yield from _site(snapshot)
            yield from _circuits(snapshot)
            yield from _chargers(snapshot)


def _single(name: str, help: str, value: float) -> Metric:
    return GaugeMetricFamily(f"loadmgr_{name}", help, value=value)


def _site(shown: Snapshot) -> Iterator[Metric]:
    ticks = CounterMetricFamily("loadmgr_ticks", "Decisions since the start")
    ticks.add_metric([], shown.pace.ticks)
    late = CounterMetricFamily("loadmgr_ticks_late", "Ticks skipped because one took too long")
    late.add_metric([], shown.pace.late)
    yield ticks
    yield late
    duration = GaugeMetricFamily(
        "loadmgr_tick_seconds", "How long a tick takes", labels=["quantile"]
    )
    duration.add_metric(["0.5"], shown.pace.p50_s)
    duration.add_metric(["0.99"], shown.pace.p99_s)
    yield duration
    yield _single("solve_seconds", "The last linear program", shown.solve.seconds)
    yield _single("solve_ok", "1: its answer was proved and used", shown.solve.status == "ok")
    yield _single("alarms", "What is not as it should be", len(shown.alarms))
    yield _single("limits", "Limits known", len(shown.limits))
    yield _single("dry_run", "1: nothing is sent", shown.dry_run)


def _circuits(shown: Snapshot) -> Iterator[Metric]:
    current = GaugeMetricFamily(
        "loadmgr_circuit_current_amperes",
        "One phase of a circuit",
        labels=["circuit", "phase", "kind"],
    )
    power = GaugeMetricFamily(
        "loadmgr_circuit_power_watts", "All phases of a circuit", labels=["circuit", "kind"]
    )
    lost = GaugeMetricFamily(
        "loadmgr_meter_lost", "1: the meter is silent or not believed", labels=["circuit"]
    )
    for circuit, its_gauges in gauge.gauges(shown).items():
        for g in its_gauges:
            for kind, value in _kinds(g):
                if g.row.phase is None:
                    power.add_metric([circuit, kind], value)
                else:
                    current.add_metric([circuit, g.row.phase.name, kind], value)
    for view in shown.circuits:
        if view.meter is not None:
            lost.add_metric([view.circuit.id], view.meter_lost)
    yield current
    yield power
    yield lost


def _kinds(g: gauge.Gauge) -> tuple[tuple[str, float], ...]:
    return (
        ("rating", g.row.rating),
        ("usable", g.row.usable),
        ("building", g.row.building),
        ("cars", g.cars),
        ("used", g.used),
        ("reserved", g.row.reserved),
        ("planned", g.row.planned),
    )


def _chargers(shown: Snapshot) -> Iterator[Metric]:
    limit = GaugeMetricFamily(
        "loadmgr_charger_limit_amperes", "Per phase", labels=["charger", "kind"]
    )
    measured = GaugeMetricFamily(
        "loadmgr_charger_current_amperes", "Measured", labels=["charger", "phase"]
    )
    energy = GaugeMetricFamily(
        "loadmgr_charger_session_energy_watt_hours", "Of this session", labels=["charger"]
    )
    standing = GaugeMetricFamily(
        "loadmgr_chargers", "How many stand how with us", labels=["standing"]
    )
    for charger in shown.chargers:
        limit.add_metric([charger.id, "planned"], charger.target_a)
        limit.add_metric([charger.id, "ordered"], charger.ordered_a)
        if charger.confirmed_a is not None:
            limit.add_metric([charger.id, "confirmed"], charger.confirmed_a)
        energy.add_metric([charger.id], charger.energy_wh)
        for phase, drawn in zip(PHASES, charger.measured_a or (), strict=False):
            measured.add_metric([charger.id, phase.name], drawn)
    for one in Standing:
        standing.add_metric([one], sum(charger.standing is one for charger in shown.chargers))
    yield from (limit, measured, energy, standing)
