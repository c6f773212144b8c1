"""The derivative for every kind of `dout`."""

from typing import Any

import numpy as np
from attrs import evolve

from chainrule.arrays.types import Array
from chainrule.checking.verdict import Verdict
from chainrule.laws.of_layers._elsewhere import IN_FLOAT16
from chainrule.laws.of_layers._kinds_of_dout import balanced, douts
from chainrule.laws.trials.directions import Asked, by_directions
from chainrule.laws.trials.sizes import sizes_of
from chainrule.laws.trials.trial import COARSE, Checked, Fields, Trial, draw, measured

BESIDE = 3
"""The number of times that arguments are moved off kinks, where a dout can't be judged at them."""


def any_dout(layer: Checked[Any, Any], params: Any, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """The derivative is right for every `dout`: ones, one entry, one row, equal rows, mostly zeros, tiny and huge ones.

    Also for rows that sum to 0, as those of a softmax with its loss do, and for columns that do.

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
        named["of rows that sum to 0"] = balanced(draw(trial.out, rng))
    if trial.out.ndim and len(trial.out) > 1:
        named["of columns that sum to 0"] = balanced(draw(trial.out, rng).T).T
    named["of minus ones"] = -np.ones_like(trial.out)
    if trial.noise < COARSE:
        named["of 1e-110"] = 1e-110 * draw(trial.out, rng)
    elif trial.noise > IN_FLOAT16:
        named = {name: dout for name, dout in named.items() if 1e-4 < np.abs(dout).max(initial=0.0) < 100}
    found = {each.field: each for each in _for_douts(trial, named, rng)}
    for _ in range(BESIDE):
        if not any(each.undecided for each in found.values()):
            break
        for each in _for_douts(
            _beside(trial, rng), named, rng, case=f"for {trial.names.x} and params moved off their kinks"
        ):
            if each.field in found and found[each.field].undecided:
                found[each.field] = evolve(each, note="") if each.ok else each
    return list(found.values())


def _for_douts(trial: Trial, named: dict[str, Array], rng: np.random.Generator, case: str = "") -> list[Verdict]:
    """The verdicts for each `dout`, on the entries whose slopes are finite: an infinite one times 0 is any number."""
    known = {name: np.isfinite(leaf) for name, leaf in trial.back(next(iter(named.values()))).items()}
    names = [f"for {trial.names.dout} {name}" for name in named]
    return by_directions("any_dout", trial, list(named.values()), rng, Asked(case=case, names=names, known=known))


def _beside(trial: Trial, rng: np.random.Generator) -> Trial:
    """The trial at a point nearby, or where it is if the layer takes no such point."""
    moved: Fields = {
        name: leaf + sizes_of(leaf) * rng.uniform(-0.01, 0.01, leaf.shape) for name, leaf in trial.arguments.items()
    }
    try:
        return trial.again(moved).with_noise(trial.noise)
    except Exception:
        return trial
