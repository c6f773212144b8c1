"""Lines that show what is wrong with an optimizer, without this library.

They end in two values that should be the same. In them `init` and `step` are the author's own, and `params` and `grads`
are one array each, of a few numbers.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from attrs import frozen

from chainrule.arrays.types import Array, is_numpy
from chainrule.checking.verdict import Verdict
from chainrule.interop.in_code import reached
from chainrule.laws.of_optimizers._pace import STEPS
from chainrule.laws.of_optimizers._wrong_ways import MOMENTS, wrong_ways
from chainrule.laws.of_optimizers.descent import curvature_for
from chainrule.laws.showing.demonstrated import beside, raised, where
from chainrule.laws.trials.process import as_new, contained
from chainrule.laws.trials.settings import SETTINGS

SHAPES = ((1,), (4,), (2, 2))
"""The shapes that are tried."""

PARAMS, GRADS = (1.0, -2.0, 0.5, -1.5), (0.5, 1.0, -2.0, -0.7)
"""Their numbers."""

STEP = "step(init(params), params, grads)"
FIRST = f"new, state = {STEP}"


@frozen
class StepProgram:
    """Lines of code, and two expressions after them that are to give the same; or the first is to raise nothing.

    Parameters
    ----------
    lines
        The lines.
    got, expected
        The expressions.
    at_most
        Whether the first is to be no more than the second, in place of the same.
    as_params
        Whether the first has the shape of the parameters, unless it goes by arrays of earlier calls.
    """

    lines: tuple[str, ...]
    got: str
    expected: str = ""
    at_most: bool = False
    as_params: bool = False


Ways: TypeAlias = Callable[[Any, Array, Array, Verdict], Iterator[StepProgram]]
"""Lines that may show what a verdict says of an optimizer, with parameters and gradients."""


def of_structure(optimizer: Any, params: Array, grads: Array, verdict: Verdict) -> Iterator[StepProgram]:
    """Types, shapes and dtypes before and after a step."""
    yield StepProgram((), STEP)
    if verdict.field == "params":
        yield StepProgram((FIRST,), "type(new).__name__", "'ndarray'")
        yield StepProgram((FIRST,), "(new.shape, new.dtype.name)", "(params.shape, params.dtype.name)")
        return
    lines = ("before = init(params)", "state = step(before, params, grads)[1]")
    yield StepProgram(lines, "type(state).__name__", "type(before).__name__")
    yield StepProgram(lines, "len(state)", "len(before)")
    for path in _held(optimizer.init(params)):
        before = path.replace("state", "before", 1)
        yield StepProgram(lines, f"({path}.shape, {path}.dtype.name)", f"({before}.shape, {before}.dtype.name)")


def of_purity(optimizer: Any, params: Array, grads: Array, verdict: Verdict) -> Iterator[StepProgram]:
    """Arguments before and after a step, which may be read-only; the same step again; memory that results share."""
    if verdict.field in SETTINGS:
        read = SETTINGS[verdict.field]
        yield StepProgram((*read.imports, f"before = {read.code}", STEP), read.code, "before")
        return
    held = _held(optimizer.step(optimizer.init(params.copy()), params.copy(), grads.copy())[1])
    for name in ("params", "grads"):
        yield StepProgram((f"before = {name}.copy()", STEP), name, "before")
    for path in held:
        yield StepProgram((FIRST, f"before = {path}.copy()", "step(state, new, grads)"), path, "before")
    yield StepProgram(("params.flags.writeable = grads.flags.writeable = False",), f"{STEP}[0]")
    again = "step(state, params, grads)[0]"
    yield StepProgram(("state = init(params)", f"first = {again}.copy()"), again, "first", as_params=True)
    yield StepProgram((FIRST, "kept = new.copy()", "step(state, new, -2 * grads)"), "new", "kept", as_params=True)
    for path in _held(optimizer.init(params)):
        yield StepProgram(
            ("state = init(params)",), f"({path}.flags.writeable and np.shares_memory({path}, params))", "False"
        )
    results = ["new", *held]
    for i, one in enumerate(results):
        for other in ("params", "grads", *results[i + 1 :]):
            yield StepProgram((FIRST,), f"({one}.flags.writeable and np.shares_memory({one}, {other}))", "False")


def of_places(optimizer: Any, params: Array, grads: Array, verdict: Verdict) -> Iterator[StepProgram]:
    """Three steps with the numbers in reverse."""
    moved = (
        "def moved(params, grads):  # by three steps",
        "    state = init(params)",
        "    for _ in range(3):",
        "        params, state = step(state, params, grads)",
        "    return params",
    )
    if params.size > 1:
        yield StepProgram(
            moved, "moved(np.flip(params), np.flip(grads))", "np.flip(moved(params, grads))", as_params=True
        )


def of_descent(optimizer: Any, params: Array, grads: Array, verdict: Verdict) -> Iterator[StepProgram]:
    """A thousand steps towards the centre of a quadratic, and the distance to it, which is not to grow."""
    lines = (
        f"curvature = {curvature_for(optimizer, params, grads):.3g}",
        "start, state, centre = params, init(params), params - grads / curvature",
        "for _ in range(1000):",
        "    params, state = step(state, params, (params - centre) * curvature)",
    )
    yield StepProgram(lines, "np.abs(params - centre).max()", "np.abs(start - centre).max()", at_most=True)


WAYS: Mapping[str, Ways] = MappingProxyType(
    {"step_structure": of_structure, "step_purity": of_purity, "elementwise": of_places, "descends": of_descent}
)
"""The lines for the laws of optimizers; `follows_gradient` has its own."""


def steps_shown(verdict: Verdict, optimizer: Any) -> str:
    """Lines of code that show what a verdict says of an optimizer; "" if none are found.

    Parameters
    ----------
    verdict
        A verdict that is wrong.
    optimizer
        The optimizer.
    """

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
    """Lines that have shown it."""
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

                    def run(lines: str = lines, program: StepProgram = program) -> str:
                        if verdict.field in SETTINGS:
                            as_new()
                        return _end(lines, program, optimizer, verdict)

                    end = contained(run)
                    if end:
                        yield f"{lines}\n{end}"


def _end(lines: str, program: StepProgram, optimizer: Any, verdict: Verdict) -> str:
    """The last line, if the lines show something; else ""."""
    names: dict[str, Any] = {"init": optimizer.init, "step": optimizer.step}
    try:
        exec(lines, names)  # noqa: S102  # it is made here, of numbers
    except Exception:  # it refuses this
        return ""
    try:
        got = eval(program.got, names)  # noqa: S307  # it is made here
    except Exception as error:  # it is what is shown, if the verdict says so
        return raised(program.got, error, verdict)
    if not program.expected:
        return ""
    got = np.array(got) if is_numpy(got) else got  # which the other may overwrite
    expected = eval(program.expected, names)  # noqa: S307  # it is made here
    if program.at_most:
        return "" if got <= expected else f"print({program.got}, {program.expected})"
    if program.as_params and np.shape(got) != names["grads"].shape:
        return ""
    return beside(program.got, program.expected, expected, where(got, expected, 0.0))


def _held(state: Any) -> list[str]:
    """The code that reaches each array of floats in a state."""
    return [path for path, each in reached(state, "state") if is_numpy(each) and each.dtype.kind == "f"]
