"""A limit that comes to us: somebody calls `PUT /api/v1/limits/{name}` and keeps in touch.

There is nothing to dial. The block in site.yaml gives the limit its name, and with `failsafe` and
`heartbeat` says what holds while its sender is silent.
"""

from __future__ import annotations

import asyncio

from connectors.options import OptionsModel, checked
from loadmgr.ports import Context, Emit, Options


class PushOptions(OptionsModel):
    """Nothing of its own."""


def connect(options: Options, context: Context) -> Push:
    """The entry point `limit.push`. Raises `BadOption`."""
    checked(PushOptions, options, read_by_others=("type", "applies_to"))
    return Push()


class Push:
    """A `Source` that has nothing to do."""

    async def run(self, emit: Emit) -> None:
        await asyncio.get_running_loop().create_future()
