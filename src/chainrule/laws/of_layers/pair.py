"""The laws of the pair at the arguments as they are: structure, linearity, purity, and who owns what it gives.

`grads` without `dx`, and the rule in one pass, give what the pair gives.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import numpy as np
from attrs import evolve

from chainrule import tree
from chainrule.arrays.arguments import describe
from chainrule.arrays.ownership import borrowed
from chainrule.arrays.records import is_record
from chainrule.arrays.types import Array, is_numpy
from chainrule.checking.verdict import Verdict, compare, one_each
from chainrule.encoder import Encoder
from chainrule.laws.of_layers.derivative import noted
from chainrule.laws.of_layers.memory import LAYOUTS, lent
from chainrule.laws.of_layers.rows import rows_of
from chainrule.laws.trials.copies import in_dtype, read_only_copy, same_numbers, writable
from chainrule.laws.trials.trial import (
    Checked,
    Trial,
    arrays_in,
    backward_of,
    draw,
    measured,
    rounding,
    run_backward,
    run_forward,
)
from chainrule.layer import Layer
from chainrule.rules.passes import in_pass

P = TypeVar("P")
C = TypeVar("C")

ROUNDING = 1e-11
"""For equalities that hold but for the order of sums, in float64: eps times a thousand terms, fifty times over."""


def structure(layer: Checked[P, C], params: P, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """`dx` is like `x`, and `grads` like `params`: structure, shapes and dtypes; `out` and the cache keep the dtype.

    An encoder's `out` has the dtype of its parameters. What a layer in half precision saves may be float32.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments to run it on, in its own dtype.
    rng
        The generator that draws `dout`.

    Returns
    -------
    list[Verdict]
        For `out`, the cache, `dx` and each array of `grads`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, laws
    >>> rng = np.random.default_rng(0)
    >>> params, x = Affine.init(rng, 3, 2), rng.standard_normal((4, 3)).astype(np.float32)
    >>> all(verdict.ok for verdict in laws.structure(affine, params, x, rng))
    True
    """
    out, cache = run_forward(layer, params, x)
    dout = draw(out, rng)
    dx, grads = run_backward(layer, cache, dout)
    dtype = _dtype(layer, params, x)
    verdicts = [] if dx is None else [_alike("structure", "dx", dx, x)]
    verdicts += [_has_dtype("out", out, *dtype), _not_promoted(cache, params, x)]
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

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, laws
    >>> rng = np.random.default_rng(0)
    >>> params, x = Affine.init(rng, 3, 2), rng.standard_normal((4, 3)).astype(np.float32)
    >>> all(verdict.ok for verdict in laws.linearity(affine, params, x, rng))
    True
    """
    trial = measured(Trial.in_float64(layer, params, x), rng)
    u, v, a, c = draw(trial.out, rng), draw(trial.out, rng), 1024.0, -0.75  # large: clipping is not linear
    of_sum, of_u, of_v, of_zero = (trial.back(d) for d in (a * u + c * v, u, v, np.zeros_like(u)))
    least = _least(list(of_sum.values()))
    units, of_other_dtypes = rounding(trial, u, rng), _dtypes_of_zeros(layer, params, trial.fewer)
    verdicts: list[Verdict] = []
    for name, got in of_sum.items():
        gu, gv = of_u[name], of_v[name]
        known = np.isfinite(gu) & np.isfinite(gv)  # an infinite slope times 0 is no number
        g0 = of_zero[name][known]
        note = ""
        if got.size and np.array_equal(gu, gv) and gu.any():
            note = "it is the same for every dout: was dout ignored?"
        elif g0.any():
            note = "it is not 0 for dout = 0: something is added that does not go with dout"
        room = float(64 * a * units[name].max(initial=0.0) / max(np.abs(got).max(initial=0.0), least, 1e-300))
        expected = np.where(known, a * gu + c * gv, np.nan)
        verdict = compare("linearity", name, got, expected, max(ROUNDING, room), least=least, note=note)
        note = note if g0.any() else of_other_dtypes.get(name, "")
        verdicts.append(Verdict("linearity", name, ok=False, note=note) if g0.any() or note else verdict)
    return verdicts


def _dtypes_of_zeros(layer: Checked[P, C], params: P, x: Any) -> dict[str, str]:
    """The results whose dtype for a `dout` of zeros is another than for ones, in words."""
    notes: dict[str, str] = {}
    for dtype in (np.float64, np.float32, np.float16):
        try:
            with np.errstate(all="ignore"):
                trial = Trial.of(layer, in_dtype(params, dtype), in_dtype(x, dtype))
                of_ones, of_zeros = trial.back(np.ones_like(trial.out)), trial.back(np.zeros_like(trial.out))
        except Exception:  # noqa: BLE001, S112  # it refuses this dtype, which is an answer
            continue
        for name, leaf in of_zeros.items():
            if leaf.dtype != of_ones[name].dtype:
                note = f"for dout = 0 it comes as {leaf.dtype}, else as {of_ones[name].dtype}"
                notes.setdefault(name, f"in {np.dtype(dtype).name}, {note}")
    return notes


def arguments_unchanged(layer: Checked[P, C], params: P, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """No argument is written to: `params`, `x`, `cache` and `dout`, all writable, are the same bytes after a call.

    So they are for one row and for many, in float32, and while the call lasts.

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

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, laws
    >>> rng = np.random.default_rng(0)
    >>> params, x = Affine.init(rng, 3, 2), rng.standard_normal((4, 3)).astype(np.float32)
    >>> all(verdict.ok for verdict in laws.arguments_unchanged(affine, params, x, rng))
    True
    """
    verdicts: dict[str, str] = {}
    cases = {case: (params, given) for case, given in {"": x, **rows_of(layer, x)}.items()}
    cases[" in float32"] = (in_dtype(params, np.float32), in_dtype(x, np.float32))
    if is_numpy(x) and x.dtype.kind == "f":
        every_third = np.arange(x.size).reshape(x.shape) % 3 == 0
        cases[" for x with zeros"] = (params, np.where(every_third, np.zeros((), x.dtype), x))
    lasting: dict[str, str] = {}
    for case, (own, given) in cases.items():
        try:
            for name, words in _written(layer, writable(own), writable(given), rng):
                verdicts.setdefault(name, f"the call {words}{case}")
            for name in lent(layer, own, given, rng):
                lasting.setdefault(name, f"the call wrote to {name} while it lasted, and put it back{case}")
        except Exception:
            if not case:
                raise
            continue  # it refuses this x, which is an answer
    verdicts = lasting | verdicts
    return [
        Verdict("arguments_unchanged", name, ok=name not in verdicts, note=verdicts.get(name, ""))
        for name in ("params", "x", "cache", "dout")
    ]


def _written(layer: Checked[P, C], params: P, x: Any, rng: np.random.Generator) -> Iterator[tuple[str, str]]:
    """The arguments that calls did something to, and the words for it, for a `dout` of numbers and one of zeros."""
    before = [_copies(tree.leaves(value)) for value in (params, x)]
    could = [[leaf.flags.writeable for leaf in tree.leaves(value)] for value in (params, x)]
    out, cache = layer.forward(params, x)
    dout = draw(np.asarray(out), rng)
    saved = list(arrays_in(cache))  # what backward computes once and keeps comes on top
    kept = [_copies(saved), _copies([dout])]
    _both(layer, cache, dout)
    with suppress(Exception):  # other laws say what is wrong with zeros
        _both(layer, cache, np.zeros_like(dout))
    pairs = {"params": (tree.leaves(params), before[0]), "x": (tree.leaves(x), before[1])}
    pairs |= {"cache": (saved, kept[0]), "dout": ([dout], kept[1])}
    for name, (now, then) in pairs.items():
        if len(now) != len(then) or not all(map(same_numbers, now, then)):
            yield name, f"wrote to {name}"
    writeable = {"params": could[0], "x": could[1], "dout": [True]}
    for name, then_writeable in writeable.items():
        if then_writeable != [leaf.flags.writeable for leaf in pairs[name][0]]:
            yield name, f"made {name} read-only, which is the caller's"


def _both(layer: Checked[P, C], cache: C, dout: Array) -> None:
    """Call backward, if there is one, and grads."""
    if isinstance(layer, Layer):
        layer.backward(cache, dout)
    layer.grads(cache, dout)


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

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, laws
    >>> rng = np.random.default_rng(0)
    >>> params, x = Affine.init(rng, 3, 2), rng.standard_normal((4, 3)).astype(np.float32)
    >>> all(verdict.ok for verdict in laws.read_only_accepted(affine, params, x, rng))
    True
    """
    out, cache = run_forward(layer, params, x)
    dout = draw(out, rng)
    backward = run_backward(layer, cache, dout)
    frozen_out, frozen_cache = layer.forward(read_only_copy(params), read_only_copy(x))
    for array in arrays_in(frozen_cache):
        array.flags.writeable = False
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

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, laws
    >>> rng = np.random.default_rng(0)
    >>> params, x = Affine.init(rng, 3, 2), rng.standard_normal((4, 3)).astype(np.float32)
    >>> all(verdict.ok for verdict in laws.repeatability(affine, params, x, rng))
    True
    """
    out, cache = run_forward(layer, params, x)
    out = writable(out)
    dout = draw(out, rng)
    first = writable(run_backward(layer, cache, dout))
    other, other_cache = run_forward(layer, params, tree.map(_backwards, x))
    run_backward(layer, other_cache, draw(other, rng))
    same_backward = tree.equal(first, run_backward(layer, cache, dout))
    same_out = tree.equal(out, run_forward(layer, params, x)[0])
    changed = "a call depends on the calls before it: is something stored outside the cache?"
    return [
        Verdict("repeatability", "out", same_out, "" if same_out else changed),
        Verdict("repeatability", "backward", same_backward, "" if same_backward else changed),
    ]


def ownership(layer: Checked[P, C], params: P, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """Writing to `x` or `out` after the forward pass changes no gradient.

    Nor does it in float32 and float16, with other numbers of rows, or for a Fortran-ordered x, which a copy may not be.

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

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, laws
    >>> rng = np.random.default_rng(0)
    >>> params, x = Affine.init(rng, 3, 2), rng.standard_normal((4, 3)).astype(np.float32)
    >>> all(verdict.ok for verdict in laws.ownership(affine, params, x, rng))
    True
    """
    verdicts: list[Verdict] = []
    others: dict[str, tuple[Any, Callable[[], Any]]] = {}
    for dtype in (np.float32, np.float16):
        some = Trial.of(layer, params, x).fewer if dtype == np.float16 else x
        narrow = in_dtype(params, dtype), in_dtype(some, dtype)
        if not tree.equal(narrow, (params, x)):
            others[f"in {dtype.__name__}"] = narrow[0], partial(writable, narrow[1])
    for words, given in rows_of(layer, x).items():
        others[words.lstrip(" ,")] = params, partial(writable, given)
    if is_numpy(x) and x.ndim > 1:
        others["for a Fortran-ordered x"] = params, partial(np.array, x, order="F")
    for name in ("x", "out"):
        verdict = _owned(layer, params, writable(x), name, rng)
        for words, (own, given) in others.items():
            try:
                other = _owned(layer, own, given(), name, rng) if verdict.ok else verdict
            except Exception:  # noqa: BLE001, S112  # it refuses this dtype or number of rows, which is an answer
                continue
            verdict = verdict if other.ok or not verdict.ok else evolve(other, note=f"{words} {other.note}")
        verdicts.append(verdict)
    return verdicts


def _owned(layer: Checked[P, C], params: P, given: Any, name: str, rng: np.random.Generator) -> Verdict:
    """The verdict on the memory of `x`, or on that of `out`."""
    out, cache = layer.forward(params, given)
    dout = draw(out, rng)
    before = writable(run_backward(layer, cache, dout))
    if not tree.equal(before, run_backward(layer, cache, dout)):  # of its own accord, as another law says
        return Verdict("ownership", name, ok=True)
    for array in [] if name == "x" and is_record(given.__class__) else tree.leaves(given if name == "x" else out):
        if array.flags.writeable:
            _overwrite(array)
    ok = tree.equal(before, run_backward(layer, cache, dout))
    note = "" if ok else f"the cache shares the memory of {name}: hold own(x) in it, return read_only(out)"
    return Verdict("ownership", name, ok, note)


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

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, laws
    >>> rng = np.random.default_rng(0)
    >>> params, x = Affine.init(rng, 3, 2), rng.standard_normal((4, 3)).astype(np.float32)
    >>> all(verdict.ok for verdict in laws.grads_without_dx(affine, params, x, rng))
    True
    """
    trial = measured(Trial.in_float64(layer, params, x), rng)
    few, noise, (own, _) = trial.fewer, trial.noise, _dtype(layer, params, x)
    found: list[Verdict] = []
    others = rows_of(layer, x) if tree.leaves(params) else {}
    for case, given in {"": x, **others}.items():
        for dtype in (np.float64, np.float32, np.float16):
            for layout, arranged in (_DOUTS if dtype == np.float64 else {"": np.copy}).items():
                words = f"{case} in {np.dtype(dtype).name}" + (f", with {layout} dout" if layout else "")
                try:
                    used = in_dtype(few if dtype == np.float16 and not case else given, dtype)
                    found += _grads_alone(layer, in_dtype(params, dtype), used, arranged, rng, words, noise, own)
                except Exception:
                    if not (case or layout) and dtype == np.float64:
                        raise
                    continue  # it refuses this, which is an answer
    return one_each(found) or [Verdict("grads_without_dx", "grads", ok=True)]


def _grads_alone(
    layer: Checked[P, C],
    params: P,
    x: Any,
    arranged: Callable[[Array], Array],
    rng: np.random.Generator,
    words: str,
    noise: float,
    own: np.dtype[Any],
) -> list[Verdict]:
    """The verdicts on `grads` for one dtype, number of rows and layout of `dout`."""
    with np.errstate(all="ignore"):
        out, cache = run_forward(layer, params, x)
        usual = draw(out, rng)
        dout = arranged(usual)
        of_size = np.abs(np.nan_to_num(arranged(np.abs(usual)), posinf=0.0))
        grads, of_usual, of_sizes = (run_backward(layer, cache, each)[1] for each in (dout, usual, of_size))
        alone = layer.grads(cache, dout)
    shared = _sharing(layer, cache, dout, alone)
    if shared:
        return [Verdict("grads_without_dx", "grads", ok=False, note=shared)]
    if type(alone) is not type(grads) or len(tree.leaves(alone)) != len(tree.leaves(grads)):
        note = f"backward gives {describe(grads)}, grads {describe(alone)}"
        return [Verdict("grads_without_dx", "grads", ok=False, note=note)]
    eps = float(np.finfo(out.dtype).eps)
    bound = max((32 if out.dtype.itemsize < 4 else 1000) * eps, 1000 * noise)
    # A sum over rows may happen to be nearly 0, and has the rounding of its terms.
    least = _least([np.asarray(leaf) for leaf in (*tree.leaves(grads), *tree.leaves(of_sizes))])
    verdicts: list[Verdict] = []
    for (path, g), a, moves in zip(tree.named_leaves(grads), *map(tree.leaves, (alone, of_usual)), strict=True):
        name, got, expected = f"grads{path}", np.asarray(a), np.asarray(g)
        verdict = compare("grads_without_dx", name, got, expected, bound, least=least)
        if (
            verdict.ok and got.dtype != expected.dtype and own == np.float64 and out.dtype != own
        ):  # else another law says it
            note = f"it is {got.dtype}, that of backward {expected.dtype}"
            verdicts.append(Verdict("grads_without_dx", name, ok=False, note=note))
            continue
        if verdict.ok and (np.isnan(expected) & ~np.isnan(got) & (np.asarray(moves) != 0)).any():
            verdict = Verdict("grads_without_dx", name, ok=False, note="a nan of backward is a number")
        verdicts.append(noted(verdict, words.strip(" ,")))
    return verdicts


def _sharing(layer: Checked[Any, Any], cache: Any, dout: Array, alone: Any) -> str:
    """The memory that gradients share with `dout`, or with those of a later call, in words; "" if with neither."""
    leaves = [leaf for leaf in tree.leaves(alone) if is_numpy(leaf) and leaf.size]
    before = _copies(leaves)
    if any(leaf.flags.writeable and np.shares_memory(leaf, dout) for leaf in leaves):
        return "it is writable, and shares memory with dout"
    with np.errstate(all="ignore"):
        layer.grads(cache, -2 * dout)
    return "" if all(map(same_numbers, before, leaves)) else "a later call changes it: is a buffer used again?"


def _of_equal_rows(a: Array) -> Array:
    return np.broadcast_to(a[:1], a.shape) if a.ndim else a


def _of_equal_columns(a: Array) -> Array:
    return np.broadcast_to(a[..., :1], a.shape) if a.ndim else a


def with_a_nan(a: Array, value: float = np.nan) -> Array:
    """A copy whose first entry is nan, or another number."""
    made = a.copy()
    made.flat[:1] = value
    return made


def _of_whole_numbers(a: Array) -> Array:
    return np.rint(8 * a)


def of_one_entry(a: Array) -> Array:
    """Zeros like an array, and a 1 in the last place."""
    made = np.zeros_like(a)
    made.flat[-1:] = 1.0
    return made


_DOUTS: dict[str, Callable[[Array], Array]] = {
    "": np.copy,
    **LAYOUTS,
    "a row-broadcast": _of_equal_rows,
    "a column-broadcast": _of_equal_columns,
    "a huge": partial(np.multiply, 2.0**20),
    "a tiny": partial(np.multiply, 2.0**-40),
    "a whole-numbered": _of_whole_numbers,
    "an all-zero": np.zeros_like,
    "a one-entry": of_one_entry,
    "a partly nan": with_a_nan,
    "a partly infinite": partial(with_a_nan, value=np.inf),
}
"""The derivatives with respect to out that `grads` and `backward` are compared for."""


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

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, laws
    >>> rng = np.random.default_rng(0)
    >>> params, x = Affine.init(rng, 3, 2), rng.standard_normal((4, 3)).astype(np.float32)
    >>> all(verdict.ok for verdict in laws.one_pass(affine, params, x, rng))
    True
    """
    if layer.rule is None:
        return []
    xp = in_pass(x, params)
    out, cache = run_forward(layer, params, x)
    dout = draw(out, rng)
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
    return [Verdict("one_pass", "arguments", untouched, note), *one_each(verdicts)]


def _copies(arrays: Iterable[Array]) -> list[Array]:
    return [array.copy() for array in arrays]


def _backwards(leaf: Array) -> Array:
    return leaf[::-1] if leaf.ndim else leaf


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


def _least(fields: Sequence[Array]) -> float:
    """The size of a field that counts for nothing beside the largest one: see `compare`."""
    return max((float(np.abs(leaf).max(initial=0)) for leaf in fields), default=0.0) / 128


def _alike(law: str, name: str, got: Any, like: Array) -> Verdict:
    ok = describe(got) == describe(like)  # a NumPy scalar is as good as a 0-d array
    if ok and is_numpy(got) and type(got) not in (np.ndarray, type(like)):
        return Verdict(law, name, ok=False, note=f"is a {type(got).__name__}, expected an ordinary array")
    return Verdict(law, name, ok, "" if ok else f"is {describe(got)}, expected {describe(like)}")


def _not_promoted(cache: object, params: object, x: object) -> Verdict:
    """The verdict on the floats of a cache: none are wider than those of the arguments, or than float32."""
    given = [leaf.dtype for leaf in tree.leaves((params, x)) if leaf.dtype.kind == "f"]
    widest = np.result_type(np.float32, *given)
    wide = [array for array in arrays_in(cache) if array.dtype.kind == "f" and array.dtype.itemsize > widest.itemsize]
    note = f"holds {describe(wide[0])}, wider than the arguments" if wide else ""
    return Verdict("structure", "cache", ok=not wide, note=note)


def _has_dtype(name: str, got: Array, dtype: np.dtype[Any], of: str) -> Verdict:
    ok = got.dtype == dtype
    return Verdict("structure", name, ok, "" if ok else f"is {got.dtype} for {of} of {dtype}")
