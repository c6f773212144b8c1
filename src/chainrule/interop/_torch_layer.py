"""Functions and modules of torch as layers: what `chainrule.interop.torch.as_layer` is made of.

f gets tensors of its own, in the memory layout of the arrays that it is given. What it writes to them is written to the
arrays too, or told if these are read-only; so a layer is as pure as f is, and no purer.
"""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from functools import cached_property, partial
from importlib import import_module
from inspect import Signature, signature
from threading import RLock
from typing import Any, NoReturn
from weakref import WeakKeyDictionary, ref

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from chainrule import tree
from chainrule.arrays.arguments import describe
from chainrule.arrays.extras import pip_install
from chainrule.arrays.ownership import read_only
from chainrule.arrays.types import is_dict, is_numpy, is_tuple
from chainrule.interop.arguments import (
    Constant,
    Place,
    argument_names,
    arguments,
    beside,
    check_call,
    check_dout,
    constant_at,
    fields,
    name_of_function,
    positional,
)
from chainrule.interop.graph import Function, Graph
from chainrule.interop.in_code import Name, call_in_code, name_in_code, name_of_author
from chainrule.interop.parameters import built, natural

torch: Any = import_module("torch")  # its types are no part of ours

LINE = 64
"""The bytes of a line of the cache, to which memory is aligned."""

SWAPPING = RLock()
"""Held while a module has other parameters, which are put into the module itself."""


@frozen(eq=False)
class Subject:
    """The torch callable that is to be a layer, and its name.

    `at` tells which argument is x. NumPy's arrays are moved to the device; by default where x is, or the CPU. Under
    autocast, forward runs in bfloat16. It `moves_x` if the derivative with respect to x is wanted.
    """

    f: Any
    at: Place
    constant: Constant
    device: Any
    autocast: bool
    moves_x: bool

    @property
    def is_function(self) -> bool:
        """True if it is a `torch.autograd.Function`, whose every tensor is an argument that it differentiates."""
        return is_function(self.f)

    @cached_property
    def positional(self) -> tuple[str, ...]:
        """The names of its arguments by position: to ask for them takes a tenth of a call of a small function."""
        return positional_of(self.f)

    @cached_property
    def keeps_shapes(self) -> bool:
        """True if a part of the module takes parameters of other shapes for what they are not: see `_minds_shapes`."""
        return any(map(_minds_shapes, self.f.modules()))

    @cached_property
    def signature(self) -> Signature:
        return function_signature(self.f)

    def names(self, params: Any) -> list[str]:
        if not is_module(self.f):
            return argument_names(self.positional, self.at, params)
        with SWAPPING:
            names = [name for name, _ in self.f.named_parameters()]
        if len(names) != len(tree.leaves(params)):
            self._refuse(names, describe(params))
        return names

    def check_params(self, params: Any, x: Any) -> None:
        """Refuse parameters that are not those of f."""
        names = self.names(params)
        self.constant(params)
        given = natural(params)
        if is_module(self.f):
            if is_dict(given) and (keys := _dotted(given)) != names:
                self._refuse(names, ", ".join(keys))
        elif self.is_function:
            check_call(self.f, self.signature, (self._by_position(given, x), {}), params)
        else:
            check_call(self.f, self.f, arguments(self.at, params, x), params)

    def _refuse(self, names: list[str], got: str) -> NoReturn:
        has = f"{name_of_function(self.f)} has the parameters {', '.join(names) or '()'}"
        raise ValueError(f"as_layer: {has}, got {got}: make them with parameters(module)")

    def at_leaves(self, params: Any, leaves: list[Any], x: Any) -> Any:
        if is_module(self.f):
            call = partial(self.f, **{self.at: x}) if isinstance(self.at, str) else partial(self.f, x)
            return self.within(leaves, x, call)
        return self(tree.replace(params, leaves), x)

    def __call__(self, params: Any, x: Any) -> Any:
        if self.is_function:
            return self.f.apply(*self._by_position(natural(params), x))
        by_place, by_name = arguments(self.at, params, x)
        return self.f(*by_place, **by_name)

    def in_code(self, params: Any, x: Any, write: Callable[[Any], str]) -> str:
        if is_module(self.f):
            with SWAPPING:
                names = [name for name, _ in self.f.named_parameters()]
            own = dict(zip(names, tree.leaves(params), strict=False))  # forward may have made more of them
            by_name = ((), {self.at: x}) if isinstance(self.at, str) else ((x,),)
            return call_in_code("torch.func.functional_call", (Name("copied"), own, *by_name), {}, write)
        name = name_in_code(self.f)
        if self.is_function:
            return call_in_code(f"{name}.apply", self._by_position(natural(params), x), {}, write)
        return call_in_code(name, *arguments(self.at, params, x), write)

    def _by_position(self, params: Any, x: Any) -> tuple[Any, ...]:
        form, by_name = self.signature, fields(params)
        known = list(form.parameters)
        if self.at not in {*range(len(known)), *known}:
            raise ValueError(f"as_layer: {self.f.__name__} has no argument {self.at!r}, only {', '.join(known)}")
        if by_name is None:
            return arguments(known.index(self.at) if isinstance(self.at, str) else self.at, params, x)[0]
        bound = form.bind(**by_name, **{known[self.at] if isinstance(self.at, int) else self.at: x})
        bound.apply_defaults()
        return bound.args

    def within(self, leaves: list[Any], x: Any, call: Callable[[], Any]) -> Any:
        """Make a call while a module has these parameters, and buffers that it may write to.

        Backward is such a call too, because parts of forward may be run again in it (`torch.utils.checkpoint`).
        """
        if not is_module(self.f):
            return call()
        with SWAPPING:
            if self.keeps_shapes:
                _check_shapes(self.f, leaves)
            parts = list(self.f.modules())
            parameters, buffers = _held(parts, "_parameters"), _held(parts, "_buffers")
            own = {id(each.value): each.value for each in parameters}
            if len(own) != len(leaves):
                counts = f"has {len(own)} parameters now, and got {len(leaves)}: does its forward make some?"
                raise ValueError(f"as_layer: {name_of_function(self.f)} {counts}")
            # A module's own parameters have no gaps: where there are some, torch's batch norm gives another dx.
            lent = {key: leaf.contiguous() for key, leaf in zip(own, leaves, strict=True)}
            kind, like = (parameters[0].value.dtype, leaves[0].dtype) if parameters else (None, x.dtype)
            lent |= {id(each.value): _buffer(each.value, kind, like) for each in buffers}
            for key, parameter in own.items():
                _stands_for(parameter, lent[key])
            try:
                for each in (*parameters, *buffers):
                    each.by_name[each.name] = lent[id(each.value)]
                return call()
            finally:
                for each in (*parameters, *buffers):
                    each.by_name[each.name] = each.value


def _dotted(entries: Any, path: str = "") -> list[str]:
    """The names of the arrays in dicts and tuples, as a module names its parameters."""
    if is_tuple(entries):
        entries = {str(i): each for i, each in enumerate(entries)}
    if not is_dict(entries):
        return [path.removeprefix(".")]
    return [name for key, each in entries.items() for name in _dotted(each, f"{path}.{key}")]


GIVEN: "WeakKeyDictionary[Subject, list[tuple[ref[Any], int]]]" = WeakKeyDictionary()
"""The gradients that backward gave last, which live on if f holds them, and how often each was written to."""


def _stands_for(parameter: Any, tensor: Any) -> None:
    tensor._is_param = True  # noqa: SLF001  # what `torch.nn.Parameter` looks at
    hooks = parameter._backward_hooks  # noqa: SLF001  # torch has no other name for them
    if hooks and tensor.requires_grad and tensor._backward_hooks is None:  # noqa: SLF001  # torch has no other name for them
        for hook in hooks.values():
            tensor.register_hook(hook)


@frozen(eq=False)
class Held:
    by_name: dict[str, Any]
    name: str
    value: Any


def _held(parts: list[Any], kind: str) -> list[Held]:
    dicts = [getattr(part, kind) for part in parts]
    return [Held(held, name, value) for held in dicts for name, value in held.items() if value is not None]


def _minds_shapes(part: Any) -> bool:
    """Tell whether a module takes parameters of other shapes for what they are not, without an error.

    Recurrent ones read beyond the end of the memory, and a parametrization broadcasts.
    """
    hooks = part._forward_pre_hooks.values()  # noqa: SLF001  # weight_norm's, before it was a parametrization
    makes_weights = any(type(hook).__module__.startswith("torch.nn.utils.") for hook in hooks)
    return isinstance(part, torch.nn.RNNBase) or torch.nn.utils.parametrize.is_parametrized(part) or makes_weights


def _check_shapes(module: Any, leaves: list[Any]) -> None:
    for (name, parameter), leaf in zip(module.named_parameters(), leaves, strict=True):
        if parameter.shape != leaf.shape:
            shapes = f"shape {tuple(parameter.shape)}, got {tuple(leaf.shape)}"
            raise ValueError(f"as_layer: {name} of {name_of_function(module)} must have {shapes}")


def _buffer(buffer: Any, kind: Any, like: Any) -> Any:
    moves = buffer.is_floating_point() and kind in {None, buffer.dtype}
    return buffer.detach().clone().to(like if moves else buffer.dtype)


def callable_of(f: Any) -> Any:
    """The callable of a layer, `F` for `F.apply`; anything that can't be called with tensors is a TypeError."""
    owner = getattr(f, "__self__", None)
    if is_function(owner):
        return owner
    if is_function(f) or (callable(f) and not isinstance(f, type)):
        return f
    got = f"the class {f.__name__}: give an instance" if isinstance(f, type) else describe(f)
    raise TypeError(f"as_layer: it must be a subclass of torch.autograd.Function, a module or a function, got {got}")


def plain(f: Any) -> Callable[[tuple[Any, ...]], Any] | None:
    """A function as it is, of x and the parameters as one tuple; nothing of a module, which holds its own."""
    made_of = callable_of(f)
    if is_module(made_of):
        return None
    subject = Subject(made_of, 0, constant_at(()), None, autocast=False, moves_x=True)
    return lambda args: subject(args[1:], args[0])


def positional_of(f: Any) -> tuple[str, ...]:
    return positional(function_signature(f) if is_function(f) else f)


def is_function(f: object) -> bool:
    return isinstance(f, type) and issubclass(f, torch.autograd.Function)


def is_module(f: object) -> bool:
    return isinstance(f, torch.nn.Module)


def function_signature(f: Any) -> Signature:
    """The arguments that `apply` takes: those of forward, without its context if it has one."""
    found = signature(f.forward)
    has_context = f.setup_context is torch.autograd.Function.setup_context
    return found.replace(parameters=list(found.parameters.values())[1:]) if has_context else found


class Loan:
    """A tensor for f, in place of an array of the caller's.

    It has memory of its own, so that what the caller writes later does not change what torch has saved; in the layout
    of the caller's, gaps and overlaps included. A tensor is lent as it is: torch itself watches over those.
    """

    def __init__(self, name: str, array: Any, device: Any) -> None:
        self.name = name
        self.array = array
        with torch.inference_mode(False) if torch.is_inference_mode_enabled() else nullcontext():
            if torch.is_tensor(array):
                self.tensor: Any = array.clone() if array.is_inference() else array.detach()
            else:
                self.tensor = tensor_of(array, device)
        self.version = self.writes

    def settle(self, call: str) -> None:
        """Hand back what the call has written: f is to be found out by whoever holds the array."""
        if torch.is_tensor(self.array):
            return
        now = _shared(self.tensor)
        if not _same_bits(now, _native(self.array)):
            if not self.array.flags.writeable:
                raise ValueError(f"as_layer: {call} writes to {self.name}, which is read-only")
            self.array[...] = now
        elif self.version != self.writes:
            raise ValueError(f"as_layer: {call} writes to {self.name}, where the same numbers stand afterwards")

    @property
    def writes(self) -> int:
        return _writes_to(self.tensor)


def _writes_to(tensor: Any) -> int:
    count: int = tensor._version  # noqa: SLF001  # torch has no other name for it
    return count


def _native(array: NDArray[Any]) -> NDArray[Any]:
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def tensor_of(array: NDArray[Any], device: Any = None) -> Any:
    """A tensor with memory of its own in the layout of an array; torch has no negative steps."""
    array = _native(np.asarray(array))
    copied = _copied(array)
    if copied.dtype.kind == "V" and copied.dtype.name == "bfloat16":
        tensor = torch.from_numpy(copied.view(np.int16)).view(torch.bfloat16)
    else:
        tensor = torch.from_numpy(copied)
    return tensor if device is None else tensor.to(device)


def _copied(array: NDArray[Any]) -> NDArray[Any]:
    size = array.itemsize
    if array.size == 0 or any(stride < 0 or stride % size for stride in array.strides):
        return array.copy()
    span = size + sum((side - 1) * stride for side, stride in zip(array.shape, array.strides, strict=True))
    memory = np.empty(span + LINE, np.uint8)
    gaps = (memory[:LINE], memory[-LINE:]) if array.flags.c_contiguous else (memory,)
    for each in gaps:
        each[...] = 0xFF  # nan in the gaps and beside, which a function may read that minds no steps
    offset = (array.__array_interface__["data"][0] - memory.__array_interface__["data"][0]) % LINE
    copied: NDArray[Any] = np.ndarray(array.shape, array.dtype, memory, offset, array.strides)
    copied[...] = array
    return copied


def numpy_of(tensor: Any) -> NDArray[Any]:
    """A NumPy array of a tensor's numbers, with memory of its own; bfloat16 as that of the package ml_dtypes."""
    return np.array(_shared(tensor.detach().to_dense()))


def _shared(tensor: Any) -> NDArray[Any]:
    on_host = tensor.detach().cpu().resolve_conj().resolve_neg()
    if on_host.dtype is not torch.bfloat16:
        shared: NDArray[Any] = on_host.numpy()
        return shared
    try:
        bfloat16 = np.dtype(import_module("ml_dtypes").bfloat16)
    except ImportError as missing:
        raise ImportError(f"NumPy has bfloat16 by the package ml_dtypes: {pip_install('torch')}") from missing
    shared = on_host.view(torch.int16).numpy()
    return shared.view(bfloat16)


def _same_bits(a: NDArray[Any], b: NDArray[Any]) -> bool:
    if a.itemsize not in {1, 2, 4, 8}:
        return tree.equal(a, b)
    bits = f"u{a.itemsize}"
    return bool((a.view(bits) == b.view(bits)).all())


def numpy_array(value: Any) -> NDArray[Any]:
    return numpy_of(value) if torch.is_tensor(value) else np.asarray(value)


def module_parameters(module: Any) -> Any:
    """The parameters of a module as a tree: records for modules, tuples where their names are numbers in order."""
    nested: dict[str, Any] = {}
    for name, parameter in module.named_parameters():
        *path, last = name.split(".")
        inner = nested
        for step in path:
            inner = inner.setdefault(step, {})
        inner[last] = numpy_of(parameter)
    return _record_of(nested) if nested else ()


def _record_of(entries: dict[str, Any]) -> Any:
    values: dict[str, Any] = {key: value if is_numpy(value) else _record_of(value) for key, value in entries.items()}
    places = [int(key) for key in values if key.isdecimal()]
    if len(places) == len(values) and places == sorted(set(places)):
        by_place = dict(zip(places, values.values(), strict=True))
        return tuple(by_place.get(place, ()) for place in range(places[-1] + 1))
    return built(dict, tuple(values), tuple(values.values()))


def module_constants(module: Any, chosen: Constant, params: Any) -> list[bool]:
    """Which parameters of a module are constant: those that require no gradient, and those that were chosen."""
    return [still or not own.requires_grad for own, still in zip(module.parameters(), chosen(params), strict=False)]


def function(subject: Subject) -> Function:
    start = ("import copy", "copied = copy.deepcopy(module).to({dtype})") if is_module(subject.f) else ()
    name = "module" if is_module(subject.f) else name_of_author(subject.f)
    others = () if is_module(subject.f) else tuple(beside(subject.positional, subject.at))
    run, check = partial(forward, subject), subject.check_params
    return Function(run, "torch", subject.in_code, start, subject.f, name, others=others, check_params=check)


def forward(subject: Subject, params: Any, x: Any) -> tuple[Any, Graph]:
    _check_array("x", x)
    on_numpy = is_numpy(x)
    device = subject.device or (None if on_numpy else x.device)
    leaves = tree.leaves(params)
    names = subject.names(params)
    for name, leaf in zip(names, leaves, strict=True):
        _check_array(name, leaf)
    lent = Loan("x", x, device)
    loans = [Loan(name, leaf, device) for name, leaf in zip(names, leaves, strict=True)]
    if subject.moves_x:
        _require_grad(lent.tensor)
    for loan, still in zip(loans, subject.constant(params), strict=True):
        if not still:
            _require_grad(loan.tensor)
    with _recording(lent.tensor.device.type, autocast=subject.autocast), _buffers_kept():
        inputs = [_lowered(each.tensor) if subject.autocast else each.tensor for each in (lent, *loans)]
        try:
            out = subject.at_leaves(params, inputs[1:], inputs[0])
        except RuntimeError as error:
            _check_dtypes(subject, error, lent, loans)
            raise
        if not torch.is_tensor(out):
            raise TypeError(
                f"as_layer: {name_of_function(subject.f)} must return one tensor, got {describe(out)}: {_wrapped(out)}"
            )
        if subject.autocast:
            out = out.to(lent.tensor.dtype)
    for loan in (lent, *loans):
        loan.settle(name_of_function(subject.f))
    give = numpy_of if on_numpy else _fresh
    return give(out), Graph(partial(_pull, subject, params, lent, loans, out, give))


def _check_dtypes(subject: Subject, error: RuntimeError, lent: Loan, loans: list[Loan]) -> None:
    """Say which dtypes do not go together, where f may have failed for that: many functions of torch mix them."""
    kind = lent.tensor.dtype
    others = [loan for loan in loans if loan.tensor.is_floating_point() and loan.tensor.dtype != kind]
    if "dtype" in str(error) and lent.tensor.is_floating_point() and others and not subject.autocast:
        is_, of = (str(each).removeprefix("torch.") for each in (kind, others[0].tensor.dtype))
        convert = "convert one of them, e.g. with .astype(np.float32)"
        raise TypeError(f"as_layer: x is {is_} but {others[0].name} is {of}: {convert}") from error


def _lowered(tensor: Any) -> Any:
    """In float32 what is in float64, which autocast would leave as it is: all dtypes are to run in bfloat16."""
    return tensor.float() if tensor.dtype == torch.float64 else tensor


def _wrapped(out: Any) -> str:
    return "wrap it: lambda *args: f(*args)[0]" if isinstance(out, tuple | list) and out else "wrap it"


def _pull(
    subject: Subject,
    params: Any,
    lent: Loan,
    loans: list[Loan],
    out: Any,
    give: Callable[[Any], Any],
    dout: Any,
    wants_dx: bool,
) -> tuple[Any, Any]:
    _check_array("dout", dout)
    of_dout = Loan("dout", dout, out.device)
    check_dout(of_dout.tensor, out.shape, out.dtype)
    # Without dx, torch's group norm reads beyond the memory of an x with gaps, and the process dies.
    asked = [lent, *loans] if wants_dx or not lent.tensor.is_contiguous() else loans
    wanted = [loan for loan in asked if loan.tensor.requires_grad]
    before = [loan.writes for loan in (lent, *loans)]
    gradients: dict[int, Any] = {}
    if wanted and out.requires_grad:
        with _recording(out.device.type, autocast=False), _buffers_kept():
            differentiate = partial(
                torch.autograd.grad,
                out,
                [loan.tensor for loan in wanted],
                of_dout.tensor,
                retain_graph=True,
                allow_unused=True,
            )
            found = subject.within([loan.tensor for loan in loans], lent.tensor, differentiate)
        if give is numpy_of:  # `check_against`, which calls with tensors, looks for itself
            _check_given(subject, found)
        gradients = {id(loan): gradient for loan, gradient in zip(wanted, found, strict=True)}
        _check_missing(subject, out, [loan for loan in wanted if gradients[id(loan)] is None])
    of_dout.settle(f"backward of {name_of_function(subject.f)}")
    for loan, count in zip((lent, *loans), before, strict=True):
        if loan.writes != count:
            raise ValueError(f"as_layer: backward of {name_of_function(subject.f)} writes to {loan.name}")

    def given(loan: Loan) -> Any:
        gradient = gradients.get(id(loan))
        return give(torch.zeros_like(loan.tensor) if gradient is None else gradient)

    return given(lent) if wants_dx else None, tree.replace(params, [read_only(given(loan)) for loan in loans])


def _check_given(subject: Subject, found: tuple[Any, ...]) -> None:
    """Refuse gradients in the memory of those that were given before: whoever holds those has other numbers now."""
    before = [(given(), writes) for given, writes in GIVEN.get(subject, ())]
    GIVEN[subject] = [(ref(each), _writes_to(each)) for each in found if each is not None]
    if any(each is not None and _writes_to(each) != writes for each, writes in before):
        name = name_of_function(subject.f)
        raise ValueError(
            f"as_layer: backward of {name} writes to a gradient that it gave before: is a buffer used again?"
        )


def _check_missing(subject: Subject, out: Any, missing: list[Loan]) -> None:
    """Refuse None for a gradient, unless f does not use the tensor at all: then its gradient is 0."""
    if not missing:
        return
    used = None if subject.is_function else _leaves_of(out.grad_fn)
    for loan in missing:
        if used is None or any(loan.tensor is leaf for leaf in used):
            raise TypeError(
                f"as_layer: {name_of_function(subject.f)} gives None for the gradient of {loan.name}; "
                f"a constant is to be named in frozen"
            )


def _leaves_of(node: Any) -> list[Any]:
    todo = [] if node is None else [node]  # of a tensor that f returns as it is
    seen = {*todo}
    while todo:
        inputs = {each for each, _ in todo.pop().next_functions if each is not None} - seen
        seen |= inputs
        todo += inputs
    return [each.variable for each in seen if hasattr(each, "variable")]


def _check_array(name: str, value: Any) -> None:
    if is_numpy(value) and value.dtype.hasobject:
        raise TypeError(f"as_layer: {name} must be an array of numbers, got {describe(value)}")
    if not (is_numpy(value) or torch.is_tensor(value)):
        raise TypeError(f"as_layer: {name} must be an array of NumPy's or a tensor, got {describe(value)}")


def _require_grad(tensor: Any) -> None:
    if tensor.is_floating_point():
        tensor.requires_grad_()


def _fresh(tensor: Any) -> Any:
    return tensor.detach().to_dense().clone()


def _buffers_kept() -> Any:
    """A context in which a function that torch compiles keeps its buffers: backward runs several times."""
    config: Any = sys.modules.get("torch._functorch.config") if "torch._dynamo" in sys.modules else None
    return config.patch(donated_buffer=False) if hasattr(config, "donated_buffer") else nullcontext()


@contextmanager
def _recording(device: str, *, autocast: bool) -> Generator[None, None, None]:
    """A context in which torch records, whatever it is told outside, and in which the dtype is what was asked for."""
    lowered: Any = nullcontext()
    if torch.amp.is_autocast_available(device) and (autocast or torch.is_autocast_enabled(device)):
        lowered = torch.autocast(device, dtype=torch.bfloat16, enabled=autocast, cache_enabled=False)
    with torch.inference_mode(False), torch.enable_grad(), lowered:
        yield
