"""Who can reach the servers, and what keeps them out."""

from __future__ import annotations

from loadmgr.config.complaints import Complaints
from loadmgr.config.drafts import Draft
from loadmgr.config.schema import DashboardBlock, OcppBlock

FILES_OF_PROFILE = {
    0: (),
    1: ("passwords_file",),
    2: ("passwords_file", "certificate_file", "key_file"),
    3: ("certificate_file", "key_file", "client_ca_file"),
}
"""OCPP security profiles: 1 Basic authentication, 2 with TLS, 3 TLS with client certificates."""


def security_profile(ocpp: OcppBlock) -> int:
    """What was chosen; else a password on the loopback interface and TLS anywhere else."""
    if ocpp.security_profile is not None:
        return ocpp.security_profile
    return 1 if ocpp.listen.is_loopback else 2


def check_exposure(draft: Draft, complaints: Complaints) -> None:
    if ("ocpp",) not in draft.left_out:
        _check_ocpp(draft.file.ocpp, complaints)
    if ("dashboard",) not in draft.left_out:
        _check_dashboard(draft.file.dashboard, complaints)


def _check_ocpp(ocpp: OcppBlock, complaints: Complaints) -> None:
    profile, at = security_profile(ocpp), ("ocpp", "security_profile")
    for setting in FILES_OF_PROFILE[profile]:
        if getattr(ocpp, setting) is None:
            message = f"security profile {profile} needs '{setting}'"
            hint = f"Write `{setting}: …`, or choose another profile with `security_profile:`."
            complaints.error(("ocpp",), message, hint, name=True)
    if ocpp.listen.is_loopback:
        return
    if profile == 0 and ocpp.listen.is_everywhere:
        hint = "Name the interface of the charger network in `listen`, or use profile 2."
        complaints.error(at, "anyone on any network could pose as a charger", hint)
    elif profile == 0:
        hint = "Profile 2 asks for a password over TLS."
        complaints.warning(at, "anyone on this network can pose as a charger", hint)
    elif profile == 1:
        hint = "Profile 2 encrypts them. Profile 1 belongs on a network of its own."
        complaints.warning(at, "passwords of chargers can be read on this network", hint)


def _check_dashboard(dashboard: DashboardBlock, complaints: Complaints) -> None:
    if dashboard.listen.is_loopback:
        return
    at = ("dashboard", "listen")
    if dashboard.login is None:
        hint = (
            'Listen on "127.0.0.1:8080" behind a proxy that asks for a password, '
            "or say `login: none` if everyone there may lower limits."
        )
        complaints.error(at, "anyone who reaches this address could lower limits", hint)
    else:
        hint = "A proxy that asks for a password in front of 127.0.0.1 is safer."
        complaints.warning(at, "anyone who reaches this address can lower limits", hint)
