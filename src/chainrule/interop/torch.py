"""torch: any layer as a function whose derivative in torch is the layer's own backward, and any function as a layer.

    forward:  out = f(params, x)        kept: the layer's cache, by torch's save_for_backward
    backward: dout -> (dx, grads)       the layer's backward, or its grads where x needs no derivative

`autograd_function(layer)` makes a function of a layer, `as_layer(f)` a layer of a function, so that `check_layer` can
judge a backward that somebody has written by hand. `compiled(step)` makes one program of a step of training.

A hand-written and checked backward thus drops into a torch model, and `torch.autograd.gradcheck` can judge it. Layers
also run on torch's tensors as they are; then torch records each operation and differentiates through our forward.

**Under `torch.autocast`** such a function computes in the dtype of its arguments, forward and backward, as it does
without. All of them must have one dtype: convert what autocast has lowered, with `.float()`. A layer's own forward is
not protected: autocast lowers the product of an affine layer, and the next affine layer refuses to multiply that by
parameters of another dtype.

**Under `torch.func`** (`vmap`, `grad`, `jacrev` and their like) call a layer's own forward: torch differentiates
through it, as often as you like. `vmap` of `value_and_grad` gives gradients by our backward, one for each example. A
function made here is refused there by torch: it "must override the setup_context staticmethod". Transforms take
tensors, no records: make the record inside. `torch.func.functional_call` alone, without a transform around it, takes
modules of either kind.

Import this module yourself: `import chainrule` never imports torch. It needs `pip install
'chainrule[torch]'`.
"""

from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext
from functools import partial
from importlib import import_module
from typing import Any, ParamSpec, TypeVar

import numpy as np

from chainrule import tree
from chainrule.arrays.arguments import describe
from chainrule.arrays.extras import pip_install
from chainrule.arrays.types import Array
from chainrule.encoder import Encoder, Network, checked_network, seed_hint
from chainrule.interop.arguments import Place, beside, check_place, constant_at, keep, name_of_function
from chainrule.interop.graph import Graph, backward, grads
from chainrule.interop.parameters import named
from chainrule.layer import Layer
from chainrule.parts import Constants, Parts

try:
    # Its types are no part of ours, and it need not be there where ours are checked.
    torch: Any = import_module("torch")
except ImportError as _missing:
    raise ImportError(f"chainrule.interop.torch needs the package torch: {pip_install('torch')}") from _missing

# After torch, which they do not say how to install.
from chainrule.interop import _state_dict, _torch_compiled, _torch_layer

__all__ = [
    "as_encoder",
    "as_layer",
    "autograd_function",
    "compiled",
    "from_state_dict",
    "parameters",
    "to_state_dict",
]

P = TypeVar("P")
C = TypeVar("C")
R = TypeVar("R")
Q = ParamSpec("Q")


def autograd_function(layer: Layer[P, C]) -> Callable[[P, Array], Array]:
    """Make a torch function of a layer: its value is our forward, its derivative our backward.

    Parameters
    ----------
    layer
        Any layer, a network too. It must run on torch's tensors, as ours do.

    Returns
    -------
    Callable
        `(params, x) -> out`, of tensors, parameters of a `torch.nn.Module` among them. It raises what the layer's
        forward raises. Tensors that require gradients get them. If a tensor that backward needs is written to, torch
        raises an error in backward. A layer defines its first derivative only: asking for the second is an error.

    Raises
    ------
    TypeError
        If it is no `Layer`.

    Examples
    --------
    >>> import torch
    >>> from chainrule import Affine, affine
    >>> from chainrule.interop.torch import autograd_function
    >>> linear = autograd_function(affine)
    >>> params = Affine(W=torch.ones(3, 2, requires_grad=True), b=torch.zeros(2))
    >>> linear(params, torch.ones(4, 3)).sum().backward()
    >>> params.W.grad
    tensor([[4., 4.],
            [4., 4.],
            [4., 4.]])
    """
    if not isinstance(layer, Layer):
        raise TypeError(f"autograd_function: it must be a Layer, got {describe(layer)}{seed_hint(layer)}")
    return partial(_apply, layer)


def as_layer(
    f: Callable[..., object],
    *,
    x: Place = 0,
    frozen: Collection[Place] = (),
    couples_rows: bool = False,
    autocast: bool = False,
    device: object = None,
) -> Layer[Any, Graph]:
    """Make a layer of a torch function: its forward is the function, its backward what torch finds for it.

    `check_layer(as_layer(f), params, x, rng=rng)` then judges the backward of an `autograd.Function`, hand-written or
    a kernel's.

    Parameters
    ----------
    f
        A subclass of `torch.autograd.Function`, whose `apply` is called; a module; or a function of tensors. It must
        return one tensor.
    x
        Which argument is x: its position, or its name. The entries of a tuple of parameters are the other arguments,
        in order, and an array alone is one; the fields of a record are arguments by their names if x has a name, or if
        f is an `autograd.Function`, and otherwise the record is one argument, a dict if it was made of one. A module
        has parameters of its own: see `parameters`.
    frozen
        The names of parameters that are constant, or their positions: they require no gradient, theirs are zeros, and
        a check and training know it. So are parameters of a module that require none.
    couples_rows
        Whether rows depend on each other, as in batch normalisation.
    autocast
        Whether forward runs under `torch.autocast` in bfloat16, also for float64, which becomes float32 first. The
        result is converted to the dtype of x. Without it, autocast is off.
    device
        Where NumPy's arrays are moved to: by default, where x is if it is a tensor, and the CPU otherwise.

    Returns
    -------
    Layer
        For arrays of NumPy and for tensors; it returns what x is, in memory of its own. bfloat16 in NumPy is that of
        the package ml_dtypes. The cache is torch's graph: backward may be called on it as often as you like.

        A gradient is zeros if f does not use the parameter. It is a TypeError if f gives None for a parameter that it
        uses, and a ValueError if f writes to an argument that is read-only, or writes what stands there already;
        what it writes to another argument is found there. Nothing is added to a tensor's `grad`, and no settings of
        torch are changed, but for what f itself changes. Each call finds the buffers of a module as they are in it, and
        what it writes to them is dropped: a count of calls in one stands still. A function that draws random numbers
        has to set its seed itself, of a generator of its own or within `torch.random.fork_rng()`.

    Raises
    ------
    TypeError
        If `f` is nothing that can be called with tensors, or `x` or `frozen` no place of an argument.
    ValueError
        If `x` is a negative position, or another than 0 for a module.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from chainrule import check_layer
    >>> from chainrule.interop.torch import as_layer, parameters
    >>> class Scaled(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x, weight):
    ...         ctx.save_for_backward(x, weight)
    ...         return x * weight
    ...     @staticmethod
    ...     def backward(ctx, dout):
    ...         x, weight = ctx.saved_tensors
    ...         return dout * weight, (dout * x).mean(0)
    >>> rng = np.random.default_rng(0)
    >>> weight, x = rng.standard_normal(3), rng.standard_normal((5, 3))
    >>> report = check_layer(as_layer(Scaled), weight, x, rng=rng)
    >>> [verdict.field for verdict in report.failures if verdict.law == "derivative"]
    ['grads']
    >>> linear = torch.nn.Linear(3, 2)
    >>> check_layer(as_layer(linear), parameters(linear), x.astype(np.float32), rng=rng).ok
    True
    """
    subject, parts = _subject(f, x, frozen, autocast=autocast, device=device, moves_x=True)
    return Layer(
        _torch_layer.function(subject),
        backward,
        grads,
        name=name_of_function(subject.f),
        parts=parts,
        couples_rows=couples_rows,
    )


def as_encoder(
    f: Callable[..., object],
    *,
    x: Place = 0,
    frozen: Collection[Place] = (),
    couples_rows: bool = False,
    autocast: bool = False,
    device: object = None,
) -> Encoder[Any, Graph, Any]:
    """Make an encoder of a torch function: as `as_layer`, for an x that needs no derivative, such as tokens.

    Parameters
    ----------
    f, x, frozen, couples_rows, autocast, device
        As of `as_layer`. What f is given for x requires no gradient.

    Returns
    -------
    Encoder
        As the layer of `as_layer`, without `dx`.

    Raises
    ------
    TypeError, ValueError
        As `as_layer`.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from chainrule import check_layer
    >>> from chainrule.interop.torch import as_encoder, parameters
    >>> words, rng = torch.nn.Embedding(10, 4), np.random.default_rng(0)
    >>> check_layer(as_encoder(words), parameters(words), rng.integers(0, 10, (5, 3)), rng=rng).ok
    True
    """
    subject, parts = _subject(f, x, frozen, autocast=autocast, device=device, moves_x=False)
    return Encoder(
        _torch_layer.function(subject),
        grads,
        name=name_of_function(subject.f),
        parts=parts,
        couples_rows=couples_rows,
    )


def _subject(
    f: object, x: Place, frozen: Collection[Place], *, autocast: bool, device: object, moves_x: bool
) -> tuple[_torch_layer.Subject, Parts]:
    made_of = _torch_layer.callable_of(f)
    check_place(x)
    constant, still = constant_at(frozen, beside(_torch_layer.positional_of(made_of), x)), bool(frozen)
    if _torch_layer.is_module(made_of):
        if x != 0 and not isinstance(x, str):
            raise ValueError(f"as_layer: x of a module must be 0 or a name, got {x}: wrap it in another module")
        still = still or not all(parameter.requires_grad for parameter in made_of.parameters())
        constant = partial(_torch_layer.module_constants, made_of, constant)
    subject = _torch_layer.Subject(made_of, x, constant, device, autocast, moves_x)
    return subject, Constants(partial(keep, constant)) if still else ()


def parameters(source: object) -> Any:
    """Make a tree of NumPy arrays of a module's parameters, or of a dict of tensors or arrays.

    Parameters
    ----------
    source
        A module; or dicts, lists, tuples, records, tensors and arrays, nested.

    Returns
    -------
    Any
        For a module and for a dict, a record (`chainrule.interop.parameters.Parameters`) with their names; `()` for a
        module that has none. A module in a module is a record in it, and modules that are numbered, as those of
        `torch.nn.Sequential`, are in a tuple, where `()` stands for one without parameters. The dtypes are kept; the
        arrays are copies.

    Raises
    ------
    TypeError
        If there is something else in it.

    Examples
    --------
    >>> import torch
    >>> from chainrule.interop.torch import parameters
    >>> network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    >>> parameters(network)
    (Parameters(weight=f32[4, 3], bias=f32[4]), (), Parameters(weight=f32[2, 4], bias=f32[2]))
    >>> parameters({"weight": torch.ones(2), "eps": 1e-5})
    Parameters(weight=f32[2], eps=1e-05)
    """
    if _torch_layer.is_module(source):
        return _torch_layer.module_parameters(source)
    return named(source, _torch_layer.numpy_array)


def compiled(f: Callable[Q, R], **options: Any) -> Callable[Q, R]:
    """Compile a function of trees of tensors, such as a step of training, as `jax.jit` does.

    The function is run once for each structure and for all shapes, dtypes and devices, on tensors without numbers.
    `torch.compile` makes one program of the operations that it asks for.

    Parameters
    ----------
    f
        A pure function of trees, such as `training_step` and `value_and_grad` make. It must not ask for a number of a
        tensor.
    **options
        Of `torch.compile`, such as `mode="max-autotune"`.

    Returns
    -------
    Callable
        The same function. A NumPy array among its arguments, such as the count of a state before the first step,
        becomes a tensor. All else that is no tensor is a constant of the program: give a seed as a tensor, or each
        compiles anew. torch records nothing of it.

    Raises
    ------
    TypeError
        If `f` is no function.

    Examples
    --------
    >>> import torch
    >>> from chainrule import Affine, affine, mean_squared_error, sgd, training_step
    >>> from chainrule.interop.torch import compiled
    >>> optimizer, params = sgd(0.5), Affine(torch.ones(3, 1), torch.zeros(1))
    >>> step = compiled(training_step(affine, mean_squared_error, optimizer), backend="eager")
    >>> params, state, loss = step(params, optimizer.init(params), torch.ones(4, 3), torch.zeros(4, 1))
    >>> loss, params.b
    (tensor(9.), tensor([-3.]))
    """
    if not callable(f):
        raise TypeError(f"compiled: f must be a function of trees, got {describe(f)}")
    return partial(_torch_compiled.call, f, {}, options)


def from_state_dict(params: P, state_dict: Mapping[str, Any], *, network: Network[P] | None = None) -> P:
    """Take weights from a module of torch.

    Parameters
    ----------
    params
        Parameters of the same structure, freshly drawn for example; or statistics, of a batch norm's running ones.
    state_dict
        What `module.state_dict()` gives: tensors, or NumPy's arrays, by name. A tuple of parameters is a
        `torch.nn.Sequential`, and `0.weight` a weight of its first entry. A record has the names and layouts that the
        page of its layer says, such as `weight` and `bias`; any other record those of its fields. What a batch norm of
        torch keeps beside its weights may be there.
    network
        The layer that the parameters are of. Transposed convolutions need it, for their weights are in another order
        than those of convolutions, and the record is the same.

    Returns
    -------
    P
        Parameters like `params` with these weights, of the library of the arrays in `params`.

    Raises
    ------
    ValueError
        If the weights do not fit: the message lists what is missing, what is unexpected, and what has another shape or
        dtype.
    TypeError
        If `state_dict` is no mapping, or `params` no tree of arrays of numbers.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from chainrule import affine, relu, sequential, two_layer
    >>> from chainrule.interop.torch import from_state_dict
    >>> module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    >>> fresh = two_layer.init(np.random.default_rng(0), 3, 4, 2)
    >>> params = from_state_dict(fresh, module.state_dict())
    >>> params
    (Affine(W=f32[3, 4], b=f32[4]), (), Affine(W=f32[4, 2], b=f32[2]))
    >>> x = np.ones((5, 3), np.float32)
    >>> out, _ = sequential(affine, relu, affine).forward(params, x)
    >>> np.allclose(out, module(torch.tensor(x)).detach(), atol=1e-6)
    True
    """
    if not isinstance(state_dict, Mapping):
        raise TypeError(f"from_state_dict: give module.state_dict(), got {describe(state_dict)}")
    layer = None if network is None else checked_network("from_state_dict", network)
    made: P = _state_dict.read("from_state_dict", layer, params, state_dict)
    return made


def to_state_dict(network: Network[P], params: P) -> dict[str, Any]:
    """Give weights to a module of torch.

    Parameters
    ----------
    network
        A layer or an encoder.
    params
        Its parameters.

    Returns
    -------
    dict
        Tensors by name, with memory of their own, for `module.load_state_dict`. The names are those that
        `from_state_dict` reads. The statistics of a batch norm in its form for use are among them.

    Raises
    ------
    ValueError
        If the parameters of a composition are not as many as its layers.
    TypeError
        If the network is none, or the parameters are of another class than its own or no arrays of numbers.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from chainrule import two_layer
    >>> from chainrule.interop.torch import to_state_dict
    >>> params = two_layer.init(np.random.default_rng(0), 3, 4, 2)
    >>> module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    >>> module.load_state_dict(to_state_dict(two_layer.network, params))
    <All keys matched successfully>
    """
    found, _ = _state_dict.entries("to_state_dict", checked_network("to_state_dict", network), params)
    _state_dict.check_own(network, params)
    return {entry.name: _torch_layer.tensor_of(np.array(entry.there, order="C")) for entry in found}


def _apply(layer: Layer[P, Any], params: P, x: Array) -> Array:
    out: Array = _Pullback.apply(layer, params, x, *tree.leaves(params))
    return out


class _Pullback(torch.autograd.Function):
    """A layer as torch sees it: a function of x and of the tensors that its parameters are made of."""

    @staticmethod
    def forward(ctx: Any, layer: Layer[P, C], params: P, x: Array, *leaves: Array) -> Array:
        with _without_autocast(x):
            out, cache = layer.forward(tree.replace(params, list(leaves)), x)
        ctx.layer = layer
        ctx.cache = tree.map(_nothing, cache)  # its structure: torch watches over the tensors themselves
        ctx.save_for_backward(*tree.leaves(cache))
        return out

    @staticmethod
    def backward(ctx: Any, dout: Array) -> tuple[Array | None, ...]:
        layer: Layer[Any, Any] = ctx.layer
        with torch.no_grad(), _without_autocast(dout):
            cache = tree.replace(ctx.cache, list(ctx.saved_tensors))
            if ctx.needs_input_grad[2]:
                dx, grads = layer.backward(cache, dout)
                gradients: list[Array | None] = [dx, *tree.leaves(grads)]
            else:
                gradients = [None, *tree.leaves(layer.grads(cache, dout))]
        if torch.is_grad_enabled():  # create_graph=True: somebody may want to differentiate again
            token = torch.zeros((), requires_grad=True)
            gradients = [None if each is None else _Last.apply(each, token) for each in gradients]
        return None, None, *gradients


class _Last(torch.autograd.Function):
    """A gradient that has no derivative: without this, torch would take it for a constant, and be wrong."""

    @staticmethod
    def forward(ctx: Any, gradient: Array, token: Array) -> Array:
        return gradient

    @staticmethod
    def backward(ctx: Any, dgradient: Array) -> None:
        raise RuntimeError("autograd_function: a layer defines its first derivative only; the second is not there")


def _without_autocast(x: Any) -> Any:
    """A context in which products keep the dtype of their factors, which the next layer's parameters have."""
    device = x.device.type if torch.is_tensor(x) else "cpu"
    return torch.autocast(device, enabled=False) if torch.amp.is_autocast_available(device) else nullcontext()


def _nothing(leaf: Array) -> Array:
    """A tensor without numbers, in the place of one that torch keeps."""
    empty: Array = torch.empty(0, device="meta")
    return empty
