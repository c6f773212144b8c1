"""The law of state: calls that come in between."""

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from chainrule import tree
from chainrule.arrays.types import Array, is_numpy
from chainrule.checking.verdict import Verdict
from chainrule.encoder import Encoder
from chainrule.laws.of_layers._drawn import DRAWN, is_drawn
from chainrule.laws.of_layers._other_numbers import of_the_same_signs
from chainrule.laws.of_layers.memory import UNWRITTEN
from chainrule.laws.of_layers.rows import rows_of
from chainrule.laws.trials.arrays_in import arrays_in
from chainrule.laws.trials.copies import in_dtype, writable
from chainrule.laws.trials.junk import empty_holds
from chainrule.laws.trials.names import names_of
from chainrule.laws.trials.trial import Checked, Fields, Trial, backward_of, copied_fields, draw, named

NOT_OF_BACKWARD = "grads(cache, dout) is not the second result of backward"
"""The words for gradients that may depend on nothing but the arguments, and are wrong."""


def calls_in_between(layer: Checked[Any, Any], params: Any, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """Each cache stands for its own call: two at a time, of other numbers and other sizes, `grads` before and after.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments to run it on.
    rng
        The generator that draws.

    Returns
    -------
    list[Verdict]
        For forward, backward and grads.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, laws
    >>> rng = np.random.default_rng(0)
    >>> params, x = Affine.init(rng, 3, 2), rng.standard_normal((4, 3)).astype(np.float32)
    >>> all(verdict.ok for verdict in laws.calls_in_between(affine, params, x, rng))
    True
    """
    trial = Trial.of(layer, params, x)
    dout = draw(trial.out, rng)
    right = trial.back(dout)
    by_bytes = _by_bytes(layer, params, x)
    bad = {"forward": by_bytes} if by_bytes else {}
    others = _other(layer, x, rng)
    bad |= _by_calls(trial, dout, right, others, rng)
    other = others["other numbers"]
    kept = (
        _refilled(layer, params, x, dout, right, other)
        or _of_parameters(layer, params, x, dout, rng)
        or _by_identity(layer, params, x, dout, other)
        or _two_alive(layer, params, x)
    )
    if kept:
        bad.setdefault("backward", kept)
    before = _grads(layer, Trial.of(layer, params, x).cache, dout)
    fresh = Trial.of(layer, params, x)
    fresh.back(dout)
    after = _grads(layer, fresh.cache, dout)
    _grads(layer, fresh.cache, -2 * dout)
    if not equal(before, after) or not equal(fresh.back(dout), right):
        bad["grads"] = "grads(cache, dout) and backward(cache, dout) change each other's results"
    if bad:
        reason = DRAWN if is_drawn(layer, params, x, dout) else _unwritten(layer, params, others)
        bad = dict.fromkeys(bad, reason) if reason else bad
    return [
        Verdict("calls_in_between", name, ok=name not in bad, note=bad.get(name, ""))
        for name in ("forward", "backward", "grads")
    ]


def _unwritten(layer: Checked[Any, Any], params: Any, others: dict[str, Any]) -> str:
    """The fault where results for another x are nan if np.empty gives that, and not for 0, in words; "" if none is."""
    for case, other in others.items():
        with suppress(Exception):
            of_nan, of_zeros = (_over(number, layer, params, other) for number in (np.nan, 0.0))
            if any((np.isnan(leaf) & ~np.isnan(of_zeros[name])).any() for name, leaf in of_nan.items()):
                return f"on {case} {UNWRITTEN}"
    return ""


def _over(number: float, layer: Checked[Any, Any], params: Any, x: Any) -> Fields:
    """The results of a call where np.empty gives arrays that are full of a number."""
    with empty_holds(number):
        trial = Trial.of(layer, params, x)
        return trial.results(np.ones_like(trial.out))


def _by_calls(
    trial: Trial, dout: Array, right: Fields, others: dict[str, Any], rng: np.random.Generator
) -> dict[str, str]:
    """The fault of each function, in words, where calls on another x come in between."""
    layer, params, x = trial.layer, trial.params, trial.x
    first = Trial.of(layer, params, x)
    bad: dict[str, str] = {}
    for case, other in others.items():
        try:
            second = Trial.of(layer, params, other)
            slope = draw(second.out, rng)
            second.back(slope)
        except Exception:
            continue
        mine = second.back(slope)
        if not equal(first.back(dout), right):
            bad["backward"] = f"after a forward on {case} its results for an earlier cache change"
        if not equal(second.back(slope), mine):
            bad["backward"] = f"a backward in between changes its results for a cache, with {case}"
        if not close(_grads(layer, second.cache, slope), mine):
            bad["grads"] = f"{NOT_OF_BACKWARD} on {case}"
        if not np.array_equal(Trial.of(layer, params, x).out, trial.out, equal_nan=True):
            bad["forward"] = f"after a call on {case} it gives other numbers"
    return bad


def _refilled(layer: Checked[Any, Any], params: Any, x: Any, dout: Array, right: Fields, other: Any) -> str:
    """The fault where one array is given twice, with other numbers the second time, in words; "" if there is none."""
    given = writable(x)
    out, cache = layer.forward(params, given)
    if any(np.may_share_memory(leaf, kept) for leaf in tree.leaves(given) for kept in arrays_in(cache)):
        return ""  # as another law says
    for leaf, values in zip(tree.leaves(given), tree.leaves(other), strict=True):
        if not leaf.flags.writeable:
            return ""
        leaf[...] = values
    copied = writable(given)
    try:
        again = np.array(layer.forward(params, given)[0])
        fresh = np.array(layer.forward(params, copied)[0])
    except Exception:
        return ""
    if not np.array_equal(again, fresh, equal_nan=True):
        return "a forward on the same array with other numbers gives those of before: is it kept by identity?"
    same = equal(Trial(layer, params, given, out, cache).back(dout), right)
    return (
        "" if same else "after a forward on the same array with other numbers its results for an earlier cache change"
    )


def _of_parameters(layer: Checked[Any, Any], params: Any, x: Any, dout: Array, rng: np.random.Generator) -> str:
    """The fault where the arrays of parameters have other numbers the second time, in words; "" if there is none."""
    given, others = writable(params), tree.map(partial(of_the_same_signs, rng), params)
    leaves = tree.leaves(given)
    if not leaves or not all(leaf.flags.writeable for leaf in leaves):
        return ""
    try:
        Trial.of(layer, given, x).back(dout)
        for leaf, values in zip(leaves, tree.leaves(others), strict=True):
            leaf[...] = values
        copied = writable(given)
        again, fresh = (Trial.of(layer, each, x).results(dout) for each in (given, copied))
    except Exception:
        return ""
    if close(again, fresh):
        return ""
    return "a call on the same parameters with other numbers gives those of before: is something kept by identity?"


def _by_identity(layer: Checked[Any, Any], params: Any, x: Any, dout: Array, other: Any) -> str:
    """The fault where a second cache gets what the first got for the same array as dout, and not for a copy of it."""
    try:
        caches = [layer.forward(params, writable(given))[1] for given in (x, other)]
        slope = dout.copy()
        first, second = (copied_fields(_back(layer, cache, slope)) for cache in caches)
        fresh = _back(layer, caches[1], slope.copy())
        slope[...] = _turned_round(slope)
        refilled, anew = (copied_fields(_back(layer, caches[1], each)) for each in (slope, slope.copy()))
    except Exception:
        return ""
    for name, leaf in second.items():
        if np.array_equal(refilled[name], leaf) and not np.array_equal(leaf, anew[name], equal_nan=True):
            return f"backward for the same array as {names_of(layer).dout} with other numbers gives the same as before"
        if np.array_equal(leaf, first[name]) and not np.array_equal(leaf, fresh[name], equal_nan=True):
            return f"two caches get one result for the same array as {names_of(layer).dout}: is it kept by identity?"
    return ""


def _by_bytes(layer: Checked[Any, Any], params: Any, x: Any) -> str:
    """The fault where x in another shape gives what it gave in its own, as other numbers do not, in words."""
    if not is_numpy(x) or not x.size:
        return ""
    for shape in ((1, *x.shape), (*x.shape[:-2], *x.shape[:-3:-1])):
        try:
            given = (each.copy().reshape(shape) for each in (x, _turned_round(x)))
            got, right = (np.shape(layer.forward(params, each)[0]) for each in given)
        except Exception:
            continue
        if got != right:
            name = names_of(layer).x
            return f"{name} in the shape {shape} gives out of {got}, and not of {right}: is it kept by its bytes?"
    return ""


def _two_alive(layer: Checked[Any, Any], params: Any, x: Any) -> str:
    """The fault where a forward changes what an earlier cache gives, with other numbers of rows or in other dtypes."""
    cases = {words: (params, given) for words, given in rows_of(x).items()}
    for dtype in (np.float32, np.float16):
        cases[f", in {dtype.__name__}"] = in_dtype(params, dtype), in_dtype(x, dtype)
    for words, (own, given) in cases.items():
        try:
            with np.errstate(all="ignore"):
                first, fresh = Trial.of(layer, own, given), Trial.of(layer, own, given)
                dout = np.ones_like(first.out)
                right = first.back(dout)
                if not equal(first.back(dout), right):
                    continue  # of its own accord, as another law says
                Trial.of(layer, own, tree.map(_turned_round, given))
                same = equal(fresh.back(dout), right)
        except Exception:
            continue
        if not same:
            return f"after a forward on other numbers its results for an earlier cache change{words}"
    return ""


def _turned_round(leaf: Array) -> Array:
    return np.flip(leaf).copy() if leaf.dtype.kind != "f" else np.flip(leaf) * leaf.dtype.type(0.75)


def _back(layer: Checked[Any, Any], cache: Any, dout: Array) -> Fields:
    return {
        **named(backward_of(layer, cache, dout)),
        **{f"grads(){path}": np.asarray(leaf) for path, leaf in tree.named_leaves(layer.grads(cache, dout))},
    }


def is_of_state(verdict: Verdict) -> bool:
    """Tell whether a result depends on other calls: one of grads alone may be another than that of backward."""
    return NOT_OF_BACKWARD not in verdict.note


def _other(layer: Checked[Any, Any], x: Any, rng: np.random.Generator) -> dict[str, Any]:
    others: dict[str, Any] = {"other numbers": shuffled(layer, x, rng)}
    leaves = tree.leaves(x)
    if leaves and all(leaf.ndim and len(leaf) > 1 for leaf in leaves):
        n = len(leaves[0])
        others["one row"] = tree.map(lambda leaf: leaf[:1], x)
        others["fewer rows"] = tree.map(lambda leaf: leaf[: n - 1], x)
        others["more rows"] = tree.map(lambda leaf: np.concatenate([leaf, leaf[:1]]), x)
    return others


def shuffled(layer: Checked[Any, Any], x: Any, rng: np.random.Generator) -> Any:
    """Other numbers of the same kind: each moved towards another of the same array."""
    if isinstance(layer, Encoder):
        return tree.map(rng.permutation, x)
    share = rng.random()
    return tree.map(
        lambda leaf: (leaf + share * (rng.permutation(leaf.reshape(-1)).reshape(leaf.shape) - leaf)).astype(leaf.dtype),
        x,
    )


def _grads(layer: Checked[Any, Any], cache: Any, dout: Array) -> Fields:
    return copied_fields(named((None, layer.grads(cache, dout.copy()))))


def equal(a: Fields, b: Fields) -> bool:
    """The same numbers in the fields that both have, where nan is the same as nan."""
    return all(np.array_equal(leaf, b[name], equal_nan=True) for name, leaf in a.items() if name in b)


def close(a: Fields, b: Fields, bounds: Mapping[str, Any] | None = None) -> bool:
    """Equal but for rounding: within the bounds, or else by the largest number of each field."""
    for name, leaf in a.items():
        if name not in b or leaf.shape != b[name].shape:
            return False
        size = np.abs(b[name]).max(initial=0.0)
        bound = size * (256 * float(np.finfo(leaf.dtype).eps)) if bounds is None else bounds[name]
        if not np.allclose(leaf, b[name], rtol=0.0, atol=bound, equal_nan=True):
            return False
    return True


__all__ = ["calls_in_between"]
