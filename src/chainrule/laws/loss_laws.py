"""The laws of losses. Each takes a loss, an output, targets and a Generator, and gives a verdict for every field."""

import math
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import product
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np
from attrs import evolve, frozen

from chainrule import tree
from chainrule.arrays.arguments import describe
from chainrule.arrays.types import Array, is_any_tuple, is_numpy, is_tuple
from chainrule.checking.bursts import UNIT
from chainrule.checking.verdict import Verdict, compare, one_each
from chainrule.laws._loss_cases import Case, other_sizes, other_targets
from chainrule.laws._made import UNITS
from chainrule.laws.call_laws import in_other_calls
from chainrule.laws.copies import in_dtype, in_float64, read_only_copy, writable
from chainrule.laws.derivative_law import derivative, noted
from chainrule.laws.directions import REFUSE, Part, by_directions
from chainrule.laws.dtype_laws import Both, floors, precision
from chainrule.laws.layer_laws import ROUNDING
from chainrule.laws.memory_laws import all_written, any_layout, layouts_of, lent, nothing_shared
from chainrule.laws.row_laws import rows_of, taken
from chainrule.laws.state_laws import calls_in_between, process_unchanged, threads
from chainrule.laws.trial import Fields, Trial, arrays_in, measured, sizes_of, units_of
from chainrule.laws.value_laws import any_dout, other_values
from chainrule.layer import Layer
from chainrule.loss import Loss
from chainrule.rules.passes import in_pass

T = TypeVar("T")
C = TypeVar("C")

FEW = 2
"""Columns of a loss that is made for them: one score, two, or a mean and a variance."""

MOST_IN_FLOAT32, IN_FLOAT16_TOO = 2**12, ("", "with 129 rows")
"""The most numbers in an out that is tried in float32 too, and the cases that are tried in float16."""

UNITS_OF_FLOAT16 = 32.0
"""The units of rounding that a result in float16 may be off by at other sizes: more than at those that are given."""

NANS, NANS_ROWS = 3, 8
"""The number of entries of an out that are set to nan, each alone, and of rows that are drawn in place of its row."""

ALL_PAIRS = 257
"""The most rows at which a wrong entry is searched for, of a loss whose rows are coupled."""

NOISES = 64
"""By how many times its own noise a loss may break an equality, as layers may: in float32, by about 2e-6."""

FAR = 1000.0
"""By how much one row is moved away from the others, which should not notice."""

LossLaw: TypeAlias = Callable[[Loss[Any, Any], Array, Any, np.random.Generator], list[Verdict]]


def loss_structure(loss: Loss[T, C], out: Array, targets: T, rng: np.random.Generator) -> list[Verdict]:
    """The loss is one number in the dtype of `out`, and `dout` has the shape and dtype of `out`.

    Parameters
    ----------
    loss, out, targets
        The loss, and the arguments to run it on.
    rng
        Not used: all laws of losses take one.

    Returns
    -------
    list[Verdict]
        For the loss and `dout`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import laws, mean_squared_error
    >>> rng = np.random.default_rng(0)
    >>> out, targets = rng.standard_normal((2, 4, 3))
    >>> all(verdict.ok for verdict in laws.loss_structure(mean_squared_error, out, targets, rng))
    True
    """
    value, cache = _forward(loss, out, targets)
    dout = loss.backward(cache, 1.0)
    one = np.zeros((), out.dtype)
    return [_alike("loss", value, one), _alike("dout", dout, out)]


def loss_derivative(loss: Loss[T, C], out: Array, targets: T, rng: np.random.Generator) -> list[Verdict]:
    """`backward(1)` is the gradient of the loss with respect to `out`, entry by entry.

    It is computed in float64 on copies: by complex step where the loss is analytic, by bursts of differences elsewhere.

    Parameters
    ----------
    loss, out, targets
        The loss, and the arguments to run it on.
    rng
        The generator of the direction in which the two methods are compared first.

    Returns
    -------
    list[Verdict]
        For `dout`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import laws, mean_squared_error
    >>> rng = np.random.default_rng(0)
    >>> out, targets = rng.standard_normal((2, 4, 3))
    >>> all(verdict.ok for verdict in laws.loss_derivative(mean_squared_error, out, targets, rng))
    True
    """
    verdicts = derivative(as_layer(loss, in_float64(targets)), (), out, rng)
    of_dout = _renamed("loss_derivative", [each for each in verdicts if each.field == "dx"])
    return _of_ignored(loss, out, targets, of_dout)


IGNORED = "it is the same for every dloss: was it ignored?"
"""The words for a backward that does not depend on dloss, which is then off by any factor."""


def _of_ignored(loss: Loss[T, C], out: Array, targets: T, verdicts: list[Verdict]) -> list[Verdict]:
    """The verdicts, of which those that are wrong say so if dloss is ignored."""
    if not any(each.wrong for each in verdicts):
        return verdicts
    _, cache = _forward(loss, out, targets)
    once, twice = (np.array(loss.backward(cache, dloss)) for dloss in (1.0, 2.0))
    ignored = once.any() and _equal(once, twice)
    return [evolve(each, note=IGNORED) if ignored and each.wrong else each for each in verdicts]


def loss_linearity(loss: Loss[T, C], out: Array, targets: T, rng: np.random.Generator) -> list[Verdict]:
    """`backward` is linear in `dloss`: `b(k) = k b(1)`, and `b(0) = 0` exactly.

    A `dloss` of nan shows in it wherever it is not 0.

    Parameters
    ----------
    loss, out, targets
        The loss, and the arguments to run it on.
    rng
        The generator that draws k, and the direction in which the rounding of the loss is measured.

    Returns
    -------
    list[Verdict]
        For `dout`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import laws, mean_squared_error
    >>> rng = np.random.default_rng(0)
    >>> out, targets = rng.standard_normal((2, 4, 3))
    >>> all(verdict.ok for verdict in laws.loss_linearity(mean_squared_error, out, targets, rng))
    True
    """
    out, targets = in_float64(out), in_float64(targets)
    _, cache = _forward(loss, out, targets)
    k = 1.5 + float(rng.random())
    once, often, never = (np.array(loss.backward(cache, dloss)) for dloss in (1.0, k, 0.0))
    note = IGNORED if np.array_equal(once, often) and once.any() else ""
    known = np.isfinite(once)  # a nan or an infinity times 0 is no number
    if never[known].any():
        return [Verdict("loss_linearity", "dout", ok=False, note=note or "it is not 0 for dloss = 0")]
    with suppress(ValueError, ArithmeticError), np.errstate(all="ignore"):  # it refuses a nan, which is an answer
        if np.isfinite(np.asarray(loss.backward(cache, math.nan))[known & (once != 0)]).any():
            words = "a dloss of nan does not show in it: is it replaced by a number?"
            return [Verdict("loss_linearity", "dout", ok=False, note=note or words)]
    expected = np.where(known, k * once, np.nan)
    return [compare("loss_linearity", "dout", often, expected, _rounding(loss, out, targets, rng), note=note)]


def _rounding(loss: Loss[T, C], out: Array, targets: T, rng: np.random.Generator) -> float:
    """The error that an equality may have: `ROUNDING`, or more of a loss that computes in float32 in any case."""
    base = measured(Trial.in_float64(as_layer(loss, targets), (), out), rng)
    return max(ROUNDING, NOISES * base.noise)


def loss_purity(loss: Loss[T, C], out: Array, targets: T, rng: np.random.Generator) -> list[Verdict]:
    """No argument is written to, read-only ones are accepted, calls repeat, and writing to `out` changes no gradient.

    So it is for one row and in other dtypes, and for a `dloss` that is a writable array.

    Parameters
    ----------
    loss, out, targets
        The loss, and the arguments to run it on; copies are used.
    rng
        Not used: all laws of losses take one.

    Returns
    -------
    list[Verdict]
        For arguments, repetition and ownership.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import laws, mean_squared_error
    >>> rng = np.random.default_rng(0)
    >>> out, targets = rng.standard_normal((2, 4, 3))
    >>> all(verdict.ok for verdict in laws.loss_purity(mean_squared_error, out, targets, rng))
    True
    """
    verdicts: list[Verdict] = []
    for case, given, wanted in _other_copies(out, targets):
        try:
            verdicts += _pure(loss, given, wanted, case)
        except Exception:
            if not case:
                raise
            continue  # it refuses this size or dtype, which is an answer
    return one_each(verdicts)


def _other_copies(out: Array, targets: T) -> Iterator[tuple[str, Array, T]]:
    """The arguments as they are, one row of them, and all in other dtypes."""
    yield "", out, targets
    if len(out) > 1 and _in_rows(out, targets):
        yield "with 1 row", out[:1], tree.map(partial(_row, 0), targets)
    for dtype in map(np.dtype, (np.float32, np.float64, np.float16)):
        if dtype != out.dtype:
            yield f"in {dtype.name}", in_dtype(out, dtype), in_dtype(targets, dtype)


def _in_rows(out: Array, targets: Any) -> bool:
    """Tell whether all targets have a row for each of out."""
    return all(leaf.ndim and len(leaf) == len(out) for leaf in tree.leaves(targets))


def _pure(loss: Loss[T, C], out: Array, targets: T, case: str) -> list[Verdict]:
    """The verdicts on the purity of calls with copies of these arguments."""
    given, wanted = writable(out), writable(targets)
    value, cache = _forward(loss, given, wanted)
    kept = [array.copy() for array in arrays_in(cache)]
    first = np.array(loss.backward(cache, 1.0))
    written = "" if all(map(_equal, kept, arrays_in(cache))) else WROTE
    written = _written(out, targets, given, wanted) or written or _written_to_dloss(loss, cache, out.dtype)
    try:
        frozen_value, frozen_cache = _forward(loss, read_only_copy(out), read_only_copy(targets))
        again = np.array(loss.backward(frozen_cache, 1.0))
    except Exception as error:
        if not case:
            raise
        note = written or f"read-only ones are refused: {type(error).__name__}: {error}"
        return [Verdict("loss_purity", "arguments", ok=False, note=f"{case}: {note}")]
    repeats = tree.equal((value, first), (frozen_value, again)) and tree.equal(first, loss.backward(cache, 1.0))
    for leaf in tree.leaves((given, wanted)):
        leaf[...] = -2 * leaf if leaf.dtype.kind == "f" else leaf == 0  # other sizes and signs, other labels
    owns = not repeats or tree.equal(first, loss.backward(cache, 1.0))
    shares = "the cache shares the memory of out or targets: hold own(...) of them in it"
    notes = {
        "arguments": written,
        "repetition": "" if repeats else "the same call gives other numbers",
        "ownership": "" if owns else shares,
    }
    at = f"{case}: " if case else ""
    return [Verdict("loss_purity", name, not note, note and f"{at}{note}") for name, note in notes.items()]


WROTE = "a call wrote to one of its arguments"


def _written(out: Array, targets: T, given: Array, wanted: T) -> str:
    """The fault of calls that did something to the copies of arguments, in words; they are writable afterwards."""
    locked = [leaf for leaf in tree.leaves((given, wanted)) if not leaf.flags.writeable]
    for leaf in locked:
        leaf.flags.writeable = True
    if locked:
        return "a call made one of its arguments read-only, which is the caller's"
    return "" if tree.equal((out, targets), (given, wanted)) else WROTE


def _written_to_dloss(loss: Loss[Any, C], cache: C, dtype: np.dtype[Any]) -> str:
    """The fault of a backward that writes to a dloss which is a writable array, in words."""
    dloss = np.array(1.5, dtype)
    loss.backward(cache, dloss)
    return "" if dloss == 1.5 else "backward wrote to its dloss"


def mean_of_rows(loss: Loss[T, C], out: Array, targets: T, rng: np.random.Generator) -> list[Verdict]:
    """The loss is the mean of `rows`, and each row's loss depends on that row alone, unless it says `couples_rows`.

    So it does beside a row that is far away, in the numbers of rows that the loss takes, in reverse order, and for
    other targets.

    Parameters
    ----------
    loss, out, targets
        The loss, and the arguments to run it on.
    rng
        The generator of the direction in which the rounding of the loss is measured.

    Returns
    -------
    list[Verdict]
        For the loss and the rows.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import laws, mean_squared_error
    >>> rng = np.random.default_rng(0)
    >>> out, targets = rng.standard_normal((2, 4, 3))
    >>> all(verdict.ok for verdict in laws.mean_of_rows(mean_squared_error, out, targets, rng))
    True
    """
    out, targets = in_float64(out), in_float64(targets)
    value, _ = _forward(loss, out, targets)
    rows = loss.rows(out, targets)
    if not isinstance(rows, np.ndarray | np.generic) or rows.shape != out.shape[:-1]:
        note = f"is {describe(rows)}, expected an array of shape {out.shape[:-1]}"
        return [Verdict("mean_of_rows", "rows", ok=False, note=note)]
    rounding = _rounding(loss, out, targets, rng)
    of_loss = compare("mean_of_rows", "loss", np.asarray(value), np.asarray(rows.mean()), rounding)
    of_rows = Verdict("mean_of_rows", "rows", ok=True, note="declared: rows are coupled")
    if not loss.couples_rows:
        of_rows = _alone(loss, out, targets, rows, rounding)
    n = len(out)
    for which in (np.arange(1), np.arange(n // 2, n), np.arange(2 * n) % n, np.arange(n)[::-1]):
        with suppress(Exception):
            some = np.asarray(loss.rows(out[which], tree.map(partial(taken, which), targets)))
            value_of = np.asarray(_forward(loss, out[which], tree.map(partial(taken, which), targets))[0])
            if of_loss.ok:
                of_loss = compare("mean_of_rows", "loss", value_of, np.asarray(some.mean()), rounding)
            if of_rows.ok and not loss.couples_rows:
                of_rows = compare("mean_of_rows", "rows", some, rows[which], rounding)
    of_rows = of_rows if of_rows.note else noted(of_rows, "rows depend on each other")
    of_loss = noted(of_loss, "the loss is not the mean of its rows: a sum?")
    kept = _kept_of_targets(loss, out, targets, rounding, rng) if of_loss.ok else None
    return [kept or of_loss, of_rows]


def _kept_of_targets(
    loss: Loss[T, C], out: Array, targets: T, rounding: float, rng: np.random.Generator
) -> Verdict | None:
    """The verdict on a loss that is not the mean of its rows after calls with other targets, if it is such a one."""
    case: Case
    for case in (*other_targets(out, targets, rng), ("again", out, targets)):
        words, given, wanted = case
        with suppress(Exception), np.errstate(all="ignore"):  # it refuses them, which is an answer
            value, rows = np.asarray(_forward(loss, given, wanted)[0]), np.asarray(loss.rows(given, wanted))
            if not np.isfinite(rows).all():
                continue
            note = f"{words} it is not the mean of its rows: does it keep something of earlier targets?"
            largest = float(np.abs(rows).max(initial=0.0))
            verdict = compare(
                "mean_of_rows", "loss", value, np.asarray(rows.mean()), rounding, least=largest, note=note
            )
            if not verdict.ok:
                return verdict
    return None


def _alone(loss: Loss[T, C], out: Array, targets: T, rows: Array, rounding: float) -> Verdict:
    """The verdict on rows beside those of each row alone, and beside those where one row is far away."""
    try:
        alone = [loss.rows(out[i : i + 1], tree.map(partial(_row, i), targets)) for i in range(len(out))]
        verdict = compare("mean_of_rows", "rows", rows, np.concatenate(alone), rounding)
    except Exception:
        if _takes(loss, out[:1], tree.map(partial(_row, 0), targets)):
            raise
        verdict = Verdict("mean_of_rows", "rows", ok=True, note=f"it takes no single row of {len(out)}")
    far = (each for each in _beside_a_far_row(loss, out, targets, rows, rounding) if not each.ok)
    return next(far, verdict) if verdict.ok else verdict


def _takes(loss: Loss[T, C], out: Array, targets: T) -> bool:
    """Tell whether forward takes these arguments."""
    try:
        _forward(loss, out, targets)
    except Exception:  # noqa: BLE001  # it refuses them, which is an answer
        return False
    return True


def _beside_a_far_row(loss: Loss[T, C], out: Array, targets: T, rows: Array, rounding: float) -> Iterator[Verdict]:
    """The verdicts on rows beside one that is far away, and on that one, as where all share a largest number."""
    if len(out) < 2 or ((out >= 0) & (out <= 1)).all():
        return
    for far in (FAR, -FAR):
        moved = out.copy()
        moved[0] += far
        if ((out > 0).all() or (out < 0).all()) and (np.sign(moved) != np.sign(out)).any():
            continue  # outside of the domain, perhaps
        with suppress(Exception):  # it refuses these numbers, which is an answer
            beside = np.asarray(loss.rows(moved, targets))
            yield _as_alone(beside[1:], rows[1:], rounding)
            yield _as_alone(beside[:1], np.asarray(loss.rows(moved[:1], tree.map(partial(_row, 0), targets))), rounding)


def _as_alone(beside: Array, alone: Array, rounding: float) -> Verdict:
    """The verdict on rows beside a far one, where they are finite alone."""
    expected = np.where(np.isfinite(alone), alone, np.nan)
    note = f"rows depend on each other where one of them is {FAR:.0f} away: is a largest number shared?"
    return compare("mean_of_rows", "rows", beside, expected, rounding, note=note)


def loss_at_once(loss: Loss[T, C], out: Array, targets: T, rng: np.random.Generator) -> list[Verdict]:
    """The rule of a loss has the results of `forward` and `backward`, to the last bit, and writes to no argument.

    Parameters
    ----------
    loss, out, targets
        The loss, and the arguments to run it on.
    rng
        The generator that draws `dloss`.

    Returns
    -------
    list[Verdict]
        For arguments, the loss and `dout`; none if the loss has no rule.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import laws, mean_squared_error
    >>> rng = np.random.default_rng(0)
    >>> out, targets = rng.standard_normal((2, 4, 3))
    >>> all(verdict.ok for verdict in laws.loss_at_once(mean_squared_error, out, targets, rng))
    True
    """
    if loss.rule is None:
        return []
    k = float(rng.standard_normal())
    value, cache = _forward(loss, out, targets)
    dout = loss.backward(cache, k)
    given, wanted = writable(out), writable(targets)
    one, other = loss.rule.at_once(in_pass(given, ()), given, wanted, k)
    untouched = tree.equal((out, targets), (given, wanted))
    return [
        Verdict("loss_at_once", "arguments", untouched, "" if untouched else "it wrote to one of its arguments"),
        compare("loss_at_once", "loss", np.asarray(one), np.asarray(value), 0.0),
        compare("loss_at_once", "dout", other, dout, 0.0),
    ]


def loss_values(loss: Loss[T, C], out: Array, targets: T, rng: np.random.Generator) -> list[Verdict]:
    """The gradient is right for other outputs too: small, large, equal, saturated ones, and for every `dloss`.

    A nan in a row of `out` that makes the loss nan shows in that row of the gradient.

    Parameters
    ----------
    loss, out, targets
        The loss, and the arguments to run it on.
    rng
        The generator that draws.

    Returns
    -------
    list[Verdict]
        For `dout`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import laws, mean_squared_error
    >>> rng = np.random.default_rng(0)
    >>> out, targets = rng.standard_normal((2, 4, 3))
    >>> all(verdict.ok for verdict in laws.loss_values(mean_squared_error, out, targets, rng))
    True
    """
    layer = as_layer(loss, targets, rows=_rows_of(out))
    verdicts = [*other_values(layer, (), out, rng), *any_dout(layer, (), out, rng)]
    found = _one("loss_values", [*_overflows(layer, out, rng), *verdicts, *_of_nan(loss, out, targets, rng)])
    return _of_ignored(loss, out, targets, found)


def _overflows(layer: Any, out: Array, rng: np.random.Generator) -> Iterator[Verdict]:
    """A loss is there in float64 where a wider format, whose numbers go a thousand times as far, has one."""
    if np.finfo(np.longdouble).maxexp <= np.finfo(np.float64).maxexp:
        return
    signs = np.sign(out), rng.choice([-1.0, 1.0], out.shape), np.full(out.shape, -1.0), _of_rows_in_turn(out.shape)
    for size in (1e3, 1e4):
        for x in (size * each for each in signs):
            try:
                with np.errstate(all="ignore"):
                    wide = Trial.of(layer, (), x.astype(np.longdouble))
                    there = Trial.of(layer, (), x.astype(np.float64))
                    slope, other = there.back(np.ones(()))["dx"], wide.back(np.ones((), np.longdouble))["dx"]
            except Exception:  # noqa: BLE001, S112  # it refuses one of them, which is an answer
                continue
            most = float(np.finfo(np.float64).max)
            if np.isfinite(wide.out) and abs(wide.out) < most and not np.isfinite(there.out):
                note = f"for out of {size:.0e} it is not finite, though the loss is {float(wide.out):.6g}"
                note += ": an exponential that overflows?"
                yield Verdict("", "out", ok=False, note=note, got=float(there.out), expected=float(wide.out))
            elif np.abs(other).max(initial=0.0) < most and not np.isfinite(slope).all():
                yield Verdict("", "dx", ok=False, note=f"for out of {size:.0e} it is not finite")
            else:
                off = np.abs(slope - other.astype(np.float64))
                if (
                    np.abs(other).max(initial=0.0) < most
                    and off.max(initial=0.0) > 1e-6 * np.abs(other).max(initial=0.0) > 1e-300
                ):
                    yield Verdict(
                        "", "dx", ok=False, note=f"for out of {size:.0e} it is another than in a wider format"
                    )


def _of_rows_in_turn(shape: tuple[int, ...]) -> Array:
    """Signs of which every second row has the other one, as where rows share their largest number."""
    signs = np.ones(shape)
    if shape:
        signs[1::2] = -1
    return signs


def _of_nan(loss: Loss[T, C], out: Array, targets: T, rng: np.random.Generator) -> Iterator[Verdict]:
    """The verdicts on a nan in out that makes the loss nan, where it does not show in that row of dout.

    A loss that chooses between cases, as hinge does, compares the nan, which is false, and rightly gives the gradient
    of one of the cases. It is the same at several numbers in the place of the nan. Where none are found, of a loss that
    has cases, or of which the nan changes other entries, it can't be told.
    """
    for place in rng.integers(0, out.size, NANS) if out.ndim and out.size else ():
        index = np.unravel_index(int(place), out.shape)
        given = out.copy()
        given[index] = np.nan
        value, row = _row_of_dout(loss, given, targets, index[0])
        if row is None or not np.isnan(value) or not np.isfinite(row).all():
            continue
        _, usual = _row_of_dout(loss, out, targets, index[0])
        others = np.ones(row.shape, bool)
        others[index[1:]] = False
        cases = usual is None or bool(((row != usual) & others).any())
        for pair in _in_place_of_nan(out, targets, index, rng):
            one, other = (_row_of_dout(loss, each, targets, index[0])[1] for each in pair)
            same = one is not None and other is not None and np.array_equal(one, other)
            cases = cases or same
            if same and np.array_equal(row, np.asarray(one)):
                break
        else:
            at = f"out{[int(i) for i in index]}"
            note = f"a nan in {at} makes the loss nan and does not show in that row: is it replaced by a number?"
            yield Verdict("", "dx", ok=False, note=note, undecided=cases)


def _row_of_dout(loss: Loss[T, C], out: Array, targets: T, row: Any) -> tuple[float, Array | None]:
    """The loss, and a row of its gradient; nan and None where it refuses the arguments."""
    try:
        with np.errstate(all="ignore"):
            value, cache = _forward(loss, out, targets)
            return float(value), np.array(loss.backward(cache, 1.0)[row])
    except Exception:  # noqa: BLE001  # it refuses them, which is an answer
        return math.nan, None


def _in_place_of_nan(
    out: Array, targets: Any, index: tuple[Any, ...], rng: np.random.Generator
) -> Iterator[tuple[Array, Array]]:
    """Pairs of outputs, between which one case of a loss holds: with other numbers at a place, or in its row."""
    like = [np.asarray(leaf, out.dtype) for leaf in tree.leaves(targets) if leaf.shape == out.shape]
    size = float(np.abs(out).max()) or 1.0
    for start in (0.0, out[index], *(leaf[index] for leaf in like)):
        for power, sign in product((-20, -8, -1, 3, 10), (1.0, -1.0)):
            pair = (out.copy(), out.copy())
            for k, each in enumerate(pair):
                each[index] = start + sign * size * 2.0 ** (power + k)
            yield pair
    drawn = rng.standard_normal((NANS_ROWS, *out.shape[1:]))
    for row, sign in product((out[index[0]], *(leaf[index[0]] for leaf in like), *drawn), (1.0, -1.0)):
        pair = (out.copy(), out.copy())
        for k, each in enumerate(pair):
            each[index[0]] = sign * 2.0 ** (10 + k) * row
        yield pair


def loss_targets(loss: Loss[T, C], out: Array, targets: T, rng: np.random.Generator) -> list[Verdict]:
    """The gradient is right for other targets and sizes: the first and the last label, equal ones, zeros, large ones.

    A loss may be made for its number of columns: where a `dout` for another number has not that shape, it can't be told
    whether forward should have refused it.

    Parameters
    ----------
    loss, out, targets
        The loss, and the arguments to run it on. What the loss refuses is left out.
    rng
        The generator that draws.

    Returns
    -------
    list[Verdict]
        For `dout`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import laws, mean_squared_error
    >>> rng = np.random.default_rng(0)
    >>> out, targets = rng.standard_normal((2, 4, 3))
    >>> all(verdict.ok for verdict in laws.loss_targets(mean_squared_error, out, targets, rng))
    True
    """
    base = measured(Trial.in_float64(as_layer(loss, targets), (), out), rng)
    verdicts: list[Verdict] = []
    others = (*other_sizes(base.x, targets, rng), *other_targets(base.x, targets, rng))
    for words, given, wanted in others:
        try:
            with np.errstate(all="ignore"):
                trial = Trial.in_float64(as_layer(loss, wanted), (), given).with_noise(base.noise)
                trial = evolve(trial, floor=UNIT)
                made_for = _made_for_columns(base.x, trial, words)
                if made_for is not None:
                    verdicts += made_for
                elif np.isfinite(trial.out).all():
                    verdicts += _compared(trial, rng, words, pairs=loss.couples_rows and len(given) > ALL_PAIRS)
        except Exception:  # noqa: BLE001, S112  # it refuses these targets, which is an answer
            continue
        if any(each.wrong for each in verdicts):
            break  # the others would say the same, of larger ones slowly
    return _of_ignored(loss, out, targets, _one("loss_targets", verdicts))


def _made_for_columns(out: Array, trial: Trial, words: str) -> list[Verdict] | None:
    """The verdict on a loss whose gradient has not the shape of an out with another number of columns; None if it has.

    Nothing is said of one that is made for one column or two, or for more than there are.
    """
    if trial.x.shape[-1:] == out.shape[-1:]:
        return None
    shape = trial.back(np.ones_like(trial.out))["dx"].shape
    if shape == trial.x.shape:
        return None
    if out.shape[-1] <= FEW or (len(shape) == out.ndim and trial.x.shape[-1] < out.shape[-1]):
        return []
    note = f"{words}: has shape {shape}, expected {trial.x.shape}. {REFUSE}"
    return [Verdict("loss_targets", "dx", ok=False, undecided=True, note=note)]


def _compared(trial: Trial, rng: np.random.Generator, words: str, *, pairs: bool) -> list[Verdict]:
    """The verdict on the gradient at other targets.

    Where a call may go through many pairs of rows, it is that along one direction, and no entry is searched for, which
    takes hundreds of calls.
    """
    if not pairs:
        douts = [np.ones_like(trial.out), np.full_like(trial.out, -2.0)]
        return by_directions("loss_targets", trial, douts, rng, case=words)
    dout = np.ones_like(trial.out)
    part = Part(trial, "dx", dout, trial.back(dout)["dx"], units_of(trial, dout, rng))
    moves = sizes_of(trial.x) * rng.choice([-1.0, 1.0], trial.x.shape)
    half = rng.integers(0, 2, trial.x.shape, np.int8)
    miss = part.along(moves)
    if not math.isfinite(miss.allowed) or miss.ratio <= 1:
        return [Verdict("loss_targets", "dx", ok=True)]
    sure = part.steady(moves, miss) and part.adds_up(half * moves, (1 - half) * moves)
    note = f"{words}: it is wrong along a direction in which all of x moves"
    return [Verdict("loss_targets", "dx", False, note, got=miss.got, expected=miss.middle, undecided=not sure)]


def loss_precision(loss: Loss[T, C], out: Array, targets: T, rng: np.random.Generator) -> list[Verdict]:
    """In float32 and float16 the loss and its gradient have that dtype, and are those of float64 but for rounding.

    So they are for other outputs, targets and sizes, where more rounding is let pass.

    Parameters
    ----------
    loss, out, targets
        The loss, and the arguments to run it on.
    rng
        The generator that draws.

    Returns
    -------
    list[Verdict]
        For the loss and `dout`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import laws, mean_squared_error
    >>> rng = np.random.default_rng(0)
    >>> out, targets = rng.standard_normal((2, 4, 3))
    >>> all(verdict.ok for verdict in laws.loss_precision(mean_squared_error, out, targets, rng))
    True
    """
    rounded = tree.map(_as_float16, targets)  # which all dtypes hold
    verdicts = precision(as_layer(loss, rounded), (), out, rng)
    try:
        loss.forward(in_float64(out), in_float64(rounded))
    except Exception:  # noqa: BLE001  # as of shares, whose sum is then not 1
        rounded = targets
    verdicts += _elsewhere(loss, out, rounded, rng)
    layer = as_layer(loss, rounded, rows=_rows_of(out))
    if not any(each.wrong for each in verdicts):
        found = in_other_calls(layer, (), out, rng, of_loss=True)
        verdicts += [_with_its_targets(each) for each in found]
    wrong = [each for each in verdicts if each.wrong]  # which stand before those that can't tell
    return _renamed("loss_precision", one_each([*wrong, *verdicts]))


def _elsewhere(loss: Loss[T, C], out: Array, targets: T, rng: np.random.Generator) -> Iterator[Verdict]:
    """The wrong verdicts for other sizes and targets: all in float32, and in float16 that of many rows and as given."""
    base = measured(Trial.in_float64(as_layer(loss, targets), (), out), rng)
    usual = {"out": base.out, **base.back(np.ones_like(base.out))}
    as_given: Case = ("", out, targets)
    for words, given, wanted in (as_given, *other_sizes(out, targets, rng), *other_targets(out, targets, rng)):
        if given.size > MOST_IN_FLOAT32:
            continue
        layer = as_layer(loss, wanted)
        in_float16 = words in IN_FLOAT16_TOO and not loss.couples_rows  # sums over rows lose too much
        for dtype in (np.float32, np.float16) if in_float16 else (np.float32,):
            judged = partial(_beside_float64, layer, given.astype(dtype), words, usual, rng)
            with suppress(Exception), np.errstate(all="ignore"):  # it refuses these, which is an answer
                found = judged(base.noise)
                if found:  # it may have more noise here
                    found = judged(measured(Trial.in_float64(layer, (), given), rng).noise)
                # Near its least value a loss may be all that is left of larger numbers.
                least = _units_of(given.astype(dtype)) * float(np.finfo(dtype).eps) * abs(float(base.out))
                yield from (each for each in found if each.field != "out" or not abs(each.got - each.expected) < least)


def _beside_float64(
    layer: Any, out: Array, words: str, usual: Fields, rng: np.random.Generator, noise: float
) -> list[Verdict]:
    """The wrong verdicts on the results in a dtype, beside those in float64, in which the loss has that noise."""
    trial = Trial.of(layer, (), out)
    both = Both.of(trial, np.ones_like(trial.out), rng, noise)
    units = _units_of(out)
    at = f"in {out.dtype.name}{words and f', {words}'}"
    judged = both.verdicts(rng, at, theirs=False, may_overflow=True, units=units, largest=floors(usual, units))
    return [each for each in judged if each.wrong]


def _units_of(out: Array) -> float:
    return UNITS[4] if out.dtype == np.float32 else UNITS_OF_FLOAT16


def _with_its_targets(verdict: Verdict) -> Verdict:
    """The verdict with a point whose targets have as many rows as its out, for the lines that show it."""
    part = verdict.point
    if not isinstance(part, Part):
        return verdict
    of_loss = part.trial.layer.forward
    layer = as_layer(of_loss.loss, with_rows(of_loss.rows, part.trial.x, of_loss.targets))
    return evolve(verdict, point=evolve(part, trial=evolve(part.trial, layer=layer)))


def _as_float16(leaf: Array) -> Array:
    with np.errstate(all="ignore"):
        return leaf.astype(np.float16).astype(leaf.dtype) if leaf.dtype.kind == "f" else leaf


def loss_memory(loss: Loss[T, C], out: Array, targets: T, rng: np.random.Generator) -> list[Verdict]:
    """Every layout of `out` and targets is taken, results share no memory, all of them is written, and no argument is.

    Parameters
    ----------
    loss, out, targets
        The loss, and the arguments to run it on; copies are used.
    rng
        The generator that draws.

    Returns
    -------
    list[Verdict]
        For the arguments and results.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import laws, mean_squared_error
    >>> rng = np.random.default_rng(0)
    >>> out, targets = rng.standard_normal((2, 4, 3))
    >>> all(verdict.ok for verdict in laws.loss_memory(mean_squared_error, out, targets, rng))
    True
    """
    layer = as_layer(loss, targets, rows=_rows_of(out))
    laws = (any_layout, nothing_shared, all_written)
    verdicts = [verdict for law in laws for verdict in law(layer, (), out, rng) if verdict.field != "params"]
    verdicts += [
        Verdict("", name, ok=False, note=f"the call wrote to {name} while it lasted")
        for name in lent(layer, (), out, rng)
    ]
    for words, rows in {"": out, **rows_of(layer, out)}.items():
        beside = with_rows(_rows_of(out), rows, targets)
        for note in _written_by_a_call(loss, rows, beside):
            verdicts.append(Verdict("", "targets" if "targets" in note else "x", ok=False, note=note))
        if _gives_its_cache(loss, rows, beside):
            note = f"it is writable, and shares memory with the cache{words}".replace(" 1 rows", " 1 row")
            verdicts.append(Verdict("", "dx", ok=False, note=note))
    verdicts += _laid_out(loss, out, targets, rng)
    return _renamed("loss_memory", one_each(verdicts))


def _gives_its_cache(loss: Loss[Any, Any], out: Array, targets: Any) -> bool:
    """Tell whether the gradient for a dloss of 1 is memory of the cache that its caller may write to."""
    with suppress(Exception), np.errstate(all="ignore"):
        _, cache = _forward(loss, writable(out), writable(targets))
        dout = loss.backward(cache, 1.0)
        return bool(dout.flags.writeable and any(np.shares_memory(dout, kept) for kept in arrays_in(cache)))
    return False


def _laid_out(loss: Loss[T, C], out: Array, targets: T, rng: np.random.Generator) -> Iterator[Verdict]:
    """The verdicts on the results for an out and targets that are both in another layout."""
    out, targets = in_float64(out), in_float64(targets)
    value, cache = _forward(loss, out, targets)
    dout, rounding = np.array(loss.backward(cache, 1.0)), _rounding(loss, out, targets, rng)
    for name, layout in layouts_of(max(leaf.ndim for leaf in (out, *tree.leaves(targets)))).items():
        try:
            given: Any = (layout(out), layout(targets) if is_numpy(targets) else tree.map(layout, targets))
            other, kept = _forward(loss, *given)
            results = {"out": (np.asarray(other), np.asarray(value)), "dx": (loss.backward(kept, 1.0), dout)}
        except Exception:  # noqa: BLE001, S112  # another law says it, or it is refused, which is an answer
            continue
        for field, (got, expected) in results.items():
            note = f"{name} out with targets in the same layout gives another one"
            yield compare("", field, got, np.where(np.isfinite(expected), expected, np.nan), rounding, note=note)


def _written_by_a_call(loss: Loss[Any, Any], out: Array, targets: Any) -> Iterator[str]:
    """The arguments that a call wrote to, in words; of one row in float64 `loss_purity` says it, and then no more."""
    dtypes: tuple[Any, ...] = (np.float64, np.float32, np.float16)
    for dtype in dtypes:
        lent_out, beside = out.astype(dtype), writable(targets)
        with suppress(Exception), np.errstate(all="ignore"):
            loss.backward(loss.forward(lent_out, beside)[1], 1.0)
        wrote_to = [
            *(["out"] if not np.array_equal(lent_out, out.astype(dtype), equal_nan=True) else []),
            *(["targets"] if not tree.equal(beside, targets) else []),
        ]
        if wrote_to and _rows_of(out) == 1 and dtype is np.float64:
            return
        yield from (f"a call wrote to {name}, in {np.dtype(dtype).name}" for name in wrote_to)


def loss_state(loss: Loss[T, C], out: Array, targets: T, rng: np.random.Generator) -> list[Verdict]:
    """Calls in between, threads and the process: nothing is kept outside of the cache, and nothing global is changed.

    Parameters
    ----------
    loss, out, targets
        The loss, and the arguments to run it on.
    rng
        The generator that draws.

    Returns
    -------
    list[Verdict]
        For all that could be changed.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import laws, mean_squared_error
    >>> rng = np.random.default_rng(0)
    >>> out, targets = rng.standard_normal((2, 4, 3))
    >>> all(verdict.ok for verdict in laws.loss_state(mean_squared_error, out, targets, rng))
    True
    """
    layer = as_layer(loss, targets, rows=_rows_of(out))
    laws = (process_unchanged, calls_in_between, threads)
    verdicts = _renamed("loss_state", [verdict for law in laws for verdict in law(layer, (), out, rng)])
    again = "a second backward on it gives other numbers: does backward write to it?"
    if any(each.field == "grads" and each.wrong for each in verdicts):  # of a loss they are such a backward
        verdicts = [each for each in verdicts if each.field != "backward"]
        verdicts.append(Verdict("loss_state", "cache", ok=False, note=again))
    return [each for each in verdicts if each.field != "grads"]


LOSS_LAWS: dict[str, LossLaw] = {
    "loss_state": loss_state,
    "loss_structure": loss_structure,
    "loss_derivative": loss_derivative,
    "loss_values": loss_values,
    "loss_targets": loss_targets,
    "loss_precision": loss_precision,
    "loss_linearity": loss_linearity,
    "loss_purity": loss_purity,
    "loss_memory": loss_memory,
    "mean_of_rows": mean_of_rows,
    "loss_at_once": loss_at_once,
}
"""All laws of losses, by name.

Examples
--------
>>> from chainrule import laws
>>> sorted(laws.LOSS_LAWS)[:2]
['loss_at_once', 'loss_derivative']
"""

ELSEWHERE = ("loss_values", "loss_targets")
"""The parts that a quick check leaves out: other outputs, other targets and other numbers of rows."""


def as_layer(loss: Loss[Any, Any], targets: Any, *, rows: int = 0) -> Layer[tuple[()], Any]:
    """A loss as a layer of its output, for fixed targets: its `out` is the loss, and its `dout` is `dloss`.

    Of an output with another number of rows than `rows`, the targets are those of these rows again and again.
    """

    def backward(cache: Any, dout: Array) -> tuple[Array, tuple[()]]:
        of_out = loss.backward(cache, dout)
        given: object = of_out
        if is_any_tuple(given):
            raise TypeError(f"backward must return dout, an array like out, got {describe(given)}")
        return of_out, ()

    return Layer(OfLoss(loss, targets, rows), backward, couples_rows=True)


@frozen(eq=False)
class OfLoss:
    """The forward of a loss as a layer."""

    loss: Loss[Any, Any]
    targets: Any
    rows: int = 0

    def __call__(self, params: tuple[()], x: Array) -> tuple[Array, Any]:
        """The loss of an output."""
        targets = tree.map(partial(_in_dtype_of, x), with_rows(self.rows, x, self.targets))
        value, cache = _forward(self.loss, x, targets)
        return np.asarray(value, getattr(value, "dtype", x.dtype)), cache


def with_rows(rows: int, x: Array, targets: T) -> T:
    """The targets of as many rows as `x` has, if they have a row for each of `rows`."""
    n = _rows_of(x)
    if rows in (0, n) or any(leaf.ndim < 1 or len(leaf) != rows for leaf in tree.leaves(targets)):
        return targets
    return tree.map(partial(taken, np.arange(n) % rows), targets)


def _rows_of(x: Array) -> int:
    return len(x) if x.ndim else 0


def _in_dtype_of(x: Array, leaf: Array) -> Array:
    return leaf.astype(x.dtype) if leaf.dtype.kind == "f" and x.dtype.kind == "f" else leaf


NAMES = {"dx": "dout", "out": "loss", "dout": "dloss", "x": "out"}
"""The names of a layer's fields where it is a loss."""


def _renamed(law: str, verdicts: list[Verdict]) -> list[Verdict]:
    return [
        evolve(each, law=law, field=NAMES.get(each.field, each.field), note=_of_loss(each.note)) for each in verdicts
    ]


def _of_loss(note: str) -> str:
    """Words on a layer in those of a loss, whose x is `out`, and whose `dout` is `dloss`."""
    return re.sub(r"\b(dx|dout|x)\b", lambda name: NAMES[name[0]], note)


def _one(law: str, verdicts: list[Verdict]) -> list[Verdict]:
    """The first verdict that is wrong, or unfit, or else one that is right, or else one that can't tell."""
    wrong = [each for each in verdicts if each.wrong] or [each for each in verdicts if each.note.endswith(REFUSE)]
    right = [evolve(each, note="") for each in verdicts if each.ok]
    return _renamed(law, wrong[:1] or right[:1] or verdicts[:1])


def _forward(loss: Loss[T, C], out: Array, targets: T) -> tuple[Array, C]:
    result: object = loss.forward(out, targets)
    if not is_tuple(result) or len(result) != 2:
        raise TypeError(f"forward must return (loss, cache), got {describe(result)}")
    return cast("tuple[Array, C]", result)


def _equal(a: Array, b: Array) -> bool:
    return bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))


def _row(i: int, targets: Array) -> Array:
    return targets[i : i + 1]


def _alike(name: str, got: object, like: Array) -> Verdict:
    ok = describe(got) == describe(like)
    return Verdict("loss_structure", name, ok, "" if ok else f"is {describe(got)}, expected {describe(like)}")
