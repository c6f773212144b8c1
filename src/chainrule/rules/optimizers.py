"""`optimizer`: make an optimizer from the arithmetic of one array.

    param, moments <- update(rate, param, factor(rate) * grad, moments)        or param + factor(rate) * grad

All else is the same for all optimizers and stands here: the walk through trees, the count of steps, the schedule of the
rate, the decay of weights, and the permission to write into a gradient. Large arrays are stepped in blocks that the
processor's caches hold.

**A factor rides for nothing.** Backward is linear in `dout`: where a step is the gradient times a factor, as
`-rate * grad` does, `training_step` hands the factor to the loss as `dloss`, and gets the step in the place of the
gradient.

**Decay is decoupled.** Weights shrink on their own, and not by a term of the gradient, which moments would see too:

    param <- (1 - rate * weight_decay) param        and then the update

(Loshchilov and Hutter, Decoupled weight decay regularization, 2019). By default arrays of two axes and more decay:
matrices and kernels. Biases, and the scales of norms, have one axis and do not.
"""

import math
from collections.abc import Callable, Iterator
from functools import partial
from itertools import repeat
from typing import Any, TypeAlias, TypeVar

import numpy as np
from attrs import field, frozen

from chainrule import tree
from chainrule.arrays.arguments import check_tree, describe, functions, is_a, number, truth, two
from chainrule.arrays.libraries import can_meet, namespace, same_dtype
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.ownership import NUMPY, borrowed, native, read_only
from chainrule.arrays.records import PARTS, SIGNATURE, dissected, is_record, sign, summary, unchecked
from chainrule.arrays.tuned import TUNED, Tuned
from chainrule.arrays.types import Array, Labels, is_numpy, is_tuple
from chainrule.naming import options_of
from chainrule.optimizer import State
from chainrule.rules.counterparts import tree_misfit

P = TypeVar("P")

Scalar: TypeAlias = Any
"""A number, or a 0-d array where a compiler traces the count of steps."""

Moments: TypeAlias = tuple[Array, ...]
Schedule: TypeAlias = Callable[[Labels], Any]
"""From the steps so far, a 0-d array of integers, to the rate."""

Update: TypeAlias = Callable[[Namespace, Any, Array, Array, Moments], tuple[Array, Moments]]

Decays: TypeAlias = Callable[[str, Array], bool]
"""From the path of an array, such as `"[0].W"`, and the array to whether it decays."""

BLOCK_ENTRIES = 2**17
"""The entries of a block: the arrays of an update then stay in the caches, and calls are few."""

MOMENT = "moment in the state"
"""The name of an array of a state in messages."""

_state = unchecked(State)


def optimizer(
    name: str,
    update: Update | None,
    learning_rate: float | Schedule,
    *,
    moments: int = 0,
    factor: Callable[[Scalar], Scalar] | None = None,
    prepare: Callable[[Scalar, Scalar], Any] | None = None,
    weight_decay: float | None = None,
    decays: Decays | None = None,
) -> "ArrayOptimizer":
    """Make an optimizer of what it does to one array.

    Parameters
    ----------
    name
        What the module calls it. Options that `functools.partial` binds to `update` by name follow in its repr.
    update
        `(xp, rate, param, grad, moments) -> (param, moments)`: all arrays of one shape and dtype, each entry alone. It
        may write to `grad` where `xp.mine(grad)`, and returns fresh arrays. None for a step that is the gradient times
        a factor and nothing else.
    learning_rate
        A finite number that is not negative, or a schedule: a function from the steps so far to the rate.
    moments
        How many arrays like the parameter the optimizer keeps; all are zeros at first. Beside a parameter of 16 bits
        they have the dtype float32, in which `update` then computes: in 16 bits the squares of small gradients are 0,
        and what a running mean loses in a step is less than its rounding.
    factor
        From the rate to the factor that `grad` is multiplied by before `update` sees it.
    prepare
        `(rate, count)`, from 1 at the first step, to what `update` gets in the place of `rate`: what is the same for
        all arrays, computed once.
    weight_decay
        A finite number that is not negative: what decays is multiplied by `1 - rate * weight_decay` before `update`
        sees it. None for an optimizer that has no such option.
    decays
        From the path of an array and the array to whether it decays. By default arrays of two axes and more do.

    Returns
    -------
    ArrayOptimizer
        With `init` and `step`. Its state is a `State`.

    Raises
    ------
    ValueError
        If the rate or the decay is negative or not finite.
    TypeError
        If the rate is neither a number nor a function, the decay no number, or `decays` no function.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Array, rules
    >>> def update(xp, rate, param, grad, moments):
    ...     return param - rate * xp.sign(grad), ()
    >>> signs = rules.optimizer("signs", update, 0.5)
    >>> params = np.array([1.0, 1.0])
    >>> signs.step(signs.init(params), params, np.array([3.0, -0.1]))[0]
    array([0.5, 1.5])
    """
    if update is not None:
        functions(name, update=update)
    rate: Any = learning_rate
    if not callable(learning_rate) or isinstance(learning_rate, type):
        rate = number(name, "learning_rate", learning_rate)
    options = {} if update is None else options_of(update)
    decay = 0.0
    if weight_decay is not None:
        options["weight_decay"] = decay = number(name, "weight_decay", weight_decay)
    if decays is not None:
        if not callable(decays) or isinstance(decays, type):
            raise TypeError(f"{name}: decays must be a function of a path and an array, got {describe(decays)}")
        options["decays"] = decays
    return ArrayOptimizer(name, rate, options, update, moments, factor, prepare, decay, decays)


@frozen(repr=False)
class ArrayOptimizer:
    """An optimizer that treats each entry of each array alone; made by `chainrule.rules.optimizer`.

    `update`, `moments`, `factor` and `prepare` are the arithmetic of one array. Two optimizers are equal that have the
    same name, learning rate and options.
    """

    name: str
    learning_rate: float | Schedule
    options: dict[str, Any]
    update: Update | None = field(eq=False)
    moments: int = field(eq=False)
    factor: Callable[[Scalar], Scalar] | None = field(eq=False)
    prepare: Callable[[Scalar, Scalar], Any] | None = field(eq=False)
    weight_decay: float = field(eq=False)
    decays: Decays | None = field(eq=False)

    def __repr__(self) -> str:
        """As it is called: `sgd(0.1, momentum=0.9)`."""
        options = [f"{key}={_shown(value)}" for key, value in self.options.items()]
        return f"{self.name}({', '.join([_shown(self.learning_rate), *options])})"

    def __hash__(self) -> int:
        """By the name and the rate."""
        return hash((self.name, self.learning_rate))

    def init(self, params: P) -> State[P]:
        """The state before the first step.

        Parameters
        ----------
        params
            A tree of arrays of floats.

        Returns
        -------
        State
            A count of 0, and moments of zeros.

        Raises
        ------
        TypeError
            If an array in the tree is not of floats, or there is none in it, but in tuples and records that are empty.
        """
        if is_a(params, list, dict, set):
            self.check_tree(params)
        leaves = [(f"{self.name}: params{path}", leaf) for path, leaf in tree.named_leaves(params)]
        if not (leaves or _is_empty(params)):
            raise TypeError(f"{self.name}: params must be arrays, in tuples and records, got {describe(params)}")
        libraries = [namespace(leaf, name=name) for name, leaf in leaves]
        zeros = [
            tree.replace(
                params,
                [read_only(xp.zeros_like(xp.widened(leaf))) for xp, (_, leaf) in zip(libraries, leaves, strict=True)],
            )
            for _ in range(self.moments)
        ]
        return sign(_state(read_only(np.zeros((), np.int64)), tuple(zeros)), self.name if zeros else None)

    def step(self, state: State[P], params: P, grads: P) -> tuple[P, State[P]]:
        """One step.

        Parameters
        ----------
        state
            As from `init`, or from the step before.
        params
            A tree of arrays.
        grads
            Gradients of the same structure, shapes and dtypes.

        Returns
        -------
        tuple
            Fresh parameters, and the state after this step.

        Raises
        ------
        ValueError
            If `grads` differs from `params` in structure or in a shape, or a schedule's rate is negative or not finite.
        TypeError
            If it differs in a dtype, a schedule's rate is no number, or the state is that of another optimizer.
        """
        self.check_tree(params)
        rate = self.rate(state)
        factor = None if self.factor is None else self.factor(rate)
        return self.applied(state, params, grads, rate, factor, lent=True)

    def check_tree(self, params: object) -> None:
        """Refuse what is no tree of arrays."""
        check_tree(f"{self.name}: params", params)

    def rate(self, state: State[P]) -> Scalar:
        """The rate of the next step."""
        if not isinstance(state, State):
            raise TypeError(f"{self.name}: the state must be what init(params) gives, got {describe(state)}")
        if len(state.moments) != self.moments:
            counts = f"it has {len(state.moments)} moments, {self.moments} expected"
            raise TypeError(f"{self.name}: the state must be what init(params) gives: {counts}")
        maker = getattr(state, SIGNATURE)
        if maker is not None and maker != self.name:
            raise TypeError(f"{self.name}: the state must be what init(params) gives, got that of {maker}")
        if not callable(self.learning_rate):
            return self.learning_rate
        rate: Any = self.learning_rate(state.count)
        if type(rate) is float and 0 <= rate < math.inf:
            return rate
        is_number = getattr(rate, "shape", None) == ()
        if is_number and not (is_numpy(state.count) or is_a(rate, np.ndarray, np.generic)):
            return rate  # of another library: it may be traced
        return number(self.name, f"the rate that learning_rate gives at step {state.count}", rate)

    def applied(
        self, state: State[P], params: P, grads: P, rate: Scalar, factor: Scalar, *, lent: bool
    ) -> tuple[P, State[P]]:
        """The step along gradients times a factor, which is None if they are multiplied already."""
        before: Any = state.count
        count: Any = before + 1 if type(before) is not np.ndarray else read_only(np.asarray(before.item() + 1))
        scalars = rate if self.prepare is None else self.prepare(rate, before.item() + 1 if is_numpy(before) else count)
        change: Callable[..., Any] = partial(self.change, scalars, factor, lent, None)
        if self.weight_decay:
            left = 1 - rate * self.weight_decay
            change = partial(self.change_decaying, scalars, factor, lent, left, self.chosen(params))
        try:
            if not self.moments:
                added = self.update is None and factor is None and not (lent or self.weight_decay)
                walk: Callable[..., Any] = _added if added else _changed
                return TUNED.quietly(walk, change, params, grads), _state(count, ())
            new, *kept = TUNED.quietly(_stepped, change, (params, grads, *state.moments))
        except RecursionError:
            tree.map(read_only, params)  # which says how deep it is
            raise
        except (AttributeError, TypeError, ValueError) as error:
            raise self.placed(error, params, grads, *state.moments) from None
        return new, sign(_state(count, tuple(kept)), self.name)

    def chosen(self, params: Any) -> Iterator[bool] | None:
        """A truth value for each array, True if it decays; None for the default.

        They come in the order of `tree.named_leaves`, in which each walk below takes the arrays as well.
        """
        if self.decays is None:
            return None
        chosen: list[bool] = []
        for path, leaf in tree.named_leaves(params):
            chosen.append(truth(self.name, f"what decays gives at params{path}", self.decays(path, leaf)))
        return iter(chosen)

    def change_decaying(
        self,
        scalars: Any,
        factor: Scalar,
        lent: bool,
        left: Scalar,
        chosen: Iterator[bool] | None,
        param: Array,
        *others: Array,
    ) -> Any:
        """The step of the next array, of which a part is left if it decays."""
        decays = param.ndim >= 2 if chosen is None else next(chosen)
        return self.change(scalars, factor, lent, left if decays else None, param, *others)

    def change(
        self, scalars: Any, factor: Scalar, lent: bool, left: Scalar, param: Array, grad: Array, *moments: Array
    ) -> Any:
        """One array's step: the new parameter, followed by its moments if there are any.

        Decay leaves of the parameter as much as `left` says; all of it if that is None.
        """
        if isinstance(grad, np.generic):  # what NumPy returns in place of a 0-d array
            grad = np.asarray(grad)
        if moments and getattr(param.dtype, "itemsize", 4) < 4:  # array-api-strict has no smaller ones, nor sizes
            return self.change_widened(scalars, factor, left, param, grad, moments)
        for beside in (grad, *moments):
            if beside.shape != param.shape or beside.dtype != param.dtype:
                self.refuse(param, beside, "gradient" if beside is grad else MOMENT)
        if type(param) is np.ndarray and type(grad) is np.ndarray:
            if param.dtype.kind != "f":
                namespace(param, name=f"{self.name}: the parameter")
            lent = lent and grad.flags.writeable
            moments = tuple([borrowed(each) for each in moments])
            if param.size > BLOCK_ENTRIES and moments and param.flags.c_contiguous and self.update is not None:
                return _in_blocks(self.update, scalars, factor, lent, left, param, grad, moments)
            xp: Namespace = TUNED
        else:
            xp = namespace(param, grad, *moments, name=f"{self.name}: the parameter")
            scalars = _like(xp, scalars, param)
            factor, left = _like(xp, factor, param), _like(xp, left, param)
        param = param if left is None else read_only(param * left)
        return _updated(xp, self.update, scalars, factor, borrowed(grad) if lent else grad, param, moments)

    def change_widened(
        self, scalars: Any, factor: Scalar, left: Scalar, param: Array, grad: Array, moments: Moments
    ) -> Any:
        """The step of a parameter of 16 bits, computed in float32, in which its moments stay."""
        self.refuse(param, grad)
        xp = namespace(param, grad, name=f"{self.name}: the parameter")
        wide = [xp.widened(each) for each in (param, grad, *moments)]
        new, *kept = self.change(scalars, factor, False, left, *wide)
        return (read_only(xp.astype(new, borrowed(param))), *kept)  # in the machine's byte order

    def placed(self, error: Exception, params: Any, grads: Any, *moments: Any) -> Exception:
        """The error with the place in the trees where they do not fit each other."""
        compared: list[tuple[str, Callable[..., None], Any]] = [("gradients", self.refuse, grads)]
        compared += [("moments of the state", self.refuse_shape, moment) for moment in moments]
        misfits = (
            tree_misfit(f"{self.name}: the {what} must be a tree like the parameters", refuse, params, beside)
            for what, refuse, beside in compared
        )
        return next(filter(None, misfits), error)

    def refuse_shape(self, param: Array, moment: Array) -> None:
        """Refuse a moment of another shape than its parameter's; its dtype may be wider."""
        if moment.shape != param.shape:
            self.refuse(param, moment, MOMENT)

    def refuse(self, param: Array, beside: Array, name: str = "gradient") -> None:
        """Refuse an array beside a parameter that differs from it."""
        namespace(param, name=f"{self.name}: the parameter")
        what = f"{self.name}: the {name} {summary(beside)} must have the"
        if beside.shape != param.shape:
            raise ValueError(f"{what} shape of its parameter {summary(param)}")
        can_meet(f"{self.name}: the {name} {summary(beside)}", beside, "its parameter", param)
        if not same_dtype(beside, param):
            raise TypeError(f"{what} dtype of its parameter {summary(param)}")


def _updated(
    xp: Namespace, update: Update | None, scalars: Any, factor: Scalar, grad: Array, param: Array, moments: Moments
) -> Any:
    grad = grad if factor is None else xp.times(grad, factor)
    new, kept = (xp.plus(grad, param), ()) if update is None else _two(update(xp, scalars, param, grad, moments))
    return (read_only(new), *map(read_only, kept)) if moments else read_only(new)


def _two(given: Any) -> tuple[Array, Moments]:
    return given if given.__class__ is tuple else two(given, "the update of an optimizer", "(param, moments)")


def _in_blocks(
    update: Update, scalars: Any, factor: Scalar, lent: bool, left: Scalar, param: Array, grad: Array, moments: Moments
) -> tuple[Array, ...]:
    slopes, *given = (each.reshape(-1) for each in (grad, param, *moments))
    if lent:
        slopes = borrowed(slopes)
    made = [np.empty_like(param, native(param.dtype)) for _ in given]
    flat = [each.reshape(-1) for each in made]
    for start in range(0, param.size, BLOCK_ENTRIES):
        some = slice(start, start + BLOCK_ENTRIES)
        block, (old, *rest), outs = slopes[some], [each[some] for each in given], [each[some] for each in flat]
        old = old if left is None else read_only(old * left)
        xp = InPlace([old, *rest], outs)
        block = block if factor is None else xp.times(block, factor)
        new, kept = _two(update(xp, scalars, old, block, tuple(rest)))
        results = [(out, result) for out, result in zip(outs, (new, *kept), strict=True) if result is not out]
        elsewhere = [result.copy() if any(result is out for out in outs) else result for _, result in results]
        for (out, _), result in zip(results, elsewhere, strict=True):
            out[...] = result
    return tuple(map(read_only, made))


class InPlace(Tuned):
    """NumPy, where the first product of a moment, and the first sum with the parameter, is made where it will stand.

    What is made on the way to the new parameter may use its place: at a million parameters, Adam then takes 0.86 of its
    time with a new array for each product.
    """

    def __init__(self, given: list[Array], outs: list[Array]) -> None:
        super().__init__()
        self.rooms: dict[int, Array] = {id(each): out for each, out in zip(given, outs, strict=True)}

    def room(self, x: Array, /) -> Array:
        """The place of what is to replace `x`."""
        out = self.rooms.get(id(x))
        return super().room(x) if out is None else out

    def times(self, a: Array, b: Array | float, /) -> Array:
        """`a * b`."""
        out = self.rooms.pop(id(a), None)
        return super().times(a, b) if out is None else np.multiply(a, b, out=out)

    def plus(self, a: Array, b: Array, /) -> Array:
        """`a + b`."""
        out = self.rooms.pop(id(b), None)
        return super().plus(a, b) if out is None else np.add(a, b, out=out)


def _is_empty(tree: object) -> bool:
    """Tell whether a tree without arrays is the parameters of something: of what has none, or options alone."""
    return all(map(_is_empty, tree)) if is_tuple(tree) else is_record(type(tree))


def _shown(option: Any) -> str:
    return getattr(option, "__name__", repr(option))


def _like(xp: Namespace, scalars: Any, param: Array) -> Any:
    """Numbers that a compiler traces, in the dtype of the parameter, which they would promote otherwise."""
    if is_tuple(scalars):
        return tuple(_like(xp, each, param) for each in scalars)
    return xp.astype(scalars, param) if hasattr(scalars, "dtype") else scalars


def _changed(change: Callable[[Any, Any], Any], old: Any, grad: Any) -> Any:
    kind = old.__class__
    if hasattr(old, "dtype"):
        return change(old, grad)
    if kind is grad.__class__:
        if (record := PARTS.get(kind) or dissected(kind)) is not None:
            fields, make = record
            return make(*[_changed(change, a, b) for a, b in zip(fields(old), fields(grad))])  # noqa: B905  # of one class
        if kind is tuple and len(old) == len(grad):
            return tuple([_changed(change, a, b) for a, b in zip(old, grad)]) if old else old  # noqa: B905  # as long
    return tree.map(change, old, grad)


def _stepped(change: Callable[..., Any], trees: tuple[Any, ...]) -> tuple[Any, ...]:
    """The step of each array of trees with moments: new trees of all but the gradients, in little time."""
    old, *_ = trees
    kind, news = old.__class__, len(trees) - 1
    results: list[tuple[Any, ...]]
    if hasattr(old, "dtype"):
        of_array: tuple[Any, ...] = change(*trees)
        return of_array
    if {*map(type, trees)} == {kind}:
        if (record := PARTS.get(kind) or dissected(kind)) is not None:
            fields, make = record
            results = [_stepped(change, each) for each in zip(*map(fields, trees))]  # noqa: B905  # of one class
            return tuple(map(make, *results)) if results else (old,) * news
        if kind is tuple and {*map(len, trees)} == {len(old)}:
            results = [_stepped(change, each) for each in zip(*trees)]  # noqa: B905  # as long
            return tuple(zip(*results)) if results else (old,) * news  # noqa: B905  # as many moments
    results = tree.zipped(change, *trees)
    return tuple([tree.replace(old, [each[i] for each in results]) for i in range(news)])


def _added(change: Callable[[Any, Any], Any], old: Any, step: Any) -> Any:
    """The parameters plus a step that is mine, in its memory: its records then hold the new parameters.

    A record that holds anything but plain arrays is left to `change`.
    """
    kind = old.__class__
    if kind is tuple and step.__class__ is tuple and len(old) == len(step):
        return tuple(map(_added, repeat(change), old, step))
    record = PARTS.get(kind) or dissected(kind)
    if record is None or kind is not step.__class__:
        return _changed(change, old, step)
    params, grads = record[0](old), record[0](step)
    for param, grad in zip(params, grads):  # noqa: B905  # of one class
        alike = param.__class__ is NUMPY is grad.__class__ and param.dtype is grad.dtype and param.shape == grad.shape
        if not (alike and grad.flags.writeable and grad.base is None):
            return _changed(change, old, step)
    for param, grad in zip(params, grads):  # noqa: B905  # of one class
        np.add(grad, param, grad)
        grad.setflags(False)
    return step
