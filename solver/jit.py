"""How the structured method is compiled: once for a machine, without the interpreter lock."""

from __future__ import annotations

from typing import Any

JIT: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy"}
FAST: dict[str, Any] = {**JIT, "fastmath": {"reassoc", "contract", "nsz"}}
# Nobody calls these from Python; without the wrappers they compile in half the time.
INNER: dict[str, Any] = {**FAST, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
INLINE: dict[str, Any] = {**INNER, "forceinline": True}
