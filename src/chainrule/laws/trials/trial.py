"""Trials: one run of a layer forward and back, its results by name, and the noise of its function."""

from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np
from attrs import evolve, field, frozen
from numpy.typing import NDArray

from chainrule import tree
from chainrule.arrays.arguments import describe
from chainrule.arrays.ownership import read_only
from chainrule.arrays.types import Array, is_numpy, is_tuple
from chainrule.checking.bursts import SPACINGS, UNIT, noise_of
from chainrule.encoder import Encoder
from chainrule.interop.graph import Function
from chainrule.laws.trials.copies import in_float64, writable
from chainrule.laws.trials.names import Names, names_of
from chainrule.laws.trials.sizes import rms, sizes_of
from chainrule.layer import Layer
from chainrule.parts import unmoved

P = TypeVar("P")
C = TypeVar("C")

Checked: TypeAlias = Layer[P, C] | Encoder[P, C, Any]
"""The subject of a law: a layer, or an encoder, for which everything about `dx` is left out."""

Fields: TypeAlias = dict[str, Array]
"""Arrays by name: `"out"`, `"dx"`, `"grads.W"`.

Examples
--------
>>> import numpy as np
>>> from chainrule.laws.trials.trial import Fields
>>> fields: Fields = {"dx": np.ones(3)}
"""

COARSE = 1e-12
"""Noise from here on is that of a function which computes in float32, or in fewer digits, whatever it is given."""

FEW_ROWS = 8
"""The rows of x that a large layer, which treats each alone, is tried at where that is slow or done many times."""

REFUSALS = (ValueError, ArithmeticError, AssertionError)
"""The errors by which a layer refuses numbers; others are mistakes."""

FLOAT32, LEAST_OF_FLOAT32, NOTHING = 2.0**-24, 2.0**-30, 1e-4
"""The rounding of float32, which is the most noise that a backward may have; the least that is taken for it; and the
share of the largest result below which another one may be nothing but rounding."""

FEWER_DIGITS = frozenset({np.dtype(np.float16), np.dtype(np.float32)})
"""The dtypes that have fewer digits than float64."""

LARGE = 2**16
"""From so many numbers on, arguments and output together, a layer is large, and each call takes a while."""


def couples_rows(layer: Checked[Any, Any], x: Any) -> bool:
    """Tell if the first axis of `x` counts no examples that are each alone: it says so, or has one example."""
    axes = layer.event_axes
    return layer.couples_rows or (axes is not None and any(leaf.ndim <= axes for leaf in tree.leaves(x)))


def run_forward(layer: Checked[P, C], params: P, x: Any) -> tuple[Array, C]:
    """Call `forward` on a copy of `x`, and say what is wrong if it does not return `(out, cache)`."""
    result: object = layer.forward(params, writable(x))
    if not is_tuple(result) or len(result) != 2 or not _is_array(result[0]):
        raise TypeError(f"forward must return (out, cache) with an array for out, got {_shown(result)}")
    return cast("tuple[Array, C]", (np.asanyarray(result[0]), result[1]))


def value_of(layer: Any, params: Any, x: Any) -> Any:
    """The `out` of forward: of another library's function by that alone, where its derivative takes time."""
    forward = layer.forward
    if isinstance(forward, Function) and forward.value and forward.traced:
        return forward.value(params, x)
    return forward(params, x)[0]


def run_backward(layer: Checked[P, C], cache: C, dout: Array) -> tuple[Array | None, P]:
    """Call `backward` on a copy of `dout`, and say what is wrong if it does not return `(dx, grads)`.

    Of an encoder, which has no `dx`: None and what `grads` gives. A NumPy scalar is as good as a 0-d array.
    """
    result: object = backward_of(layer, cache, dout.copy())
    if not is_tuple(result) or len(result) != 2 or not (_is_array(result[0]) or isinstance(layer, Encoder)):
        raise TypeError(f"backward must return (dx, grads) with an array for dx, got {_shown(result)}")
    if result[0] is None:
        return cast("tuple[None, P]", result)
    return cast("tuple[Array, P]", (np.asanyarray(result[0]), result[1]))


def _shown(result: object) -> str:
    if is_tuple(result) and len(result) == 2:
        return f"({describe(result[0])}, {describe(result[1])})"
    return describe(result)


def _is_array(value: object) -> bool:
    """Tell whether a value is an array, or a NumPy scalar, which arithmetic makes of arrays without axes."""
    return is_numpy(value) or isinstance(value, np.generic)


def backward_of(layer: Checked[P, C], cache: C, dout: Array) -> tuple[Array | None, P]:
    """Call `backward`, and of an encoder `grads`."""
    if isinstance(layer, Encoder):
        return None, layer.grads(cache, dout)
    return layer.backward(cache, dout)


def named(result: tuple[Array | None, Any]) -> Fields:
    """The arrays of `(dx, grads)` by name."""
    dx, grads = result
    fields = {f"grads{path}": np.asarray(leaf) for path, leaf in tree.named_leaves(grads)}
    return fields if dx is None else {"dx": np.asarray(dx), **fields}


def copied_fields(fields: Fields) -> Fields:
    """Copies of arrays by name, which later calls do not overwrite."""
    return {name: np.array(leaf) for name, leaf in fields.items()}


def draw(out: Array, rng: np.random.Generator) -> Array:
    """Draw a normal `dout` for an output."""
    return rng.standard_normal(out.shape).astype(out.dtype)


@frozen(eq=False)
class Trial:
    """A layer at a point, and its output and cache there."""

    layer: Any
    params: Any
    x: Any
    out: Array
    cache: Any
    noise: float = field(default=UNIT, kw_only=True)
    floor: float = field(default=0.0, kw_only=True)
    """An error of a slope that is let pass, of `dout`: far out, 1 - p for a p near 1 is as good as its rounding."""
    is_widened: bool = field(default=False, kw_only=True)
    """True if some of the arguments have been given in fewer digits, of which float64 has been made."""

    @classmethod
    def of(cls, layer: Any, params: Any, x: Any) -> "Trial":
        """Run forward, in the dtype of the arguments."""
        out, cache = run_forward(layer, params, x)
        return cls(layer, params, x, out.copy(), cache)  # which a later call may overwrite

    @classmethod
    def in_float64(cls, layer: Any, params: Any, x: Any) -> "Trial":
        """Run forward in float64, on copies."""
        wide = in_float64(params), in_float64(x)
        given = [leaf.dtype for arguments in (params, x) for leaf in tree.leaves(arguments)]
        return evolve(cls.of(layer, *wide), is_widened=any(dtype in FEWER_DIGITS for dtype in given))

    def with_noise(self, noise: float) -> "Trial":
        """The trial of a function that has so much noise at least."""
        return evolve(self, noise=max(noise, self.noise))

    @property
    def names(self) -> Names:
        """The names of its quantities, for notes."""
        return names_of(self.layer)

    @property
    def size(self) -> int:
        """The count of the numbers that go in and out."""
        return self.out.size + sum(leaf.size for leaf in self.arguments.values())

    @property
    def large(self) -> bool:
        """True if each call takes a while."""
        return self.size >= LARGE

    @property
    def fewer(self) -> Any:
        """The first rows of x, if the layer is large and treats each alone; else x."""
        if not self.large or couples_rows(self.layer, self.x) or not all(leaf.ndim for leaf in tree.leaves(self.x)):
            return self.x
        return tree.map(lambda leaf: leaf[:FEW_ROWS], self.x)

    @cached_property
    def arguments(self) -> Fields:
        """The arrays of floats that the layer is differentiated by, under the names of their derivatives."""
        return named((None if isinstance(self.layer, Encoder) else self.x, self.params))

    def back(self, dout: Array) -> Fields:
        """Copies of the results of backward by name, for a copy of `dout`."""
        return copied_fields(named(run_backward(self.layer, self.cache, dout)))

    def back_as_laid_out(self, dout: Array) -> Fields:
        """The results of backward by name, for this very `dout` in its own layout."""
        return named(backward_of(self.layer, self.cache, dout))

    def results(self, dout: Array) -> Fields:
        """The output and the results of backward by name, for a copy of `dout`."""
        return {"out": self.out, **self.back(dout)}

    def again(self, arguments: Fields) -> "Trial":
        """The same layer at another point, that has the same structure."""
        return Trial.of(self.layer, *self.with_arguments(arguments))

    def beside(self, arguments: Fields) -> "Trial":
        """The same layer at a point close by, or at its own, if the layer refuses that one."""
        try:
            return self.again(arguments)
        except REFUSALS:
            return self

    def with_arguments(self, arguments: Fields) -> tuple[Any, Any]:
        """Parameters and x with other arrays."""
        params = tree.replace(self.params, [arguments[f"grads{path}"] for path, _ in tree.named_leaves(self.params)])
        return params, arguments.get("dx", self.x)

    def line(self, directions: Fields) -> Callable[[float], NDArray[Any]]:
        """The output, flattened, as a function of a step of the arguments along a direction.

        It is nan where the layer refuses the arguments, as beyond the end of its domain.
        """
        start, names = self.arguments, [f"grads{path}" for path, _ in tree.named_leaves(self.params)]
        moving = [(name, leaf, directions[name]) for name, leaf in start.items() if name in directions]
        params_move, made_of = any(name in directions for name in names), tree.replacing(self.params)
        # Steps make float64 of all; and of another library's function the value alone may differ by its rounding.
        known = all(leaf.dtype == np.float64 for leaf in start.values()) and not isinstance(
            self.layer.forward, Function
        )

        def at(step: float) -> NDArray[Any]:
            if known and not step:
                return self.out.reshape(-1)
            # Read-only, or a record would copy it.
            moved = start | {name: read_only(leaf + step * direction) for name, leaf, direction in moving}
            params = made_of([moved[name] for name in names]) if params_move else self.params
            try:
                out: NDArray[Any] = np.array(value_of(self.layer, params, writable(moved.get("dx", self.x))))
            except REFUSALS:
                if not step:
                    raise
                out = np.full(self.out.shape, np.nan)  # also of whole numbers, which have no nan
            return out.reshape(-1)

        return at


def fixed_fields(trial: Trial) -> list[str]:
    """The names of the gradients of parameters that stay as they are, which must be zeros."""
    zeros, ones = tree.map(np.zeros_like, trial.params), tree.map(np.ones_like, trial.params)
    moves = tree.leaves(unmoved(trial.layer, zeros, ones))
    names = [f"grads{path}" for path, _ in tree.named_leaves(trial.params)]
    return [name for name, leaf in zip(names, moves, strict=True) if leaf.size and not leaf.all()]


def measured(trial: Trial, rng: np.random.Generator, *, roughly: bool = False) -> Trial:
    """The trial, with the noise of its function: about 1e-16 if it computes in float64, 3e-8 if in float32."""
    directions = {name: sizes_of(leaf) * rng.choice([-1.0, 1.0], leaf.shape) for name, leaf in trial.arguments.items()}
    dout = rng.standard_normal(trial.out.size)
    noise = noise_of(trial.line(directions), dout, SPACINGS[::3] if trial.large or roughly else SPACINGS)
    return trial.with_noise(max(noise, _of_narrow_sums(trial) if trial.is_widened else 0.0))


def _of_narrow_sums(trial: Trial) -> float:
    """The noise of a backward that computes in float32 whatever it is given, as where it sums in it; 0 of another.

    A third of `dout` gives a third of the results, but for rounding. Whoever gives float32 or less may mean that.
    """
    dout = draw(trial.out, np.random.default_rng(0))
    with np.errstate(all="ignore"):
        usual, thirds = trial.back(dout), trial.back(dout / 3)
        sizes = {name: rms(leaf) for name, leaf in usual.items()}
        least = max(sizes.values(), default=0.0) * NOTHING
        off = [
            rms(3 * thirds[name] - leaf) / max(sizes[name], least)
            for name, leaf in usual.items()
            if max(sizes[name], least) > 0 and leaf.shape == thirds[name].shape
        ]
    largest = max(off, default=0.0)
    return min(largest, FLOAT32) if largest > LEAST_OF_FLOAT32 else 0.0
