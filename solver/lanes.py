"""Eight doubles at a time inside numba.

LLVM's loop vectoriser sees a participant's stay as a short loop of unknown length over
arrays that might overlap: it adds alias checks, interleaves four vectors and leaves a scalar
remainder longer than the loop. Stays padded to whole vectors and read through these
intrinsics run 3 to 5 times faster, on any CPU: where there are no 512-bit registers LLVM
splits the vector.

`pointer(array)` costs no reference count, unlike passing the array itself to an inner
function. Nothing here checks bounds: an index is counted in doubles, not in lanes.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]  # ships no types
from numba import types
from numba.core.imputils import lower_builtin
from numba.extending import intrinsic, models, register_model, type_callable

WIDTH = 8
_FAST = ("contract", "reassoc", "nsz")
_INT = ir.IntType(32)
_VECTOR = ir.VectorType(ir.DoubleType(), WIDTH)


class Lanes(types.Type):  # type: ignore[misc]  # numba ships no types
    """WIDTH doubles in one register."""

    def __init__(self) -> None:
        super().__init__(name=f"lanes{WIDTH}")


lanes = Lanes()


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]  # numba ships no types
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


@intrinsic
def pointer(typing: Any, array: Any) -> Any:
    """Where the first element of a C-contiguous float64 array lies."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return context.make_array(sig.args[0])(context, builder, args[0]).data

    return types.CPointer(array.dtype)(array), emit


def _place(builder: Any, base: Any, index: Any) -> Any:
    return builder.bitcast(builder.gep(base, [index]), _VECTOR.as_pointer())


@intrinsic
def load(typing: Any, base: Any, index: Any) -> Any:
    """The WIDTH doubles from `index` on."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(_place(builder, args[0], args[1]), align=8)

    return lanes(base, types.intp), emit


@intrinsic
def store(typing: Any, base: Any, index: Any, value: Any) -> Any:
    """Write the WIDTH doubles from `index` on."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], _place(builder, args[0], args[1]), align=8)
        return context.get_dummy_value()

    return types.none(base, types.intp, lanes), emit


@intrinsic
def splat(typing: Any, scalar: Any) -> Any:
    """The same double in every lane."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        undefined = ir.Constant(_VECTOR, ir.Undefined)
        first = builder.insert_element(undefined, args[0], ir.Constant(_INT, 0))
        return builder.shuffle_vector(first, undefined, _indices(*[0] * WIDTH))

    return lanes(types.float64), emit


def _indices(*index: int) -> ir.Constant:
    return ir.Constant(ir.VectorType(_INT, len(index)), list(index))


def _constant(value: float) -> ir.Constant:
    return ir.Constant(_VECTOR, [ir.Constant(_VECTOR.element, value)] * WIDTH)


def _arithmetic(operation: Any, method: str) -> None:
    @type_callable(operation)
    def _typed(context: Any) -> Any:
        def typer(left: Any, right: Any) -> Any:
            return lanes if isinstance(left, Lanes) and isinstance(right, Lanes) else None

        return typer

    @lower_builtin(operation, Lanes, Lanes)
    def _lowered(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return getattr(builder, method)(*args, flags=_FAST)


_arithmetic(operator.add, "fadd")
_arithmetic(operator.sub, "fsub")
_arithmetic(operator.mul, "fmul")
_arithmetic(operator.truediv, "fdiv")


def _across(name: str, doc: str, join: Callable[[Any, Any, Any], Any]) -> Any:
    def typed(typing: Any, value: Any) -> Any:
        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            rest, width = args[0], WIDTH
            while width > 1:
                width //= 2
                low = builder.shuffle_vector(rest, rest, _indices(*range(width)))
                high = builder.shuffle_vector(rest, rest, _indices(*range(width, 2 * width)))
                rest = join(builder, low, high)
            return builder.extract_element(rest, ir.Constant(_INT, 0))

        return types.float64(lanes), emit

    return _named(typed, name, doc)


def _named(typed: Callable[..., Any], name: str, doc: str) -> Any:
    typed.__name__ = typed.__qualname__ = name
    typed.__doc__ = doc
    return intrinsic(typed)


def _pairwise(name: str, doc: str, pick: Callable[[Any, Any, Any], Any]) -> Any:
    def typed(typing: Any, left: Any, right: Any) -> Any:
        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return pick(builder, *args)

        return lanes(lanes, lanes), emit

    return _named(typed, name, doc)


def _compare(sign: str) -> Callable[[Any, Any, Any], Any]:
    return lambda builder, left, right: builder.fcmp_ordered(sign, left, right)


larger = _pairwise(
    "larger", "Lane by lane the larger.", lambda b, x, y: b.select(_compare(">")(b, x, y), x, y)
)
smaller = _pairwise(
    "smaller", "Lane by lane the smaller.", lambda b, x, y: b.select(_compare("<")(b, x, y), x, y)
)
equal = _pairwise(
    "equal",
    "1.0 where the lanes are equal, else 0.0.",
    lambda b, x, y: b.select(_compare("==")(b, x, y), _constant(1.0), _constant(0.0)),
)
above = _pairwise(
    "above",
    "1.0 where left exceeds right, else 0.0.",
    lambda b, x, y: b.select(_compare(">")(b, x, y), _constant(1.0), _constant(0.0)),
)


total = _across(
    "total", "The sum over the lanes, pairwise.", lambda b, x, y: b.fadd(x, y, flags=_FAST)
)
least = _across(
    "least", "The smallest lane.", lambda b, x, y: b.select(_compare("<")(b, x, y), x, y)
)
most = _across("most", "The largest lane.", lambda b, x, y: b.select(_compare(">")(b, x, y), x, y))


@intrinsic
def short(typing: Any) -> Any:
    """Say in a loop that it is short: LLVM then leaves it as it stands, not unrolled by four."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        nothing = ir.InlineAsm(ir.FunctionType(ir.VoidType(), []), "", "", True)
        builder.call(nothing, [], attrs=("convergent", "nounwind"))
        return context.get_dummy_value()

    return types.none(), emit


@intrinsic
def fetch(typing: Any, base: Any, index: Any) -> Any:
    """Ask for the cache line of an element that will be wanted soon."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        byte = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, _INT, _INT, _INT])
        place = builder.bitcast(builder.gep(args[0], [args[1]]), byte)
        asked = builder.module.globals.get("llvm.prefetch.p0i8") or ir.Function(
            builder.module, kind, "llvm.prefetch.p0i8"
        )
        builder.call(asked, [place, _INT(0), _INT(3), _INT(1)])
        return context.get_dummy_value()

    return types.none(base, types.intp), emit


@intrinsic
def publish(typing: Any, base: Any, index: Any, value: Any) -> Any:
    """Write one int64 so that all earlier writes are seen by whoever sees it."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store_atomic(args[2], builder.gep(args[0], [args[1]]), "release", 8)
        return context.get_dummy_value()

    return types.none(base, types.intp, types.int64), emit


@intrinsic
def observe(typing: Any, base: Any, index: Any) -> Any:
    """Read one int64 together with all that was written before it was published."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load_atomic(builder.gep(args[0], [args[1]]), "acquire", 8)

    return types.int64(base, types.intp), emit


if sys.platform == "win32":
    # There is no sched_yield; spinning is all that is left.
    @intrinsic
    def give_way(typing: Any) -> Any:
        """Let another thread run."""
        return types.int32(), lambda context, builder, sig, args: ir.Constant(ir.IntType(32), 0)

else:
    give_way = types.ExternalFunction("sched_yield", types.int32())
