"""A few lines of code for each law whose fault no single number shows: they end in two values that are to be the same.

They are about memory, state, rows, layouts, structure and `dout`. In all of them `x` and `dout` are arrays of NumPy's,
and `result(x, dout)` is the field that is looked at. Those that name a cache are for pairs of functions alone, since
torch and JAX keep their own. A loss goes as a layer for its targets.
"""

import re
from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np

from chainrule.arrays.types import Array, is_numpy
from chainrule.interop.graph import Graph
from chainrule.interop.in_code import reached
from chainrule.laws.of_layers.layouts import MATRIX
from chainrule.laws.of_layers.memory import clear
from chainrule.laws.of_layers.rows import ROWS
from chainrule.laws.showing._pair import BACKWARD, Pair
from chainrule.laws.showing.program import Program, nearly
from chainrule.laws.trials.arrays_in import arrays_in
from chainrule.laws.trials.settings import SETTINGS

OTHERS = ("x[::-1]", "np.roll(x, 1)", "x[:1]", "x[:-1]", "np.concatenate([x, x[:1]])")
"""Other inputs for a call that comes in between."""

CALLS = 3
"""The most calls that come in between."""

LAYOUTS = (
    "np.asfortranarray({0})",
    "np.repeat({0}[..., None], 2, -1)[..., 0]",
    "np.flip(np.flip({0}).copy())",
)
"""The same numbers in another layout."""

LAYOUTS_OF_ROWS = (
    "np.concatenate([{0}, {0}], -1)[..., :{0}.shape[-1]]",
    "np.append(0, {0}).astype({0}.dtype)[1:].reshape({0}.shape)",
    "{0}[::-1].copy()[::-1]",
    "{0}[..., ::-1].copy()[..., ::-1]",
)
"""The same, of arrays with an axis: parts of larger ones, and one axis reversed."""

LAYOUTS_OF_MORE_AXES = (
    "np.moveaxis(np.moveaxis({0}, 1, -1).copy(), -1, 1)",
    "np.moveaxis(np.moveaxis({0}, -1, 1).copy(), 1, -1)",
    "np.swapaxes(np.swapaxes({0}, 1, 2).copy(), 1, 2)",
    "{0}[:, ::-1].copy()[:, ::-1]",
)
"""The same, of arrays with more axes than a matrix."""

BROADCAST = "np.broadcast_to(np.ones((), dout.dtype), dout.shape)"
BROADCAST_FOR_TORCH = "np.lib.stride_tricks.as_strided(np.ones((), dout.dtype), dout.shape, (0,) * dout.ndim)"
"""Ones that are one number in memory; torch warns of memory that is read-only."""

POWERS = {"float64": (200, 40, -40, -200), "float32": (40, 10, -10, -40), "float16": (4, 1, -1, -4)}
"""By which powers of 2 a `dout` is multiplied, in a dtype."""

ALONE = "alone = grads(cache, dout)"
"""The gradients without `dx`."""

CODES = {
    "the state of numpy.random": "(int(np.random.get_state()[1][0]), np.random.get_state()[2])",
    "the filters of warnings": "list(warnings.filters)",
    "the random state of torch": "hash(bytes(torch.get_rng_state().numpy()))",
}
"""Code that reads a setting in lines, where all would be long; NumPy's place alone is the same after a seed."""

_OF_NAMES = (
    "{{k: v for k, v in {0}.items() if v != {1}.get(k)}}",
    "{{k: v for k, v in {1}.items() if v != {0}.get(k)}}",
)

DIFFERENCES: dict[str, tuple[tuple[str, str], ...]] = {
    "numpy.get_printoptions": (_OF_NAMES,),
    "the environment": (_OF_NAMES,),
    "the filters of warnings": (
        ("[each for each in {0} if each not in {1}]", "[each for each in {1} if each not in {0}]"),
        ("{0}[:1]", "{1}[:1]"),
    ),
}
"""Code that prints what differs of a setting, of which all would tell secrets, or is long."""


Programs: TypeAlias = Callable[[Pair, str], Iterator[Program]]
"""The programs for the code of a layer at a point, and the field of a verdict."""


def of_structure(code: Pair, field: str) -> Iterator[Program]:
    """Types, shapes and dtypes; a call that raises."""
    yield Program((), "result(x, dout)")
    argument = "x" if code.shown.part.trial.x.dtype.kind == "f" else "p0"
    like = argument if code.leaf is None else code.moving
    if not code.is_pair:
        yield Program((), "result(x, dout).dtype.name", f"{argument}.dtype.name")
        return
    forward, *back = code.results()
    yield Program((), f"type({code.call()}).__name__", "'tuple'")
    for path in ("out", *_cached(code)):
        yield Program((forward,), f"{path}.dtype.name", f"{argument}.dtype.name")
    if back == [BACKWARD]:
        yield Program((forward,), f"type({BACKWARD.removeprefix('dx, grads = ')}).__name__", "'tuple'")
    found = [(back, code.field)]
    if code.of_params:
        found.append(([ALONE], code.gradient("alone")))
        for lines, grads in ((back, code.gradients), ([ALONE], "alone")):
            yield Program((forward, *lines), f"type({grads}).__name__", repr(type(code.params).__name__))
    for lines, got in found:
        yield Program((forward, *lines), f"type({got}).__name__", "'ndarray'")
        if code.leaf is not None:  # out may have any shape
            yield Program((forward, *lines), f"({got}.shape, {got}.dtype.name)", f"({like}.shape, {like}.dtype.name)")


def of_dout(code: Pair, field: str) -> Iterator[Program]:
    """Sums and multiples of `dout`, and zeros."""
    if code.leaf is None:  # out has nothing to do with dout
        return
    yield Program((), "result(x, 0 * dout)", "0.0")
    for power in POWERS[code.shown.dtype]:
        yield Program(
            (f"scale = 2.0**{power}",), "(result(x, scale * dout) / scale)", "result(x, dout)", compared=nearly
        )
    yield Program((), "result(x, dout + dout[::-1])", "(result(x, dout) + result(x, dout[::-1]))", compared=nearly)


def of_value(code: Pair, field: str) -> Iterator[Program]:
    """The value of a JAX function where its derivative is asked for, and alone."""
    if code.module == "jnp" and code.leaf is None:
        forward = f"out, pull = jax.vjp(lambda x: {code.call()}, jnp.array(x))"
        yield Program((forward,), "np.asarray(out)", "result(x, dout)", compared=nearly)


def of_nan(code: Pair, field: str) -> Iterator[Program]:
    """A row of `dout` that is not a number, or infinite: one row alone, and the first of several."""
    if field == "call":  # it raised, for whatever dout
        return
    if len(code.shown.part.trial.x) == 1:
        moved = "[result(x, dout) != 0]"
        yield Program((), f"result(x, np.nan * dout){moved}", "np.nan")
        yield Program((), f"np.isfinite(result(x, np.inf * dout){moved}).any()", "False")
    for number in ("np.nan", "np.inf") if _has_rows(code) else ():
        bad = ("bad = dout.copy()", f"bad[0] = {number}")
        yield Program(bad, "result(x, bad)[1:]", "result(x, dout)[1:]", compared=nearly)


def of_far(code: Pair, field: str) -> Iterator[Program]:
    """Numbers at which an exponential overflows on the way back, and not in the output."""
    if not code.is_pair or code.leaf is None:
        return
    for size in (1000, -1000, 100, -100):
        for far in (f"{size} * np.sign(x)", f"{size} + 0 * x"):
            both = "(np.isfinite(out).all() and np.isnan(result(far, dout)).any())"
            yield Program((f"far = {far}", f"out = {code.call_of('far')}[0]"), both, "False")


def of_rows(code: Pair, field: str) -> Iterator[Program]:
    """Rows in another order and in other numbers: gradients count each as often as it is there."""
    x, dout = code.shown.part.trial.x, code.shown.part.dout
    n, axes = len(x), ", 1" * (dout.ndim - 1)
    count = f"counts = np.bincount(rows, minlength={n}).reshape(-1{axes}).astype(dout.dtype)"
    several = [
        f"np.arange({rows}) % {n}" if n > 1 else f"[0] * {rows}" for rows in sorted({*ROWS, *x.shape, *dout.shape})
    ]
    for rows in ("[0]", f"[{n - 1}]", f"np.arange({n})[::-1]", *several):
        some = "result(x[rows], dout[rows])"
        if _has_rows(code):
            yield Program((f"rows = {rows}",), some, "result(x, dout)[rows]", compared=nearly)
        else:
            yield Program((f"rows = {rows}", count), some, "result(x, counts * dout)", compared=nearly)
    for row, others in (("0", "1:"), ("-1", ":-1")) if _has_rows(code) else ():
        for factor in ("1000", "-1000"):
            lines = ("large = x.copy()", f"large[{row}] *= {factor}")
            yield Program(lines, f"result(large, dout)[{others}]", f"result(x, dout)[{others}]", compared=nearly)


def _has_rows(code: Pair) -> bool:
    """Tell whether the result has a row for each of x; a gradient of parameters is a sum over them."""
    return code.shown.part.name in ("out", "dx")


def _layouts_of(array: Array) -> tuple[str, ...]:
    """The layouts that an array of so many axes has."""
    axes = np.ndim(array)
    return (*LAYOUTS, *(LAYOUTS_OF_ROWS if axes else ()), *(LAYOUTS_OF_MORE_AXES if axes > MATRIX else ()))


def of_layouts(code: Pair, field: str) -> Iterator[Program]:
    """Arrays in another layout: Fortran's, strided, reversed, parts of others, axes in another order, misaligned."""
    part = code.shown.part
    for name, array in (("dout", part.dout), ("x", part.trial.x)):
        for layout in _layouts_of(array):
            arguments = ", ".join(layout.format(each) if each == name else each for each in ("x", "dout"))
            yield Program((), f"result({arguments})", "result(x, dout)", compared=nearly)
    for name, leaf in code.given.items() if code.is_pair else ():
        for layout in _layouts_of(leaf) if name != "x" else ():
            other = (f"{name} = {layout.format(name)}", f"{name}.flags.writeable = False")
            yield Program(("right = result(x, dout)", *other), "result(x, dout)", "right", compared=nearly)
    broadcast = BROADCAST if code.is_pair else BROADCAST_FOR_TORCH
    yield Program((), f"result(x, {broadcast})", "result(x, np.ones_like(dout))", compared=nearly)
    for name in ("x", "dout"):
        memory = f"other = np.empty({name}.nbytes + 1, np.uint8)[1:].view({name}.dtype).reshape({name}.shape)"
        call = "result(other, dout)" if name == "x" else "result(x, other)"
        yield Program((memory, f"other[...] = {name}"), call, "result(x, dout)", compared=nearly)


def of_arguments(code: Pair, field: str) -> Iterator[Program]:
    """Arguments before and after a call."""
    for name in ("x", "dout", *_targets(code)):
        yield Program((f"before = {name}.copy()", "result(x, dout)"), name, "before")
    if not code.is_pair:
        return
    forward, *back = code.results()
    for path in _cached(code):
        yield Program((forward, f"before = {path}.copy()", *back), path, "before")
    yield Program((forward, "before = dout.copy()", "grads(cache, dout)"), "dout", "before")
    params = code.code(code.params)
    of_params = forward.replace(f"forward({params}", "forward(params")
    for path, each in reached(code.params, "params"):
        if is_numpy(each):
            yield Program((f"params = {params}", f"before = {path}.copy()", of_params, *back), path, "before")


def of_read_only(code: Pair, field: str) -> Iterator[Program]:
    """Arguments that can't be written to: a call raises, or gives other numbers. torch's tensors know no such thing."""
    if not code.is_pair:
        return
    for name in ("x", "dout", *_targets(code)):
        yield Program(("right = result(x, dout)", f"{name}.flags.writeable = False"), "result(x, dout)", "right")
    forward, *back = code.results()
    for path in _cached(code):
        for line in back:
            yield Program((forward, f"{path}.flags.writeable = False"), line.partition(" = ")[2])


def of_sharing(code: Pair, field: str) -> Iterator[Program]:
    """Memory that is shared with a result that can be written to; results that a later call changes."""
    if not code.is_pair:
        return
    forward, *back = code.results()
    own = code.field
    for other in ("dout", "x", "out", *_cached(code)):
        if other != ("out" if code.leaf is None else own):
            yield Program((forward, *back), f"({own}.flags.writeable and np.shares_memory({own}, {other}))", "False")
    again = (forward, *back, f"first = {own}")
    if back:
        yield Program((*again, *back), f"({own}.flags.writeable and np.shares_memory({own}, first))", "False")
    yield Program((*again, forward, *back), f"({own}.flags.writeable and np.shares_memory({own}, first))", "False")
    for other in OTHERS:
        yield Program((*again, "kept = first.copy()", code.call_of(other), *back), "first", "kept")


def of_ownership(code: Pair, field: str) -> Iterator[Program]:
    """Arrays of the caller that are written to after forward."""
    if code.is_pair and code.leaf is not None:
        forward, *back = code.results()
        for name in ("x", "out", *_targets(code)):
            given = code.given.get(name, code.shown.part.trial.out)
            write = f"{name}[...] = -2 * {name} - 0.125" if given.dtype.kind == "f" else f"{name}[...] = {name} == 0"
            yield Program((forward, *back, f"before = {code.field}.copy()", write, *back), code.field, "before")


def of_unwritten(code: Pair, field: str) -> Iterator[Program]:
    """Free memory that is full of nan, which `np.empty` may give out."""
    trial, dtype = code.shown.part.trial, code.shown.part.dout.dtype
    arrays = (*arrays_in(trial.cache), trial.out, trial.x)
    shapes = sorted({tuple(array.shape) for array in arrays if array.dtype == dtype})
    held = f"held = [np.full(shape, np.nan, dout.dtype) for shape in {shapes} for _ in range(8)]"
    lines = ("before = result(x, dout)", held, "del held  # np.empty may give this memory out")
    try:
        yield Program(lines, "np.abs(result(x, dout) - before).max()", "0.0")
    finally:
        clear({(shape, dtype) for shape in shapes})


def of_repeats(code: Pair, field: str) -> Iterator[Program]:
    yield Program(("before = result(x, dout)",), "np.abs(result(x, dout) - before).max()", "0.0")


def of_calls(code: Pair, field: str) -> Iterator[Program]:
    changed = "np.abs({0} - before).max()"
    refilled = ("same = x.copy()", "result(same, dout)", "same[...] = -2 * same - 0.125")
    yield Program((*refilled, "before = result(same, dout)"), changed.format("result(same.copy(), dout)"), "0.0")
    for other in OTHERS:
        slope = other.replace("x", "dout") if other != "np.roll(x, 1)" else "dout"
        between = ("before = result(x, dout)", f"result({other}, {slope})")
        yield Program(between, changed.format("result(x, dout)"), "0.0")
    if not code.is_pair:
        return
    forward, *back = code.results()
    before = (forward, *back, f"before = {code.field}.copy()")
    if back:
        yield Program((*before, *back), changed.format(code.field), "0.0")
        for count in range(1, CALLS + 1):
            for other in OTHERS:
                yield Program((*before, *(code.call_of(other),) * count, *back), changed.format(code.field), "0.0")


def of_grads(code: Pair, field: str) -> Iterator[Program]:
    """The gradients without `dx` beside those with it."""
    if code.is_pair and code.of_params:
        forward, *back = code.results()
        for line in (ALONE, *(ALONE.replace("dout", layout.format("dout")) for layout in LAYOUTS)):
            yield Program((forward, line, *back), code.gradient("alone"), code.field, compared=nearly)


def of_threads(code: Pair, field: str) -> Iterator[Program]:
    yield Program(
        (
            "from concurrent.futures import ThreadPoolExecutor",
            "xs = [np.roll(x, i) for i in range(4)] * 50",
            "alone = [result(x, dout) for x in xs]",
            "with ThreadPoolExecutor(4) as pool:",
            "    together = list(pool.map(lambda x: result(x, dout), xs))",
        ),
        "np.abs(np.subtract(together, alone)).max()",
        "0.0",
    )


def of_process(code: Pair, field: str) -> Iterator[Program]:
    """A setting of the whole process, before and after a call."""
    if field in SETTINGS:
        yield from of_setting(field, "result(x, dout)")


def of_setting(name: str, call: str) -> Iterator[Program]:
    """The programs for a setting that a call changes."""
    setting = SETTINGS[name]
    code = CODES.get(name, setting.code)
    for now, before in DIFFERENCES.get(name, (("{0}", "{1}"),)):
        lines = (*setting.imports, f"before = {code}", call)
        yield Program(lines, now.format(code, "before"), before.format(code, "before"))


def of_types(code: Pair, field: str) -> Iterator[Program]:
    """Types, shapes and dtypes of a loss; a call that raises."""
    yield Program((), "result(x, dout)")
    forward, *back = code.results()
    yield Program((), f"type({code.call()}).__name__", "'tuple'")
    yield Program((forward,), "hasattr(out, 'dtype')", "True")
    yield Program((forward,), "(out.shape, out.dtype.name)", "((), x.dtype.name)")
    for line in back:
        yield Program((forward, line), "type(dx).__name__", "'ndarray'")
        yield Program((forward, line), "(dx.shape, dx.dtype.name)", "(x.shape, x.dtype.name)")


def of_sizes(code: Pair, field: str) -> Iterator[Program]:
    """Large numbers, in a dtype and in a wider one: exponentials overflow. In float16, squares do so rightly."""
    if code.shown.dtype == "float16":
        return
    for size in (1e3, 1e4):
        for sign in ("np.sign(x)", "-np.sign(x)", "-np.ones_like(x)"):
            large = (f"x = {size} * {sign}", "wide = x.astype(np.longdouble)")
            yield Program(large, "result(x, dout)", "result(wide, dout).astype(x.dtype)", compared=nearly)


def of_mean(code: Pair, field: str) -> Iterator[Program]:
    """A loss beside the mean of its rows, and a row alone beside the same row among others."""
    arguments = code.call().removeprefix("forward")
    yield Program((), f"rows{arguments}.shape", "x.shape[:-1]")
    yield Program((), f"{code.call()}[0]", f"rows{arguments}.mean()", compared=nearly)
    if code.shown.part.trial.layer.forward.loss.couples_rows:
        return
    for i in range(len(code.shown.part.trial.x)):
        alone = arguments
        for name in ("x", *_targets(code)):
            alone = re.sub(rf"\b{name}\b", f"{name}[{i}:{i + 1}]", alone)
        yield Program((), f"rows{alone}", f"rows{arguments}[{i}:{i + 1}]", compared=nearly)


def _targets(code: Pair) -> list[str]:
    return [name for name in code.given if name.startswith("targets")]


def _cached(code: Pair) -> list[str]:
    cache = code.shown.part.trial.cache
    if isinstance(cache, Graph):
        return []
    return [path for path, each in reached(cache, "cache") if is_numpy(each) and each.dtype.kind == "f"]
