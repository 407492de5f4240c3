"""The journal in SQLite: write-ahead log, full synchronisation, one writer.

What `append` has returned from is on the disk (https://sqlite.org/pragma.html#pragma_synchronous,
FULL with WAL: synced at every commit), and a torn last transaction is rolled back by SQLite.
"""

from __future__ import annotations

import fcntl
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

from loadmgr.core.state import State
from loadmgr.engine.journal import JournalFailed
from loadmgr.events import Event
from loadmgr.store.codec import Undecodable, decode, decode_state, encode, encode_state

VERSION = 1

_TABLES = """
CREATE TABLE IF NOT EXISTS event (number INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS checkpoint (
    id INTEGER PRIMARY KEY CHECK (id = 1), upto INTEGER NOT NULL, body TEXT NOT NULL);
"""


class Busy(Exception):
    """Another process has this journal open: a site has one writer."""


class _WrongVersion(Exception):
    pass


class SqliteJournal:
    """A journal in one file. Opening it locks it against every other process."""

    def __init__(self, path: Path) -> None:
        self._guard = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock_file = _lock(path.with_name(path.name + ".lock"))
        except OSError as error:
            raise JournalFailed(f"{path}: {error}") from error
        try:
            self._db = _connect(path)
            self._check_version()
        except (sqlite3.Error, _WrongVersion) as error:
            self._lock_file.close()
            raise JournalFailed(f"{path}: {error}") from error

    def _check_version(self) -> None:
        (found,) = self._db.execute("PRAGMA user_version").fetchone()
        if found == 0:
            self._db.execute(f"PRAGMA user_version={VERSION}")
        elif found != VERSION:
            self._db.close()
            raise _WrongVersion(f"it is of version {found}, this program writes {VERSION}")

    def append(self, events: Sequence[Event]) -> None:
        rows = [(encode(event),) for event in events]
        try:
            with self._guard, _transaction(self._db):
                self._db.executemany("INSERT INTO event (body) VALUES (?)", rows)
        except sqlite3.Error as error:
            raise JournalFailed(str(error)) from error

    def replay(self) -> tuple[State | None, Iterable[Event]]:
        try:
            with self._guard:
                kept = self._db.execute("SELECT upto, body FROM checkpoint").fetchone()
                upto, state = (0, None) if kept is None else (kept[0], decode_state(kept[1]))
                rows = self._db.execute(
                    "SELECT body FROM event WHERE number > ? ORDER BY number", (upto,)
                ).fetchall()
            return state, [decode(body) for (body,) in rows]
        except (sqlite3.Error, Undecodable) as error:
            raise JournalFailed(f"the journal cannot be read: {error}") from error

    def checkpoint(self, state: State) -> None:
        body = encode_state(state)
        try:
            with self._guard, _transaction(self._db):
                (upto,) = self._db.execute("SELECT coalesce(max(number), 0) FROM event").fetchone()
                self._db.execute("REPLACE INTO checkpoint VALUES (1, ?, ?)", (upto, body))
                self._db.execute("DELETE FROM event WHERE number < ?", (upto,))
        except sqlite3.Error as error:
            raise JournalFailed(str(error)) from error

    def close(self) -> None:
        with self._guard:
            self._db.close()
        self._lock_file.close()


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.executescript(_TABLES)
    except sqlite3.Error:
        db.close()
        raise
    return db


class _transaction:
    """BEGIN … COMMIT; whatever goes wrong in between is rolled back."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, failed: object, *_: object) -> None:
        if not failed:
            try:
                self._db.execute("COMMIT")
                return
            except sqlite3.Error:
                self._roll_back()
                raise
        self._roll_back()

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")


def _lock(path: Path) -> IO[str]:
    """Hold the lock file for as long as it is open; the kernel lets go when the process dies."""
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise Busy(f"{path}: another loadmgr is in charge of this site") from error
    return file
