"""The laws of losses. Each takes a loss, an output, targets and a Generator, and gives a verdict for every field."""

import math
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np
from attrs import evolve, frozen

from chainrule import tree
from chainrule.arrays.arguments import describe
from chainrule.arrays.types import Array, is_any_tuple, is_tuple
from chainrule.checking.bursts import UNIT
from chainrule.checking.verdict import Verdict, compare, one_each
from chainrule.laws.copies import in_dtype, in_float64, read_only_copy, writable
from chainrule.laws.derivative_law import derivative, noted
from chainrule.laws.directions import REFUSE, Part, by_directions
from chainrule.laws.dtype_laws import precision
from chainrule.laws.layer_laws import ROUNDING
from chainrule.laws.memory_laws import all_written, any_layout, lent, nothing_shared
from chainrule.laws.row_laws import rows_of, taken
from chainrule.laws.state_laws import calls_in_between, process_unchanged, threads
from chainrule.laws.trial import Trial, arrays_in, measured, sizes_of, units_of
from chainrule.laws.value_laws import any_dout, other_values
from chainrule.layer import Layer
from chainrule.loss import Loss
from chainrule.rules.passes import in_pass

T = TypeVar("T")
C = TypeVar("C")

COLUMNS = (33, 64, 65, 128, 129, 257)
"""Numbers of columns that a loss is tried with, beside those of its out."""

MOST = 2**18
"""The most numbers in an out that is made for a check."""

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

    So it does beside a row that is far away, in the numbers of rows that the loss takes.

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
    for which in (np.arange(1), np.arange(n // 2, n), np.arange(2 * n) % n):
        with suppress(Exception):
            some = np.asarray(loss.rows(out[which], tree.map(partial(taken, which), targets)))
            value_of = np.asarray(_forward(loss, out[which], tree.map(partial(taken, which), targets))[0])
            if of_loss.ok:
                of_loss = compare("mean_of_rows", "loss", value_of, np.asarray(some.mean()), rounding)
            if of_rows.ok and not loss.couples_rows:
                of_rows = compare("mean_of_rows", "rows", some, rows[which], rounding)
    of_rows = of_rows if of_rows.note else noted(of_rows, "rows depend on each other")
    return [noted(of_loss, "the loss is not the mean of its rows: a sum?"), of_rows]


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
    layer = as_layer(loss, targets)
    verdicts = [*other_values(layer, (), out, rng), *any_dout(layer, (), out, rng)]
    found = _one("loss_values", [*_overflows(layer, out, rng), *verdicts])
    return _of_ignored(loss, out, targets, found)


def _overflows(layer: Any, out: Array, rng: np.random.Generator) -> Iterator[Verdict]:
    """A loss is there in float64 where a wider format, whose numbers go a thousand times as far, has one."""
    if np.finfo(np.longdouble).maxexp <= np.finfo(np.float64).maxexp:
        return
    for size in (1e3, 1e4):
        for x in (size * np.sign(out), size * rng.choice([-1.0, 1.0], np.shape(out)), np.full(np.shape(out), -size)):
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


def loss_targets(loss: Loss[T, C], out: Array, targets: T, rng: np.random.Generator) -> list[Verdict]:
    """The gradient is right for other targets and sizes: the first and the last label, equal ones, zeros, more columns.

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
    others = (*_other_sizes(base.x, targets, rng), *_other_targets(base.x, targets, rng))
    for words, given, wanted in others:
        try:
            with np.errstate(all="ignore"):
                trial = Trial.in_float64(as_layer(loss, wanted), (), given).with_noise(base.noise)
                trial = evolve(trial, floor=UNIT)
                if np.isfinite(trial.out).all():
                    verdicts += _compared(trial, rng, words, pairs=loss.couples_rows and len(given) > ALL_PAIRS)
        except Exception:  # noqa: BLE001, S112  # it refuses these targets, which is an answer
            continue
        if any(each.wrong for each in verdicts):
            break  # the others would say the same, of larger ones slowly
    return _of_ignored(loss, out, targets, _one("loss_targets", verdicts))


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


def _other_sizes(out: Array, targets: Any, rng: np.random.Generator) -> Iterator[tuple[str, Array, Any]]:
    """Outputs of other numbers of rows and columns, and the targets that go with them."""
    n, leaves = len(out), tree.leaves(targets)
    if out.ndim < 2 or not out.size:
        return
    if all(leaf.ndim and len(leaf) == n for leaf in leaves):
        for rows in dict.fromkeys((1, 2, out.shape[-1], 8, 9, 33, 64, 65, 128, 129, 257, 1000)):
            if rows * out[0].size <= MOST:
                which = rng.integers(0, n, rows)
                moved = out[which] * (1 + 0.01 * rng.random((rows, *[1] * (out.ndim - 1))))
                yield f"with {rows} rows", moved, tree.map(partial(taken, which), targets)
        which = np.zeros(n, int)
        yield "for equal rows", out[which], tree.map(partial(taken, which), targets)
    if all(leaf.shape in (out.shape, out.shape[:-1]) for leaf in leaves):
        for columns in dict.fromkeys((out.shape[-1] + 1, *COLUMNS)):
            more = columns - out.shape[-1]
            if more > 0 and out[..., 0].size * columns <= MOST:
                moved = np.concatenate([out, rng.choice(out.reshape(-1), (*out.shape[:-1], more))], axis=-1)
                yield f"with {columns} columns", moved, tree.map(partial(_widened, out.shape, more, rng), targets)


def _other_targets(out: Array, targets: Any, rng: np.random.Generator) -> Iterator[tuple[str, Array, Any]]:
    """Other targets, and the outputs that go with them."""
    leaves = tree.leaves(targets)
    if any(leaf.dtype.kind in "iu" and leaf.shape == out.shape[:-1] for leaf in leaves):
        for words, value in (("for labels of 0", 0), (f"for labels of {out.shape[-1] - 1}", out.shape[-1] - 1)):
            yield words, out, tree.map(partial(_filled, value, "iu"), targets)
        yield "with 1 column", out[..., :1], tree.map(partial(_filled, 0, "iu"), targets)
    if any(leaf.dtype.kind == "f" for leaf in leaves):
        yield "for targets of zeros", out, tree.map(partial(_filled, 0, "f"), targets)
        yield "for targets with zeros", out, tree.map(partial(_thinned, rng), targets)
        if all(leaf.shape == out.shape for leaf in leaves):
            yield "where out is the targets", np.array(leaves[0], out.dtype), targets


def _widened(shape: tuple[int, ...], more: int, rng: np.random.Generator, leaf: Array) -> Array:
    """Targets with more columns, where they have some: of zeros if their rows are shares, which sum to 1."""
    if leaf.shape != shape:
        return leaf
    with np.errstate(all="ignore"):
        are_shares = (leaf >= 0).all() and np.allclose(leaf.sum(axis=-1), 1)
    drawn = rng.choice(leaf.reshape(-1), (*shape[:-1], more))
    return np.concatenate([leaf, np.zeros_like(drawn) if are_shares else drawn], axis=-1)


def _filled(value: float, kinds: str, leaf: Array) -> Array:
    return np.full_like(leaf, value) if leaf.dtype.kind in kinds else leaf


def _thinned(rng: np.random.Generator, leaf: Array) -> Array:
    if leaf.dtype.kind != "f":
        return leaf
    return np.where(rng.random(leaf.shape[:1]).reshape(-1, *[1] * (leaf.ndim - 1)) < 0.4, 0.0, leaf).astype(leaf.dtype)


def loss_precision(loss: Loss[T, C], out: Array, targets: T, rng: np.random.Generator) -> list[Verdict]:
    """In float32 and float16 the loss and its gradient have that dtype, and are those of float64 but for rounding.

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
    return _renamed("loss_precision", precision(as_layer(loss, rounded), (), out, rng))


def _as_float16(leaf: Array) -> Array:
    with np.errstate(all="ignore"):
        return leaf.astype(np.float16).astype(leaf.dtype) if leaf.dtype.kind == "f" else leaf


def loss_memory(loss: Loss[T, C], out: Array, targets: T, rng: np.random.Generator) -> list[Verdict]:
    """Every layout of `out` is taken, results share no memory, all of them is written, and no argument is.

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
    layer = as_layer(loss, targets)
    laws = (any_layout, nothing_shared, all_written)
    verdicts = [verdict for law in laws for verdict in law(layer, (), out, rng) if verdict.field != "params"]
    verdicts += [
        Verdict("", name, ok=False, note=f"the call wrote to {name} while it lasted")
        for name in lent(layer, (), out, rng)
    ]
    before, given = writable(targets), writable(targets)
    for dtype in (np.float64, np.float32, np.float16):
        for rows in (out, *rows_of(layer, out).values()):
            with suppress(Exception), np.errstate(all="ignore"):
                lent_out = rows.astype(dtype)
                loss.backward(loss.forward(lent_out, given)[1], 1.0)
                if not np.array_equal(lent_out, rows.astype(dtype), equal_nan=True):
                    verdicts.append(Verdict("", "x", ok=False, note=f"a call wrote to out, in {np.dtype(dtype).name}"))
    if not tree.equal(before, given):
        verdicts.append(Verdict("", "targets", ok=False, note="a call wrote to targets"))
    return _renamed("loss_memory", one_each(verdicts))


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
    layer = as_layer(loss, targets)
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


def as_layer(loss: Loss[Any, Any], targets: Any) -> Layer[tuple[()], Any]:
    """A loss as a layer of its output, for fixed targets: its `out` is the loss, and its `dout` is `dloss`."""

    def backward(cache: Any, dout: Array) -> tuple[Array, tuple[()]]:
        of_out = loss.backward(cache, dout)
        given: object = of_out
        if is_any_tuple(given):
            raise TypeError(f"backward must return dout, an array like out, got {describe(given)}")
        return of_out, ()

    return Layer(OfLoss(loss, targets), backward, couples_rows=True)


@frozen(eq=False)
class OfLoss:
    """The forward of a loss as a layer."""

    loss: Loss[Any, Any]
    targets: Any

    def __call__(self, params: tuple[()], x: Array) -> tuple[Array, Any]:
        """The loss of an output."""
        value, cache = _forward(self.loss, x, tree.map(partial(_in_dtype_of, x), self.targets))
        return np.asarray(value, getattr(value, "dtype", x.dtype)), cache


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
