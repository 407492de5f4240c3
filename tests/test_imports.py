"""Who may import whom: the rule of ARCHITECTURE.md, read off the source."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("loadmgr", "solver", "connectors")
OURS = (*PACKAGES, "benchmarks", "tests")

VOCABULARY = ("loadmgr.model", "loadmgr.events", "loadmgr.ports", "loadmgr.units")
# What the vocabulary and those who only show things may use of each other.
WORDS = (*VOCABULARY, "loadmgr.snapshot", "loadmgr.figures", "loadmgr.gauge", "loadmgr.reasons",
         "loadmgr.wording", "loadmgr.version")  # fmt: skip

RULES: dict[str, tuple[str, ...]] = {
    # who: what of ours it may import (its own package always)
    "solver": (),
    "loadmgr.units": (),
    "loadmgr.model": WORDS,
    "loadmgr.events": WORDS,
    "loadmgr.ports": WORDS,
    "loadmgr.snapshot": WORDS,
    "loadmgr.core": (*VOCABULARY, "solver"),
    "loadmgr.engine": (*WORDS, "loadmgr.core", "solver"),
    "loadmgr.store": (*WORDS, "loadmgr.core", "loadmgr.engine.journal"),
    "loadmgr.config": WORDS,
    "loadmgr.simulate": WORDS,
    "loadmgr.web": WORDS,
    "connectors": VOCABULARY,
    "connectors.simulated": (*VOCABULARY, "loadmgr.simulate"),
}

CORE_MAY_USE = {"__future__", "collections", "dataclasses", "datetime", "enum", "itertools",
                "functools", "math", "operator", "typing", "zoneinfo", "numpy"}  # fmt: skip


@cache
def modules() -> list[tuple[str, Path]]:
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found.append((".".join(parts).removesuffix(".__init__"), path))
    return found


@cache
def imports(path: Path) -> tuple[tuple[str, int], ...]:
    """Every absolute name that a file imports, wherever in it, and the line."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write imports out in full"
            base = node.module or ""
            names = [f"{base}.{alias.name}" for alias in node.names]
            yield from ((name, node.lineno) for name in names)


def inside(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def rule_of(module: str) -> tuple[str, tuple[str, ...]] | None:
    """The most particular rule for a module."""
    fitting = [who for who in RULES if inside(module, who)]
    who = max(fitting, key=len, default=None)
    return None if who is None else (who, RULES[who])


def test_a_module_imports_only_what_its_room_may():
    complaints = []
    for module, path in modules():
        found = rule_of(module)
        if found is None:
            continue
        room, allowed = found
        own = module.rsplit(".", 1)[0] if inside(module, "connectors") else room
        for name, line in imports(path):
            ours = any(inside(name, package) for package in OURS)
            if ours and not any(inside(name, p) for p in (room, own, *allowed)):
                complaints.append(f"{path}:{line}: {module} may not import {name}")
    assert not complaints


def test_nobody_imports_app_or_the_command_line_but_they_themselves():
    closed = ("loadmgr.app", "loadmgr.cli")
    assert not [
        f"{path}:{line}: {module} may not import {name}"
        for module, path in modules()
        if not any(inside(module, room) for room in (*closed, "loadmgr.__main__"))
        for name, line in imports(path)
        if any(inside(name, room) for room in closed)
    ]


def test_a_connector_is_imported_by_none_but_itself():
    assert not [
        f"{path}:{line}: {module} may not import {name}"
        for module, path in modules()
        for name, line in imports(path)
        if inside(name, "connectors") and not inside(name, "connectors.options")
        if not (inside(module, "connectors") and inside(name, _kind(module)))
    ]


def _kind(module: str) -> str:
    return ".".join(module.split(".")[:2])


@pytest.mark.parametrize(
    "path", sorted((ROOT / "loadmgr" / "core").glob("*.py")), ids=lambda path: path.name
)
def test_the_core_knows_no_clock_no_loop_and_no_log(path: Path):
    for name, line in imports(path):
        root = name.split(".")[0]
        assert root in CORE_MAY_USE | {"loadmgr", "solver"}, f"{path.name}:{line}: {name}"
    source = path.read_text(encoding="utf-8")
    assert "datetime.now(" not in source and "time.time(" not in source


def test_every_rule_is_about_something_that_is_there():
    names = [module for module, _ in modules()]
    for who in RULES:
        assert any(inside(module, who) for module in names), who


@pytest.mark.parametrize(
    ("statement", "heavy"),
    [
        ("import loadmgr", ("numpy", "asyncio", "pydantic", "fastapi", "highspy", "numba", "rich")),
        ("import loadmgr.model, loadmgr.events, loadmgr.ports", ("numpy", "asyncio", "fastapi")),
        ("import solver", ("highspy", "numba", "scipy", "pulp")),
        ("import loadmgr.core.tick", ("asyncio", "pandas", "pulp", "ocpp", "fastapi")),
    ],
)
def test_an_import_brings_nothing_heavy(statement: str, heavy: tuple[str, ...]):
    script = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert not loaded & set(heavy), loaded & set(heavy)
