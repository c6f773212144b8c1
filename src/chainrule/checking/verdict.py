"""Verdicts: the result of a law for one field of a layer, with the numbers that led to it."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from attrs import field as attribute
from attrs import frozen
from numpy.typing import NDArray


@frozen
class Verdict:
    """The result of one law for one field.

    Parameters
    ----------
    law
        The name of the law, that of its function in `chainrule.laws`.
    field
        What was compared: `"out"`, `"dx"`, `"grads[0].W"`.
    ok
        Whether the law holds.
    note
        The finding, in words: a hint at the mistake if it does not hold, what was left out if it does.
    error
        The largest error, relative to the largest entry of the field; nan where nothing was measured.
    bound
        What the error may be.
    index
        The index of the largest error in the field.
    got, expected
        The two numbers there.
    undecided
        Whether the law could not tell: `ok` is false, and the layer is not found wrong either.
    power
        The smallest error of a typical entry that would have been seen, relative to it; nan where nothing was measured.
    advice
        What to do if the layer is right: to let forward refuse what it is not meant for.
    point
        The arguments that the law is broken at, from which lines that show it are made. A report has none.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Layer, check_layer, relu
    >>> rng = np.random.default_rng(0)
    >>> doubled = Layer(relu.forward, lambda cache, dout: (2 * relu.backward(cache, dout)[0], ()))
    >>> verdict = check_layer(doubled, (), rng.standard_normal((4, 3)), rng=rng).failures[0]
    >>> verdict.law, verdict.field, round(verdict.got / verdict.expected, 6)
    ('derivative', 'dx', 2.0)
    >>> verdict.note
    'it is twice what it should be: is it added twice, or from an earlier call?'
    """

    law: str
    field: str
    ok: bool
    note: str = ""
    error: float = math.nan
    bound: float = math.nan
    index: tuple[int, ...] = ()
    got: float = math.nan
    expected: float = math.nan
    undecided: bool = False
    power: float = math.nan
    advice: str = ""
    point: object = attribute(default=None, eq=False, repr=False)

    @property
    def wrong(self) -> bool:
        """True if the law is broken: neither does it hold, nor is it undecided."""
        return not self.ok and not self.undecided


def entry(name: str, index: tuple[Any, ...]) -> str:
    """An entry of an array in words: `"x[1, 2]"`; of an array without axes, its name."""
    return f"{name}[{', '.join(map(str, index))}]" if index else name


def index_of(place: int | np.integer[Any], shape: tuple[int, ...]) -> tuple[int, ...]:
    """The index of a place in the flattened array, as verdicts hold it."""
    return tuple(int(i) for i in np.unravel_index(int(place), shape))


def index_of_largest(values: NDArray[Any]) -> tuple[int, ...]:
    """The index of the largest entry of an array; of a mask, that of the first which is true."""
    return index_of(np.argmax(values), values.shape)


def one_each(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """One verdict for each field: the first that is wrong, or else that can't tell, or else that is right."""
    by_field: dict[str, Verdict] = {}
    for verdict in verdicts:
        if verdict.field not in by_field or _rank(verdict) < _rank(by_field[verdict.field]):
            by_field[verdict.field] = verdict
    return list(by_field.values())


def _rank(verdict: Verdict) -> int:
    return 0 if verdict.wrong else 1 if verdict.undecided else 2


def compare(
    law: str,
    name: str,
    got: NDArray[Any],
    expected: NDArray[Any],
    bound: float,
    *,
    slack: float = 0.0,
    least: float = 0.0,
    note: str = "",
) -> Verdict:
    """Compare two arrays of one shape, entry by entry; the verdict is on the entry that exceeds its bound by most.

    Where `expected` is nan there is nothing to compare with; another nan is an infinite error. The error may be
    `bound`, relative to the largest entry of `expected`, and `slack` besides, relative to the entry itself. The largest
    entry counts for `least` at least: where all of `expected` cancels, as the gradient of a bias before a batch norm
    does, nothing but rounding is left, and its size is that of other fields.
    """
    if got.shape != expected.shape:
        return Verdict(law, name, ok=False, note=f"has shape {got.shape}, expected {expected.shape}")
    known = ~np.isnan(expected)
    if not known.any():
        return Verdict(law, name, True, note or "nothing to compare", error=0.0, bound=bound)
    largest = max(float(np.abs(expected[known]).max()), least)
    scale = largest if largest > 0 else 1.0
    with np.errstate(all="ignore"):
        error = np.asarray(np.where(known, np.abs(got - expected), 0.0))
        excess = np.asarray(error - slack * np.where(known, np.abs(expected), 0.0))
    excess[np.isnan(excess)] = np.inf
    error[np.isnan(error)] = np.inf
    worst = index_of_largest(excess)
    return Verdict(
        law,
        name,
        bool(excess[worst] <= bound * scale),
        note,
        error=float(error[worst]) / scale,
        bound=bound,
        index=worst,
        got=float(got[worst]),
        expected=float(expected[worst]),
    )
