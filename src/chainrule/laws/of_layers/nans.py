"""The law of what is no number: a nan or an infinity in `dout` shows in the results, and in its own row alone."""

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.arrays.types import Array
from chainrule.checking.verdict import Verdict
from chainrule.encoder import Encoder
from chainrule.laws.trials.trial import Checked, Fields, Trial, couples_rows, draw

NO_NUMBERS = {"nan": np.nan, "infinity": np.inf, "minus infinity": -np.inf}
"""The entries of a `dout` that are no numbers, by the word for them."""


def nan_shows(layer: Checked[Any, Any], params: Any, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """A nan or an infinity in a row of `dout` shows in that row of `dx` and in `grads`, and in no other row.

    Where a slope is 0, either is right.

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

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, laws
    >>> rng = np.random.default_rng(0)
    >>> params, x = Affine.init(rng, 3, 2), rng.standard_normal((4, 3)).astype(np.float32)
    >>> all(verdict.ok for verdict in laws.nan_shows(affine, params, x, rng))
    True
    """
    trial = Trial.in_float64(layer, params, x)
    dout = draw(trial.out, rng)
    if not dout.size:
        return []
    right = trial.back(dout)
    row = int(rng.integers(len(dout))) if dout.ndim else 0
    others = dout * (1.0 + rng.random(dout.shape))
    rowwise = not couples_rows(layer, x) and not isinstance(layer, Encoder) and dout.ndim > 0
    rowwise = rowwise and len(right["dx"]) == len(dout)
    places: dict[str, tuple[int, ...]] = {f"row {i} of dout": (i,) for i in (row, len(dout) - 1)} if dout.ndim else {}
    places["one entry of dout"] = (row, *(0 for _ in dout.shape[1:])) if dout.ndim else ()
    apart = trial.back(np.zeros_like(dout))  # a term that does not go with dout is no number that an entry moves
    notes: dict[str, str] = {}
    for (words, place), (word, value) in product(places.items(), NO_NUMBERS.items()):
        bad = dout.copy()
        bad[place] = value
        try:
            with np.errstate(all="ignore"):
                got = trial.back(bad)
        except (ValueError, FloatingPointError):  # it refuses them, which is an answer
            continue
        moved = _moved(trial, right, place, (dout, others), apart if len(place) > 1 else {})
        for name, leaf in got.items():
            if (moved[name] & np.isfinite(leaf)).any():
                notes[name] = f"{word} in {words} does not show in it: is it replaced by a number?"
        if rowwise and place and not _rest_is_usual(place[0], got["dx"], right["dx"]):
            notes["dx"] = f"{word} in {words} changes other rows"
    return [Verdict("nan_shows", name, ok=name not in notes, note=notes.get(name, "")) for name in right]


def _moved(
    trial: Trial, right: Fields, place: tuple[int, ...], douts: tuple[Array, Array], terms: Fields
) -> dict[str, NDArray[np.bool_]]:
    """The numbers of each result that a place of dout moves: for two douts of it alone, they are more than a term."""
    alone = np.zeros_like(douts[0])
    alone[place] = np.abs(douts[0][place])
    some = [trial.back(each) for each in (alone, np.where(alone != 0, douts[1], 0.0))]
    return {
        name: np.logical_and.reduce([np.abs(each[name] - terms.get(name, 0.0)) > 1e-9 * _size(leaf) for each in some])
        for name, leaf in right.items()
    }


def _rest_is_usual(row: int, got: Array, usual: Array) -> bool:
    rest, expected = (np.delete(each, [row], axis=0) for each in (got, usual))
    return np.allclose(rest, expected, rtol=1e-6, atol=1e-9 * _size(usual), equal_nan=True)


def _size(leaf: Array) -> float:
    return float(np.abs(leaf).max(initial=0.0))


__all__ = ["nan_shows"]
