"""Finds connectors by the `type:` in site.yaml. Nobody imports one by name."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any, cast

from loadmgr.config import Configuration, ConfigurationError, ConnectorBlock
from loadmgr.ports import BadOption, Clock, Context, Gateway, Options, Source

GROUP = "loadmgr.connectors"

Connect = Callable[[Options, Context], Any]


class NoSuchConnector(Exception):
    """No installed package offers this kind and type of connector."""


def find(kind: str, type_: str) -> Connect:
    """The `connect` function of `meter.modbus`, `gateway.ocpp`, …"""
    for entry in entry_points(group=GROUP):
        if entry.name == f"{kind}.{type_}":
            return cast(Connect, entry.load())
    raise NoSuchConnector(f"{kind}.{type_}: no such connector is installed; try `pip install -e .`")


def gateway(configuration: Configuration, clock: Clock) -> Gateway:
    """What speaks to the stations. Raises `ConfigurationError`."""
    return cast(
        Gateway, _connect(configuration, "gateway", "gateway", configuration.gateway, clock)
    )


def sources(configuration: Configuration, clock: Clock) -> list[Source]:
    """All meters and channels of limits. Raises `ConfigurationError` with every complaint."""
    found: list[Source] = []
    wrong: list[ConfigurationError] = []
    blocks = [("meter", str(name), block) for name, block in configuration.meters.items()]
    blocks += [("limit", name, block) for name, block in configuration.limits.items()]
    for kind, name, block in blocks:
        try:
            found.append(cast(Source, _connect(configuration, kind, name, block, clock)))
        except ConfigurationError as error:
            wrong.append(error)
    if wrong:
        raise ConfigurationError([problem for error in wrong for problem in error.problems])
    return found


def check(configuration: Configuration, clock: Clock) -> None:
    """Let every connector look at its options. Raises `ConfigurationError` with all complaints."""
    wrong: list[ConfigurationError] = []
    for look in (sources, gateway):
        try:
            look(configuration, clock)
        except ConfigurationError as error:
            wrong.append(error)
    if wrong:
        raise ConfigurationError([problem for error in wrong for problem in error.problems])


def _connect(
    configuration: Configuration, kind: str, name: str, block: ConnectorBlock, clock: Clock
) -> object:
    context = Context(name=name, site=configuration.site, clock=clock)
    try:
        return find(kind, block.type)(block.options, context)
    except NoSuchConnector as error:
        raise configuration.error(block, ("type",), str(error)) from error
    except BadOption as error:
        raise configuration.error(block, error.path, str(error)) from error
