"""Lines that show what is wrong with an optimizer, without this library.

They end in two values that should be the same. In them `init` and `step` are the author's own, and `params` and `grads`
are one array each, of a few numbers.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from chainrule.arrays.types import Array, is_numpy
from chainrule.checking.verdict import Verdict
from chainrule.interop.in_code import reached
from chainrule.laws.of_optimizers._pace import STEPS
from chainrule.laws.of_optimizers._wrong_ways import MOMENTS, wrong_ways
from chainrule.laws.of_optimizers.descent import curvature_for
from chainrule.laws.showing._programs import of_setting
from chainrule.laws.showing.program import Program, at_most, like_given
from chainrule.laws.trials.process import as_new, contained
from chainrule.laws.trials.settings import SETTINGS

SHAPES = ((1,), (4,), (2, 2))
"""The shapes that are tried."""

PARAMS, GRADS = (1.0, -2.0, 0.5, -1.5), (0.5, 1.0, -2.0, -0.7)
"""Their numbers."""

GIVEN = "params", "grads"
"""The names of the arrays."""

STEP = "step(init(params), params, grads)"
FIRST = f"new, state = {STEP}"


Ways: TypeAlias = Callable[[Any, Array, Array, Verdict], Iterator[Program]]
"""Lines that may show what a verdict says of an optimizer, with parameters and gradients."""


def of_structure(optimizer: Any, params: Array, grads: Array, verdict: Verdict) -> Iterator[Program]:
    """Types, shapes and dtypes before and after a step."""
    yield Program((), STEP)
    if verdict.field == "params":
        yield Program((FIRST,), "type(new).__name__", "'ndarray'")
        yield Program((FIRST,), "(new.shape, new.dtype.name)", "(params.shape, params.dtype.name)")
        return
    lines = ("before = init(params)", "state = step(before, params, grads)[1]")
    yield Program(lines, "type(state).__name__", "type(before).__name__")
    yield Program(lines, "len(state)", "len(before)")
    for path in _held(optimizer.init(params)):
        before = path.replace("state", "before", 1)
        yield Program(lines, f"({path}.shape, {path}.dtype.name)", f"({before}.shape, {before}.dtype.name)")


def of_purity(optimizer: Any, params: Array, grads: Array, verdict: Verdict) -> Iterator[Program]:
    """Arguments before and after a step, which may be read-only; the same step again; memory that results share."""
    if verdict.field in SETTINGS:
        yield from of_setting(verdict.field, STEP)
        return
    held = _held(optimizer.step(optimizer.init(params.copy()), params.copy(), grads.copy())[1])
    for name in ("params", "grads"):
        yield Program((f"before = {name}.copy()", STEP), name, "before")
    for path in held:
        yield Program((FIRST, f"before = {path}.copy()", "step(state, new, grads)"), path, "before")
    yield Program(("params.flags.writeable = grads.flags.writeable = False",), f"{STEP}[0]")
    again = "step(state, params, grads)[0]"
    yield Program(("state = init(params)", f"first = {again}.copy()"), again, "first", compared=like_given)
    yield Program((FIRST, "kept = new.copy()", "step(state, new, -2 * grads)"), "new", "kept", compared=like_given)
    for path in _held(optimizer.init(params)):
        yield Program(
            ("state = init(params)",), f"({path}.flags.writeable and np.shares_memory({path}, params))", "False"
        )
    results = ["new", *held]
    for i, one in enumerate(results):
        for other in ("params", "grads", *results[i + 1 :]):
            yield Program((FIRST,), f"({one}.flags.writeable and np.shares_memory({one}, {other}))", "False")


def of_places(optimizer: Any, params: Array, grads: Array, verdict: Verdict) -> Iterator[Program]:
    """Three steps with the numbers in reverse."""
    moved = (
        "def moved(params, grads):  # by three steps",
        "    state = init(params)",
        "    for _ in range(3):",
        "        params, state = step(state, params, grads)",
        "    return params",
    )
    if params.size > 1:
        yield Program(
            moved, "moved(np.flip(params), np.flip(grads))", "np.flip(moved(params, grads))", compared=like_given
        )


def of_descent(optimizer: Any, params: Array, grads: Array, verdict: Verdict) -> Iterator[Program]:
    """A thousand steps towards the centre of a quadratic, and the distance to it, which is not to grow."""
    lines = (
        f"curvature = {curvature_for(optimizer, params, grads):.3g}",
        "start, state, centre = params, init(params), params - grads / curvature",
        "for _ in range(1000):",
        "    params, state = step(state, params, (params - centre) * curvature)",
    )
    yield Program(lines, "np.abs(params - centre).max()", "np.abs(start - centre).max()", compared=at_most)


WAYS: Mapping[str, Ways] = MappingProxyType(
    {"step_structure": of_structure, "step_purity": of_purity, "elementwise": of_places, "descends": of_descent}
)
"""The lines for the laws of optimizers; `follows_gradient` has its own."""


def steps_shown(verdict: Verdict, optimizer: Any) -> str:
    """Lines of code that show what a verdict says of an optimizer; "" if none are found."""

    def search() -> str:
        follows = verdict.law == "follows_gradient"
        return _wrong_ways_shown(optimizer) if follows else next(_found(verdict, optimizer), "")

    return contained(search)


def _wrong_ways_shown(optimizer: Any) -> str:
    """Lines of code that show how few numbers move the wrong way, without this library; "" if they don't."""
    for n in (1, 2, 4):
        start, slopes = np.array(PARAMS[:n]), np.array(GRADS[:n])
        holes = np.where(np.arange(n) == 1, 0.0, slopes)
        try:
            wrong, without_holes = (
                any(wrong_ways(optimizer, start, slopes, some, MOMENTS[0]).values()) for some in (holes, slopes)
            )
        except Exception:  # it takes no such parameters
            return ""
        if wrong:
            shown = slopes if without_holes else holes
            return "\n".join(
                (
                    "import numpy as np",
                    f"params = np.array({start.tolist()})",
                    f"grads = np.array({shown.tolist()})",
                    "def moved(grads):  # by so many steps",
                    "    new, state = params, init(params)",
                    f"    for _ in range({STEPS}):",
                    "        new, state = step(state, new, grads)",
                    "    return new - params",
                    "print(moved(grads), moved(-grads), moved(0 * grads))",
                )
            )
    return ""


def _found(verdict: Verdict, optimizer: Any) -> Iterator[str]:
    for dtype in (np.float64, np.float32):
        for shape in SHAPES:
            params, grads = (np.resize(np.array(numbers, dtype), shape) for numbers in (PARAMS, GRADS))
            kind = "" if dtype is np.float64 else f", np.{np.dtype(dtype).name}"
            shown = [[float(str(number)) for number in array.flat] for array in (params, grads)]
            given = [np.reshape(numbers, shape).tolist() for numbers in shown]
            setting = (
                "import numpy as np",
                f"params = np.array({given[0]}{kind})",
                f"grads = np.array({given[1]}{kind})",
            )
            with suppress(Exception):  # it takes no such parameters
                for program in WAYS[verdict.law](optimizer, params, grads, verdict):
                    lines = "\n".join((*setting, *program.lines))

                    def run(lines: str = lines, program: Program = program) -> str:
                        if verdict.field in SETTINGS:
                            as_new()
                        return program.end(lines, {"init": optimizer.init, "step": optimizer.step}, GIVEN, verdict)

                    end = contained(run)
                    if end:
                        yield f"{lines}\n{end}"


def _held(state: Any) -> list[str]:
    return [path for path, each in reached(state, "state") if is_numpy(each) and each.dtype.kind == "f"]
