"""The law of threads: several at a time get what each would get alone."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import CodeType, FrameType, FunctionType, MethodType
from typing import Any, TypeVar

import numpy as np

from chainrule import tree
from chainrule.arrays.types import Array
from chainrule.checking.verdict import Verdict
from chainrule.laws.of_layers._other_numbers import of_the_same_signs
from chainrule.laws.of_layers.state import close, shuffled
from chainrule.laws.trials.rounding import rounding
from chainrule.laws.trials.trial import Checked, Fields, Trial, draw, measured, run_forward
from chainrule.layer import Layer

T = TypeVar("T")

THREADS, CALLS, LONG_CALLS = 4, 6, 2
"""The number of threads, and of the calls of each: fewer of those that take long and so meet in any case."""

MOST_EVENTS = 3000
"""The number of steps of the interpreter in a call up to which a thread lets others run."""


def threads(layer: Checked[Any, Any], params: Any, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """Several threads at a time, each with parameters of its own, get what each would get alone.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments to run it on.
    rng
        The generator that draws.

    Returns
    -------
    list[Verdict]
        For out and the results of backward together.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, laws
    >>> rng = np.random.default_rng(0)
    >>> params, x = Affine.init(rng, 3, 2), rng.standard_normal((4, 3)).astype(np.float32)
    >>> all(verdict.ok for verdict in laws.threads(affine, params, x, rng))
    True
    """
    dout = draw(run_forward(layer, params, x)[0], rng)

    def run(given: tuple[Any, Any, Array]) -> Fields:
        return Trial.of(layer, given[0], given[1]).results(given[2])

    several, alone = [(params, x, dout)], [run((params, x, dout))]
    for _ in range(THREADS - 1):
        other = (tree.map(partial(of_the_same_signs, rng), params), shuffled(layer, x, rng), draw(dout, rng))
        try:
            alone.append(run(other))
        except Exception:
            continue
        several.append(other)

    base = measured(Trial.of(layer, params, x), rng)
    units = rounding(base, dout, rng, float(np.finfo(base.out.dtype).eps) / 2)
    calls = LONG_CALLS if base.large else CALLS
    together = _at_once(run, several * calls, _giving_way(layer))
    bounds = {name: 64 * unit.max(initial=0.0) for name, unit in units.items()}
    ok = all(close(found, right, bounds) for found, right in zip(together, alone * calls, strict=True))
    note = "" if ok else "in several threads at a time it gives other numbers: is something stored outside the cache?"
    return [Verdict("threads", "results", ok=ok, note=note)]


def _at_once(run: Callable[[T], Fields], given: list[T], tracer: Callable[[], Any]) -> list[Fields]:
    """The results for each of the arguments, of threads that run under trace functions and switch often."""
    interval = sys.getswitchinterval()

    def traced(each: T) -> Fields:
        before = sys.gettrace()
        sys.settrace(tracer())
        try:
            return run(each)
        finally:
            sys.settrace(before)

    try:
        sys.setswitchinterval(1e-6)
        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(traced, given))
    finally:
        sys.setswitchinterval(interval)


def _giving_way(layer: Checked[Any, Any]) -> Callable[[], Any]:
    """A maker of trace functions, under which a thread lets others run in the middle of the layer's own lines."""
    called = [layer.forward, layer.grads, *([layer.backward] if isinstance(layer, Layer) else [])]
    files = {code.co_filename for f in called for code in _codes(f)}

    def made() -> Any:
        left = MOST_EVENTS

        def trace(frame: FrameType, event: str, arg: object) -> Any:
            nonlocal left
            if left < 0 or frame.f_code.co_filename not in files:
                return None
            frame.f_trace_opcodes = True
            left -= 1
            if event == "opcode" and left % 3 == 0:
                time.sleep(0)
            return trace

        return trace

    return made


def _codes(f: Any, deep: int = 5) -> Iterator[CodeType]:
    """The code of a function or an object that is called, of what it is a method or a partial of, and closes over."""
    inside: list[Any] = []
    if isinstance(f, partial):
        inside = [f.func, *f.args, *f.keywords.values()]
    elif isinstance(f, MethodType):
        inside = [f.__func__]
    elif isinstance(f, FunctionType):
        yield f.__code__
        for cell in f.__closure__ or ():
            with contextlib.suppress(ValueError):  # it is empty as yet
                inside.append(cell.cell_contents)
    elif callable(f) and not isinstance(f, type):
        inside = [type(f).__call__]
    for each in inside if deep else ():
        yield from _codes(each, deep - 1)


__all__ = ["threads"]
