"""What went wrong with a request, in one shape: which field, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from loadmgr.web.answers import Complaint, Complaints


class Wrong(Exception):
    """A request that cannot be served. Nothing was changed."""

    def __init__(
        self, status: int, field: str, message: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.complaint = Complaint(field=field, message=message)
        self.headers = headers or {}


def unknown(field: str, noun: str, name: str, known: Iterable[str]) -> Wrong:
    """Something that was named does not exist; names that are close are offered."""
    choices = sorted(known)
    close = difflib.get_close_matches(name, choices, n=3, cutoff=0.5)
    offer = f"Did you mean {' or '.join(close)}?" if close else _offer(choices)
    return Wrong(404, field, f"There is no {noun} {name!r}. {offer}")


def _offer(choices: Sequence[str]) -> str:
    if not choices:
        return "There is none at all."
    shown = ", ".join(choices[:10])
    return f"There are: {shown}{' …' if len(choices) > 10 else ''}."


def install(app: FastAPI) -> None:
    """Answer every error of `app` in this one shape."""

    @app.exception_handler(Wrong)
    async def wrong(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Wrong)
        return _answer(error.status, [error.complaint], error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return _answer(422, [_complaint(one) for one in error.errors()])

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        complaint = Complaint(field="", message=str(error.detail))
        return _answer(error.status_code, [complaint], dict(error.headers or {}))


def _complaint(error: Any) -> Complaint:
    """Pydantic's finding, without the input: it may be anything, and not fit into JSON."""
    where = [str(part) for part in error["loc"] if part not in ("body", "query", "path")]
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "missing":
        message = "is missing"
    elif error["type"] == "extra_forbidden":
        message = "is not known here; see /api/v1/openapi.json for what is"
    elif error["type"] == "json_invalid":
        where, message = [], "the body is not JSON"
    elif error["type"] == "value_error" and not where:  # of the whole body: "field: what to do"
        field, _, message = message.partition(": ")
        where = [field]
    return Complaint(field=".".join(where), message=message)


def _answer(
    status: int, complaints: list[Complaint], headers: dict[str, str] | None = None
) -> JSONResponse:
    return JSONResponse(Complaints(errors=complaints).model_dump(), status, headers)
