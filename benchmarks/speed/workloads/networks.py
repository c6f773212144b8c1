"""Training steps of whole networks: ours beside torch's, eager and compiled, and JAX's, in float32, with one thread.

A step computes the loss and all gradients, and descends. A network is a line of a file in `speed.networks`.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib import import_module
from itertools import repeat
from pkgutil import iter_modules
from typing import Any

import numpy as np

import speed.networks
from chainrule import Labels, sgd, softmax_cross_entropy, training_step, tree
from speed.contender import COMPILED, JAX, OURS, TORCH
from speed.harness import Loop, Plan, Row
from speed.options import Options
from speed.processes import ask, process
from speed.whole import Size, Whole
from speed.workloads.layers import compared, raced

RATE = 0.01

LINES: dict[str, Whole] = {
    name: line
    for module in iter_modules(speed.networks.__path__, "speed.networks.")
    for name, line in import_module(module.name).LINES.items()
}


def ours(line: Whole, size: Size, params: Any, x: Any, labels: Labels) -> Loop:
    """`training_step`."""

    def steps(params: Any) -> Iterator[Any]:
        optimizer = sgd(RATE)
        making: Any = training_step  # its overloads are for networks whose type is known
        step = making(line.network(size), softmax_cross_entropy, optimizer)
        state = optimizer.init(params)
        while True:
            params, state, loss = step(params, state, x, labels)
            yield loss, params

    return Loop(steps(params), read=lambda item: (item[0], tree.leaves(item[1])))


def in_torch(line: Whole, size: Size, params: Any, x: Any, labels: Labels) -> Loop:
    """Eager: `torch.autograd.grad`, and an update in place."""
    torch: Any = import_module("torch")
    loss, leaves, batch = _of_torch(torch, line, size, params, x, labels)

    def step(leaves: Any, x: Any, labels: Any) -> Any:
        value = loss(leaves, x, labels)
        grads = torch.autograd.grad(value, leaves)
        with torch.no_grad():
            _descend(leaves, grads)
        return value.detach()

    return _loop(step, [leaf.requires_grad_() for leaf in leaves], batch)


def compiled(line: Whole, size: Size, params: Any, x: Any, labels: Labels) -> Loop:
    """Loss, gradients and update as one function in `torch.compile`, for this size alone."""
    torch: Any = import_module("torch")
    torch.compiler.reset()
    loss, leaves, batch = _of_torch(torch, line, size, params, x, labels)

    def step(leaves: Any, x: Any, labels: Any) -> Any:
        grads, value = torch.func.grad_and_value(loss)(leaves, x, labels)
        _descend(leaves, grads)
        return value

    return _loop(torch.compile(step, dynamic=False), leaves, batch)


def _of_torch(torch: Any, line: Whole, size: Size, *start: Any) -> tuple[Callable[..., Any], list[Any], list[Any]]:
    """The loss as a function of the leaves and the batch, and these."""
    logits, (params, *batch) = line.torch(torch, size), start

    def loss(leaves: Any, x: Any, labels: Any) -> Any:
        return torch.nn.functional.cross_entropy(logits(x, *leaves).flatten(0, -2), labels.flatten())

    return loss, [torch.tensor(leaf) for leaf in tree.leaves(params)], [torch.tensor(each) for each in batch]


def _descend(leaves: Any, grads: Any) -> None:
    for leaf, grad in zip(leaves, grads, strict=True):
        leaf.sub_(grad, alpha=RATE)


def _loop(step: Any, leaves: list[Any], batch: list[Any]) -> Loop:
    items = ((step(leaves, *batch), leaves) for _ in repeat(None))
    return Loop(items, read=lambda item: (item[0].numpy(), [leaf.detach().numpy().copy() for leaf in item[1]]))


def in_jax(line: Whole, size: Size, params: Any, x: Any, labels: Labels) -> Loop:
    """The whole step in `jit`, with the old parameters donated to the new."""
    jax: Any = import_module("jax")
    function = line.jax(jax, size)

    def cross_entropy(leaves: Any, x: Any, labels: Any) -> Any:
        log_p = jax.nn.log_softmax(function(x, *leaves))
        return -jax.numpy.take_along_axis(log_p, labels[..., None], -1).mean()

    def step(leaves: Any, x: Any, labels: Any) -> Any:
        loss, grads = jax.value_and_grad(cross_entropy)(leaves, x, labels)
        return loss, [leaf - RATE * grad for leaf, grad in zip(leaves, grads, strict=True)]

    def steps() -> Iterator[Any]:
        compiled, batch = jax.jit(step, donate_argnums=0), [jax.numpy.array(each) for each in (x, labels)]
        leaves = [jax.numpy.array(leaf) for leaf in tree.leaves(params)]
        while True:
            loss, leaves = compiled(leaves, *batch)
            yield loss, leaves

    return Loop(steps(), ready=jax.block_until_ready)


CONTENDERS: dict[str, Callable[..., Loop]] = {
    OURS: ours,
    TORCH: in_torch,
    COMPILED: compiled,
    JAX: in_jax,
}


def measure(options: Options) -> Iterator[Row]:
    """A row for each network, size and contender."""
    with process() as child:
        for name, line in LINES.items():
            for size in line.sizes[: 1 if options.quick else None]:
                yield from ask(child, compare, name, size, options.plan, compiles=COMPILED in options.names)


def compare(name: str, size: Size, plan: Plan, *, compiles: bool = True) -> list[Row]:
    """Those whose first step is ours take turns; torch.compile takes half a minute before, if it is to take part."""
    rng, line = np.random.default_rng(0), LINES[name]
    start = line.params(rng, size), *line.batch(rng, size)
    makers = {
        contender: partial(make, line, size, *start)
        for contender, make in CONTENDERS.items()
        if (line.compiles and compiles) or contender != COMPILED
    }
    return raced({"network": name, "size": " \N{MULTIPLICATION SIGN} ".join(map(str, size))}, makers, plan)


def parts(rows: Sequence[Row]) -> dict[str, str]:
    """The table of the networks."""
    return {"networks": compared("network", rows, "size")}
