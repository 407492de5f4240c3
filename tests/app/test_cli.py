"""The commands: what they say, in which form, and with which exit code they end."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from loadmgr import cli
from loadmgr.version import __version__

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "loadmgr" / "app" / "demo.site.yaml"
SITE = ROOT / "tests" / "scenarios" / "twelve-chargers.site.yaml"

STORY = """\
name: One car
site: {site}
lasts: 5 min
building: {{main: {{base: {{L1: 8 A, L2: 8 A, L3: 8 A}}}}}}
cars: [{{bay: CP01, wants: 20 kWh}}]
must: {{energy_at_least: {least}}}
"""

Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    """A command as it is typed: (exit code, stdout, stderr)."""

    def run(*words: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["loadmgr", *map(str, words)])
        code = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return code, said.out, said.err

    return run


def test_version(typed: Typed) -> None:
    assert typed("--version") == (0, f"loadmgr {__version__}\n", "")


def test_without_a_word_it_says_what_there_is(typed: Typed) -> None:
    code, out, err = typed()
    assert code in (0, 2)
    assert "demo" in out + err and "check" in out + err


def test_schema_is_json_for_editors(typed: Typed) -> None:
    code, out, _ = typed("schema")
    assert code == 0
    assert set(json.loads(out)["required"]) >= {"site", "circuits"}


# ── check ─────────────────────────────────────────────────────────────────────────────────


def test_check_says_what_a_site_comes_to(typed: Typed) -> None:
    code, out, err = typed("check", DEMO)
    assert (code, err) == (0, "")
    assert "Grid connection" in out and "63" in out


def test_check_answers_in_json_too(typed: Typed) -> None:
    code, out, _ = typed("check", DEMO, "-o", "json")
    assert code == 0
    assert isinstance(json.loads(out)["warnings"], list)


def test_check_names_every_mistake_with_its_place(typed: Typed, tmp_path: Path) -> None:
    wrong = tmp_path / "site.yaml"
    text = DEMO.read_text().replace("fuse: 32 A", "fuse: 32").replace("Europe/Amst", "Europe/Amts")
    wrong.write_text(text.replace("passwords", "passwords"))
    code, out, err = typed("check", wrong)
    assert (code, out) == (2, "")
    assert err.count("site.yaml:") >= 2
    assert "Europe/Amsterdam" in err
    assert "^" in err


@pytest.mark.parametrize("what", ["missing", "folder", "binary", "empty", "list"])
def test_check_of_what_is_no_site_is_a_sentence(typed: Typed, tmp_path: Path, what: str) -> None:
    path = tmp_path / "site.yaml"
    if what == "folder":
        path.mkdir()
    elif what != "missing":
        path.write_bytes({"binary": b"\x00\xff\xfe", "empty": b"", "list": b"- 1\n- 2\n"}[what])
    code, out, err = typed("check", path)
    assert code == 2
    assert out == ""
    assert "site.yaml" in err


# ── simulate ──────────────────────────────────────────────────────────────────────────────


def story(folder: Path, least: str) -> Path:
    path = folder / "story.yaml"
    path.write_text(STORY.format(site=os.path.relpath(SITE, folder), least=least))
    return path


def test_a_story_ends_well(typed: Typed, tmp_path: Path) -> None:
    code, out, _ = typed("simulate", story(tmp_path, "100 Wh"))
    assert code == 0, out
    assert "0 ours" in out and "BROKEN" not in out


def test_a_story_that_must_fail_ends_with_three_and_says_why(typed: Typed, tmp_path: Path) -> None:
    path = story(tmp_path, "900 kWh")
    code, out, _ = typed("simulate", path)
    assert code == 3
    assert "BROKEN" in out and "900.0 kWh expected" in out
    code, out, _ = typed("simulate", path, "-o", "json")
    assert code == 3
    assert len(json.loads(out)["broken"]) == 1


def test_a_story_that_is_none_is_complained_about(typed: Typed, tmp_path: Path) -> None:
    path = tmp_path / "story.yaml"
    path.write_text("name: Nothing\nsite: nowhere.yaml\nlasts: 5 min\nhappens: [{at: 1 min}]\n")
    code, _, err = typed("simulate", path)
    assert code == 2
    assert "story.yaml:4" in err and "write exactly one of" in err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("story.yaml", "--chaos"), "leave one out"),
        (("story.yaml", "--days", "3", "--naive"), "--days, --naive: only with --chaos"),
        (("--chaos", "--faults-every", "0s"), "1s to 10d"),
        (("--chaos", "--faults-only", "drop,frobnicate"), "frobnicate"),
    ],
)
def test_what_does_not_go_together_is_said_before_anything_is_played(
    typed: Typed, words: tuple[str, ...], says: str
) -> None:
    code, out, err = typed("simulate", *words)
    assert (code, out) == (2, "") and says in err


def test_what_is_wrong_with_a_site_is_told_to_programs_too(typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("site: {name: A, timezone: UTC}\nchargers: {}\n")
    code, out, err = typed("check", tmp_path / "bad.yaml", "-o", "json")
    assert (code, err) == (2, "")
    errors = json.loads(out)["errors"]
    assert any("'circuits' is missing" in error["message"] for error in errors)
    assert all({"file", "line", "column", "hint"} <= set(error) for error in errors)


def test_a_site_is_no_story(typed: Typed) -> None:
    code, out, err = typed("simulate", DEMO)
    assert (code, out) == (2, "") and "a site, not a story" in err and "loadmgr check" in err


def test_the_site_of_the_readme_is_without_mistake(typed: Typed, tmp_path: Path) -> None:
    """Pasted as it stands there, with a password for each charger."""
    written = re.search(r"   ```yaml\n(.*?)   ```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert written is not None
    site = textwrap.dedent(written[1])
    (tmp_path / "site.yaml").write_text(site)
    passwords = (f'{name}: "password-of-{name}-0"\n' for name in re.findall(r"CP\d+", site))
    (tmp_path / "passwords.yaml").write_text("".join(passwords))
    code, out, err = typed("check", tmp_path / "site.yaml")
    assert (code, err) == (0, "") and "error" not in out


# ── A running site ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "words",
    [
        ("why", "CP01"),
        ("limit", "main", "32A", "--reason", "a trial"),
        ("release", "operator"),
    ],
)
def test_when_nobody_is_there_it_says_what_to_do(typed: Typed, words: tuple[str, ...]) -> None:
    code, out, err = typed(*words, "--url", "http://127.0.0.1:9")
    assert (code, out) == (1, "")
    assert "loadmgr run" in err and "--url" in err


def test_a_limit_needs_a_reason(typed: Typed) -> None:
    code, out, err = typed("limit", "main", "32A", "--url", "http://127.0.0.1:9")
    assert (code, out) == (2, "") and "--reason" in err


@pytest.mark.parametrize("url", ["", "nonsense", "ftp://127.0.0.1", "http://[::", "http://"])
def test_an_address_that_is_none_is_a_sentence(typed: Typed, url: str) -> None:
    code, out, err = typed("why", "CP01", "--url", url)
    assert code in (1, 2)
    assert out == "" and err.startswith("loadmgr why:")


@pytest.mark.parametrize("ceiling", ["", "lots", "32", "-5A", "32 V", "nan A", "1e400A"])
def test_a_ceiling_that_is_none_is_refused(typed: Typed, ceiling: str) -> None:
    code, out, err = typed("limit", "main", "--url=http://127.0.0.1:9", "--", ceiling)
    assert code == 2
    assert out == "" and "32A" in err


def test_odd_times_are_sentences(typed: Typed) -> None:
    for at in ("25:99", "17.42", "aa:bb", "   ", "yesterday"):
        code, _, err = typed("why", "CP01", "--at", at, "--url", "http://127.0.0.1:9")
        assert code in (1, 2)
        assert "loadmgr why" in err


# ── As a process ──────────────────────────────────────────────────────────────────────────


def test_no_escape_codes_where_no_colour_is_wanted() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "loadmgr.cli", "check", str(DEMO)],
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1", "FORCE_COLOR": "", "TERM": "xterm-256color"},
        capture_output=True,
        timeout=120,
    )
    assert ended.returncode == 0
    assert b"\x1b" not in ended.stdout + ended.stderr
