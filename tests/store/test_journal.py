"""What was acknowledged is there, whatever kills the writer; what cannot be read is said so."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadmgr.core.state import unseen
from loadmgr.engine.journal import JournalFailed
from loadmgr.events import LimitReleased
from loadmgr.store.journal import Busy, SqliteJournal
from tests.core.talk import NOON, Talk, bay, site_of

ROOT = Path(__file__).resolve().parents[2]


def event(number: int) -> LimitReleased:
    return LimitReleased(at=NOON, name=str(number), source="test")


def numbers(journal: SqliteJournal) -> list[int]:
    return [int(event.name) for event in journal.replay()[1]]  # type: ignore[union-attr]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "site" / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[SqliteJournal]:
    opened = SqliteJournal(path)
    yield opened
    opened.close()


def test_an_empty_journal_knows_nothing(journal: SqliteJournal):
    assert journal.replay() == (None, [])


def test_events_come_back_in_the_order_they_were_written(journal: SqliteJournal):
    journal.append([event(1), event(2)])
    journal.append([])
    journal.append([event(3)])
    assert numbers(journal) == [1, 2, 3]


def test_events_survive_closing(path: Path):
    first = SqliteJournal(path)
    first.append([event(1)])
    first.close()
    second = SqliteJournal(path)
    assert numbers(second) == [1]
    second.close()


def test_a_checkpoint_stands_for_all_that_came_before_it(journal: SqliteJournal):
    talk = Talk(site_of(bay("A")))
    talk.ready("A")
    journal.append([event(1), event(2)])
    journal.checkpoint(talk.state)
    journal.append([event(3)])
    state, _ = journal.replay()
    assert state == talk.state
    assert numbers(journal) == [3]


def test_an_event_after_a_checkpoint_of_an_empty_journal_is_replayed(journal: SqliteJournal):
    journal.checkpoint(unseen(site_of(bay("A"))))
    journal.append([event(1)])
    assert numbers(journal) == [1]


def test_many_checkpoints_keep_the_file_small(journal: SqliteJournal, path: Path):
    state = unseen(site_of(bay("A")))
    for round_ in range(30):
        journal.append([event(round_ * 100 + i) for i in range(100)])
        journal.checkpoint(state)
    assert numbers(journal) == []
    assert path.stat().st_size < 200_000


def test_it_syncs_at_every_commit(journal: SqliteJournal):
    assert journal._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert journal._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


# ── One writer ────────────────────────────────────────────────────────────────────────────


def test_a_second_writer_is_refused(journal: SqliteJournal, path: Path):
    with pytest.raises(Busy, match="another loadmgr"):
        SqliteJournal(path)


def test_a_second_process_is_refused(journal: SqliteJournal, path: Path):
    script = "import sys; from loadmgr.store.journal import *; SqliteJournal(Path(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode != 0 and "another loadmgr" in done.stderr


def test_the_lock_is_free_again_after_closing(path: Path):
    SqliteJournal(path).close()
    SqliteJournal(path).close()


# ── Failing ───────────────────────────────────────────────────────────────────────────────


def test_a_full_disk_is_a_failed_journal_and_nothing_is_half_written(journal: SqliteJournal):
    journal.append([event(1)])
    pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
    journal._db.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(JournalFailed, match="full"):
        journal.append([event(n) for n in range(2, 5000)])
    assert numbers(journal) == [1]


def test_it_works_again_when_there_is_room_again(journal: SqliteJournal):
    pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
    journal._db.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(JournalFailed):
        journal.append([event(n) for n in range(5000)])
    journal._db.execute("PRAGMA max_page_count=100000")
    journal.append([event(7)])
    assert numbers(journal) == [7]


def test_a_checkpoint_that_fails_leaves_the_long_journal(journal: SqliteJournal):
    journal.append([event(1)])
    pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
    journal._db.execute(f"PRAGMA max_page_count={pages}")
    big = unseen(site_of(*(bay(f"B{i}") for i in range(200))))
    with pytest.raises(JournalFailed):
        journal.checkpoint(big)
    assert numbers(journal) == [1]
    assert journal.replay()[0] is None


def test_a_journal_of_another_version_is_not_touched(path: Path):
    SqliteJournal(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(JournalFailed, match="version 99"):
        SqliteJournal(path)


def test_after_an_error_the_lock_is_free(path: Path):
    SqliteJournal(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    for _ in range(2):
        with pytest.raises(JournalFailed):
            SqliteJournal(path)


def test_a_file_that_is_no_journal_is_said_to_be_so(path: Path):
    path.parent.mkdir(parents=True)
    path.write_bytes(b"this is a letter to my aunt\n" * 500)
    with pytest.raises(JournalFailed, match=r"journal\.db"):
        SqliteJournal(path)


def test_a_place_that_cannot_be_written_is_said_to_be_so(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalFailed, match="file"):
        SqliteJournal(tmp_path / "file" / "journal.db")
    (tmp_path / "journal.db").mkdir()
    with pytest.raises(JournalFailed, match="unable to open"):
        SqliteJournal(tmp_path / "journal.db")


def test_a_row_that_is_damaged_is_a_failed_journal(journal: SqliteJournal):
    journal.append([event(1)])
    journal._db.execute("UPDATE event SET body = 'rubbish'")
    with pytest.raises(JournalFailed, match="rubbish"):
        journal.replay()


# ── kill -9 ───────────────────────────────────────────────────────────────────────────────

WRITER = """
import sys
from pathlib import Path
from tests.core.talk import NOON
from loadmgr.events import LimitReleased
from loadmgr.store.journal import SqliteJournal
journal = SqliteJournal(Path(sys.argv[1]))
number = int(sys.argv[2])
while True:
    journal.append([LimitReleased(at=NOON, name=str(number), source="test")])
    print(number, flush=True)
    number += 1
"""


def test_what_was_acknowledged_before_a_kill_is_there(path: Path):
    acknowledged: list[int] = []
    for round_ in range(4):
        start = round_ * 100_000
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(start)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdout is not None
        first = writer.stdout.readline()
        time.sleep(0.01 + 0.03 * round_)  # somewhere in the middle of a commit
        os.kill(writer.pid, signal.SIGKILL)
        rest = writer.stdout.read()
        writer.stdout.close()
        writer.wait()
        acknowledged += [int(line) for line in (first + rest).split("\n") if line]
    journal = SqliteJournal(path)
    found = numbers(journal)
    journal.close()
    assert len(acknowledged) >= 8
    assert set(acknowledged) <= set(found)
    assert len(found) <= len(acknowledged) + 4, "at most the one under way each time"
    assert found == sorted(found)
