"""Plain memory inside numba: bare pointers, cut one after the other from a few arrays.

A numba array is eight words, and a named tuple of sixty of them is five hundred in every call:
that took minutes to compile, and a check for negative indices at every access. A pointer is one
word and is indexed like an array. Whoever cuts must keep the array alive, and nothing here
checks bounds.
"""

from __future__ import annotations

from typing import Any

from numba import njit, types
from numba.extending import intrinsic

from solver.lanes import WIDTH, above, larger, load, most, pointer, splat, store

__all__ = [
    "WIDTH", "above", "beyond", "compiled", "entry", "larger", "load", "loop", "most", "part",
    "pointer", "splat", "store",
]  # fmt: skip

# How the kernels are compiled. Only `entry` is called from Python: without the wrappers for
# that the others compile in half the time. `loop` also does without numba's counting of
# references, which took a third of the time: such a function may not allocate. `part` is pasted
# into its callers.
_KERNEL = {"cache": True, "nogil": True, "error_model": "numpy"}
_INNER = {**_KERNEL, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
entry = njit(**_KERNEL)
compiled = njit(**_INNER)
loop = njit(**_INNER, _nrt=False)
part = njit(**_INNER, _nrt=False, forceinline=True)


@intrinsic
def beyond(typing: Any, base: Any, many: Any) -> Any:
    """The pointer `many` elements further on."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.gep(args[0], [args[1]])

    return base(base, types.intp), emit
