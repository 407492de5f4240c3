"""A list of complaints about one file, each put where its setting stands."""

from __future__ import annotations

from loadmgr.config.errors import Problem, SettingPath, Severity
from loadmgr.config.source import Source


class Complaints:
    """Collects what is wrong with a file; nobody stops at the first finding."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems: list[Problem] = list(source.problems)

    def error(self, path: SettingPath, message: str, hint: str = "", *, name: bool = False) -> None:
        """Point at the value of a setting, or with `name` at its name."""
        self._add(Severity.ERROR, path, message, hint, name=name)

    def warning(
        self, path: SettingPath, message: str, hint: str = "", *, name: bool = False
    ) -> None:
        self._add(Severity.WARNING, path, message, hint, name=name)

    def _add(
        self, severity: Severity, path: SettingPath, message: str, hint: str, *, name: bool
    ) -> None:
        place = self.source.name(path) if name else self.source.value(path)
        self.problems.append(
            Problem(severity=severity, place=place, path=path, message=message, hint=hint)
        )

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(p for p in self.problems if p.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        return tuple(p for p in self.problems if p.severity is Severity.WARNING)
