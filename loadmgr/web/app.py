"""The API and the page of one site: routes, and nothing that decides.

Everything is made from `Desk`: what the last tick saw, what an earlier one saw,
and the one thing a visitor may do, which is to lower a circuit.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import timedelta
from importlib.resources import files
from typing import Annotated, Any

import jinja2
from fastapi import FastAPI, Path, Query, Response
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles

from loadmgr.model import EvseId
from loadmgr.ports import Desk
from loadmgr.snapshot import ChargerView, Snapshot
from loadmgr.version import __version__
from loadmgr.web import answers, asked, complaints, present
from loadmgr.web.asked import NAME, OPERATOR, LimitRequest
from loadmgr.web.complaints import Wrong, unknown
from loadmgr.web.feed import Feed
from loadmgr.web.guard import Guard
from loadmgr.web.metrics import Metrics

_FILES = files("loadmgr.web")
_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": answers.Complaints} for status in (404, 422, 503)
}

_AHEAD = timedelta(seconds=5)  # of our clock may be whoever asks for a moment of now
_NOT_STORED = "It holds now, but a restart would forget it: the journal cannot be written."

Name = Annotated[str, Path(pattern=rf"^{NAME.pattern}$", description="of the limit")]
At = Annotated[str | None, Query(description="an instant with its offset; left out: now")]
Source = Annotated[str, Query(description="who set it")]


def create_app(
    desk: Desk,
    *,
    hosts: Collection[str] = (),
    origins: Collection[str] = (),
    token: str | None = None,
    stale_after_s: float = 15.0,
) -> FastAPI:
    """The page, the API and the metrics of one site.

    Parameters
    ----------
    hosts
        Names this server may be called by, besides localhost and plain addresses.
    origins
        Origins besides our own whose pages may use the API: "https://board.example.org".
    token
        When given, setting and releasing limits needs `Authorization: Bearer <token>`.
    stale_after_s
        A last tick older than this is not live any more: three intervals, or 15 s. [s]
    """
    app = FastAPI(
        title="loadmgr",
        version=__version__,
        summary="Who charges with how much, and why",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # both load scripts from elsewhere
        redoc_url=None,
        responses=_REFUSALS,
    )
    feed = Feed(desk, stale_after_s)
    app.state.feed = feed
    complaints.install(app)
    _read(app, desk)
    _write(app, desk)
    _watch(app, desk, feed, stale_after_s)
    _page(app, desk)
    app.add_middleware(Guard, hosts=hosts, origins=origins, token=token)
    return app


def _now(desk: Desk) -> Snapshot:
    snapshot = desk.snapshot()
    if snapshot is None:
        raise Wrong(503, "", "The first tick has not come yet; try again.", {"Retry-After": "1"})
    return snapshot


def _then(desk: Desk, at: str | None) -> Snapshot:
    """The tick that was in force at an instant; the last one where none is named."""
    if at is None:
        return _now(desk)
    # A plus sign that nobody escaped arrives as a blank.
    written = re.sub(r" (\d\d:\d\d)$", r"+\1", at)
    try:
        moment = asked.instant(written)
    except ValueError as error:
        raise Wrong(422, "at", str(error)) from None
    assert moment is not None
    if moment > desk.now() + _AHEAD:
        raise Wrong(422, "at", f"{moment:%Y-%m-%d %H:%M:%S%z} is still to come.")
    past = desk.past(moment)
    if past is None:
        raise Wrong(404, "at", f"Nothing is kept of {moment:%Y-%m-%d %H:%M:%S%z}.")
    return past


def _charger(snapshot: Snapshot, id: str) -> ChargerView:
    known = {charger.id: charger for charger in snapshot.chargers}
    if id not in known:
        raise unknown("id", "charger", id, known)
    return known[EvseId(id)]


def _read(app: FastAPI, desk: Desk) -> None:
    @app.get("/api/v1/site")
    async def site() -> answers.Site:
        """The circuits and how full they are, limits, alarms and news."""
        return present.site(_now(desk))

    @app.get("/api/v1/chargers")
    async def chargers() -> list[answers.Charger]:
        """Every charger: planned, ordered, confirmed, measured, and why."""
        return present.chargers(_now(desk))

    @app.get("/api/v1/chargers/{id}")
    async def charger(id: str) -> answers.Charger:
        snapshot = _now(desk)
        return present.charger(snapshot, _charger(snapshot, id))

    @app.get("/api/v1/chargers/{id}/why")
    async def why(id: str, at: At = None) -> answers.Why:
        """Why not more: the ladder of ceilings, now or at an earlier instant."""
        snapshot = _then(desk, at)
        return present.why(snapshot, _charger(snapshot, id))

    @app.get("/api/v1/plan")
    async def plan() -> answers.Plan:
        """The hours ahead."""
        return present.plan(_now(desk))

    @app.get("/api/v1/limits")
    async def limits() -> list[answers.Limit]:
        return present.limits(_now(desk))


def _write(app: FastAPI, desk: Desk) -> None:
    def own(name: str, source: str) -> None:
        """Nobody takes the limit of another away, nor sets a higher one in its place."""
        limit = _now(desk).limits.get(name)
        if limit is not None and limit.source != source:
            whose = f"the limit {name!r} belongs to {limit.source!r}"
            raise Wrong(409, "source", f"{whose}; set one with another name beside it")

    @app.put(
        "/api/v1/limits/{name}",
        responses={201: {"model": answers.Limit}, 409: {"model": answers.Complaints}},
    )
    async def set_limit(name: Name, body: LimitRequest, response: Response) -> answers.Limit:
        """Lower a circuit for a while. Of several limits the lowest wins, so none can raise."""
        snapshot = _now(desk)
        circuits = {view.circuit.id: view.circuit for view in snapshot.circuits}
        limit = body.limit(name, desk.now())
        if limit.circuit not in circuits:
            raise unknown("circuit", "circuit", body.circuit, circuits)
        if limit.valid_until is not None and limit.valid_until <= desk.now():
            raise Wrong(422, "valid_until", "has passed already")
        own(name, limit.source)
        circuit = circuits[limit.circuit]
        label = circuit.label or circuit.id
        above = asked.changes_nothing(limit, circuit)
        note = f"This is not below what {label} may draw anyway." if above else ""
        response.status_code = 200 if name in snapshot.limits else 201
        desk.set_limit(limit)
        if not await desk.kept():
            note = f"{note} {_NOT_STORED}".lstrip()
        return present.limit(snapshot, limit, note)

    @app.delete(
        "/api/v1/limits/{name}", status_code=204, responses={409: {"model": answers.Complaints}}
    )
    async def release_limit(name: Name, source: Source = OPERATOR) -> None:
        """Take a limit back: only whoever set it can."""
        own(name, source)
        if not desk.release_limit(name, source):
            raise unknown("name", "limit", name, _now(desk).limits)
        await desk.kept()  # if not, the limit may come back with a restart: that is the safe side

    @app.post(
        "/api/v1/limits/{name}/heartbeat",
        status_code=204,
        responses={404: {"model": answers.Complaints}},
    )
    async def heartbeat(name: Name) -> None:
        """Whoever sets this limit is alive. Without it the fail-safe limit holds."""
        if not desk.heartbeat(name):
            message = f"no limit {name!r} in site.yaml has a `failsafe`, so nobody waits for it"
            raise Wrong(404, "name", message)


def _watch(app: FastAPI, desk: Desk, feed: Feed, stale_after_s: float) -> None:
    metrics = Metrics(desk)

    @app.get(
        "/api/v1/stream",
        response_class=StreamingResponse,
        responses={
            200: {
                "model": answers.Tick,
                "description": "events `tick` (this shape) and `beat`",
                "content": {"text/event-stream": {}},
            }
        },
    )
    async def stream() -> StreamingResponse:
        """Server-sent events: one `tick` per decision, one `beat` per second."""
        if feed.full:
            raise Wrong(503, "", "Too many pages are open.", {"Retry-After": "10"})
        return StreamingResponse(
            feed.stream(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
        )

    @app.get("/healthz", responses={503: {"model": answers.Health}})
    async def health() -> Response:
        """200 while ticks come, 503 when they do not."""
        age_s = desk.age_s()
        fresh = age_s <= stale_after_s
        starting = desk.snapshot() is None
        said = answers.Health(
            status="ok" if fresh else "starting" if starting else "stale", age_s=age_s
        )
        return JSONResponse(said.model_dump(), 200 if fresh else 503)

    @app.get("/metrics", response_class=Response)
    async def scrape() -> Response:
        """For Prometheus."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _page(app: FastAPI, desk: Desk) -> None:
    source = _FILES.joinpath("templates", "page.html").read_text("utf-8")
    page = jinja2.Environment(autoescape=True).from_string(source)

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def index() -> HTMLResponse:
        snapshot = desk.snapshot()
        name = snapshot.name if snapshot is not None else "loadmgr"
        return HTMLResponse(page.render(name=name, version=__version__))

    app.mount("/static", StaticFiles(packages=[("loadmgr.web", "static")]), name="static")
