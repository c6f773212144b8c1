"""Schedules: from the steps so far to the learning rate of the next step.

    rate = f(t)        t = 0 at the first step

A schedule is a value: it can be compared, printed and pickled, and calling it changes nothing. It takes the steps as an
int or as a 0-d array of whole numbers, of any library; no Python `if` asks for the number, so that a schedule can be
compiled by `jax.jit` with the step that it belongs to. After its steps a schedule stays at its last rate.

Examples
--------
>>> from chainrule import schedules, sgd
>>> rate = schedules.warmup(10, schedules.cosine(0.1, 0.001, 1000))
>>> rate
warmup(10, cosine(0.1, 0.001, 1000))
>>> optimizer = sgd(rate, momentum=0.9)
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from attrs import field, frozen

from chainrule.arrays.arguments import describe, is_a, number, size
from chainrule.arrays.libraries import library_of
from chainrule.arrays.types import is_numpy, is_tuple

Steps: TypeAlias = Any
"""An int, or a 0-d array of whole numbers.

Examples
--------
>>> from chainrule import schedules
>>> first: schedules.Steps = 0
>>> schedules.constant(0.1)(first)
0.1
"""

Rate: TypeAlias = Any
"""A float, or a 0-d array of the library of the steps.

Examples
--------
>>> from chainrule import schedules
>>> rate: schedules.Rate = schedules.constant(0.1)(0)
>>> rate
0.1
"""


@frozen(repr=False)
class Schedule:
    """A schedule, made by the functions of this module.

    Parameters
    ----------
    name, options
        The function and its arguments: two schedules with the same are equal.
    formula
        From the namespace of the steps, the steps and the options to the rate.

    Examples
    --------
    >>> from chainrule.schedules import Schedule, constant
    >>> rate: Schedule = constant(0.1)
    >>> rate(1000), rate == constant(0.1)
    (0.1, True)
    """

    name: str
    options: tuple[Any, ...]
    formula: Callable[..., Rate] = field(eq=False)

    def __call__(self, step: Steps) -> Rate:
        """The rate of the step, counted from 0; one below is a ValueError, where it can be read."""
        if type(step) is not int or step < 0:
            _check_step(self.name, step)
        xp = library_of(step) or np
        rate = self.formula(xp, step, *self.options)
        return float(rate) if is_a(rate, np.generic, np.ndarray) else rate

    def __repr__(self) -> str:
        """As it is called: `linear(0.1, 0.0, 100)`."""
        return f"{self.name}({', '.join(map(_shown, self.options))})"


def constant(rate: float) -> Schedule:
    """Always the same rate.

    Parameters
    ----------
    rate
        A finite number >= 0.

    Returns
    -------
    Schedule
        `rate` at every step.

    Examples
    --------
    >>> from chainrule import schedules
    >>> schedules.constant(0.1)(1000)
    0.1
    """
    return Schedule("constant", (number("constant", "rate", rate),), _constant)


def linear(first: float, last: float, steps: int) -> Schedule:
    """Along a line from one rate to another.

    Parameters
    ----------
    first, last
        Finite numbers >= 0: the rates at step 0, and from step `steps` on.
    steps
        At least 1.

    Returns
    -------
    Schedule
        `first + (last - first) t / steps` for a step t up to `steps`.

    Examples
    --------
    >>> from chainrule import schedules
    >>> [schedules.linear(1.0, 0.0, 4)(step) for step in range(6)]
    [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    """
    return Schedule("linear", (*_ends("linear", first, last), _steps("linear", steps)), _linear)


def cosine(first: float, last: float, steps: int) -> Schedule:
    """Along half a wave of a cosine from one rate to another (Loshchilov and Hutter, SGDR, 2017, without restarts).

    Parameters
    ----------
    first, last
        Finite numbers >= 0: the rates at step 0, and from step `steps` on.
    steps
        At least 1.

    Returns
    -------
    Schedule
        `last + (first - last) (1 + cos(pi t / steps)) / 2` for a step t up to `steps`.

    Examples
    --------
    >>> from chainrule import schedules
    >>> [round(schedules.cosine(1.0, 0.0, 4)(step), 3) for step in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """
    return Schedule("cosine", (*_ends("cosine", first, last), _steps("cosine", steps)), _cosine)


def exponential(first: float, factor: float) -> Schedule:
    """A rate that is multiplied by a factor at every step.

    Parameters
    ----------
    first
        A finite number >= 0: the rate at step 0.
    factor
        In (0, 1].

    Returns
    -------
    Schedule
        `first * factor^t` at step t.

    Examples
    --------
    >>> from chainrule import schedules
    >>> [schedules.exponential(8.0, 0.5)(step) for step in range(4)]
    [8.0, 4.0, 2.0, 1.0]
    """
    share = number("exponential", "factor", factor, above=0)
    if share > 1:
        raise ValueError(f"exponential: factor must be a finite number in (0, 1], got {share}")
    return Schedule("exponential", (number("exponential", "first", first), share), _exponential)


def piecewise(boundaries: Sequence[int], rates: Sequence[float]) -> Schedule:
    """One rate after another.

    Parameters
    ----------
    boundaries
        Increasing whole numbers >= 1: the steps at which the next rate begins.
    rates
        Finite numbers >= 0, one more than boundaries.

    Returns
    -------
    Schedule
        `rates[i]` from `boundaries[i - 1]` to before `boundaries[i]`.

    Examples
    --------
    >>> from chainrule import schedules
    >>> [schedules.piecewise([2, 3], [0.1, 0.01, 0.001])(step) for step in range(5)]
    [0.1, 0.1, 0.01, 0.001, 0.001]
    """
    starts = _boundaries("piecewise", boundaries, "rates", rates)
    each = tuple(number("piecewise", f"rates[{i}]", rate) for i, rate in enumerate(rates))
    return Schedule("piecewise", (starts, each), _piecewise)


def warmup(steps: int, schedule: Callable[[Any], Any]) -> Schedule:
    """A schedule that begins with small rates.

    Parameters
    ----------
    steps
        At least 1.
    schedule
        What is multiplied: by `(t + 1) / steps` at step t, until that is 1.

    Returns
    -------
    Schedule
        Its first rate is the schedule's, divided by `steps`; the schedule's own steps count from 0 all the same.

    Examples
    --------
    >>> from chainrule import schedules
    >>> [schedules.warmup(4, schedules.constant(1.0))(step) for step in range(5)]
    [0.25, 0.5, 0.75, 1.0, 1.0]
    """
    return Schedule("warmup", (_steps("warmup", steps), _schedule("warmup", "schedule", schedule)), _warmup)


def join(schedules: Sequence[Callable[[Any], Any]], boundaries: Sequence[int]) -> Schedule:
    """One schedule after another.

    Parameters
    ----------
    schedules
        At least one.
    boundaries
        Increasing whole numbers >= 1, one less than schedules: the steps at which the next begins, and from which it
        counts.

    Returns
    -------
    Schedule
        `schedules[i](t - boundaries[i - 1])` at step t, from `boundaries[i - 1]` to before `boundaries[i]`.

    Examples
    --------
    >>> from chainrule import schedules
    >>> both = schedules.join([schedules.linear(0.0, 1.0, 2), schedules.linear(1.0, 0.0, 2)], [2])
    >>> [both(step) for step in range(5)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    starts = _boundaries("join", boundaries, "schedules", schedules)
    each = tuple(_schedule("join", f"schedules[{i}]", schedule) for i, schedule in enumerate(schedules))
    return Schedule("join", (each, starts), _join)


def _constant(xp: Any, step: Steps, rate: float) -> Rate:
    return rate


def _linear(xp: Any, step: Steps, first: float, last: float, steps: int) -> Rate:
    share = _at_most(step, steps) / steps
    return first * (1 - share) + last * share


def _cosine(xp: Any, step: Steps, first: float, last: float, steps: int) -> Rate:
    share = (1 + xp.cos(_at_most(step, steps) / steps * math.pi)) / 2
    return first * share + last * (1 - share)


def _exponential(xp: Any, step: Steps, first: float, factor: float) -> Rate:
    return first * factor**step


def _piecewise(xp: Any, step: Steps, starts: tuple[int, ...], rates: tuple[float, ...]) -> Rate:
    rate = rates[0]
    for i, start in enumerate(starts, 1):
        rate = xp.where(step >= start, rates[i], rate)
    return rate


def _warmup(xp: Any, step: Steps, steps: int, schedule: Callable[[Any], Any]) -> Rate:
    return schedule(step) * (_at_most(step + 1, steps) / steps)


def _join(xp: Any, step: Steps, schedules: tuple[Callable[[Any], Any], ...], starts: tuple[int, ...]) -> Rate:
    rate = schedules[0](step)
    for i, start in enumerate(starts, 1):
        rate = xp.where(step >= start, schedules[i](_at_least_zero(step - start)), rate)
    return rate


def _at_most(step: Steps, most: int) -> Steps:
    return (step + most - abs(step - most)) // 2


def _at_least_zero(step: Steps) -> Steps:
    return (step + abs(step)) // 2


def _check_step(owner: str, step: Any) -> None:
    """Refuse what is no number, and a negative one; arrays of other libraries may be traced and are not asked."""
    is_number = is_a(step, int, float, np.integer, np.floating) or (is_numpy(step) and step.dtype.kind in "biuf")
    is_one = is_number and getattr(step, "shape", ()) == ()
    if not is_one and (is_number or is_numpy(step) or library_of(step) is None):
        raise TypeError(f"{owner}: the step must be a whole number, got {describe(step)}")
    if is_one and step < 0:
        raise ValueError(f"{owner}: the step must be >= 0, got {step}")
    if is_one and step % 1 != 0:
        raise ValueError(f"{owner}: the step must be a whole number, got {step}")


def _ends(owner: str, first: float, last: float) -> tuple[float, float]:
    return number(owner, "first", first), number(owner, "last", last)


def _steps(owner: str, steps: object) -> int:
    return size(owner, "steps", steps, least=1)


def _schedule(owner: str, name: str, schedule: Any) -> Callable[[Any], Any]:
    if not callable(schedule) or isinstance(schedule, type):
        hint = f": write constant({schedule!r})" if isinstance(schedule, float | int) else ""
        raise TypeError(f"{owner}: {name} must be a function of the steps, got {describe(schedule)}{hint}")
    function: Callable[[Any], Any] = schedule
    return function


def _boundaries(owner: str, boundaries: Sequence[Any], what: str, pieces: Sequence[Any]) -> tuple[int, ...]:
    for name, given in (("boundaries", boundaries), (what, pieces)):
        if isinstance(given, str) or not isinstance(given, Sequence):
            raise TypeError(f"{owner}: {name} must be a list or a tuple, got {describe(given)}")
    starts = tuple(size(owner, f"boundaries[{i}]", start) for i, start in enumerate(boundaries))
    if any(start <= before for before, start in pairwise((0, *starts))):
        raise ValueError(f"{owner}: boundaries must increase from 1 on, got {list(starts)}")
    if len(pieces) != len(starts) + 1:
        counted = "1 boundary needs" if len(starts) == 1 else f"{len(starts)} boundaries need"
        raise ValueError(f"{owner}: {counted} {len(starts) + 1} {what}, got {len(pieces)}")
    return starts


def _shown(option: Any) -> str:
    if is_tuple(option):
        return f"[{', '.join(map(_shown, option))}]"
    return repr(option)
