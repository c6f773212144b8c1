"""The derivative at other values of x and of the parameters: small and large ones, other signs, tails, ties, zeros."""

import math
from collections.abc import Callable, Container, Iterator
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from chainrule import tree
from chainrule.arrays.types import Array
from chainrule.checking.verdict import Verdict
from chainrule.encoder import Encoder
from chainrule.laws.of_layers._elsewhere import Unfit, judged_at, takes, with_floor, worst_by_field
from chainrule.laws.of_layers._tokens import in_other_dtypes, is_tokens, of_whole_tables, other_tokens
from chainrule.laws.of_layers.memory import ZEROS
from chainrule.laws.trials.copies import in_dtype, writable
from chainrule.laws.trials.directions import REFUSE
from chainrule.laws.trials.sizes import in_unit_interval, rms
from chainrule.laws.trials.trial import Checked, Trial, couples_rows, draw, measured

FIELDS = 4
"""The most parameters that are set to zeros, and to ones, each alone."""

POWERS = (0.5, 1.0, 2.0, 3.0)
"""The numbers that a parameter of one number is set to, with its sign: exponents for which there are other formulas."""

MOST_OF_X = 2**15
"""The most numbers of x that are tried elsewhere, of a layer that treats rows alone."""

REFUSE_PARAMETERS = "If these parameters are not meant, let forward refuse them"
"""The advice where a law has made parameters that the layer may have taken by accident."""


@frozen(eq=False)
class Other:
    """Other numbers of an argument, in words, and how many times as large they are as those that were given."""

    words: str
    value: Any
    times: float = 1.0


def other_values(layer: Checked[Any, Any], params: Any, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """The derivative is right at other x too: small and large ones, other signs, tails, ties and zeros.

    They stay within what `x` says about its domain: if all of it is positive, so are they. What is wrong beyond it
    can't be told: forward may ask for that domain. Where `x` or a parameter is all zeros, which hide what is multiplied
    by them, numbers are drawn. Other parameters of the same signs are tried too, some of them zero, and of both signs.
    Where `x` or parameters are around 100 and 1000, where exponentials overflow, no derivative may be nan beside a
    finite output. An encoder's whole numbers are all that its tables have, equal ones, and others in number and dtype.
    What the layer refuses, and where its values are not finite, is left out.

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
        return worst_by_field(_of_tokens(Trial.in_float64(layer, params, x), rng)) if is_tokens(x) else []
    if not couples_rows(layer, x) and np.ndim(x) > 1 and np.size(x) > MOST_OF_X:
        x = x[: max(2, MOST_OF_X * len(x) // np.size(x))]
    own = np.asarray(x).dtype
    x = Trial.in_float64(layer, params, x).fewer
    base = with_floor(measured(Trial.in_float64(layer, params, x), rng), rng)
    verdicts: list[Verdict] = []
    for case, other in chain(_values(base.x, rng), _like_parameters(base.params, base.x)):
        verdicts += judged_at("other_values", base, other, rng, case)
        if any(each.wrong for each in verdicts):
            break
    if not _wrong(verdicts):
        for case, other in _of_other_ranges(base.x, rng):
            verdicts += _doubted(judged_at("other_values", base, other, rng, case), REFUSE)
    if tree.leaves(params):
        moved = tree.map(partial(_moved, rng), base.params)
        for case, other in (
            ("for other parameters", moved),
            *((each.words, each.value) for each in parameters(base.params, rng)),
        ):
            verdicts += judged_at("other_values", base, base.x, rng, case, other, but=_wrong(verdicts))
        verdicts += _of_both_signs(base, rng, but=_wrong(verdicts))
        verdicts += _of_one_sign(base, rng, but=_wrong(verdicts))
    for each in dict.fromkeys((own, np.dtype(np.float64))):
        verdicts += _far_out(layer, params, base.x, each, rng)
    return worst_by_field(verdicts)


def _of_tokens(base: Trial, rng: np.random.Generator) -> list[Verdict]:
    """The verdicts of an encoder for other whole numbers: it has no derivative by them, but one by the parameters."""
    verdicts: list[Verdict] = []
    tokens = base.x
    for case, other in of_whole_tables(base.params, base.x, rng):
        if takes(base.layer, base.params, other):
            verdicts += _at_tokens(base, other, rng, case)
            tokens = other
            break
    for case, other in other_tokens(base.x, rng):
        verdicts += _at_tokens(base, other, rng, case)
    return verdicts + in_other_dtypes("other_values", base, tokens, rng)


def _at_tokens(base: Trial, tokens: NDArray[Any], rng: np.random.Generator, case: str) -> list[Verdict]:
    """The derivative at other tokens; the noise of the encoder, which takes longer, is measured if one is wrong."""
    given = tokens.copy()
    with suppress(Exception), np.errstate(all="ignore"):  # it refuses these tokens, which is an answer
        base.layer.forward(writable(base.params), given)
    if not np.array_equal(given, tokens):
        return [Verdict("other_values", "x", ok=False, note=f"{case}: forward wrote to x")]
    at = partial(judged_at, "other_values", x=tokens, rng=rng, case=case, counts=Unfit.is_meant)
    verdicts = at(base)
    return at(measured(base, rng)) if any(each.wrong for each in verdicts) else verdicts


def _one_alone(params: Any, free: list[int]) -> Iterator[Other]:
    """Parameters of which one is all zeros, ones, or equal numbers; one of one number is what exponents often are.

    Of several numbers, one may have to be above another, as the ends of an interval.
    """
    alone = sum(leaf.size == 1 for leaf in tree.leaves(params)) == 1
    for i, (name, leaf) in list(enumerate(tree.named_leaves(params)))[:FIELDS]:
        if i in free:
            yield Other(f"for params{name} of zeros", _replaced(params, {i: np.zeros_like(leaf)}))
        if not (leaf < 0).all() and (leaf.size > 1 or not alone):
            yield Other(f"for params{name} of ones", _replaced(params, {i: np.ones_like(leaf)}))
        elif leaf.size > 1:
            yield Other(f"for params{name} of equal numbers", _replaced(params, {i: np.full_like(leaf, leaf.flat[0])}))
        for power in POWERS if leaf.size == 1 and alone else ():
            number = math.copysign(power, leaf.item())
            yield Other(f"for params{name} of {number:g}", _replaced(params, {i: np.full_like(leaf, number)}))


def _with_zeros(leaf: Array, rng: np.random.Generator) -> Array:
    """Some numbers, and all of the last row, are 0."""
    made = np.where(rng.random(leaf.shape) < ZEROS, 0.0, leaf)
    if leaf.ndim > 1:
        made[-1] = 0.0
    return made


def _wrong(verdicts: list[Verdict]) -> set[str]:
    """The fields that are wrong: where else they are is not asked."""
    return {each.field for each in verdicts if each.wrong}


def _values(x: Array, rng: np.random.Generator) -> Iterator[tuple[str, Array]]:
    if not x.any():
        yield "for x of numbers between 0 and 1", rng.random(x.shape)
        yield "for x of normal numbers", rng.standard_normal(x.shape)
    positive, negative = bool((x > 0).all()), bool((x < 0).all())
    in_unit = in_unit_interval(x)
    yield "for x a thousandth as large", 1e-3 * x
    if not in_unit:
        yield "for x ten times as large", 10 * x
        yield "for x a hundred times as large", 100 * x
    size = float(np.abs(x).max(initial=0.0)) or 1.0
    if not (positive or negative):
        if not in_unit:
            yield "for x of the other sign", -x
            yield "for x far out", np.sign(x) * (20 + 20 * rng.random(x.shape))
            for low, high in ((8, 12), (20, 40)):
                for sign in (1, -1):
                    yield f"for x from {sign * low} to {sign * high}", sign * rng.uniform(low, high, x.shape)
        some = x.copy()
        some[rng.random(x.shape) < ZEROS] = 0.0
        yield "for x with zeros", some
        if x.ndim > 1 and len(x) > 1:
            row = x.copy()
            row[-1] = 0.0
            yield "for x with a row of zeros", row
        yield "for x of zeros", np.zeros_like(x)
        yield "for x of whole numbers", np.rint(x * (2 / size))
    elif not in_unit:
        far = 20 + 20 * rng.random(x.shape)
        yield "for x far out", far if positive else -far
    yield from _with_equal_ones(x, size, free=not (positive or negative))


def _like_parameters(params: Any, x: Array) -> Iterator[tuple[str, Array]]:
    """Rows of x that are rows of a parameter, as a point may be the centre that its distance is measured from."""
    for name, leaf in tree.named_leaves(params)[:FIELDS]:
        if x.ndim > 1 and len(x) and leaf.ndim and leaf.size and leaf.shape[-1] == x.shape[-1]:
            other, rows = x.copy(), leaf.reshape(-1, leaf.shape[-1])[: len(x)]
            other[: len(rows)] = rows.reshape(len(rows), *(1 for _ in x.shape[1:-1]), -1)
            yield f"for an x with rows of params{name}", other


def _with_equal_ones(x: Array, size: float, *, free: bool) -> Iterator[tuple[str, Array]]:
    """Numbers some of which, or all, are equal; a few values that are as far apart, if 0 may be one of them."""
    if x.size and x.min() <= 1 <= x.max():
        yield "for x of ones", np.ones_like(x)
    near = np.round(x * (4 / size)) * (size / 4)
    yield "for x with ties", near if free or near.all() else np.full_like(x, x.flat[0] if x.size else 0)
    if x.ndim:
        yield "for equal rows", np.broadcast_to(x[:1], x.shape).copy()
        yield "for equal columns", np.broadcast_to(x[..., :1], x.shape).copy()


def _of_other_ranges(x: Array, rng: np.random.Generator) -> Iterator[tuple[str, Array]]:
    """Numbers of both signs, and zeros, where all have one sign, and large ones where all lie between 0 and 1.

    That may be what forward asks for though it refuses no others. Where these are finite, somebody may meet them.
    """
    if x.size > 1 and ((x >= 0).all() or (x <= 0).all()) and x.any():
        yield "for x of both signs where all had one", x * _signs(x, rng)
        if x.all():
            yield "for x with zeros where it had none", _with_zeros(x, rng)
        if in_unit_interval(x):
            yield "for x ten times as large where all lay between 0 and 1", 10 * x


def _doubted(verdicts: list[Verdict], advice: str) -> list[Verdict]:
    """Verdicts at numbers that the layer may not be meant for: what is wrong there tells nothing for sure."""
    return [evolve(each, undecided=True, advice=advice) if each.wrong else each for each in verdicts]


def _moved(rng: np.random.Generator, leaf: Array) -> Array:
    """Other parameters of the same signs, and positive ones where all are 0."""
    factor = rng.uniform(1.1, 1.3, leaf.shape)
    return np.asarray(leaf * factor if leaf.any() else factor - 1)


def parameters(params: Any, rng: np.random.Generator) -> Iterator[Other]:
    """Parameters with zeros, all of one array zeros, ones, whole numbers, larger ones, and of either sign alone.

    Where all of an array have one sign, they keep it: that may be what their domain asks for.
    """
    leaves = tree.leaves(params)
    free = [i for i, leaf in enumerate(leaves) if (leaf > 0).any() and (leaf < 0).any()]
    if free:
        mixed = [np.where(rng.random(leaf.shape) < ZEROS, 0.0, leaf) for leaf in leaves]
        yield Other("for parameters with zeros", _replaced(params, {i: mixed[i] for i in free}))
    whole = {i: np.where(np.rint(leaf) == 0, leaf, np.rint(leaf)) for i, leaf in enumerate(leaves)}
    if any(not np.array_equal(leaves[i], leaf) for i, leaf in whole.items()):
        yield Other("for parameters of whole numbers", _replaced(params, whole))
    yield from _one_alone(params, free)
    edges = {i: leaves[i].copy() for i in free if leaves[i].ndim > 1}
    for leaf in edges.values():
        leaf[0], leaf[..., -1] = 0, 0
    if edges:
        yield Other("for parameters with a row and a column of zeros", _replaced(params, edges))
    changes: dict[str, tuple[Callable[[Array], Array], float]] = {
        "ten times as large": (partial(np.multiply, 10.0), 10.0),
        "a hundred times as large": (partial(np.multiply, 100.0), 100.0),
        "a thousandth as large": (partial(np.multiply, 1e-3), 1e-3),
        "that are positive": (np.abs, 1.0),
        "that are negative": (lambda leaf: -np.abs(leaf), 1.0),
    }
    for words, (change, times) in changes.items() if free else ():
        yield Other(f"for parameters {words}", _replaced(params, {i: change(leaves[i]) for i in free}), times)
    signed = _signed(leaves)
    if signed:
        larger = _replaced(params, {i: 3 * leaves[i] for i in signed})
        yield Other("for parameters of one sign, three times as large", larger, 3.0)


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
        verdicts += judged_at("other_values", base, base.x, rng, case, _replaced(base.params, drawn), but=but)
    one_sign = [] if above and below else above + below
    if one_sign:
        case = "for parameters of both signs where all had one"
        drawn |= {i: leaves[i] * _signs(leaves[i], rng) for i in one_sign}
        found = judged_at("other_values", base, base.x, rng, case, _replaced(base.params, drawn), but=but)
        case = "for parameters with zeros where they had none"
        some = {i: _with_zeros(leaves[i], rng) for i in one_sign}
        found += judged_at("other_values", base, base.x, rng, case, _replaced(base.params, some), but=but)
        verdicts += _doubted(found, REFUSE_PARAMETERS)
    return verdicts


def _signed(leaves: list[Array]) -> list[int]:
    """The places of parameters that are not all zeros, and have no numbers of both signs."""
    return [i for i, leaf in enumerate(leaves) if leaf.any() and not ((leaf > 0).any() and (leaf < 0).any())]


def _of_one_sign(base: Trial, rng: np.random.Generator, but: Container[str]) -> list[Verdict]:
    """The verdicts for small and large numbers where all of a parameter have one sign.

    A floor or a ceiling holds them there, and their derivative is 0. They may be beyond what forward asks for, unless
    they lie between 0 and 1 before and after.
    """
    leaves = tree.leaves(base.params)
    signed = _signed(leaves)
    in_unit = all(in_unit_interval(leaves[i]) for i in signed)
    verdicts: list[Verdict] = []
    for words, times in (("a hundredth", 0.01), ("ten times", 10.0)) if signed else ():
        case = f"for parameters of one sign, {words} as large"
        other = _replaced(base.params, {i: times * leaves[i] for i in signed})
        found = judged_at("other_values", base, base.x, rng, case, other, but=but)
        verdicts += found if in_unit and times < 1 else _doubted(found, REFUSE_PARAMETERS)
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
    for words, other, far in _far(params, x, dtype, rng):
        try:
            trial = Trial.of(layer, in_dtype(other, dtype), far.astype(dtype))
            results = trial.back(draw(trial.out, rng))
        except Exception:
            continue
        if not all(np.isfinite(leaf).all() for leaf in (trial.out, *trial.arguments.values())):
            continue
        for name, leaf in results.items():
            if np.isnan(leaf).any():
                note = f"for {words} in {dtype.name} it is nan where out is finite: does something overflow on the way?"
                if far is x and dtype == np.float64:  # parameters of a thousand may be no logarithm of anything
                    return [Verdict("other_values", name, False, note, undecided=True, advice=REFUSE_PARAMETERS)]
                return [Verdict("other_values", name, ok=False, note=note)]
    return []


def _far(params: Any, x: Array, dtype: np.dtype[Any], rng: np.random.Generator) -> Iterator[tuple[str, Any, Array]]:
    """An x far out, and then each parameter; of the sign that all of it has, if it has one."""
    for most in (100.0, 1000.0) if dtype.itemsize > 2 else (10.0,):
        if not in_unit_interval(x):
            for around, far in _around(x, most, rng):
                yield f"x {around}", params, far
        for i, (path, leaf) in enumerate(tree.named_leaves(params)[:FIELDS]):
            for around, far in _around(leaf, most, rng):
                yield f"params{path} {around}", _replaced(params, {i: far}), x


def _around(leaf: Array, most: float, rng: np.random.Generator) -> Iterator[tuple[str, Array]]:
    positive, negative = bool((leaf > 0).all()), bool((leaf < 0).all())
    far = most * rng.uniform(0.9, 1, leaf.shape)
    if not (positive or negative):
        yield f"around {most:g} and -{most:g}", far * rng.choice([-1.0, 1.0], leaf.shape)
    if not positive:
        yield f"around -{most:g}", -far
    if not negative:
        yield f"around +{most:g}", far
