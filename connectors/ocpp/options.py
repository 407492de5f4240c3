"""What site.yaml may say about the gateway, checked against the site."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from connectors.ocpp.security import LONGEST_PASSWORD, SHORTEST_PASSWORD, Credentials
from loadmgr.model import Site
from loadmgr.ports import BadOption, Options


class OcppOptions(BaseModel):
    """The block of the gateway in site.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    listen: str = "127.0.0.1:9000"
    versions: tuple[Literal["1.6", "2.0.1"], ...] = ("1.6", "2.0.1")
    security_profile: Literal[0, 1, 2, 3] = 1
    passwords: dict[str, str] | None = None  # station: password
    passwords_file: Path | None = None  # YAML or JSON of the same form
    certificate_file: Path | None = None  # PEM, with its chain
    key_file: Path | None = None
    client_ca_file: Path | None = None
    heartbeat_s: int = Field(default=300, ge=5, le=86_400)
    answer_s: float = Field(default=15.0, gt=0, le=120)
    sample_every_s: int = Field(default=5, ge=1, le=300)
    balanced_stations: frozenset[str] = frozenset()  # they load all their phases alike, as DC does

    @field_validator("listen")
    @classmethod
    def _address(cls, written: str) -> str:
        host, _, port = written.rpartition(":")
        if not host or not port.isdigit() or int(port) > 65535:
            raise ValueError(f"{written!r} is no address: write it like 0.0.0.0:9000")
        return written

    @property
    def host(self) -> str:
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """0: any that is free."""
        return int(self.listen.rpartition(":")[2])


def parse(options: Options, site: Site) -> OcppOptions:
    """
    Raises
    ------
    BadOption
        Names the setting and what to do about it.
    """
    try:
        parsed = OcppOptions.model_validate({k: v for k, v in options.items() if k != "type"})
    except ValidationError as errors:
        first = errors.errors(include_url=False)[0]
        path = tuple(str(step) for step in first["loc"])
        raise BadOption(path, str(first["msg"])) from None
    unknown = sorted(parsed.balanced_stations - set(site.stations))
    if unknown:
        raise BadOption(("balanced_stations",), f"no station of the site: {', '.join(unknown)}")
    if parsed.security_profile == 3:
        raise BadOption(
            ("security_profile",), "client certificates (3) are not available yet: use 2"
        )
    if parsed.security_profile == 0 and _everywhere(parsed.host):
        raise BadOption(
            ("security_profile",),
            "without passwords anyone on any network can pose as a charger: use 1 or 2, or name"
            " the one interface that only chargers reach in `listen`",
        )
    return parsed


def credentials(options: OcppOptions, site: Site) -> Credentials | None:
    """None where nobody is asked for a password.

    Raises
    ------
    BadOption
        A station of the site has none, or one that OCPP would not let it use.
    """
    if options.security_profile == 0:
        return None
    setting = "passwords" if options.passwords is not None else "passwords_file"
    passwords = (
        options.passwords if options.passwords is not None else _read(options.passwords_file)
    )
    missing = sorted(set(site.stations) - set(passwords))
    if missing:
        raise BadOption((setting,), f"no password for {', '.join(missing)}")
    for name in sorted(site.stations):
        if not SHORTEST_PASSWORD <= len(passwords[name].encode()) <= LONGEST_PASSWORD:
            raise BadOption(
                (setting, name),
                f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters;"
                " make a random one for each station",
            )
    return Credentials({name: passwords[name] for name in site.stations})


def tls(options: OcppOptions) -> ssl.SSLContext | None:
    """
    Raises
    ------
    BadOption
        The files do not make a server's certificate.
    """
    if options.security_profile != 2:
        return None
    if options.certificate_file is None or options.key_file is None:
        raise BadOption(
            ("certificate_file",), "profile 2 needs `certificate_file` and `key_file` (PEM)"
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(options.certificate_file, options.key_file)
    except (OSError, ssl.SSLError) as error:
        raise BadOption(("certificate_file",), f"cannot be used: {error}") from None
    return context


def _read(path: Path | None) -> Mapping[str, str]:
    if path is None:
        raise BadOption(
            ("passwords_file",),
            "missing: a YAML file with one `station: password` per line; only on this machine"
            " `security_profile: 0` does without",
        )
    try:
        listed: Any = YAML(typ="safe", pure=True).load(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise BadOption(("passwords_file",), f"cannot be read: {error}") from None
    except YAMLError:
        # The parser's own words would quote the line, and with it a password.
        raise BadOption(("passwords_file",), f"{path} is not YAML") from None
    if not isinstance(listed, dict):
        raise BadOption(("passwords_file",), f"{path} must hold `station: password` lines")
    for name, password in listed.items():
        if not isinstance(name, str) or not isinstance(password, str):
            raise BadOption(
                ("passwords_file",), f"{path}: write the password of {name!r} in quotes"
            )
    return listed


def _everywhere(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False
