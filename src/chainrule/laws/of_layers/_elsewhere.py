"""The derivative at a point that a law has chosen, which forward may refuse, and may take by accident."""

import re
from collections.abc import Callable, Container
from functools import partial
from typing import Any

import numpy as np
from attrs import evolve, frozen

from chainrule.arrays.types import Array
from chainrule.checking.verdict import Verdict
from chainrule.encoder import Encoder
from chainrule.interop.graph import Function
from chainrule.laws.of_layers.layouts import SINGULAR
from chainrule.laws.trials.directions import Asked, by_directions, refuse
from chainrule.laws.trials.junk import JUNK, empty_holds
from chainrule.laws.trials.sizes import rms, same_but_for_ones
from chainrule.laws.trials.trial import COARSE, Checked, Fields, Trial, draw, measured

MOST_NUMBERS = 2**20
"""The most numbers in an array that is made for a check."""

ALL_NOISE = 1e-3
"""The noise from which on values are no more than that, if they have next to none at the arguments that were given."""

IN_FLOAT16 = 1e-6
"""The noise of a function from which on it computes in float16, where large and small numbers are none."""

ROUND_ABOUT = 2.0**-44
"""An error of a slope that is let pass at other x, of dout. Far out, x (1 + erf(x)) is a staircase whose steps are
roundings of 1, which finite steps of x turn into slopes of 256 times as much; and so do multiples of it."""


FINEST = (2.0**-36, -(2.0**-40))
"""Steps, relative to x, at which no staircase is left but that of rounding itself."""

STEP, STAIRS = 2.0**-6, 16
"""The step, relative to an entry, that goes over many stairs of rounding, and how often it is halved to find one."""

SHAPES_IN_TORCH = re.compile(r"(?:got|compatible with) \[([\d, ]+)\]")
"""The shapes in the message with which torch refuses a gradient."""

SQUEEZED = "is an axis of 1 squeezed away?"
"""The words for a gradient whose shape is that of its argument but for axes of one."""


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

    @property
    def is_squeezed(self) -> bool:
        """True if a result has the numbers of its argument, and lacks an axis of one, or has one more.

        That is no accident: an x that is broadcast, or of which a part is taken, has a result of other numbers.
        """
        if self.error is not None:
            found = [tuple(map(int, each.split(","))) for each in SHAPES_IN_TORCH.findall(str(self.error))]
            return len(found) == 2 and same_but_for_ones(*found)
        return self.shape is not None and same_but_for_ones(self.shape, self._expected)

    @property
    def _expected(self) -> tuple[int, ...]:
        return self.trial.arguments[self.field].shape

    def verdict(self, law: str, case: str) -> Verdict:
        """The verdict that nothing can be told; that it is wrong, if forward treats an axis of one as any other."""
        if self.is_squeezed and self.trial.out.ndim == self.base.out.ndim:
            what = f"has shape {self.shape}, expected {self._expected}" if self.error is None else str(self.error)
            note = f"{case}: {what}: {SQUEEZED}"
            return Verdict(law, self.field, ok=False, note=note)
        if self.error is not None:
            found = f"backward raises {type(self.error).__name__}: {self.error}"
        else:
            found = f"has shape {self.shape}, expected {self._expected}"
        return Verdict(law, self.field, ok=False, undecided=True, note=f"{case}: {found}", advice=refuse(self.trial))


@frozen(eq=False)
class Elsewhere:
    """A point in words: its x, and its parameters unless they are those that were given."""

    words: str
    x: Array
    params: Any = None


def judged_at(
    law: str,
    base: Trial,
    other: Elsewhere,
    rng: np.random.Generator,
    *,
    but: Container[str] = (),
    counts: Callable[[Unfit], bool] | None = None,
) -> list[Verdict]:
    """The derivative at another x or other parameters, if the layer takes them and its values are finite.

    Fields of `but` are left out, and so is an answer of backward that does not fit, unless it counts, as a squeezed one
    always does, and an x of which an index is beyond an axis. What is not written shows: `np.empty` gives no memory
    with the right numbers by chance.
    """
    with empty_holds(JUNK), np.errstate(all="ignore"):
        trial = _taken(base.layer, base.params if other.params is None else other.params, other.x)
        if trial is None or not np.isfinite(trial.out).all() or not trial.out.size or _is_singular(trial, base):
            return []
        trial = evolve(trial.with_noise(base.noise), floor=base.floor)
        douts = [draw(trial.out, rng), np.ones_like(trial.out)]
        # A large one is tried along one direction, and not along three; tokens do not bend the way of the parameters.
        few = trial.large or isinstance(base.layer, Encoder)
        unfit = _unfit(base, trial, douts[0])
        if unfit is not None:
            counted = counts is None or unfit.is_squeezed or counts(unfit)
            return [unfit.verdict(law, other.words)] if counted else []
        asked = Asked(0 if few else 2, other.words, but=but)
        compared = partial(by_directions, law, douts=douts, rng=rng, asked=asked)
        verdicts: list[Verdict] = compared(trial)
        verdicts = [each for each in verdicts if not (each.wrong and _on_a_stair(base, trial, each, douts))]
        if all(each.ok for each in verdicts):
            return verdicts
        beyond = _reads_beyond(trial) and not _reads_beyond(base)  # others would have refused this x
        if beyond or _stands_still(base, trial):  # where the steps of a derivative may go over many stairs
            return []
        found = _with_more_noise(base, trial, rng)
        if found.noise > ALL_NOISE > base.noise * 1e6:
            return []  # as at a singular matrix
        most = ALL_NOISE if base.noise > COARSE else IN_FLOAT16
        more = base.noise > IN_FLOAT16 or trial.noise < found.noise < most
        return compared(found) if more else verdicts


def _with_more_noise(base: Trial, trial: Trial, rng: np.random.Generator) -> Trial:
    """The trial with the noise that it has here.

    In float16 large numbers are so few that values stand still between them: the rounding of the arguments is taken,
    which grows with them.
    """
    if base.noise <= IN_FLOAT16:
        return measured(trial, rng, roughly=True)
    sizes = {name: rms(leaf) for name, leaf in base.arguments.items()}
    times = [rms(leaf) / sizes[name] for name, leaf in trial.arguments.items() if sizes[name] > 0]
    return trial.with_noise(base.noise * max(times, default=1.0))


def _reads_beyond(trial: Trial) -> bool:
    forward = trial.layer.forward
    ask = forward.reads_beyond if isinstance(forward, Function) else None
    return ask is not None and ask(trial.params, trial.x)


def _stands_still(base: Trial, trial: Trial) -> bool:
    """Tell whether values do not move with x by the finest steps, and have no slope by backward, as given too.

    So it is with a staircase, as of numbers that are rounded to tenths.
    """
    results = [each.back(np.ones_like(each.out)) for each in (base, trial)]
    if any("dx" not in each or any(leaf.any() for leaf in each.values()) for each in results):
        return False
    line = trial.line({"dx": trial.x})
    start = line(0.0)
    return all(np.array_equal(line(step), start) for step in FINEST)


def _on_a_stair(base: Trial, trial: Trial, wrong: Verdict, douts: list[Array]) -> bool:
    """Tell whether an entry is found wrong where values stand on a stair of rounding, as 1 - p for a p near 1.

    By the finest steps they stay there, though not at the arguments that were given, and by larger ones they climb as
    backward says.
    """
    name, at = wrong.field, wrong.index
    leaf, of_base = trial.arguments[name], base.arguments[name]
    if wrong.expected or leaf.shape != of_base.shape or len(at) != leaf.ndim:
        return False
    alone = np.zeros(leaf.shape)
    alone[at] = abs(leaf[at])
    line, given = trial.line({name: alone}), base.line({name: alone})
    start, of_given = line(0.0), given(0.0)
    if not all(np.array_equal(line(step), start) and not np.array_equal(given(step), of_given) for step in FINEST):
        return False
    for weights in [dout.reshape(-1) for dout in douts if trial.back(dout)[name][at] == wrong.got]:
        rises = [abs(float((line(STEP / 2**k) - start) @ weights)) for k in range(STAIRS)]
        height = min((rise for rise in rises if rise > 0), default=0.0)
        slope = float((line(STEP) - line(-STEP)) @ weights) / (2 * STEP)
        if height > 0 and abs(wrong.got * alone[at] - slope) <= abs(slope) / 4 + 2 * height / STEP:
            return True
    return False


def _is_singular(trial: Trial, base: Trial) -> bool:
    largest, usual, x, of_base = (float(np.abs(each).max(initial=0)) for each in (trial.out, base.out, trial.x, base.x))
    return largest > SINGULAR * max(usual, 1.0) and x <= 2 * of_base


def _unfit(base: Trial, trial: Trial, dout: Array) -> Unfit | None:
    try:
        results = trial.back(dout)
    except Exception as error:
        return Unfit(base, trial, next(iter(trial.arguments), "grads"), error=error)
    misfits = _misfits(trial, results)
    if misfits and not _misfits(base, base.back(np.ones_like(base.out))):
        (name, shape), *_ = misfits.items()
        return Unfit(base, trial, name, shape=shape)
    return None


def _misfits(trial: Trial, results: Fields) -> dict[str, tuple[int, ...]]:
    shapes = {name: leaf.shape for name, leaf in trial.arguments.items()}
    return {name: leaf.shape for name, leaf in results.items() if leaf.shape != shapes.get(name)}


def takes(layer: Checked[Any, Any], params: Any, x: Array) -> bool:
    return _taken(layer, params, x) is not None


def _taken(layer: Checked[Any, Any], params: Any, x: Array) -> Trial | None:
    try:
        with np.errstate(all="ignore"):
            return Trial.in_float64(layer, params, x)
    except Exception:
        return None


def with_floor(base: Trial, rng: np.random.Generator) -> Trial:
    """The trial with the error that is let pass at other points, which grows with the slopes of the layer."""
    dx = np.abs(base.back(draw(base.out, rng))["dx"])
    gain = float(np.mean(dx, where=np.isfinite(dx))) if np.isfinite(dx).any() else 0.0
    return evolve(base, floor=ROUND_ABOUT * max(1.0, gain))


def doubted(verdicts: list[Verdict], advice: str) -> list[Verdict]:
    """Verdicts at arguments that the layer may not be meant for: what is wrong there tells nothing for sure."""
    return [evolve(each, undecided=True, advice=advice) if each.wrong else each for each in verdicts]


def worst_by_field(verdicts: list[Verdict]) -> list[Verdict]:
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
