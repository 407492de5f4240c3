"""The commands. Each says what it does in one sentence and how it went in its exit code.

0 fine · 1 something failed while running · 2 the configuration or the call is wrong ·
3 a limit was violated in simulation
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from loadmgr.version import __version__

app = typer.Typer(
    name="loadmgr",
    help="Charge every car, never blow the fuse.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

FAILED, WRONG, VIOLATED = 1, 2, 3


class Output(StrEnum):
    TEXT = "text"
    JSON = "json"


SiteFile = Annotated[Path, typer.Argument(help="The site.yaml", metavar="SITE.YAML")]
As = Annotated[Output, typer.Option("-o", "--output", help="text or json")]
Url = Annotated[str, typer.Option(help="Where a running loadmgr serves its page")]

HERE = "http://127.0.0.1:8080"


def main() -> None:
    """Entry point: no traceback unless LOADMGR_DEBUG is set."""
    from loadmgr.config import ConfigurationError, render

    try:
        app()
    except ConfigurationError as error:
        _stop(render(error.problems), WRONG)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if os.environ.get("LOADMGR_DEBUG"):
            raise
        _stop(f"loadmgr: {_sentence(_root(error))}\n(LOADMGR_DEBUG=1 shows where)", FAILED)


def _root(error: BaseException) -> BaseException:
    """The one thing that went wrong inside groups of it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _sentence(error: BaseException) -> str:
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error) or repr(error)
    said = error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    if error.errno == errno.EADDRINUSE:
        said += (
            "\nIs another loadmgr running? `listen` in site.yaml and --port of the demo say where."
        )
    return said


def _stop(message: str, code: int) -> NoReturn:
    typer.echo(message, err=True)
    raise SystemExit(code)


def _print(data: Any) -> None:
    typer.echo(json.dumps(data, indent=2, ensure_ascii=False, default=str))


def _given(context: typer.Context, but: set[str]) -> list[str]:
    """The options that stand on the command line."""
    given = [
        name
        for name in context.params
        if (source := context.get_parameter_source(name)) is not None and source.name != "DEFAULT"
    ]
    return [f"--{name.replace('_', '-')}" for name in given if name not in but]


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version")] = False,
) -> None:
    if version:
        typer.echo(f"loadmgr {__version__}")
        raise typer.Exit


@app.command()
def demo(
    headless: Annotated[bool, typer.Option(help="No table on the terminal")] = False,
    lasts: Annotated[str, typer.Option("--for", help="Stop by itself after, e.g. 120s")] = "",
    speed: Annotated[float, typer.Option(help="Hurry: seconds per second", min=1, max=60)] = 1.0,
    port: Annotated[int, typer.Option(help="Of the page; 0: any", min=0, max=65535)] = 8080,
    seed: Annotated[int, typer.Option(help="Another seed, other cars")] = 1,
) -> None:
    """Twelve simulated chargers on 3×63 A over real OCPP: a table here, a page in the browser."""
    from loadmgr.app.demo import Wish, perform
    from loadmgr.app.durations import seconds

    try:
        lasts_s = seconds(lasts) if lasts else None
    except ValueError as error:
        _stop(f"--for: {error}", WRONG)
    wish = Wish(headless=headless, lasts_s=lasts_s, speed=speed, port=port, seed=seed)
    outcome = perform(wish)
    typer.echo(outcome.text())
    raise typer.Exit(0 if outcome.safe else VIOLATED)


@app.command()
def check(site: SiteFile, output: As = Output.TEXT) -> None:
    """Read a site.yaml and say what it comes to; every mistake at once."""
    from loadmgr.app.live import inspect
    from loadmgr.config import ConfigurationError, render, render_consequences

    try:
        configuration, found = inspect(site)
    except ConfigurationError as error:
        if output is Output.TEXT:
            raise
        _print({"errors": [problem.as_json() for problem in error.problems]})
        raise typer.Exit(WRONG) from None
    if output is Output.JSON:
        _print(found.as_json() | {"warnings": [str(w) for w in configuration.warnings]})
        return
    if configuration.warnings:
        typer.echo(render(configuration.warnings) + "\n")
    typer.echo(render_consequences(found))


@app.command()
def run(
    site: SiteFile,
    dry_run: Annotated[bool, typer.Option(help="Compute and show, send nothing")] = False,
    headless: Annotated[bool, typer.Option(help="No table on the terminal")] = False,
) -> None:
    """Take charge of a site."""
    from loadmgr.app.live import take_charge

    asyncio.run(take_charge(site, dry_run=dry_run, headless=headless))


@app.command()
def simulate(
    context: typer.Context,
    story: Annotated[
        Path | None, typer.Argument(help="A file of a story", metavar="[STORY.YAML]")
    ] = None,
    output: As = Output.TEXT,
    chaos: Annotated[bool, typer.Option("--chaos", help="Random sites, everything fails")] = False,
    days: Annotated[float, typer.Option(help="Chaos: site-days in all", min=0.001)] = 1.0,
    seed: Annotated[int, typer.Option(help="Chaos: of the first site; others follow")] = 1,
    jobs: Annotated[int, typer.Option(help="Chaos: processes", min=1)] = 1,
    chargers: Annotated[
        int | None, typer.Option(help="Chaos: per site; 3 to 60 by chance if not", min=1, max=200)
    ] = None,
    faults_every: Annotated[
        str, typer.Option(help="Chaos: mean distance, e.g. 20s; 20 s to 1 h by chance if not")
    ] = "",
    fallback: Annotated[str, typer.Option(help="Chaos: of all chargers, e.g. 0A or 6A")] = "",
    faults_only: Annotated[str, typer.Option(help="Chaos: of these kinds, e.g. drop,kill")] = "",
    naive: Annotated[bool, typer.Option("--naive", help="Chaos: a naive controller too")] = False,
    calm: Annotated[bool, typer.Option("--calm", help="Chaos: without faults too")] = False,
    optimum: Annotated[
        bool, typer.Option("--optimum", help="Chaos: beside the best that was possible")
    ] = False,
    slow: Annotated[
        bool, typer.Option("--slow", help="Chaos: chargers, cars and meters as slow as they may be")
    ] = False,
    steady: Annotated[
        bool, typer.Option("--steady", help="Chaos: nothing in a building switches")
    ] = False,
    shrink: Annotated[
        bool, typer.Option("--shrink", help="Chaos: of an unsafe seed, the faults it takes")
    ] = False,
) -> None:
    """Play a story, or random sites under random faults, in virtual time, and judge true currents.

    Real decisions, simulated cars, and the truth beside them. Exit 3: an overload that loadmgr
    caused, or a breaker that opened; steps of the building are counted, and are nobody's fault.
    """
    if chaos and story is not None:
        _stop("loadmgr simulate: a story and --chaos are two things; leave one out", WRONG)
    if not chaos and (idle := _given(context, but={"story", "output", "chaos"})):
        _stop(f"loadmgr simulate: {', '.join(idle)}: only with --chaos", WRONG)
    if chaos:
        from loadmgr.app import chaos_command

        asked = chaos_command.Asked(
            days=days,
            seed=seed,
            jobs=jobs,
            chargers=chargers,
            faults_every=faults_every,
            fallback=fallback,
            faults_only=faults_only,
            naive=naive,
            calm=calm,
            optimum=optimum,
            slow=slow,
            steady=steady,
            shrink=shrink,
        )
        try:
            safe, found = chaos_command.perform(
                asked, say=typer.echo if output is Output.TEXT else None
            )
        except ValueError as error:
            _stop(f"loadmgr simulate: {error}", WRONG)
        if output is Output.JSON:
            _print(found)
        raise typer.Exit(0 if safe else VIOLATED)
    if story is None:
        _stop("loadmgr simulate: name a STORY.YAML, or say --chaos", WRONG)
    from loadmgr.app.report import as_json, as_text
    from loadmgr.app.stage import perform
    from loadmgr.app.story import tell
    from loadmgr.config import load

    told = tell(story)
    outcome = perform(told, load(story.parent / told.site))
    if output is Output.JSON:
        _print(as_json(outcome))
    else:
        typer.echo(as_text(outcome))
    raise typer.Exit(VIOLATED if outcome.broken else 0)


@app.command()
def why(
    charger: Annotated[str, typer.Argument(help="A charger, as in site.yaml", metavar="CHARGER")],
    at: Annotated[str, typer.Option(help="A time today (17:42) or an ISO instant")] = "",
    url: Url = HERE,
    output: As = Output.TEXT,
) -> None:
    """Why does this charger get what it gets, and what would change it?"""
    from loadmgr.app.asking import NoAnswer, as_text, ask_why

    try:
        answer = ask_why(url, charger, at)
    except NoAnswer as error:
        _stop(f"loadmgr why: {error}", FAILED)
    if output is Output.JSON:
        _print(answer)
    else:
        typer.echo(as_text(answer))


@app.command()
def limit(
    circuit: Annotated[str, typer.Argument(help="A circuit, as in site.yaml")],
    to: Annotated[str, typer.Argument(help="e.g. 32A or 25kW", metavar="CEILING")],
    lasts: Annotated[
        str, typer.Option("--for", help="How long, e.g. 2h; until released if not")
    ] = "",
    reason: Annotated[str, typer.Option(help="Why, for those who read the page")] = "",
    name: Annotated[
        str, typer.Option(help="To release it by; operator-CIRCUIT if not, one for each circuit")
    ] = "",
    url: Url = HERE,
) -> None:
    """Lower a circuit of a running site; --reason says why."""
    from loadmgr.app.asking import NoAnswer, set_limit

    try:
        typer.echo(set_limit(url, name, circuit, to, lasts, reason))
    except ValueError as error:
        _stop(f"loadmgr limit: {error}", WRONG)
    except NoAnswer as error:
        _stop(f"loadmgr limit: {error}", FAILED)


@app.command()
def release(
    name: Annotated[
        str, typer.Argument(help="Of the limit, or its circuit; the only one if not")
    ] = "",
    url: Url = HERE,
) -> None:
    """Take a limit back that was set by hand."""
    from loadmgr.app.asking import NoAnswer, release_limit

    try:
        typer.echo(release_limit(url, name))
    except NoAnswer as error:
        _stop(f"loadmgr release: {error}", FAILED)


# What follows is for the benchmarks to read, `--help` too.
@app.command(
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "help_option_names": [],
    }
)
def bench(context: typer.Context) -> None:
    """Time the solver beside its alternatives on this machine; --help says what can be asked."""
    from loadmgr.app.bench import NoBenchmarks, perform

    try:
        raise typer.Exit(perform(context.args))
    except NoBenchmarks as error:
        _stop(f"loadmgr bench: {error}", FAILED)


@app.command()
def schema() -> None:
    """Print the JSON schema of site.yaml, for editors."""
    from loadmgr.config import json_schema

    _print(json_schema())


if __name__ == "__main__":
    main()
