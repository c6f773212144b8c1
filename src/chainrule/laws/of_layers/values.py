"""The derivative elsewhere: at other values of x, at other sizes, and for every kind of `dout`."""

from collections.abc import Callable, Container, Iterator
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from chainrule import tree
from chainrule.arrays.arguments import describe
from chainrule.arrays.types import Array
from chainrule.checking.verdict import Verdict
from chainrule.encoder import Encoder
from chainrule.laws.of_layers._tokens import in_other_dtypes, is_tokens, of_whole_tables, other_tokens
from chainrule.laws.of_layers.memory import SINGULAR
from chainrule.laws.trials.copies import in_dtype
from chainrule.laws.trials.directions import REFUSE, by_directions
from chainrule.laws.trials.trial import (
    COARSE,
    Checked,
    Fields,
    Trial,
    couples_rows,
    draw,
    measured,
    rms,
    sizes_of,
)

MOST = 2**20
"""The most numbers in an array that is made for a check."""

FIELDS = 4
"""The most parameters that are set to zeros, and to ones, each alone."""

MOST_OF_X = 2**15
"""The most numbers of x that are tried elsewhere, of a layer that treats rows alone."""

ALL_NOISE = 1e-3
"""The noise from which on values are no more than that, if they have next to none at the arguments that were given."""

IN_FLOAT16 = 1e-6
"""The noise of a function from which on it computes in float16, where large and small numbers are none."""

SIZES = (1, 2, 3, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 32, 33, 64, 65, 128, 129, 256, 257)
"""Numbers of columns: the edges of blocks that low-level code uses, and one more; even ones that are no power of 2."""

EVEN = (66, 130, 132, 258, 514)
"""More numbers of columns of a layer that takes no odd ones: the same edges in its halves, and in quarters."""

LENGTHS = (1, 2, 3, 4, 6, 7, 8, 16, 17, 32, 33, 64, 65, 128, 129)
"""Lengths of the axes between rows and columns."""

LONG = 257
"""One more, to which a byte doesn't count: of two rows, since a layer may take one step after another."""

VECTORS = (1, 2, 3, 16, 33, 64, 65, 129, 257)
"""Numbers of columns, of a layer whose parameters are vectors of as many numbers, as those of a norm are."""

COUPLED_ROWS = (1, 2, 3, 6, 8, 9, 32, 33, 64, 65, 128, 129, 256, 257, 1000)
"""Numbers of rows of a layer that couples them."""

REFUSE_PARAMETERS = "If these parameters are not meant, let forward refuse them"
"""The advice where a law has made parameters that the layer may have taken by accident."""

ROUND_ABOUT = 2.0**-44
"""An error of a slope that is let pass at other x, of dout. Far out, x (1 + erf(x)) is a staircase whose steps are
roundings of 1, which finite steps of x turn into slopes of 256 times as much; and so do multiples of it."""

BESIDE = 3
"""The number of times that arguments are moved off kinks, where a dout can't be judged at them."""


def other_values(layer: Checked[Any, Any], params: Any, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """The derivative is right at other x too: small and large ones, other signs, tails, ties and zeros.

    They stay within what `x` says about its domain: if all of it is positive, so are they. Where `x` or a parameter is
    all zeros, which hide what is multiplied by them, numbers are drawn. Other parameters of the same signs are tried
    too, some of them zero, and of both signs. Around 100 and 1000, where exponentials overflow, no derivative may be
    nan beside a finite output. An encoder's whole numbers are all that its tables have, equal ones, and others in
    number and dtype. What the layer refuses, and where its values are not finite, is left out.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments to run it on.
    rng
        The generator that draws.

    Returns
    -------
    list[Verdict]
        For each field, the worst.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, laws
    >>> rng = np.random.default_rng(0)
    >>> params, x = Affine.init(rng, 3, 2), rng.standard_normal((4, 3)).astype(np.float32)
    >>> all(verdict.ok for verdict in laws.other_values(affine, params, x, rng))
    True
    """
    if isinstance(layer, Encoder):
        return _worst(_of_tokens(Trial.in_float64(layer, params, x), rng)) if is_tokens(x) else []
    if not couples_rows(layer, x) and np.ndim(x) > 1 and np.size(x) > MOST_OF_X:
        x = x[: max(2, MOST_OF_X * len(x) // np.size(x))]
    own = np.asarray(x).dtype
    x = Trial.in_float64(layer, params, x).fewer
    base = _with_floor(measured(Trial.in_float64(layer, params, x), rng), rng)
    verdicts: list[Verdict] = []
    for case, other in _values(base.x, rng):
        verdicts += _at("other_values", base, other, rng, case)
        if any(each.wrong for each in verdicts):
            break
    if tree.leaves(params):
        moved = tree.map(partial(_moved, rng), base.params)
        for case, other in (("for other parameters", moved), *parameters(base.params, rng)):
            verdicts += _at("other_values", base, base.x, rng, case, other, but=_wrong(verdicts))
        verdicts += _of_both_signs(base, rng, but=_wrong(verdicts))
    for each in dict.fromkeys((own, np.dtype(np.float64))):
        verdicts += _far_out(layer, params, base.x, each, rng)
    return _worst(verdicts)


def _of_tokens(base: Trial, rng: np.random.Generator) -> list[Verdict]:
    """The verdicts of an encoder for other whole numbers: it has no derivative by them, but one by the parameters."""
    verdicts: list[Verdict] = []
    tokens = base.x
    for case, other in of_whole_tables(base.params, base.x, rng):
        if _takes(base.layer, base.params, other):
            verdicts += _at_tokens(base, other, rng, case)
            tokens = other
            break
    for case, other in other_tokens(base.x, rng):
        verdicts += _at_tokens(base, other, rng, case)
    return verdicts + in_other_dtypes("other_values", base, tokens, rng)


def _at_tokens(base: Trial, tokens: NDArray[Any], rng: np.random.Generator, case: str) -> list[Verdict]:
    """The derivative at other tokens; the noise of the encoder, which takes longer, is measured if one is wrong."""
    at = partial(_at, "other_values", x=tokens, rng=rng, case=case, counts=Unfit.is_meant)
    verdicts = at(base)
    return at(measured(base, rng)) if any(each.wrong for each in verdicts) else verdicts


def _moved(rng: np.random.Generator, leaf: Array) -> Array:
    """Other parameters of the same signs, and positive ones where all are 0."""
    factor = rng.uniform(1.1, 1.3, leaf.shape)
    return np.asarray(leaf * factor if leaf.any() else factor - 1)


def parameters(params: Any, rng: np.random.Generator) -> Iterator[tuple[str, Any]]:
    """Parameters with zeros, all of one array zeros, ones, whole numbers, larger ones, and of either sign alone.

    Where all of an array have one sign, they keep it: that may be what their domain asks for.
    """
    leaves = tree.leaves(params)
    free = [i for i, leaf in enumerate(leaves) if (leaf > 0).any() and (leaf < 0).any()]
    if free:
        mixed = [np.where(rng.random(leaf.shape) < 0.3, 0.0, leaf) for leaf in leaves]
        yield "for parameters with zeros", _replaced(params, {i: mixed[i] for i in free})
    for i in free[:FIELDS]:
        name = tree.named_leaves(params)[i][0]
        yield f"for params{name} of zeros", _replaced(params, {i: np.zeros_like(leaves[i])})
    whole = {i: np.where(np.rint(leaf) == 0, leaf, np.rint(leaf)) for i, leaf in enumerate(leaves)}
    if any(not np.array_equal(leaves[i], leaf) for i, leaf in whole.items()):
        yield "for parameters of whole numbers", _replaced(params, whole)
    for i, (name, leaf) in list(enumerate(tree.named_leaves(params)))[:FIELDS]:
        if not (leaf < 0).all():
            yield f"for params{name} of ones", _replaced(params, {i: np.ones_like(leaf)})
    edges = {i: leaves[i].copy() for i in free if leaves[i].ndim > 1}
    for leaf in edges.values():
        leaf[0], leaf[..., -1] = 0, 0
    if edges:
        yield "for parameters with a row and a column of zeros", _replaced(params, edges)
    changes: dict[str, Callable[[Array], Array]] = {
        "ten times as large": partial(np.multiply, 10.0),
        "a thousandth as large": partial(np.multiply, 1e-3),
        "that are positive": np.abs,
        "that are negative": lambda leaf: -np.abs(leaf),
    }
    for words, change in changes.items() if free else ():
        yield f"for parameters {words}", _replaced(params, {i: change(leaves[i]) for i in free})
    signed = [i for i in range(len(leaves)) if i not in free and leaves[i].any()]
    if signed:
        yield "for parameters of one sign, three times as large", _replaced(params, {i: 3 * leaves[i] for i in signed})


def _wrong(verdicts: list[Verdict]) -> set[str]:
    """The fields that are wrong: where else they are is not asked."""
    return {each.field for each in verdicts if each.wrong}


def _of_both_signs(base: Trial, rng: np.random.Generator, but: Container[str]) -> list[Verdict]:
    """The verdicts for numbers of both signs where all of a parameter are zeros, as at a start, or of one sign.

    One sign may be what forward asks for though it refuses no other: where that is changed, a derivative that is wrong
    tells nothing for sure. A parameter of one number keeps its sign, as a temperature and the ends of an interval do;
    so do those above 0 beside others below 0, which may be such ends too.
    """
    leaves = tree.leaves(base.params)
    zeros = [i for i, leaf in enumerate(leaves) if leaf.size and not leaf.any()]
    below = [i for i, leaf in enumerate(leaves) if leaf.size > 1 and (leaf < 0).all()]
    above = [i for i, leaf in enumerate(leaves) if leaf.size > 1 and (leaf > 0).all()]
    size = max((rms(leaf) for leaf in leaves), default=0.0) or 1.0
    drawn: dict[int, Array] = {i: size * rng.uniform(0.2, 0.9, leaves[i].shape) * _signs(leaves[i], rng) for i in zeros}
    verdicts: list[Verdict] = []
    if zeros:
        case = "for parameters of both signs where all were 0"
        verdicts += _at("other_values", base, base.x, rng, case, _replaced(base.params, drawn), but=but)
    one_sign = [] if above and below else above + below
    if one_sign:
        case = "for parameters of both signs where all had one"
        drawn |= {i: leaves[i] * _signs(leaves[i], rng) for i in one_sign}
        for each in _at("other_values", base, base.x, rng, case, _replaced(base.params, drawn), but=but):
            verdicts.append(evolve(each, undecided=True, advice=REFUSE_PARAMETERS) if each.wrong else each)
    return verdicts


def _signs(leaf: Array, rng: np.random.Generator) -> Array:
    """Signs of which as many are negative as positive, in a random order; of one number the negative one."""
    signs = np.where(np.arange(leaf.size) % 2, 1.0, -1.0)
    return np.asarray(rng.permutation(signs).reshape(leaf.shape))


def _replaced(params: Any, others: dict[int, Array]) -> Any:
    return tree.replace(params, [others.get(i, leaf) for i, leaf in enumerate(tree.leaves(params))])


def _far_out(
    layer: Checked[Any, Any], params: Any, x: Array, dtype: np.dtype[Any], rng: np.random.Generator
) -> list[Verdict]:
    """No derivative is nan where the output is finite, as where an exponential has overflowed, beyond 88 in float32."""
    positive, negative = bool((x > 0).all()), bool((x < 0).all())
    if ((x >= 0) & (x <= 1)).all():
        return []
    signs = {"": rng.choice(np.array([-1.0, 1.0]), x.shape)} if not (positive or negative) else {}
    signs |= {"-": -np.ones_like(x)} if not positive else {}
    signs |= {"+": np.ones_like(x)} if not negative else {}
    for most, sign in product((100.0, 1000.0) if dtype.itemsize > 2 else (10.0,), signs):
        far = (signs[sign] * most * rng.uniform(0.9, 1, x.shape)).astype(dtype)
        try:
            trial = Trial.of(layer, in_dtype(params, dtype), far)
            results = trial.back(draw(trial.out, rng))
        except Exception:  # noqa: BLE001, S112  # it refuses this x, which is an answer
            continue
        if not np.isfinite(trial.out).all() or not np.isfinite(far).all():
            continue
        for name, leaf in results.items():
            if np.isnan(leaf).any():
                where = f"around {sign}{most:g}" if sign else f"around {most:g} and -{most:g}"
                note = (
                    f"for x {where} in {dtype.name} it is nan where out is finite: does something overflow on the way?"
                )
                return [Verdict("other_values", name, ok=False, note=note)]
    return []


def _values(x: Array, rng: np.random.Generator) -> Iterator[tuple[str, Array]]:
    if not x.any():
        yield "for x of numbers between 0 and 1", rng.random(x.shape)
        yield "for x of normal numbers", rng.standard_normal(x.shape)
    positive, negative = bool((x > 0).all()), bool((x < 0).all())
    share = bool(((x >= 0) & (x <= 1)).all())
    yield "for x a thousandth as large", 1e-3 * x
    if not share:
        yield "for x ten times as large", 10 * x
        yield "for x a hundred times as large", 100 * x
    size = float(np.abs(x).max(initial=0.0)) or 1.0
    if not (positive or negative):
        if not share:
            yield "for x of the other sign", -x
            yield "for x far out", np.sign(x) * (20 + 20 * rng.random(x.shape))
            for low, high in ((8, 12), (20, 40)):
                for sign in (1, -1):
                    yield f"for x from {sign * low} to {sign * high}", sign * rng.uniform(low, high, x.shape)
        some = x.copy()
        some[rng.random(x.shape) < 0.3] = 0.0
        yield "for x with zeros", some
        if x.ndim > 1 and len(x) > 1:
            row = x.copy()
            row[-1] = 0.0
            yield "for x with a row of zeros", row
        yield "for x of zeros", np.zeros_like(x)
        yield "for x of whole numbers", np.rint(x * (2 / size))
    elif not share:
        far = 20 + 20 * rng.random(x.shape)
        yield "for x far out", far if positive else -far
    near = np.round(x * (4 / size)) * (size / 4)
    yield (
        "for x with ties",
        near if not (positive or negative) or near.all() else np.full_like(x, x.flat[0] if x.size else 0),
    )
    if x.ndim:
        yield "for equal rows", np.broadcast_to(x[:1], x.shape).copy()
        yield "for equal columns", np.broadcast_to(x[..., :1], x.shape).copy()


def other_sizes(layer: Checked[Any, Any], params: Any, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """The derivative is right at other sizes too: of rows that are coupled, of columns without parameters.

    Of columns also where parameters are vectors of as many numbers; of axes between rows and columns, those of time or
    of images, in every case that the layer takes. Where backward raises then, nothing can be told. Rows of layers that
    treat each alone are covered by `independent_rows`.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments to run it on.
    rng
        The generator that draws.

    Returns
    -------
    list[Verdict]
        For each field, the worst.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, laws
    >>> rng = np.random.default_rng(0)
    >>> params, x = Affine.init(rng, 3, 2), rng.standard_normal((4, 3)).astype(np.float32)
    >>> all(verdict.ok for verdict in laws.other_sizes(affine, params, x, rng))
    True
    """
    if isinstance(layer, Encoder) or not np.ndim(x):
        return []
    x = np.asarray(x, np.float64)
    shapes = _shapes(layer, params, x, rng)
    # Parameters may be of some length that broadcasts, or that is counted off along x, as a kernel's is.
    loose = [(*x.shape[:-1], x.shape[-1] + more) for more in (1, -1, 2) if tree.leaves(params) and x.ndim > 1]
    base = _with_floor(measured(Trial.in_float64(layer, params, x), rng), rng) if shapes or loose else None
    verdicts: list[Verdict] = []
    for shape in dict.fromkeys((*shapes, *(shape for shape in loose if shape[-1] > 1))):
        if base is not None and shape != x.shape and x.size and int(np.prod(shape)) <= MOST:
            other = _spread(x, shape, rng)
            counts = partial(_counts, x, shape in loose)
            verdicts += _at("other_sizes", base, other, rng, f"for x {describe(other)}", counts=counts)
        if any(each.wrong for each in verdicts):
            break
    if base is not None:
        verdicts += _with_vectors(base, x, rng)
    return _worst(verdicts)


def _counts(x: Array, loose: bool, unfit: "Unfit") -> bool:
    """Tell whether it counts that backward does not fit another shape of x, which forward may take by accident.

    An axis of one is broadcast along a constant of the layer's own, and dx then has the length of that.
    """
    shape = unfit.trial.x.shape
    if shape[-1] == 1 and unfit.shape != x.shape:
        return True
    return not loose and (1 not in shape[1:] or unfit.is_meant())


def _shapes(layer: Checked[Any, Any], params: Any, x: Array, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """The shapes of x that a layer may take: with other numbers of coupled rows, of columns, and in between."""
    shapes: list[tuple[int, ...]] = []
    if layer.couples_rows:
        shapes += [(n, *x.shape[1:]) for n in (*COUPLED_ROWS, x.shape[-1])]
    if not tree.leaves(params) and x.ndim > 1:
        shapes += [(*x.shape[:-1], k) for k in (*SIZES, x.shape[0])]
        shapes += [] if couples_rows(layer, x) or x.ndim > 2 else [(33, 33)]
        if x.shape[-1] % 2 == 0 and not _takes(layer, params, _spread(x, (*x.shape[:-1], 33), rng)):
            shapes += [(*x.shape[:-1], k) for k in EVEN]
    for axis in range(1, x.ndim - 1):
        length, others = x.shape[axis], (x.shape[other] for other in range(1, x.ndim - 1))
        lengths = (*LENGTHS, length + 1, length + 2, *others)
        shapes += [(*x.shape[:axis], n, *x.shape[axis + 1 :]) for n in lengths]
        rows = len(x) if couples_rows(layer, x) else min(2, len(x))
        shapes.append((rows, *x.shape[1:axis], LONG, *x.shape[axis + 1 :]))
    return shapes


def _spread(x: Array, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Numbers of another shape that all differ, from the smallest of x to the largest, and as dense as those of x.

    So a maximum or an order has its kinks as far away as may be. Along the last axis that has another length they
    ascend in every second line, so that the largest number stands last; in the others their order is random.
    """
    if not x.size:
        return np.zeros(shape)
    axis = max(i for i in range(len(shape)) if shape[i] != x.shape[i])
    count, known = shape[axis], np.unique(x)
    lines = (*shape[:axis], *shape[axis + 1 :], count)
    places = (np.arange(count) + rng.uniform(0.2, 0.8, lines)) / count
    made = rng.permuted(np.interp(places, np.linspace(0, 1, known.size), known), axis=-1)
    made[::2].sort(axis=-1)
    return np.ascontiguousarray(np.moveaxis(made, -1, axis))


def _takes(layer: Checked[Any, Any], params: Any, x: Array) -> bool:
    """Tell whether forward takes an x."""
    try:
        with np.errstate(all="ignore"):
            Trial.in_float64(layer, params, x)
    except Exception:  # noqa: BLE001  # it refuses this x, which is an answer
        return False
    return True


def _with_vectors(base: Trial, x: Array, rng: np.random.Generator) -> list[Verdict]:
    """The verdicts for other numbers of columns where each parameter is a vector of as many numbers, or one number."""
    leaves = tree.leaves(base.params)
    if x.ndim < 2 or not any(leaf.shape == x.shape[-1:] for leaf in leaves):
        return []
    if not all(leaf.shape == x.shape[-1:] or leaf.size == 1 for leaf in leaves):
        return []
    verdicts: list[Verdict] = []
    for k in VECTORS:
        shape = (*x.shape[:-1], k)
        if k != x.shape[-1] and int(np.prod(shape)) <= MOST:
            other = _spread(x, shape, rng)
            drawn = [rng.choice(leaf, k) if leaf.shape == x.shape[-1:] else leaf for leaf in leaves]
            try:
                params = tree.replace(base.params, drawn)
            except (TypeError, ValueError):  # a record that takes no other number
                return []
            words = f"for x {describe(other)} and parameters of {k} number{'s' if k > 1 else ''}"
            # One number may belong to all columns, and not to the only one.
            meant = Unfit.is_meant if x.shape[-1] > 1 else _never
            verdicts += _at("other_sizes", base, other, rng, words, params, counts=meant)
    return verdicts


def any_dout(layer: Checked[Any, Any], params: Any, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """The derivative is right for every `dout`: ones, one entry, one row, equal rows, mostly zeros, tiny and huge ones.

    Also for rows that sum to 0, as those of a softmax with its loss do.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments to run it on.
    rng
        The generator that draws.

    Returns
    -------
    list[Verdict]
        For each field, the worst.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, laws
    >>> rng = np.random.default_rng(0)
    >>> params, x = Affine.init(rng, 3, 2), rng.standard_normal((4, 3)).astype(np.float32)
    >>> all(verdict.ok for verdict in laws.any_dout(affine, params, x, rng))
    True
    """
    trial = measured(Trial.in_float64(layer, params, x), rng)
    named = douts(trial.out, rng)
    if trial.out.ndim and trial.out.shape[-1] > 1:
        usual = draw(trial.out, rng)
        named["of rows that sum to 0"] = usual - usual.mean(axis=-1, keepdims=True)
    if trial.noise < COARSE:
        named["of 1e-110"] = 1e-110 * draw(trial.out, rng)
    elif trial.noise > IN_FLOAT16:
        named = {name: dout for name, dout in named.items() if 1e-4 < np.abs(dout).max(initial=0.0) < 100}
    found = {each.field: each for each in _for_douts(trial, named, rng)}
    for _ in range(BESIDE):
        if not any(each.undecided for each in found.values()):
            break
        for each in _for_douts(_beside(trial, rng), named, rng, case="for x and params moved off their kinks"):
            if each.field in found and found[each.field].undecided:
                found[each.field] = evolve(each, note="") if each.ok else each
    return list(found.values())


def _for_douts(trial: Trial, named: dict[str, Array], rng: np.random.Generator, case: str = "") -> list[Verdict]:
    """The verdicts for each `dout`, on the entries whose slopes are finite: an infinite one times 0 is any number."""
    known = {name: np.isfinite(leaf) for name, leaf in trial.back(next(iter(named.values()))).items()}
    names = [f"for dout {name}" for name in named]
    return by_directions("any_dout", trial, list(named.values()), rng, names=names, case=case, known=known)


def _beside(trial: Trial, rng: np.random.Generator) -> Trial:
    """The trial at a point nearby, or where it is if the layer takes no such point."""
    moved: Fields = {
        name: leaf + sizes_of(leaf) * rng.uniform(-0.01, 0.01, leaf.shape) for name, leaf in trial.arguments.items()
    }
    try:
        return trial.again(moved).with_noise(trial.noise)
    except Exception:  # noqa: BLE001  # it refuses these numbers, which is an answer
        return trial


def douts(out: Array, rng: np.random.Generator) -> dict[str, Array]:
    """Derivatives with respect to an output, of every kind, by name."""
    base = draw(out, rng)
    kinds = {
        "of normal numbers": base,
        "of ones": np.ones_like(out),
        "of negative numbers": -np.abs(base),
        "of whole numbers": rng.integers(2049, 5000, out.shape).astype(out.dtype),
        "of 1e-30": base * 1e-30,
        "of 1e30": base * 1e30,
        "with equal numbers": np.full_like(out, -0.75),
    }
    if out.size:
        few = np.where(rng.random(out.shape) < 0.1, base, 0.0)
        few.flat[rng.integers(out.size)] = float(out.size > 1)
        kinds["mostly of zeros"] = few
        for i in (0, out.size - 1, int(rng.integers(out.size))):
            one = np.zeros_like(out)
            one.flat[i] = 1.0
            kinds[f"of one entry, {tuple(int(j) for j in np.unravel_index(i, out.shape))}"] = one
    if out.ndim > 1 and len(out):
        for i in {0, len(out) - 1}:
            row = np.zeros_like(out)
            row[i] = base[i]
            kinds[f"of row {i} alone"] = row
        kinds["of equal rows"] = np.broadcast_to(base[:1], out.shape).copy()
    return kinds


def _at(
    law: str,
    base: Trial,
    x: Array,
    rng: np.random.Generator,
    case: str,
    params: Any = None,
    *,
    but: Container[str] = (),
    counts: Callable[["Unfit"], bool] | None = None,
) -> list[Verdict]:
    """The derivative at another x or other parameters, if the layer takes them and its values are finite.

    Fields of `but` are left out, and so is an answer of backward that does not fit, unless it counts.
    """
    try:
        with np.errstate(all="ignore"):
            trial = Trial.in_float64(base.layer, base.params if params is None else params, x)
    except Exception:  # noqa: BLE001  # it refuses this x, which is an answer
        return []
    if not np.isfinite(trial.out).all() or not trial.out.size or _is_singular(trial, base):
        return []
    trial = evolve(trial.with_noise(base.noise), floor=base.floor)
    douts = [draw(trial.out, rng), np.ones_like(trial.out)]
    # A large one is tried along one direction, and not along three; tokens do not bend the way of the parameters.
    few = trial.large or isinstance(base.layer, Encoder)
    with np.errstate(all="ignore"):
        unfit = _unfit(base, trial, douts[0])
        if unfit is not None:
            return [unfit.verdict(law, case)] if counts is None or counts(unfit) else []
        compared = partial(by_directions, law, douts=douts, rng=rng, case=case, count=0 if few else 2, but=but)
        verdicts: list[Verdict] = compared(trial)
        if all(each.ok for each in verdicts):
            return verdicts
        found = measured(trial, rng, roughly=True)  # it may have more noise here
        if found.noise > ALL_NOISE > base.noise * 1e6:
            return []  # as at a singular matrix
        return compared(found) if trial.noise < found.noise < IN_FLOAT16 else verdicts


def _is_singular(trial: Trial, base: Trial) -> bool:
    """Tell whether values are much larger than those of the base, though x is not."""
    largest, usual, x, of_base = (float(np.abs(each).max(initial=0)) for each in (trial.out, base.out, trial.x, base.x))
    return largest > SINGULAR * max(usual, 1.0) and x <= 2 * of_base


def _with_floor(base: Trial, rng: np.random.Generator) -> Trial:
    """The trial with the error that is let pass at other points, which grows with the slopes of the layer."""
    dx = np.abs(base.back(draw(base.out, rng))["dx"])
    gain = float(np.mean(dx, where=np.isfinite(dx))) if np.isfinite(dx).any() else 0.0
    return evolve(base, floor=ROUND_ABOUT * max(1.0, gain))


@frozen(eq=False)
class Unfit:
    """An answer of backward that does not fit an x which forward takes: an error, or a result of another shape."""

    base: Trial
    trial: Trial
    field: str
    error: Exception | None = None
    shape: tuple[int, ...] | None = None

    def is_meant(self) -> bool:
        """Tell whether backward raises though forward has not taken x by accident: its output has the shape of x.

        An x that is broadcast along a constant, or of which a part is taken, has an output of another shape.
        """
        base, trial = self.base, self.trial
        same_axes = base.out.shape[: base.x.ndim] == base.x.shape and trial.out.shape[: trial.x.ndim] == trial.x.shape
        return self.error is not None and same_axes

    def verdict(self, law: str, case: str) -> Verdict:
        """The verdict that nothing can be told."""
        if self.error is not None:
            said = f"backward raises {type(self.error).__name__}: {self.error}"
        else:
            said = f"has shape {self.shape}, expected {self.trial.arguments[self.field].shape}"
        return Verdict(law, self.field, ok=False, undecided=True, note=f"{case}: {said}", advice=REFUSE)


def _never(unfit: Unfit) -> bool:
    return False


def _unfit(base: Trial, trial: Trial, dout: Array) -> Unfit | None:
    """The answer of backward if it has none of the right shape, though it has one at the base."""
    try:
        results = trial.back(dout)
    except Exception as error:  # noqa: BLE001  # it is part of the report
        return Unfit(base, trial, next(iter(trial.arguments), "grads"), error=error)
    misfits = _misfits(trial, results)
    if misfits and not _misfits(base, base.back(np.ones_like(base.out))):
        (name, shape), *_ = misfits.items()
        return Unfit(base, trial, name, shape=shape)
    return None


def _misfits(trial: Trial, results: Fields) -> dict[str, tuple[int, ...]]:
    """The shapes of results that are not those of their arguments, by name."""
    shapes = {name: leaf.shape for name, leaf in trial.arguments.items()}
    return {name: leaf.shape for name, leaf in results.items() if leaf.shape != shapes.get(name)}


def _worst(verdicts: list[Verdict]) -> list[Verdict]:
    """One verdict for each field: the first that is wrong or unfit, else the one that sees most, else another."""
    by_field: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        by_field.setdefault(verdict.field, []).append(verdict)
    chosen: list[Verdict] = []
    for some in by_field.values():
        advised = [each for each in some if each.advice]
        wrong = [each for each in some if each.wrong] or advised
        right = [evolve(verdict, note="") for verdict in some if verdict.ok]
        chosen.append(wrong[0] if wrong else min(right, key=_power) if right else some[0])
    return chosen


def _power(verdict: Verdict) -> float:
    return verdict.power
