"""Starts `loadmgr run` quickly: modules are read once, and every start is a fork of that.

A process like any other from there on, with its own loop, sockets, threads and journal, that can
be killed at any instant. All that is spared are the seconds of reading modules.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[2]


class Nursery:
    """The process whose forks they are. It has no threads and no event loop."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.nursery"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "NO_COLOR": "1"},
        )
        assert self._answer() == "ready"

    def start(self, site_file: Path, folder: Path, *options: str) -> Forked:
        return Forked(self, int(self.ask("start", str(site_file), str(folder), *options)))

    def ask(self, *words: str) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline() or '"the nursery has died"')

    def close(self) -> None:
        self._process.__exit__(None, None, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Forked:
    """One `loadmgr run --headless`, with as much of `Popen` as is needed here."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._nursery = nursery

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._nursery.ask("poll", str(self.pid))
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self.returncode = self._nursery.ask("wait", str(self.pid))
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _serve() -> None:
    """The nursery's side: one order per line, one answer per line."""
    import loadmgr.app.live  # noqa: F401

    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        match json.loads(line):
            case ["start", site_file, folder, *options]:
                pid = os.fork()
                if pid == 0:
                    _become(site_file, Path(folder), options)
                print(json.dumps(pid), flush=True)
            case ["poll", pid]:
                found, status = os.waitpid(int(pid), os.WNOHANG)
                print(json.dumps(os.waitstatus_to_exitcode(status) if found else None), flush=True)
            case ["wait", pid]:
                _, status = os.waitpid(int(pid), 0)
                print(json.dumps(os.waitstatus_to_exitcode(status)), flush=True)


def _become(site_file: str, folder: Path, options: Sequence[str]) -> None:
    """What `python -m loadmgr.cli run …` does, in the fork."""
    from loadmgr.cli import main

    output = os.open(folder / "output", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for mine, theirs in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(mine, theirs)
    sys.argv = ["loadmgr", "run", site_file, "--headless", *options]
    main()
    os._exit(0)


if __name__ == "__main__":
    _serve()
