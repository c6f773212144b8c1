"""`layer`: make the pair of a layer, with all checks, and its rule, from one arithmetic.

    forward (xp, params, x)              -> (out, cache)
    backward(xp, cache, dout, wants_dx)  -> (dx, grads)

**The pair** finds the namespace of `x`, checks that the arguments fit, lends the caller's arrays to the arithmetic, and
marks its results as read-only. **The rule** runs in a pass through a network: there the namespace is known, and every
array between the first layer and the last belongs to the pass.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeVar, get_args, get_type_hints, overload

import numpy as np
from attrs import evolve, field, frozen

from chainrule import tree
from chainrule.arrays.arguments import describe, functions, like_out, two
from chainrule.arrays.libraries import can_meet, namespace
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.ownership import borrowed, read_only
from chainrule.arrays.records import Signature, fields_of, first_of, sign, signature_of
from chainrule.arrays.tuned import TUNED
from chainrule.arrays.types import Array, Unit, is_numpy, is_tuple
from chainrule.layer import Layer, Shape
from chainrule.naming import options_of, public, titled, unbound
from chainrule.rules.features import features
from chainrule.rules.in_torch import InTorch
from chainrule.rules.inference import Inference
from chainrule.rules.onnx_graph import Onnx
from chainrule.rules.rule import Rule, refuse_no_dx

P = TypeVar("P")
C = TypeVar("C")


@overload
def layer(
    name: str,
    params: type[P],
    forward: Callable[[Namespace, P, Array], tuple[Array, C]],
    backward: Callable[[Namespace, C, Array, bool], tuple[Array | None, P]],
    fits: str | Callable[[P, Array], None] | None = ...,
    *,
    quiet: bool = ...,
    elementwise: bool = ...,
    couples_rows: bool = ...,
    takes_largest: bool = ...,
    event_axes: int | None = ...,
    in_torch: InTorch | None = ...,
    operations: tuple[int, int] | Callable[[P, Shape, Shape], tuple[int, int]] | None = ...,
    inference: Inference | None = ...,
    onnx: Onnx[P] | None = ...,
) -> Layer[P, C]: ...
@overload
def layer(
    name: str,
    params: tuple[()],
    forward: Callable[[Namespace, Unit, Array], tuple[Array, C]],
    backward: Callable[[Namespace, C, Array, bool], tuple[Array | None, Unit]],
    fits: str | Callable[[Unit, Array], None] | None = ...,
    *,
    quiet: bool = ...,
    elementwise: bool = ...,
    couples_rows: bool = ...,
    takes_largest: bool = ...,
    event_axes: int | None = ...,
    in_torch: InTorch | None = ...,
    operations: tuple[int, int] | Callable[[Unit, Shape, Shape], tuple[int, int]] | None = ...,
    inference: Inference | None = ...,
    onnx: Onnx[Unit] | None = ...,
) -> Layer[Unit, C]: ...
def layer(
    name: str,
    params: type[Any] | tuple[()],
    forward: Callable[[Namespace, Any, Array], tuple[Array, Any]],
    backward: Callable[[Namespace, Any, Array, bool], tuple[Array | None, Any]],
    fits: str | Callable[[Any, Array], None] | None = None,
    *,
    quiet: bool = False,
    elementwise: bool = False,
    couples_rows: bool = False,
    takes_largest: bool = False,
    event_axes: int | None = None,
    in_torch: InTorch | None = None,
    operations: tuple[int, int] | Callable[[Any, Shape, Shape], tuple[int, int]] | None = None,
    inference: Inference | None = None,
    onnx: Onnx[Any] | None = None,
) -> Layer[Any, Any]:
    """Make a layer of its arithmetic.

    Parameters
    ----------
    name
        What the module calls it. Options that `functools.partial` binds to `forward` by name follow in its repr.
    params
        The class of its parameters, a record; `()` if it has none.
    forward
        `(xp, params, x) -> (out, cache)`. The arrays of the parameters have the library and the dtype of `x`. It may
        write to `x` where `xp.mine(x)`, holds in its cache what `xp.own(x)` gives, and returns `out` with
        `xp.read_only` if it holds it as well. The cache is a record.
    backward
        `(xp, cache, dout, wants_dx) -> (dx, grads)`. `dout` has the shape and the dtype of `out`. `dx` may be None
        where it is not wanted; gradients share no memory with anything.
    fits
        The field of the parameters whose first axis is to be as long as the last one of `x`; or, for other demands,
        `(params, x)`, which raises `ValueError` if the shapes do not fit.
    quiet
        Whether to silence NumPy's warnings of harmless underflow and of values at infinity.
    operations
        The floating-point operations of one number of `x`, forward and backward; or a function, as of `Layer`.
    takes_largest
        Whether each number of the output is the largest one of some of `x`, the first of equal ones. Of a layer before
        it that `keeps_order`, a pass takes those alone.
    elementwise, couples_rows, event_axes, in_torch, inference, onnx
        Traits, as of `Layer`.

    Returns
    -------
    Layer
        The pair and its rule.

    Examples
    --------
    >>> import numpy as np
    >>> from attrs import frozen
    >>> from chainrule import Array, Unit, record, rules
    >>> @frozen(eq=False)
    ... @record
    ... class Squared:
    ...     x: Array
    >>> def forward(xp: rules.Namespace, params: Unit, x: Array) -> tuple[Array, Squared]:
    ...     return x * x, Squared(xp.own(x))
    >>> def backward(xp: rules.Namespace, cache: Squared, dout: Array, wants_dx: bool) -> tuple[Array, Unit]:
    ...     return 2 * cache.x * dout, ()
    >>> square = rules.layer("square", (), forward, backward)
    >>> out, cache = square.forward((), np.array([[3.0]]))
    >>> out, square.backward(cache, np.array([[1.0]]))
    (array([[9.]]), (array([[6.]]), ()))
    """
    functions(name, forward=forward, backward=backward)
    of = tuple if is_tuple(params) and not params else params
    return made_of(
        LayerArithmetic(
            name,
            *class_of(name, of, ", or ()"),
            forward,
            backward,
            features(name, fits) if isinstance(fits, str) else fits,
            warns=not quiet,
        ),
        forward,
        takes_largest=takes_largest,
        elementwise=elementwise,
        couples_rows=couples_rows,
        event_axes=event_axes,
        in_torch=in_torch,
        operations=operations if operations is None or callable(operations) else per_number(operations),
        inference=inference,
        onnx=onnx,
    )


def class_of(name: str, params: object, otherwise: str = "") -> tuple[type[Any], Any, Any]:
    """The class of parameters, and what gives their fields, and the first one; a TypeError if it is none."""
    if not isinstance(params, type):
        raise TypeError(f"{name}: params must be the class of a record{otherwise}, got {describe(params)}")
    return params, fields_of(params), first_of(params)


def per_number(operations: tuple[int, int]) -> Callable[[Any, Shape, Shape], tuple[int, int]]:
    """The trait `operations` of a layer that has so many for each number of `x`."""
    return partial(_times_size, operations)


@frozen(eq=False)
class LayerArithmetic(Generic[P, C]):
    """The arithmetic of a layer, and its demands on its arguments."""

    name: str
    record: type[P]
    arrays: Callable[[P], tuple[Array, ...]]
    first: Callable[[P], Any]
    forward: Callable[[Namespace, P, Any], tuple[Array, C]]
    backward: Callable[[Namespace, C, Array, bool], tuple[Array | None, P]]
    fits: Callable[[P, Any], None] | None
    warns: bool = True
    """False if NumPy is to warn of nothing."""
    encodes: bool = False
    """True for an encoder: `fits` and `forward` judge `x`, and the parameters say which library computes."""
    made: list[Any] = field(init=False, factory=list[Any], repr=False)
    """The layer or the encoder that is made of it."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what is made of it, for one of its functions alone: rules are closures."""
        return _arithmetic_of, (self.made[0],)

    @property
    def rule_forward(self) -> Callable[[Namespace, P, Any], tuple[Array, C]]:
        """Forward in a pass: a closure, whose variables are found in less time than a method's attributes."""
        if self.encodes:
            return self.rule_encode
        record, first, fits, forward, admit = self.record, self.first, self.fits, self.forward, self.admit

        def of_record(xp: Namespace, params: P, x: Array) -> tuple[Array, C]:
            try:
                known = type(params) is record and type(x) is np.ndarray and x.dtype is first(params).dtype
            except AttributeError:  # the first field is a record itself
                known = False
            if not known:
                admit(params, x)
            elif fits is not None:
                fits(params, x)
            return forward(xp, params, x)

        def of_nothing(xp: Namespace, params: P, x: Array) -> tuple[Array, C]:
            known = params.__class__ is tuple and not params and type(x) is np.ndarray and x.dtype.kind == "f"
            if not known or fits is not None:
                admit(params, x)
            return forward(xp, params, x)

        return of_nothing if record is tuple else of_record

    def rule_encode(self, xp: Namespace, params: P, x: Any) -> tuple[Array, C]:
        """Forward of an encoder in a pass."""
        self.admit(params, x)
        return self.forward(xp, params, x)

    @public("forward")
    def pair_forward(self, params: P, x: Any) -> tuple[Array, C]:
        """The public forward."""
        xp = self.admit(params, x)
        x = borrowed(x)
        given: Any = self.forward(xp, params, x) if self.warns else xp.quietly(self.forward, xp, params, x)
        out, cache = given if given.__class__ is tuple else two(given, f"{self.name}: forward", "(out, cache)")
        out = read_only(out)
        sign(cache, Signature(self.name, xp, out.shape, out.dtype))
        return out, cache

    @public("backward")
    def pair_backward(self, cache: C, dout: Array) -> tuple[Array, P]:
        """The public backward."""
        dx, grads = self.transposed(cache, dout, True)
        if dx is None:
            refuse_no_dx(self.name, "the rule")
        return read_only(dx), self.locked(grads)

    @public("grads")
    def pair_grads(self, cache: C, dout: Array) -> P:
        """The public backward without dx."""
        return self.locked(self.transposed(cache, dout, False)[1])

    def transposed(self, cache: C, dout: Array, wants_dx: bool) -> tuple[Array | None, P]:
        """Backward, in the namespace of the cache."""
        xp, dout = self.namespace_of(cache, dout), borrowed(dout)
        given: Any = (
            self.backward(xp, cache, dout, wants_dx)
            if self.warns
            else xp.quietly(self.backward, xp, cache, dout, wants_dx)
        )
        dx, grads = given if given.__class__ is tuple else two(given, f"{self.name}: backward", "(dx, grads)")
        return dx, grads

    def admit(self, params: P, x: Any) -> Namespace:
        """Refuse parameters or an x that are not this layer's, or do not fit each other."""
        if type(params) is not self.record or (self.record is tuple and params):
            self.refuse(params)
        xp: Namespace = TUNED
        if self.encodes:
            xp = namespace(*tree.leaves(params), name=f"{self.name}: params")
        elif type(x) is np.ndarray and x.dtype.kind == "f":
            dtype = x.dtype
            for array in self.arrays(params):
                if type(array) is not np.ndarray or array.dtype is not dtype:
                    xp = namespace(x, *tree.leaves(params), name=f"{self.name}: x")
                    break
        else:
            xp = namespace(x, *tree.leaves(params), name=f"{self.name}: x")
        if self.fits is not None:
            self.fits(params, x)
        return xp

    def refuse(self, params: P) -> None:
        """Say what the parameters should be, unless they are of a class made from it."""
        if self.record is tuple:
            raise TypeError(f"{self.name}: it has no parameters: params must be (), got {describe(params)}")
        if not isinstance(params, self.record):
            raise TypeError(f"{self.name}: params must be {self.record.__name__}, got {describe(params)}")

    def namespace_of(self, cache: C, dout: Array) -> Namespace:
        """Refuse a cache of another layer, or a dout that can't be the derivative with respect to out."""
        signature = signature_of(cache)
        if signature is None:  # it went through a pickle or another library's tree
            expected = _cache_class(self.forward)
            if expected is not None and not isinstance(cache, expected):
                raise TypeError(f"{self.name} backward: cache must be {expected.__name__}, got {describe(cache)}")
            return namespace(next((leaf for leaf in tree.leaves(cache) if _is_float(leaf)), dout))
        if signature.layer != self.name:
            expected = _cache_class(self.forward)
            name = "one of its own" if expected is None else expected.__name__
            what = f"{self.name} backward: cache must be {name}"
            raise TypeError(f"{what}, got {describe(cache)} of {signature.layer}")
        xp: Namespace = signature.xp
        if xp is TUNED and not is_numpy(dout):
            can_meet(f"{self.name} backward: dout", dout, "out", np.empty(0))
        like_out(dout, signature.shape, signature.dtype, self.name)
        return xp

    def locked(self, grads: P) -> P:
        """The gradients, from now on read-only."""
        for array in self.arrays(grads):
            if type(array) is not np.ndarray:
                return tree.map(read_only, grads)
            read_only(array)
        return grads


def made_of(
    arithmetic: LayerArithmetic[P, C],
    source: Callable[..., Any],
    *,
    harmless: bool = False,
    keeps_order: bool = False,
    takes_largest: bool = False,
    **traits: Any,
) -> Layer[P, C]:
    """The layer of an arithmetic whose author wrote `source` to go forward; NumPy never warns of what is harmless."""
    rule = Rule(arithmetic.rule_forward, arithmetic.backward, source, None, keeps_order, takes_largest)
    if harmless:
        rule = evolve(rule, quiet=rule)
    elif not arithmetic.warns:
        forward, backward = partial(_quiet_forward, rule.forward), partial(_quiet_backward, rule.backward)
        rule = evolve(rule, forward=forward, backward=backward, quiet=rule)
    made = Layer(
        arithmetic.pair_forward,
        arithmetic.pair_backward,
        arithmetic.pair_grads,
        name=titled(arithmetic.name, options_of(source)),
        rule=rule,
        **traits,
    )
    arithmetic.made.append(made)
    return made


def _arithmetic_of(made: Any) -> Any:
    return made.forward.__self__


def _times_size(each: tuple[int, int], params: object, x: Shape, out: Shape) -> tuple[int, int]:
    return each[0] * math.prod(x), each[1] * math.prod(x)


def _quiet_forward(f: Callable[..., Any], xp: Namespace, params: Any, x: Any) -> Any:
    return xp.quietly(f, xp, params, x)  # collected as *arguments, they would take a tenth of a microsecond more


def _quiet_backward(f: Callable[..., Any], xp: Namespace, cache: Any, dout: Any, wants_dx: bool) -> Any:
    return xp.quietly(f, xp, cache, dout, wants_dx)


def _cache_class(forward: Callable[..., Any]) -> type[Any] | None:
    returned = get_type_hints(unbound(forward)).get("return")
    found = get_args(returned)[1:]
    return found[0] if found and isinstance(found[0], type) and found[0] is not Any else None


def _is_float(leaf: Any) -> bool:
    return "float" in str(leaf.dtype)
