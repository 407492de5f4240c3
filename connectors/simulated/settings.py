"""The settings of a simulated station, by their names in OCPP 1.6 and in the 2.0.1 device model."""

from __future__ import annotations

from dataclasses import dataclass

CURRENT, POWER, ENERGY = (
    "Current.Import",
    "Power.Active.Import",
    "Energy.Active.Import.Register",
)


@dataclass(frozen=True, slots=True)
class Setting:
    key: str  # 1.6 section 9
    component: str  # 2.0.1 part 2, appendix 3
    variable: str
    value: str
    readonly: bool = False


_DEFAULTS = (
    Setting("HeartbeatInterval", "OCPPCommCtrlr", "HeartbeatInterval", "60"),
    Setting("MeterValueSampleInterval", "SampledDataCtrlr", "TxUpdatedInterval", "10"),
    Setting(
        "MeterValuesSampledData",
        "SampledDataCtrlr",
        "TxUpdatedMeasurands",
        f"{CURRENT},{POWER},{ENERGY}",
    ),
    Setting("TransactionMessageAttempts", "OCPPCommCtrlr", "MessageAttempts", "3"),
    Setting("TransactionMessageRetryInterval", "OCPPCommCtrlr", "MessageAttemptInterval", "5"),
    Setting("AuthorizeRemoteTxRequests", "AuthCtrlr", "AuthorizeRemoteStart", "false"),
    Setting(
        "ChargingScheduleAllowedChargingRateUnit", "SmartChargingCtrlr", "RateUnit", "A,W", True
    ),
    Setting("ChargeProfileMaxStackLevel", "SmartChargingCtrlr", "ProfileStackLevel", "10", True),
    Setting("ChargingScheduleMaxPeriods", "SmartChargingCtrlr", "PeriodsPerSchedule", "24", True),
    Setting("MaxChargingProfilesInstalled", "SmartChargingCtrlr", "Entries", "40", True),
    Setting(
        "SupportedFeatureProfiles",
        "SmartChargingCtrlr",
        "Enabled",
        "Core,RemoteTrigger,SmartCharging",
        True,
    ),
    Setting("NumberOfConnectors", "ChargingStation", "EVSECount", "1", True),
)

_WORDS = {"ChargingScheduleAllowedChargingRateUnit": "Current,Power"}
"""Where 1.6 has words for what are letters in 2.0.1."""

_WHOLE = {
    "HeartbeatInterval",
    "MeterValueSampleInterval",
    "TransactionMessageAttempts",
    "TransactionMessageRetryInterval",
}


class Settings:
    """Mutable, as a station's are; either name leads to the same value."""

    def __init__(self, evses: int = 1) -> None:
        self._by_key = {setting.key: setting for setting in _DEFAULTS}
        self._value = {setting.key: setting.value for setting in _DEFAULTS}
        self._value["NumberOfConnectors"] = str(evses)

    @property
    def heartbeat_s(self) -> float:
        return float(self._value["HeartbeatInterval"])

    @property
    def sample_s(self) -> float:
        """0: no samples."""
        return float(self._value["MeterValueSampleInterval"])

    @property
    def attempts(self) -> int:
        """How often a message about a transaction is told to a back end that would not have it."""
        return int(self._value["TransactionMessageAttempts"])

    @property
    def retry_s(self) -> float:
        """Between the first and the second time; each later pause is longer by as much."""
        return float(self._value["TransactionMessageRetryInterval"])

    @property
    def measurands(self) -> frozenset[str]:
        return frozenset(part.strip() for part in self._value["MeterValuesSampledData"].split(","))

    def keys(self) -> tuple[str, ...]:
        return tuple(self._by_key)

    def key_of(self, component: str, variable: str) -> str | None:
        return next(
            (s.key for s in _DEFAULTS if (s.component, s.variable) == (component, variable)), None
        )

    def read(self, key: str) -> str | None:
        return self._value.get(key)

    def read16(self, key: str) -> str | None:
        return _WORDS.get(key, self._value.get(key))

    def readonly(self, key: str) -> bool:
        return self._by_key[key].readonly

    def write(self, key: str, value: str) -> str:
        """Accepted, Rejected or NotSupported, as 1.6 has it."""
        if key not in self._by_key:
            return "NotSupported"
        if self.readonly(key):
            return "Rejected"
        if key in _WHOLE and not value.isdigit():
            return "Rejected"
        if key == "MeterValuesSampledData" and not self._measurable(value):
            return "Rejected"
        self._value[key] = value
        return "Accepted"

    @staticmethod
    def _measurable(value: str) -> bool:
        return {part.strip() for part in value.split(",")} <= {CURRENT, POWER, ENERGY}
