"""The page: complete in the package, nothing from elsewhere, text stays text."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files

import httpx
import pytest

from loadmgr.gauge import Level
from loadmgr.snapshot import Standing
from loadmgr.web import answers, present
from tests.web.snapshots import FakeDesk, car_park

STATIC = files("loadmgr.web") / "static"
SCRIPT = (STATIC / "page.js").read_text("utf-8")
STYLE = (STATIC / "page.css").read_text("utf-8")
TEMPLATE = (files("loadmgr.web") / "templates" / "page.html").read_text("utf-8")


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


async def test_the_page_and_all_it_loads_is_served_by_us(client: httpx.AsyncClient) -> None:
    answer = await client.get("/")
    assert answer.headers["content-type"].startswith("text/html")
    links = [
        attributes.get("src") or attributes.get("href") or ""
        for tag, attributes in _Page(answer.text).tags
        if tag in {"script", "link", "img"}
    ]
    assert len(links) == 3
    for link in links:
        assert link.startswith("/static/")
        assert (await client.get(link)).status_code == 200
    for text in (answer.text, SCRIPT, STYLE):
        assert not re.search(r"https?://", text)


async def test_markup_in_the_name_of_the_site_stays_text(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    desk.show(replace(car_park(), name='<script>alert("1")</script>', number=2))
    text = (await client.get("/")).text
    assert "<script>alert" not in text and "&lt;script&gt;alert" in text


def test_the_script_makes_no_markup_and_runs_no_text() -> None:
    for way in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Fu",
    ):
        assert way not in SCRIPT


def test_nothing_in_the_page_needs_more_than_the_policy_allows() -> None:
    for tag, attributes in _Page(TEMPLATE).tags:
        assert "style" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        assert tag != "style" and (tag != "script" or attributes.get("src"))


def test_every_id_the_script_asks_for_stands_in_the_page() -> None:
    ids = [a["id"] for _, a in _Page(TEMPLATE).tags if "id" in a]
    assert len(ids) == len(set(ids))
    asked = set(re.findall(r'(?:byId|copy)\("([\w-]+)"\)', SCRIPT))
    assert asked and asked <= set(ids)


def test_every_class_the_script_asks_for_stands_in_the_page() -> None:
    known = {c for _, a in _Page(TEMPLATE).tags for c in (a.get("class") or "").split()}
    listed = re.search(r"CELLS = \[(.*?)\]", SCRIPT, re.DOTALL)
    assert listed is not None
    asked = set(re.findall(r'"([\w-]+)"', listed[1]))
    assert asked >= set(re.findall(r"cells\.(\w+)", SCRIPT)) - {"ladder"}
    asked |= set(re.findall(r'bar\("([\w-]+)"\)', SCRIPT))
    asked |= set(re.findall(r'querySelector\("\.([\w-]+)', SCRIPT))
    assert asked and asked <= known


def test_every_number_the_script_reads_stands_in_the_answers() -> None:
    """A field that is renamed in the API would show as an empty cell."""
    shapes = {
        "site": answers.Site,
        "circuit": answers.Circuit,
        "row": answers.Row,
        "limit": answers.Limit,
        "charger": answers.Charger,
        "why": answers.Why,
        "rung": answers.Rung,
    }
    for name, shape in shapes.items():
        read = set(re.findall(rf"\b{name}\.(\w+)", SCRIPT))
        assert read and read <= set(shape.model_fields), name


@pytest.mark.parametrize("standing", Standing)
def test_every_standing_has_a_look_and_words(standing: Standing) -> None:
    assert f'[data-standing="{standing}"]' in STYLE
    snapshot = car_park()
    view = replace(snapshot.chargers[0], standing=standing)
    shown = present.charger(replace(snapshot, chargers=(view,)), view)
    assert shown.standing_words and "_" not in shown.standing_words


def test_an_overload_is_never_green() -> None:
    for level in (Level.ABOVE, Level.OVER):
        rule = re.search(rf'\.row\[data-level="{level}"\] \.cars[^{{]*{{([^}}]*)}}', STYLE)
        assert rule is not None and "var(--cars)" not in rule[1] and "background" in rule[1]


def test_the_table_keeps_its_meaning_when_it_is_drawn_as_cards() -> None:
    tags = [(tag, a) for tag, a in _Page(TEMPLATE).tags if "role" in a]
    roles = {a["role"] for _, a in tags}
    assert {"table", "rowgroup", "row", "columnheader", "rowheader", "cell"} <= roles
