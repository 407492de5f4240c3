"""Serving the app inside the engine's own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Iterator

import uvicorn
from fastapi import FastAPI

GRACE_S = 1


async def serve(
    app: FastAPI, host: str, port: int, *, ready: Callable[[int], None] | None = None
) -> None:
    """Serve until cancelled; then end open streams and stop within two seconds.

    Parameters
    ----------
    app
        Made by `create_app`.
    ready
        Called with the port once connections are accepted (port 0 asks for a free one).

    Raises
    ------
    OSError
        The address cannot be listened on; nothing was started.
    """
    with _listen(host, port) as listener:
        number: int = listener.getsockname()[1]
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
        )
        server = _Server(config, lambda: ready(number) if ready is not None else None)
        serving = asyncio.create_task(server.serve(sockets=[listener]), name="web")
        try:
            await asyncio.shield(serving)
        finally:
            app.state.feed.close()
            server.should_exit = True
            await serving


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._report = started

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to whoever runs the loop; we are cancelled."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._report()


def _listen(host: str, port: int) -> socket.socket:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        said = f"the page cannot be served on {host}:{port}: {os.strerror(error.errno or 0)}"
        raise OSError(error.errno, said) from error
    return listener
