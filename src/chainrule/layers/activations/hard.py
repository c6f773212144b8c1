"""Hard units: tanh, the sigmoid and swish in straight pieces, which cost no exponential.

    hard_tanh(x) = min(max(x, -1), 1)
    hard_sigmoid(x) = min(max((x + 3) / 6, 0), 1)
    hard_swish(x) = x min(max((x + 3) / 6, 0), 1)

The second and the third are torch's, Keras' and those of their paper (Howard et al., Searching for MobileNetV3, 2019);
ONNX's HardSigmoid has other slopes by default.

**Derivation.** Between the kinks each is a polynomial, and outside the slope is 0, or 1 for hard_swish on the right:

    hard_tanh'(x) = 1 where |x| < 1
    hard_sigmoid'(x) = 1 / 6 where |x| < 3
    hard_swish'(x) = (x + 3) / 6 + x / 6 where |x| < 3
    dL = <dout, f'(x) * dx> = <f'(x) * dout, dx>        (* entry by entry)

so that for each f of the three

    dx = f'(x) * dout

At a kink the slope is that of the outer piece, as in torch.

**To remember:** a number that was clipped going forward has no derivative coming back.

Special values are torch's: hard_swish(-inf) is nan. A nan passes forward; a gate is closed to it, as the first two have
one: their slope there is 0. Where the gate is closed, `dx` is 0 even if `dout` is infinite or nan.

**In other libraries.**

| here | torch | Keras | JAX |
|---|---|---|---|
| `hard_tanh` | `torch.nn.Hardtanh` | `keras.activations.hard_tanh` | `jax.nn.hard_tanh` |
| `hard_sigmoid` | `torch.nn.Hardsigmoid` | `keras.activations.hard_sigmoid` | `jax.nn.hard_sigmoid` |
| `hard_swish` | `torch.nn.Hardswish` | `keras.activations.hard_swish` | `jax.nn.hard_swish` |

Examples
--------
>>> import numpy as np
>>> from chainrule import hard_swish, hard_tanh
>>> out, cache = hard_tanh.forward((), np.array([[-2.0, 0.5, 1.0]]))
>>> out, hard_tanh.backward(cache, np.ones((1, 3)))[0]
(array([[-1. ,  0.5,  1. ]]), array([[0., 1., 0.]]))
>>> hard_swish.forward((), np.array([[-3.0, 0.0, 3.0, 6.0]]))[0]
array([[-0.,  0.,  3.,  6.]])
"""

from chainrule.rules import Array, Elementwise, Namespace, elementwise, onnx_operator


def hard_tanh_forward(xp: Namespace, x: Array) -> tuple[Array, Array]:
    """`out = min(max(x, -1), 1)`; the gate is saved."""
    return xp.clip(x, -1.0, 1.0), xp.astype(xp.abs(x) < 1, x)


def hard_tanh_backward(xp: Namespace, gate: Array, dout: Array) -> Array:
    """`dx = dout` where the gate is open."""
    return xp.gate(gate, dout)


def hard_sigmoid_forward(xp: Namespace, x: Array) -> tuple[Array, Array]:
    """`out = (min(max(x, -3), 3) + 3) / 6`; the gate is saved."""
    return (xp.clip(x, -3.0, 3.0) + 3) / 6, xp.astype(xp.abs(x) < 3, x)


def hard_sigmoid_backward(xp: Namespace, gate: Array, dout: Array) -> Array:
    """`dx = dout / 6` where the gate is open."""
    return xp.gate(gate, dout) / 6


def hard_swish_forward(xp: Namespace, x: Array) -> tuple[Array, Array]:
    """`out = x (min(max(x, -3), 3) + 3) / 6`; the slope is saved."""
    inside = xp.clip(x, -3.0, 3.0)
    gate = (inside + 3) / 6
    return x * gate, gate + xp.astype(xp.abs(x) < 3, x) * inside / 6


hard_tanh: Elementwise = elementwise(
    "hard_tanh",
    hard_tanh_forward,
    backward=hard_tanh_backward,
    operations=(4, 1),
    onnx=onnx_operator("Clip", -1.0, 1.0),
)
"""`min(max(x, -1), 1)`, entry by entry; its parameters are `()`."""
hard_sigmoid: Elementwise = elementwise(
    "hard_sigmoid",
    hard_sigmoid_forward,
    backward=hard_sigmoid_backward,
    operations=(6, 2),
    onnx=onnx_operator("HardSigmoid", alpha=1 / 6),
)
"""`min(max((x + 3) / 6, 0), 1)`, entry by entry; its parameters are `()`.

Examples
--------
>>> import numpy as np
>>> from chainrule import hard_sigmoid
>>> out, cache = hard_sigmoid.forward((), np.array([-1.0, 0.0, 2.0]))
>>> out.round(4)
array([0.3333, 0.5   , 0.8333])
>>> hard_sigmoid.backward(cache, np.ones(3))[0].round(4)
array([0.1667, 0.1667, 0.1667])
"""
hard_swish: Elementwise = elementwise("hard_swish", hard_swish_forward, operations=(10, 1), onnx="HardSwish")
"""`x min(max((x + 3) / 6, 0), 1)`, entry by entry; its parameters are `()`."""
