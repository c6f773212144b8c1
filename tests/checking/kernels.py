"""Kernels of a layer norm in torch, JAX and NumPy with float32 inside, with a mistake planted in each."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
from attrs import frozen

from chainrule import Array, Layer, own

EPS = 1e-5

NAMES = (
    "missing term",
    "eps outside",
    "low-precision sum",
    "low-precision accumulation",
    "block edge",
    "strided dout",
    "in-place x",
    "unwritten memory",
    "None",
)
"""The mistakes. The sum is dbias, the accumulation dweight: rows are added one by one in the dtype of dout."""

IN_JAX = ("missing term", "eps outside", "low-precision sum", "low-precision accumulation", "block edge", "None")
"""Those that a function of JAX can have, which has no memory to be wrong about."""

LOW_PRECISION = ("low-precision sum", "low-precision accumulation")
"""Those that are none in float32 and float64."""

WHERE = {
    "missing term": {"gradients"},
    "eps outside": {"values", "gradients"},
    "low-precision sum": {"rows"},
    "low-precision accumulation": {"rows"},
    "block edge": {"rows"},
    "strided dout": {"layouts"},
    "in-place x": {"unchanged"},
    "unwritten memory": {"gradients", "unwritten", "repeated"},  # one call may find what another left there
    "None": {"gradients"},
}
"""The laws of which one must find each."""


def formula(x: Any, weight: Any, bias: Any) -> Any:
    """The plain formula, in NumPy and in JAX."""
    centred = x - x.mean(-1, keepdims=True)
    return centred / (((centred * centred).mean(-1, keepdims=True) + EPS) ** 0.5) * weight + bias


def torch_formula(x: Any, weight: Any, bias: Any) -> Any:
    """The plain formula in torch."""
    centred = x - x.mean(-1, keepdim=True)
    return centred / ((centred * centred).mean(-1, keepdim=True) + EPS) ** 0.5 * weight + bias


def torch_function(forward: Callable[..., Any], backward: Callable[..., Any]) -> Callable[..., Any]:
    """An `autograd.Function`: backward takes `dout`, the output, and what forward has taken."""
    torch: Any = import_module("torch")

    class Function(torch.autograd.Function):  # type: ignore[misc]  # its base is torch's
        @staticmethod
        def forward(ctx: Any, *arguments: Any) -> Any:
            out = forward(*arguments)
            ctx.save_for_backward(out, *arguments)
            return out

        @staticmethod
        def backward(ctx: Any, dout: Any) -> Any:
            return backward(dout, *ctx.saved_tensors)

    apply: Callable[..., Any] = Function.apply
    return apply


def torch_kernel(fault: str = "") -> Callable[..., Any]:
    """A layer norm as an `autograd.Function`."""
    torch: Any = import_module("torch")

    class Kernel(torch.autograd.Function):  # type: ignore[misc]  # its base is torch's
        @staticmethod
        def forward(ctx: Any, x: Any, weight: Any, bias: Any) -> Any:
            wide = x.to(torch.promote_types(x.dtype, torch.float32))
            centred = wide - wide.mean(-1, keepdim=True)
            variance = (centred * centred).mean(-1, keepdim=True)
            scale = 1 / (variance.sqrt() + EPS) if fault == "eps outside" else (variance + EPS).rsqrt()
            out = (centred * scale * weight.to(wide.dtype) + bias.to(wide.dtype)).to(x.dtype)
            if fault == "block edge" and len(x) % 8 == 1:
                out[-1] = bias
            ctx.save_for_backward(centred * scale, scale, weight)
            if fault == "in-place x":
                x.zero_()
            return out

        @staticmethod
        def backward(ctx: Any, dout: Any) -> Any:
            x, scale, weight = ctx.saved_tensors
            if fault == "strided dout":  # reads memory on from its beginning, whatever its steps
                memory = torch.empty(0, dtype=dout.dtype).set_(dout.untyped_storage())
                dout = memory[torch.arange(dout.numel()) % len(memory)].reshape(dout.shape)
            wide = dout.to(x.dtype)
            slope = wide * weight.to(x.dtype)
            projected = 0 if fault == "missing term" else x * (slope * x).mean(-1, keepdim=True)
            dx = scale * (slope - slope.mean(-1, keepdim=True) - projected)
            products = wide * x
            dweight: Any = products.sum(0).to(weight.dtype)
            dbias: Any = wide.sum(0).to(weight.dtype)
            if fault == "low-precision sum":
                dbias = sum(dout)
            if fault == "low-precision accumulation":
                dweight = sum(products.to(dout.dtype))
            if fault == "unwritten memory":
                whole, dbias = dbias, torch.empty_like(dbias)
                dbias[:-1] = whole[:-1]
            return dx.to(dout.dtype), dweight, None if fault == "None" else dbias

    apply: Callable[..., Any] = Kernel.apply
    return apply


@frozen
class Cache:
    """The cache of the NumPy kernel."""

    x: Array
    scale: Array
    weight: Array


def numpy_kernel(fault: str = "") -> Layer[tuple[Array, Array], Cache]:
    """A layer norm as a layer."""

    def forward(params: tuple[Array, Array], x: Array) -> tuple[Array, Cache]:
        weight, bias = params
        wide = x.astype(np.result_type(x, np.float32))
        centred = wide - wide.mean(-1, keepdims=True)
        variance = (centred * centred).mean(-1, keepdims=True)
        scale = 1 / (np.sqrt(variance) + EPS) if fault == "eps outside" else 1 / np.sqrt(variance + EPS)
        out = (centred * scale * weight + bias).astype(x.dtype)
        if fault == "block edge" and len(x) % 8 == 1:
            out[-1] = bias
        if fault == "in-place x":
            x[...] = 0
        return out, Cache(centred * scale, scale, own(weight))

    def backward(cache: Cache, dout: Array) -> tuple[Array, Any]:
        x, scale, weight = cache.x, cache.scale, cache.weight
        given = dout
        if fault == "strided dout":
            base: Any = dout if dout.base is None else dout.base
            dout = np.resize(np.asarray(base).reshape(-1).view(dout.dtype), dout.shape)
        wide = dout.astype(x.dtype)
        slope = wide * weight
        projected = 0 if fault == "missing term" else x * (slope * x).mean(-1, keepdims=True)
        dx = scale * (slope - slope.mean(-1, keepdims=True) - projected)
        products = wide * x
        dweight: Any = products.sum(0).astype(weight.dtype)
        dbias: Any = wide.sum(0).astype(weight.dtype)
        if fault == "low-precision sum":
            dbias = sum(dout)
        if fault == "low-precision accumulation":
            dweight = sum(products.astype(dout.dtype))
        if fault == "unwritten memory":
            whole, dbias = dbias, np.empty_like(dbias)
            dbias[:-1] = whole[:-1]
        return dx.astype(given.dtype), (dweight, None if fault == "None" else dbias)

    return Layer(forward, backward)


def jax_kernel(fault: str = "") -> Callable[..., Any]:
    """A layer norm as a `custom_vjp`."""
    jax: Any = import_module("jax")
    jnp: Any = import_module("jax.numpy")

    def forward(x: Any, weight: Any, bias: Any) -> Any:
        wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        centred = wide - wide.mean(-1, keepdims=True)
        variance = (centred * centred).mean(-1, keepdims=True)
        scale = 1 / (jnp.sqrt(variance) + EPS) if fault == "eps outside" else 1 / jnp.sqrt(variance + EPS)
        out = (centred * scale * weight + bias).astype(x.dtype)
        if fault == "block edge" and len(x) % 8 == 1:
            out = out.at[-1].set(bias)
        return out, (centred * scale, scale, weight)

    def backward(kept: Any, dout: Any) -> Any:
        x, scale, weight = kept
        wide = dout.astype(x.dtype)
        slope = wide * weight
        projected = 0 if fault == "missing term" else x * (slope * x).mean(-1, keepdims=True)
        dx = scale * (slope - slope.mean(-1, keepdims=True) - projected)
        products = wide * x
        dweight, dbias = products.sum(0).astype(weight.dtype), wide.sum(0).astype(weight.dtype)
        if fault == "low-precision sum":
            dbias = added(dout)
        if fault == "low-precision accumulation":
            dweight = added(products.astype(dout.dtype))
        return dx.astype(dout.dtype), dweight, None if fault == "None" else dbias

    def added(rows: Any) -> Any:
        return jax.lax.scan(add, jnp.zeros_like(rows[0]), rows)[0]

    def add(total: Any, row: Any) -> Any:
        return total + row, None

    def value(x: Any, weight: Any, bias: Any) -> Any:
        return forward(x, weight, bias)[0]

    kernel: Any = jax.custom_vjp(value)
    kernel.defvjp(forward, backward)
    result: Callable[..., Any] = kernel
    return result


def exact() -> Layer[Any, Any]:
    """The layer norm in the precision of its arguments, with sums in float32 at least."""

    def forward(params: Any, x: Array) -> tuple[Array, Any]:
        weight, bias = params
        centred = x - x.mean(-1, keepdims=True)
        scale = 1 / np.sqrt((centred * centred).mean(-1, keepdims=True) + np.asarray(1e-5, x.dtype))
        return centred * scale * weight + bias, (centred * scale, scale, weight.copy())

    def backward(cache: Any, dout: Array) -> tuple[Array, Any]:
        x, scale, weight = cache
        slope = dout * weight
        dx = scale * (slope - slope.mean(-1, keepdims=True) - x * (slope * x).mean(-1, keepdims=True))
        wide = np.result_type(dout, np.float32)
        return dx, ((dout * x).sum(0, dtype=wide).astype(dout.dtype), dout.sum(0, dtype=wide).astype(dout.dtype))

    return Layer(forward, backward)
