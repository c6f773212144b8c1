"""The laws of layers and encoders. Each takes one, parameters, an input and a Generator, and gives verdicts by field.

A backward pass is the transpose of a derivative: it has that derivative's values and is linear. It fits into a network
if its results have the structure and the dtype of its arguments. It can be trusted in one if it is pure and treats each
row alone.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np
from attrs import evolve

from chainrule import tree
from chainrule.arrays.arguments import describe
from chainrule.arrays.ownership import borrowed
from chainrule.arrays.types import Array, is_numpy, is_tuple
from chainrule.checking.numerical_gradient import Method, derivatives
from chainrule.checking.perturbations import Probe, black_box
from chainrule.checking.verdict import Verdict, compare
from chainrule.encoder import Encoder
from chainrule.laws.copies import in_float64, read_only_copy, writable
from chainrule.laws.hints import hint
from chainrule.laws.oracle import BOUNDS, best_method
from chainrule.layer import Layer
from chainrule.parts import unmoved
from chainrule.rules.passes import in_pass

P = TypeVar("P")
C = TypeVar("C")

Checked: TypeAlias = Layer[P, C] | Encoder[P, C, Any]
"""The subject of a law: a layer, or an encoder, for which everything about `dx` is left out."""

LayerLaw: TypeAlias = Callable[[Checked[Any, Any], Any, Any, np.random.Generator], list[Verdict]]

SAMPLE = 4096
"""The most entries of one array of which the derivative is checked."""

ROUNDING = 1e-11
"""For equalities that hold but for the order of sums, in float64: eps times a thousand terms, fifty times over."""


def structure(layer: Checked[P, C], params: P, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """`dx` is like `x`, and `grads` like `params`: structure, shapes and dtypes; caches and `out` keep the dtype.

    An encoder's `out` has the dtype of its parameters.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments to run it on, in its own dtype.
    rng
        The generator that draws `dout`.

    Returns
    -------
    list[Verdict]
        For `out`, `cache`, `dx` and each array of `grads`.
    """
    out, cache = run_forward(layer, params, x)
    dout = _dout(out, rng)
    dx, grads = run_backward(layer, cache, dout)
    dtype = _dtype(layer, params, x)
    verdicts = [] if dx is None else [_alike("structure", "dx", dx, x)]
    verdicts.append(_has_dtype("out", out, *dtype))
    wide = [leaf for leaf in tree.leaves(cache) if leaf.dtype.kind == "f" and leaf.dtype != dtype[0]]
    note = f"holds {describe(wide[0])} for {dtype[1]} of {dtype[0]}" if wide else ""
    verdicts.append(Verdict("structure", "cache", not wide, note))
    alone = layer.grads(cache, dout.copy())
    for name, given in (("grads", grads), ("grads()", alone)):
        try:
            tree.map(_first, params, given)
        except (TypeError, ValueError) as error:
            note = f"grads must have the type and fields of params: {describe(params)}, got {describe(given)}: {error}"
            return [*verdicts, Verdict("structure", "grads", ok=False, note=note)]
        pairs = zip(tree.named_leaves(params), tree.leaves(given), strict=True)
        verdicts += [_alike("structure", f"{name}{path}", g, like) for (path, like), g in pairs]
    return verdicts


def derivative(layer: Checked[P, C], params: P, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """`backward(dout)` is the transposed derivative: the gradient of `<dout, forward>`, entry by entry.

    It is computed in float64 on copies, for a random `dout`: by complex step where the layer is analytic, which shows
    an entry that is wrong by one part in 10^9, and by central differences elsewhere. Entries at a kink are left out and
    counted. The gradients of fixed parameters must be zeros.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments to run it on.
    rng
        The generator that draws `dout`.

    Returns
    -------
    list[Verdict]
        For `dx` and each array of `grads`.
    """
    params, x = in_float64(params), in_float64(x)
    out, cache = run_forward(layer, params, x)
    dout = _dout(out, rng)
    dx, grads = run_backward(layer, cache, dout)

    def whole(at: tuple[P, Any]) -> Array:
        return layer.forward(at[0], at[1].copy() if x_moves else writable(x))[0]  # np.copy would drop the complex step

    def product(at: tuple[P, Any]) -> Array:
        value: Array = np.asarray((whole(at) * dout).sum())
        return value

    x_moves = dx is not None
    at = (params, x if x_moves else ())
    method = best_method(whole, at, rng)
    gots = [*((f"grads{path}", leaf) for path, leaf in tree.named_leaves(grads)), *([] if dx is None else [("dx", dx)])]
    moves = [leaf.all() for leaf in tree.leaves(unmoved(layer, _full(params, 0.0), _full(params, 1.0)))]
    verdicts: list[Verdict] = []
    probes = black_box(product, at)
    for (name, got), leaf, probe, moved in zip(gots, tree.leaves(at), probes, [*moves, True], strict=False):
        if moved:
            weights = tree.leaves(params) if name == "dx" else []
            verdicts.append(_derivative_by(name, got, leaf, probe, method, rng, len(out), weights))
        else:
            verdicts.append(noted(compare("derivative", name, got, np.zeros_like(leaf), 0.0), "the part is fixed"))
    return [*verdicts[len(moves) :], *verdicts[: len(moves)]]


def precision(layer: Checked[P, C], params: P, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """A layer has the same results in its own dtype as in float64, but for rounding.

    The derivative is checked in float64; this law ties the other dtypes to it.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments to run it on.
    rng
        The generator that draws `dout`.

    Returns
    -------
    list[Verdict]
        For `out`, `dx` and each array of `grads`.
    """
    out, cache = run_forward(layer, params, x)
    dout = _dout(out, rng)
    own = [("out", out), *_named(run_backward(layer, cache, dout))]
    exact_out, exact_cache = run_forward(layer, in_float64(params), in_float64(x))
    exact = [exact_out, *(leaf for _, leaf in _named(run_backward(layer, exact_cache, in_float64(dout))))]
    bound = 1024 * float(np.finfo(_dtype(layer, params, x)[0]).eps)  # sums of up to a thousand products, in two layers
    least = _least(exact)
    return [
        compare("precision", name, got, like, bound, least=least) for (name, got), like in zip(own, exact, strict=True)
    ]


def linearity(layer: Checked[P, C], params: P, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """`backward` is linear in `dout`: `b(a u + c v) = a b(u) + c b(v)`, and `b(0) = 0` exactly.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments to run it on.
    rng
        The generator that draws `u` and `v`.

    Returns
    -------
    list[Verdict]
        For `dx` and each array of `grads`.
    """
    params, x = in_float64(params), in_float64(x)
    out, cache = run_forward(layer, params, x)
    u, v, a, c = _dout(out, rng), _dout(out, rng), 1024.0, -0.75  # large: clipping is not linear
    of_sum, of_u, of_v, of_zero = (
        _named(run_backward(layer, cache, d)) for d in (a * u + c * v, u, v, np.zeros_like(out))
    )
    least = _least([got for _, got in of_sum])
    verdicts: list[Verdict] = []
    for (name, got), (_, gu), (_, gv), (_, g0) in zip(of_sum, of_u, of_v, of_zero, strict=True):
        note = ""
        if got.size and np.array_equal(gu, gv) and gu.any():
            note = "it is the same for every dout: was dout ignored?"
        elif g0.any():
            note = "it is not 0 for dout = 0: something is added that does not go with dout"
        verdict = compare("linearity", name, got, a * gu + c * gv, ROUNDING, least=least, note=note)
        verdicts.append(verdict if not g0.any() else Verdict("linearity", name, ok=False, note=note))
    return verdicts


def arguments_unchanged(layer: Checked[P, C], params: P, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """No argument is written to: `params`, `x`, `cache` and `dout`, all writable, are the same bytes after a call.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments to run it on; copies are used.
    rng
        The generator that draws `dout`.

    Returns
    -------
    list[Verdict]
        For each of the four.
    """
    params, x = writable(params), writable(x)
    before = writable((params, x))
    out, cache = layer.forward(params, x)
    dout = _dout(out, rng)
    kept = writable((cache, dout))
    if isinstance(layer, Layer):
        layer.backward(cache, dout)
    layer.grads(cache, dout)
    pairs = {"params": (params, before[0]), "x": (x, before[1]), "cache": (cache, kept[0]), "dout": (dout, kept[1])}
    return [
        Verdict("arguments_unchanged", name, ok, "" if ok else f"the call wrote to {name}")
        for name, (now, then) in pairs.items()
        for ok in [tree.equal(now, then)]
    ]


def read_only_accepted(layer: Checked[P, C], params: P, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """Read-only arguments work, and give the same bits.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments to run it on; copies are used.
    rng
        The generator that draws `dout`.

    Returns
    -------
    list[Verdict]
        For forward and backward.
    """
    out, cache = run_forward(layer, params, x)
    dout = _dout(out, rng)
    backward = run_backward(layer, cache, dout)
    frozen_out, frozen_cache = layer.forward(read_only_copy(params), read_only_copy(x))
    frozen_backward = backward_of(layer, frozen_cache, read_only_copy(dout))
    return [
        Verdict("read_only_accepted", "out", tree.equal(out, frozen_out)),
        Verdict("read_only_accepted", "backward", tree.equal(backward, frozen_backward)),
    ]


def repeatability(layer: Checked[P, C], params: P, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """The same call gives the same bits, however often and whatever is called in between.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments to run it on.
    rng
        The generator that draws `dout`.

    Returns
    -------
    list[Verdict]
        For forward and backward.
    """
    out, cache = run_forward(layer, params, x)
    out = writable(out)
    dout = _dout(out, rng)
    first = writable(run_backward(layer, cache, dout))
    other, other_cache = run_forward(layer, params, _rows(x, slice(None, None, -1)))
    run_backward(layer, other_cache, _dout(other, rng))
    same_backward = tree.equal(first, run_backward(layer, cache, dout))
    same_out = tree.equal(out, run_forward(layer, params, x)[0])
    changed = "a call depends on the calls before it: is something stored outside the cache?"
    return [
        Verdict("repeatability", "out", same_out, "" if same_out else changed),
        Verdict("repeatability", "backward", same_backward, "" if same_backward else changed),
    ]


def ownership(layer: Checked[P, C], params: P, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """Writing to `x` or `out` after the forward pass changes no gradient.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments to run it on; copies are used.
    rng
        The generator that draws `dout`.

    Returns
    -------
    list[Verdict]
        For `x` and `out`.
    """
    verdicts: list[Verdict] = []
    for name in ("x", "out"):
        given = writable(x)
        out, cache = layer.forward(params, given)
        dout = _dout(out, rng)
        before = writable(run_backward(layer, cache, dout))
        for array in tree.leaves(given if name == "x" else out):
            if array.flags.writeable:
                _overwrite(array)
        ok = tree.equal(before, run_backward(layer, cache, dout))
        note = "" if ok else f"the cache shares the memory of {name}: hold own(x) in it, return read_only(out)"
        verdicts.append(Verdict("ownership", name, ok, note))
    return verdicts


def independent_rows(layer: Checked[P, C], params: P, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """Each row is treated alone: a batch cut in two gives the same rows of `out` and `dx`, and gradients that add up.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments to run it on: two rows at least.
    rng
        The generator that draws `dout`.

    Returns
    -------
    list[Verdict]
        For `out`, `dx` and each array of `grads`; one that holds for a layer that declares `couples_rows`.
    """
    n = len(tree.leaves(x)[0])
    if layer.couples_rows or n < 2:
        note = "declared: rows are coupled" if layer.couples_rows else "there is one row only"
        return [Verdict("independent_rows", "out", ok=True, note=note)]
    params, x = in_float64(params), in_float64(x)
    out, cache = run_forward(layer, params, x)
    dout = _dout(out, rng)
    dx, grads = run_backward(layer, cache, dout)
    outs: list[Array] = []
    dxs: list[Array] = []
    parts: list[list[Array]] = []
    for rows in (slice(None, n // 2), slice(n // 2, None)):
        part_out, part_cache = run_forward(layer, params, _rows(x, rows))
        part_dx, part_grads = run_backward(layer, part_cache, dout[rows])
        outs.append(part_out)
        dxs += [] if part_dx is None else [part_dx]
        parts.append(tree.leaves(part_grads))
    note = "rows depend on each other: a sum over the wrong axis? If they should, say couples_rows=True"
    verdicts = [noted(compare("independent_rows", "out", np.concatenate(outs), out, ROUNDING), note)]
    if dx is not None:
        verdicts.append(noted(compare("independent_rows", "dx", np.concatenate(dxs), dx, ROUNDING), note))
    note = "gradients of two halves do not add up to that of the batch: a mean for a sum?"
    for (path, whole), first, second in zip(tree.named_leaves(grads), *parts, strict=True):
        verdicts.append(noted(compare("independent_rows", f"grads{path}", first + second, whole, ROUNDING), note))
    return verdicts


def grads_without_dx(layer: Checked[P, C], params: P, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """`grads(cache, dout)` is the second result of `backward(cache, dout)`.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments to run it on.
    rng
        The generator that draws `dout`.

    Returns
    -------
    list[Verdict]
        For each array of `grads`.
    """
    params, x = in_float64(params), in_float64(x)
    out, cache = run_forward(layer, params, x)
    dout = _dout(out, rng)
    _, grads = run_backward(layer, cache, dout)
    alone = layer.grads(cache, dout.copy())
    if type(alone) is not type(grads) or len(tree.leaves(alone)) != len(tree.leaves(grads)):
        note = f"backward gives {describe(grads)}, grads {describe(alone)}"
        return [Verdict("grads_without_dx", "grads", ok=False, note=note)]
    pairs = zip(tree.named_leaves(grads), tree.leaves(alone), strict=True)
    verdicts = [compare("grads_without_dx", f"grads{path}", got, g, ROUNDING) for (path, g), got in pairs]
    return verdicts or [Verdict("grads_without_dx", "grads", ok=True)]


def one_pass(layer: Checked[P, C], params: P, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """The rule of a layer has the results of the pair, to the last bit, and writes to no borrowed array.

    It is run on borrowed arrays, and on arrays that it may write to, as between two layers of a pass.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments to run it on.
    rng
        The generator that draws `dout`.

    Returns
    -------
    list[Verdict]
        For arguments, `out`, `dx` and each array of `grads`; none if the layer has no rule.
    """
    if layer.rule is None:
        return []
    xp = in_pass(x, params)
    out, cache = run_forward(layer, params, x)
    dout = _dout(out, rng)
    dx, grads = run_backward(layer, cache, dout)
    before = writable((params, x, dout))
    verdicts: list[Verdict] = []
    for x_given, dout_given in ((borrowed(x), borrowed(dout)), (writable(x), dout.copy())):
        again, saved = layer.rule.forward(xp, params, x_given)
        verdicts.append(compare("one_pass", "out", again.copy(), out, 0.0))
        back, slopes = layer.rule.backward(xp, saved, dout_given, True)
        pairs = [] if dx is None else [("dx", np.asarray(back), dx)]
        _, alone = layer.rule.backward(xp, layer.rule.forward(xp, params, borrowed(x))[1], borrowed(dout), False)
        for found in (slopes, alone):
            named = zip(tree.named_leaves(grads), tree.leaves(found), strict=True)
            pairs += [(f"grads{path}", got, right) for (path, right), got in named]
        verdicts += [compare("one_pass", name, got, expected, 0.0) for name, got, expected in pairs]
    untouched = tree.equal(before, (params, x, dout))
    note = "" if untouched else "it wrote to what it was lent"
    return [Verdict("one_pass", "arguments", untouched, note), *verdicts]


LAYER_LAWS: dict[str, LayerLaw] = {
    "structure": structure,
    "derivative": derivative,
    "precision": precision,
    "linearity": linearity,
    "arguments_unchanged": arguments_unchanged,
    "read_only_accepted": read_only_accepted,
    "repeatability": repeatability,
    "ownership": ownership,
    "independent_rows": independent_rows,
    "grads_without_dx": grads_without_dx,
    "one_pass": one_pass,
}
"""All laws of layers, by name."""


def run_forward(layer: Checked[P, C], params: P, x: Any) -> tuple[Array, C]:
    """Call `forward` on a copy of `x`, and say what is wrong if it does not return `(out, cache)`."""
    result: object = layer.forward(params, writable(x))
    if not is_tuple(result) or len(result) != 2 or not is_numpy(result[0]):
        raise TypeError(f"forward must return (out, cache) with an array for out, got {describe(result)}")
    if result[0].dtype.kind != "f":
        raise TypeError(f"forward must return an out of floats, got {describe(result[0])}")
    return cast("tuple[Array, C]", result)


def run_backward(layer: Checked[P, C], cache: C, dout: Array) -> tuple[Array | None, P]:
    """Call `backward` on a copy of `dout`, and say what is wrong if it does not return `(dx, grads)`.

    Of an encoder, which has no `dx`: None and what `grads` gives.
    """
    result: object = backward_of(layer, cache, dout.copy())
    if not is_tuple(result) or len(result) != 2 or not (is_numpy(result[0]) or isinstance(layer, Encoder)):
        raise TypeError(f"backward must return (dx, grads) with an array for dx, got {describe(result)}")
    return cast("tuple[Array | None, P]", result)


def backward_of(layer: Checked[P, C], cache: C, dout: Array) -> tuple[Array | None, P]:
    """Call `backward`, and of an encoder `grads`."""
    if isinstance(layer, Encoder):
        return None, layer.grads(cache, dout)
    return layer.backward(cache, dout)


def _full(params: P, value: float) -> P:
    return tree.map(lambda leaf: np.full_like(leaf, value), params)


def _rows(x: Any, rows: slice) -> Any:
    return tree.map(lambda leaf: leaf[rows], x)


def _overwrite(array: Any) -> None:
    """Overwrite with numbers of another size and sign, since a cache may be read for either, or with other labels."""
    array[...] = -2 * array - 0.125 if array.dtype.kind == "f" else array == 0


def _dtype(layer: Checked[Any, Any], params: object, x: Any) -> tuple[np.dtype[Any], str]:
    """The dtype that a layer computes in, and the name of the argument that has it."""
    if isinstance(layer, Encoder):
        return next(leaf.dtype for leaf in tree.leaves(params) if leaf.dtype.kind == "f"), "params"
    return x.dtype, "an x"


def _first(param: Array, grad: Array) -> Array:
    return param


def _dout(out: Array, rng: np.random.Generator) -> Array:
    return rng.standard_normal(out.shape).astype(out.dtype)


def _least(fields: Sequence[Array]) -> float:
    """The size of a field that counts for nothing beside the largest one: see `compare`."""
    return max((float(np.abs(leaf).max(initial=0)) for leaf in fields), default=0.0) / 128


def _named(result: tuple[Array | None, Any]) -> list[tuple[str, Array]]:
    dx, grads = result
    return [*([] if dx is None else [("dx", dx)]), *((f"grads{path}", leaf) for path, leaf in tree.named_leaves(grads))]


def right(
    law: str,
    name: str,
    got: Array,
    expected: Array,
    tried: int,
    bound: float,
    slack: float,
    rows: int,
    weights: Sequence[Array] = (),
) -> Verdict:
    """The verdict on a derivative, with a hint if it is wrong."""
    if got.shape != expected.shape:
        note, found = f"has shape {got.shape}, expected {expected.shape}", hint(got, expected, rows)
        return Verdict(law, name, ok=False, note=f"{note}: {found}" if found else note)
    kinks = tried - int(np.count_nonzero(~np.isnan(expected)))
    notes = [f"{tried} of {expected.size} entries were drawn at random"] if tried < expected.size else []
    notes += [f"{kinks} of {tried} entries are at a kink and were left out"] if kinks else []
    note = "; ".join(notes)
    if tried and kinks == tried:
        note = "every entry tried is at a kink, so nothing could be checked: choose another x"
        return Verdict(law, name, ok=False, note=note)
    verdict = compare(law, name, got, expected, bound, slack=slack, note=note)
    return verdict if verdict.ok else evolve(verdict, note=hint(got, expected, rows, weights))


def _derivative_by(
    name: str,
    got: Array,
    leaf: Array,
    probe: Probe,
    method: Method,
    rng: np.random.Generator,
    rows: int,
    weights: list[Array],
) -> Verdict:
    """The verdict on the derivative with respect to one array, or to a sample of its entries if it has very many."""
    entries = np.arange(leaf.size) if leaf.size <= SAMPLE else rng.choice(leaf.size, SAMPLE, replace=False)
    expected = np.full(leaf.shape, np.nan)
    expected.flat[entries] = derivatives(probe, leaf, entries, method)
    return right("derivative", name, got, expected, entries.size, *BOUNDS[method], rows, weights)


def _alike(law: str, name: str, got: Any, like: Array) -> Verdict:
    ok = describe(got) == describe(like)  # a NumPy scalar is as good as a 0-d array
    return Verdict(law, name, ok, "" if ok else f"is {describe(got)}, expected {describe(like)}")


def _has_dtype(name: str, got: Array, dtype: np.dtype[Any], of: str) -> Verdict:
    ok = got.dtype == dtype
    return Verdict("structure", name, ok, "" if ok else f"is {got.dtype} for {of} of {dtype}")


def noted(verdict: Verdict, note: str) -> Verdict:
    """The verdict with a note, if the law does not hold."""
    return verdict if verdict.ok else evolve(verdict, note=note)
