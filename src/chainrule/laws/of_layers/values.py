"""The derivative at other values of x and of the parameters: small and large ones, other signs, tails, ties, zeros."""

from collections.abc import Container, Iterator
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
from attrs import evolve

from chainrule import tree
from chainrule.arrays.types import Array
from chainrule.checking.verdict import Verdict
from chainrule.encoder import Encoder
from chainrule.laws.of_layers._elsewhere import Elsewhere, doubted, judged_at, with_floor, worst_by_field
from chainrule.laws.of_layers._other_numbers import (
    FIELDS,
    beyond_the_domain,
    farther_out,
    like_parameters,
    of_one_sign,
    of_the_same_signs,
    other_parameters,
    other_x,
    replaced,
    sign_of,
    signs_of,
    with_zeros,
)
from chainrule.laws.of_layers._tokens import at_other_tokens, is_tokens
from chainrule.laws.trials.copies import in_dtype
from chainrule.laws.trials.directions import refuse
from chainrule.laws.trials.names import Names, names_of
from chainrule.laws.trials.sizes import in_unit_interval, rms
from chainrule.laws.trials.trial import Checked, Trial, couples_rows, draw, measured

MOST_OF_X = 2**15
"""The most numbers of x that are tried elsewhere, of a layer that treats rows alone."""

REFUSE_PARAMETERS = "If these parameters are not meant, let forward refuse them"
"""The advice where a law has made parameters that the layer may have taken by accident."""


def other_values(layer: Checked[Any, Any], params: Any, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """The derivative is right at other x too: small and large ones, other signs, tails, ties and zeros.

    They stay within what `x` says about its domain: if all of it is positive, so are they, and a note says what is
    wrong beyond it. Beyond numbers some of which are 0 that can't be told: forward may ask for that domain. Where `x`
    or a parameter is all zeros, which hide what is multiplied by them, numbers are drawn. Other parameters of the same
    signs are tried too, some of them zero, and of both signs. Where `x` or parameters are around 100 and 1000, where
    exponentials overflow, no derivative may be nan beside a finite output. An encoder's whole numbers are all that its
    tables have, equal ones, and others in number and dtype. What the layer refuses, and where its values are not
    finite, is left out.

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
        return worst_by_field(at_other_tokens(Trial.in_float64(layer, params, x), rng)) if is_tokens(x) else []
    if not couples_rows(layer, x) and np.ndim(x) > 1 and np.size(x) > MOST_OF_X:
        x = x[: max(2, MOST_OF_X * len(x) // np.size(x))]
    own = np.asarray(x).dtype
    x = Trial.in_float64(layer, params, x).fewer
    base = with_floor(measured(Trial.in_float64(layer, params, x), rng), rng)
    verdicts: list[Verdict] = []
    for case, other in chain(other_x(base.x, rng, base.names.x), like_parameters(base.params, base.x)):
        verdicts += judged_at("other_values", base, Elsewhere(case, other), rng)
        if any(each.wrong for each in verdicts):
            break
    beyond: list[Verdict] = []
    if not _wrong(verdicts):
        for case, other in beyond_the_domain(base.x, rng, base.names.x):
            beyond += doubted(judged_at("other_values", base, Elsewhere(case, other), rng), refuse(base))
    signed = sign_of(base.x) != 0
    verdicts += [each for each in beyond if each.ok or not signed]
    if tree.leaves(params):
        moved = tree.map(partial(of_the_same_signs, rng), base.params)
        for case, other in (
            ("for other parameters", moved),
            *((each.words, each.value) for each in other_parameters(base.params, rng)),
        ):
            verdicts += judged_at("other_values", base, Elsewhere(case, base.x, other), rng, but=_wrong(verdicts))
        verdicts += _of_both_signs(base, rng, but=_wrong(verdicts))
        verdicts += _of_one_sign(base, rng, but=_wrong(verdicts))
    for each in dict.fromkeys((own, np.dtype(np.float64))):
        verdicts += _far_out(layer, params, base.x, each, rng)
    found = worst_by_field(verdicts + ([] if _wrong(verdicts) else _farther_out(base, rng)))
    return [_with_note_of(beyond, each) for each in found] if signed else found


def _with_note_of(beyond: list[Verdict], verdict: Verdict) -> Verdict:
    """The verdict, and what is wrong with its field beyond the sign that all of x has, if it is right within."""
    notes = (f"{each.note}. {each.advice}" for each in beyond if each.field == verdict.field and not each.ok)
    return evolve(verdict, note=next(notes, verdict.note)) if verdict.ok else verdict


def _farther_out(base: Trial, rng: np.random.Generator) -> list[Verdict]:
    some = (Elsewhere(*each) for each in farther_out(base.x, rng, base.names.x))
    return [verdict for other in some for verdict in judged_at("other_values", base, other, rng)]


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
    drawn: dict[int, Array] = {
        i: size * rng.uniform(0.2, 0.9, leaves[i].shape) * signs_of(leaves[i], rng) for i in zeros
    }
    verdicts: list[Verdict] = []
    if zeros:
        case = "for parameters of both signs where all were 0"
        verdicts += judged_at("other_values", base, Elsewhere(case, base.x, replaced(base.params, drawn)), rng, but=but)
    one_sign = [] if above and below else above + below
    if one_sign:
        case = "for parameters of both signs where all had one"
        drawn |= {i: leaves[i] * signs_of(leaves[i], rng) for i in one_sign}
        found = judged_at("other_values", base, Elsewhere(case, base.x, replaced(base.params, drawn)), rng, but=but)
        case = "for parameters with zeros where they had none"
        some = {i: with_zeros(leaves[i], rng) for i in one_sign}
        found += judged_at("other_values", base, Elsewhere(case, base.x, replaced(base.params, some)), rng, but=but)
        verdicts += doubted(found, REFUSE_PARAMETERS)
    return verdicts


def _of_one_sign(base: Trial, rng: np.random.Generator, but: Container[str]) -> list[Verdict]:
    """The verdicts for small and large numbers where all of a parameter have one sign.

    A floor or a ceiling holds them there, and their derivative is 0. They may be beyond what forward asks for, unless
    they lie between 0 and 1 before and after.
    """
    leaves = tree.leaves(base.params)
    signed = of_one_sign(leaves)
    in_unit = all(in_unit_interval(leaves[i]) for i in signed)
    verdicts: list[Verdict] = []
    for words, times in (("a hundredth", 0.01), ("ten times", 10.0)) if signed else ():
        case = f"for parameters of one sign, {words} as large"
        other = replaced(base.params, {i: times * leaves[i] for i in signed})
        found = judged_at("other_values", base, Elsewhere(case, base.x, other), rng, but=but)
        verdicts += found if in_unit and times < 1 else doubted(found, REFUSE_PARAMETERS)
    return verdicts


def _far_out(
    layer: Checked[Any, Any], params: Any, x: Array, dtype: np.dtype[Any], rng: np.random.Generator
) -> list[Verdict]:
    """No derivative is nan where the output is finite, as where an exponential has overflowed, beyond 88 in float32."""
    for words, other, far in _far(names_of(layer), params, x, dtype, rng):
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


def _far(
    names: Names, params: Any, x: Array, dtype: np.dtype[Any], rng: np.random.Generator
) -> Iterator[tuple[str, Any, Array]]:
    for most in (100.0, 1000.0) if dtype.itemsize > 2 else (10.0,):
        if not in_unit_interval(x):
            for around, far in _around(x, most, rng):
                yield f"{names.x} {around}", params, far
        for i, (path, leaf) in enumerate(tree.named_leaves(params)[:FIELDS]):
            for around, far in _around(leaf, most, rng):
                yield f"params{path} {around}", replaced(params, {i: far}), x


def _around(leaf: Array, most: float, rng: np.random.Generator) -> Iterator[tuple[str, Array]]:
    positive, negative = bool((leaf > 0).all()), bool((leaf < 0).all())
    far = most * rng.uniform(0.9, 1, leaf.shape)
    if not (positive or negative):
        yield f"around {most:g} and -{most:g}", far * rng.choice([-1.0, 1.0], leaf.shape)
    if not positive:
        yield f"around -{most:g}", -far
    if not negative:
        yield f"around +{most:g}", far
