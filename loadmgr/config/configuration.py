"""site.yaml, understood: what the rest of loadmgr gets to see of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadmgr.config.assembly import assemble
from loadmgr.config.complaints import Complaints
from loadmgr.config.drafts import Draft, draft
from loadmgr.config.errors import ConfigurationError, Problem, SettingPath, in_order
from loadmgr.config.exposure import check_exposure, security_profile
from loadmgr.config.physics import check_doubts, check_faults
from loadmgr.config.references import check_references
from loadmgr.config.schema import SiteFile
from loadmgr.config.source import Source, Table, read
from loadmgr.config.values import as_data
from loadmgr.model import MeterId, Site
from loadmgr.ports import Options

READ_HERE = frozenset({"type", "when_lost", "feeds_in", "failsafe", "heartbeat"})
"""Settings of a connector's block that are ours; the others are its options."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorBlock:
    """What a connector is told, and where that stands in the file."""

    type: str  # of the entry point: "modbus", "schedule", "ocpp"
    options: Options
    path: SettingPath  # ("meters", "main-meter")


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """One site.yaml without errors."""

    site: Site
    meters: Mapping[MeterId, ConnectorBlock]
    limits: Mapping[str, ConnectorBlock]
    gateway: ConnectorBlock
    dashboard_listen: tuple[str, int]
    store: Path | None
    warnings: tuple[Problem, ...]
    source: Source = field(repr=False)

    @property
    def path(self) -> Path:
        return self.source.path

    def error(self, block: ConnectorBlock, option: SettingPath, message: str) -> ConfigurationError:
        """A connector's own complaint about one of its options, put where that stands."""
        path = (*block.path, *option)
        return ConfigurationError(
            [Problem(place=self.source.value(path), path=path, message=message)]
        )


def load(path: str | Path) -> Configuration:
    """Read a site.yaml.

    Raises
    ------
    ConfigurationError
        With everything that is wrong with the file.
    """
    source = read(Path(path))
    complaints = Complaints(source)
    draft_ = draft(complaints)
    site = _checked(draft_, complaints) if draft_ is not None else None
    if complaints.errors or draft_ is None or site is None:
        raise ConfigurationError(complaints.problems)
    file = draft_.file
    return Configuration(
        site=site,
        meters={
            MeterId(name): _connector(source, ("meters", name), block.type)
            for name, block in file.meters.items()
        },
        limits={
            name: _connector(source, ("limits", name), block.type)
            for name, block in file.limits.items()
        },
        gateway=_gateway(source, file),
        dashboard_listen=(file.dashboard.listen.host, file.dashboard.listen.port),
        store=(source.path.parent / file.store).absolute() if file.store else None,
        warnings=in_order(complaints.warnings),
        source=source,
    )


def _checked(draft_: Draft, complaints: Complaints) -> Site | None:
    check_references(draft_, complaints)
    check_exposure(draft_, complaints)
    site = assemble(draft_)
    if site is not None:
        check_faults(site, complaints)
        if not complaints.errors:
            check_doubts(site, draft_.file, complaints)
    return site


def _connector(source: Source, path: SettingPath, kind: str) -> ConnectorBlock:
    options = {n: v for n, v in _data(source, path).items() if n not in READ_HERE}
    return ConnectorBlock(type=kind, options=_located(options, source.path), path=path)


def _gateway(source: Source, file: SiteFile) -> ConnectorBlock:
    ocpp = file.ocpp
    options = ocpp.model_dump(exclude_none=True)
    options |= {"listen": str(ocpp.listen), "security_profile": security_profile(ocpp)}
    if balanced := [name for name, charger in file.chargers.items() if charger.balanced]:
        options["balanced_stations"] = balanced
    return ConnectorBlock(type="ocpp", options=_located(options, source.path), path=("ocpp",))


def _data(source: Source, path: SettingPath) -> dict[str, Any]:
    node = source.tree
    for name in path:
        found = node.entries[str(name)].value
        assert isinstance(found, Table)  # the schema asks for a block
        node = found
    data: dict[str, Any] = as_data(node)
    return data


def _located(options: Mapping[str, Any], file: Path) -> dict[str, Any]:
    """Names of files count from the folder of site.yaml, wherever loadmgr was started."""
    return {
        name: str((file.parent / value).absolute())
        if isinstance(value, str) and (name == "file" or name.endswith("_file"))
        else value
        for name, value in options.items()
    }
