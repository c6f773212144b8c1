"""The law of dtypes: the same numbers in float32 and float16 give the same results, but for rounding, in that dtype."""

import math
from collections.abc import Iterator
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np
from attrs import evolve, field, frozen
from numpy.typing import NDArray

from chainrule import tree
from chainrule.checking.bursts import UNIT
from chainrule.checking.verdict import Verdict, one_each
from chainrule.encoder import Encoder
from chainrule.laws.of_layers._beside_float64 import UNITS, Allowance, BesideFloat64, largest_of
from chainrule.laws.of_layers._resized import of_other_lengths
from chainrule.laws.of_layers.structure import dtype_of
from chainrule.laws.trials.copies import in_dtype
from chainrule.laws.trials.trial import Checked, Trial, couples_rows, draw, measured
from chainrule.laws.trials.wording import plural

ROWS = (1, 129, 257)
"""Numbers of rows that are tried beside those of x."""

COLUMNS = (33, 129, 257)
"""Numbers of columns that are tried beside those of x, of layers without parameters."""

LARGER = 10
"""The times that some numbers of x are made as large as the others. Beyond it a softmax is all of one entry, and of
its derivative only what it cancels to is left. So is 1 - s(x) of a sigmoid, of which x * x may be a factor: that many
units are allowed, and ten times as many."""

REFUSE_DTYPE = "If this dtype is not meant, let forward refuse it"
"""The advice where backward raises in a dtype that forward takes."""

MOST_NUMBERS = 2**16
"""The most numbers in an array that is made for a check."""


def precision(layer: Checked[Any, Any], params: Any, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """In float32 and float16 the results have that dtype, and are those of float64 but for rounding.

    Where no argument is in float16 and float32 is right, a wider dtype or a moderate error in float16 is no fault for
    sure.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments to run it on. A dtype that it refuses is left out.
    rng
        The generator that draws.

    Returns
    -------
    list[Verdict]
        For each field in each dtype.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, laws
    >>> rng = np.random.default_rng(0)
    >>> params, x = Affine.init(rng, 3, 2), rng.standard_normal((4, 3)).astype(np.float32)
    >>> all(verdict.ok for verdict in laws.precision(affine, params, x, rng))
    True
    """
    own, _ = dtype_of(layer, params, x)
    subject = _Subject(layer, params, _noise(layer, params, x, rng), rng)
    single, half = np.dtype(np.float32), np.dtype(np.float16)
    in_single = Allowance(is_given=own == single)
    verdicts = [*subject.judged(x, single, "", in_single)]
    for case, other, units in chain(_of_other_rows(layer, x, rng), _of_other_columns(layer, params, x, rng)):
        verdicts += subject.judged(other, single, case, evolve(in_single, units=units))
    for case, other in _with_larger(layer, x, rng):
        verdicts += subject.judged(other, single, case, Allowance(may_overflow=True, units=UNITS * LARGER**3))
    for case, other, resized, units in _of_other_lengths(layer, params, x, rng):
        there = evolve(subject, params=resized, largest={})
        verdicts += there.judged(other, single, case, evolve(in_single, units=units))
    right = not any(each.wrong for each in verdicts)
    given = any(leaf.dtype == half for leaf in tree.leaves((params, x)))
    verdicts += subject.judged(x, half, "", Allowance(is_given=own == half, may_be_wide=right and not given))
    return one_each(verdicts)


def _of_other_rows(layer: Any, x: Any, rng: np.random.Generator) -> Iterator[tuple[str, Any, float]]:
    """Other numbers of rows of x, and the units that results may then be off by.

    What is summed over the rows one by one rounds as often as there are rows.
    """
    leaves = tree.leaves(x)
    n, size = len(leaves[0]) if leaves[0].ndim else 0, sum(leaf.size for leaf in leaves)
    if n and not couples_rows(layer, x):
        for rows in ROWS:
            if rows != n and size // n * rows <= MOST_NUMBERS:
                units = UNITS * math.sqrt(max(1, rows / n))
                yield f", with {plural(rows, 'row')}", tree.map(itemgetter(rng.integers(0, n, rows)), x), units


def _of_other_columns(layer: Any, params: Any, x: Any, rng: np.random.Generator) -> Iterator[tuple[str, Any, float]]:
    """Other numbers of columns of x, if there are no parameters, and the units that results may then be off by.

    What goes through the columns one by one rounds as often as there are columns.
    """
    if isinstance(layer, Encoder) or tree.leaves(params) or x.ndim < 2 or not x.size:
        return
    for columns in COLUMNS:
        if columns != x.shape[-1] and x[..., 0].size * columns <= MOST_NUMBERS:
            units = UNITS * math.sqrt(max(1, columns / x.shape[-1]))
            yield f", with {columns} columns", rng.choice(x.reshape(-1), (*x.shape[:-1], columns)), units


def _of_other_lengths(
    layer: Any, params: Any, x: Any, rng: np.random.Generator
) -> Iterator[tuple[str, Any, Any, float]]:
    """Parameters of other lengths after the x that fits them, and the units that results may then be off by.

    What goes through the longest axis one by one rounds as often as that is long.
    """
    if isinstance(layer, Encoder):
        return
    longest = max((n for leaf in tree.leaves(params) for n in leaf.shape), default=1)
    for case, (resized, other) in of_other_lengths(*in_dtype((params, x), np.dtype(np.float64)), rng).items():
        most = max(n for leaf in tree.leaves(resized) for n in leaf.shape)
        yield f", {case}", other, resized, UNITS * math.sqrt(max(1, most / longest))


def _with_larger(layer: Any, x: Any, rng: np.random.Generator) -> Iterator[tuple[str, Any]]:
    """Some numbers of x are made larger than the rest, unless all are shares."""
    if not isinstance(layer, Encoder) and x.size <= MOST_NUMBERS and ((x < 0) | (x > 1)).any():
        some: NDArray[np.bool_] = rng.random(np.shape(x)) < 0.5
        yield f", with numbers {LARGER} times as large", np.where(some, x, x * LARGER)


def _noise(layer: Any, params: Any, x: Any, rng: np.random.Generator) -> float:
    """The noise of a function that is given float64, and may compute in float32 nevertheless."""
    try:
        with np.errstate(all="ignore"):
            trial = Trial.in_float64(layer, params, x)
            return measured(Trial.in_float64(layer, params, trial.fewer), rng).noise
    except Exception:
        return UNIT


@frozen(eq=False)
class _Subject:
    """A layer with its parameters, its noise in float64, and the largest entries of its results so far."""

    layer: Any
    params: Any
    noise: float
    rng: np.random.Generator
    largest: dict[str, float] = field(factory=dict[str, float])

    def judged(self, x: Any, dtype: np.dtype[Any], case: str, allowed: Allowance) -> Iterator[Verdict]:
        at = f"in {dtype.name}{case}"
        try:
            with np.errstate(all="ignore"):
                if dtype == np.float16:
                    x = Trial.of(self.layer, self.params, x).fewer
                trial = Trial.of(self.layer, in_dtype(self.params, dtype), in_dtype(x, dtype))
        except Exception:
            return
        try:
            with np.errstate(all="ignore"):
                both = BesideFloat64.of(trial, draw(trial.out, self.rng).astype(dtype), self.rng, self.noise)
        except Exception as error:
            if dtype == np.float32 and not case:  # many functions have no derivative in float16
                note = f"{at} it raises {type(error).__name__}, though forward does not: {error}"
                yield Verdict("precision", "backward", ok=False, undecided=True, note=note, advice=REFUSE_DTYPE)
            return
        for name, leaf in both.right.items():
            self.largest[name] = max(self.largest.get(name, 0.0), largest_of(leaf))
        yield from both.verdicts(self.rng, at, evolve(allowed, largest=self.largest))


__all__ = ["precision"]
