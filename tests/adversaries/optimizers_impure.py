"""Wrong optimizers that write to what is not theirs, share memory, or remember outside of their state."""

import os
from collections.abc import Callable
from itertools import count
from typing import Any, TypeVar, overload

import numpy as np

from adversaries.case import Adversary, OptimizerCase
from adversaries.optimizer_making import case

IMPURE_OPTIMIZERS: list[Adversary] = []

M = TypeVar("M", bound=Callable[[], Any])


def leaves(of: Any) -> Any:
    return (of,) if hasattr(of, "dtype") else of


def like(params: Any, arrays: Any) -> Any:
    return tuple(arrays) if isinstance(params, tuple) else arrays[0]


@overload
def mapped(f: Callable[[Any], Any], tree: Any, /) -> Any: ...
@overload
def mapped(f: Callable[[Any, Any], Any], tree: Any, other: Any, /) -> Any: ...
@overload
def mapped(f: Callable[[Any, Any, Any], Any], tree: Any, other: Any, another: Any, /) -> Any: ...
def mapped(f: Callable[..., Any], *trees: Any) -> Any:
    """Of arrays, and tuples of them. `tree.map` would copy what is shared, and mark it as read-only."""
    return like(trees[0], [f(*each) for each in zip(*map(leaves, trees), strict=True)])


class Momentum:
    """Gradient descent with momentum, from which others differ in one thing: the state is the velocity."""

    def init(self, params: Any) -> Any:
        return mapped(np.zeros_like, params)

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        velocity: Any = mapped(lambda v, g: 0.9 * v + g, state, grads)
        new: Any = mapped(lambda p, v: p - 0.05 * v, params, velocity)
        return new, velocity


class Descent(Momentum):
    """Without momentum: the state is ()."""

    def init(self, params: Any) -> Any:
        return ()

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        return mapped(lambda p, g: p - 0.05 * g, params, grads), ()


def impure(kind: str, name: str, shape: str = "tuple", dtype: Any = np.float64) -> Callable[[M], M]:
    """Of a tuple, which may hold what can be written to: records copy it."""

    def add(subject: M) -> M:
        def make() -> OptimizerCase:
            return case(subject(), shape, dtype)

        IMPURE_OPTIMIZERS.append(Adversary(name, kind, make))
        return subject

    return add


# Writes.


@impure("writes", "parameters moved in place")
class InPlace(Descent):
    def step(self, state: Any, params: Any, grads: Any) -> Any:
        for p, g in zip(leaves(params), leaves(grads), strict=True):
            p -= 0.05 * g  # noqa: PLW2901  # a write in place, the fault that is planted
        return params, state


@impure("writes", "parameters moved in place and put back")
class PutBack(Descent):
    def step(self, state: Any, params: Any, grads: Any) -> Any:
        made: list[Any] = []
        for p, g in zip(leaves(params), leaves(grads), strict=True):
            old = p.copy()
            p[...] = p - 0.05 * g
            made.append(p.copy())
            p[...] = old
        return like(params, made), state


@impure("writes", "gradients scaled in place")
class ScalesGradients(Momentum):
    def step(self, state: Any, params: Any, grads: Any) -> Any:
        result = super().step(state, params, grads)
        for g in leaves(grads):
            g *= 0.05  # noqa: PLW2901  # a write in place, the fault that is planted
        return result


@impure("writes", "gradients set to 0 where they can be written")
class ClearsGradients(Momentum):
    def step(self, state: Any, params: Any, grads: Any) -> Any:
        result = super().step(state, params, grads)
        for g in leaves(grads):
            if g.flags.writeable:
                g[...] = 0
        return result


@impure("writes", "the last gradient clipped in place")
class ClipsGradients(Momentum):
    def step(self, state: Any, params: Any, grads: Any) -> Any:
        last: Any = leaves(grads)[-1]
        np.clip(last, -0.1, 0.1, out=last)
        return super().step(state, params, grads)


@impure("writes", "the velocity written in place")
class VelocityInPlace(Momentum):
    def step(self, state: Any, params: Any, grads: Any) -> Any:
        for v, g in zip(leaves(state), leaves(grads), strict=True):
            v *= 0.9  # noqa: PLW2901  # a write in place, the fault that is planted
            v += g  # noqa: PLW2901  # a write in place, the fault that is planted
        new: Any = mapped(lambda p, v: p - 0.05 * v, params, state)
        return new, mapped(np.copy, state)


@impure("writes", "the count of a state in a dictionary written in place")
class CountInPlace(Momentum):
    def init(self, params: Any) -> Any:
        return {"count": 0}

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        state["count"] += 1
        rate = 0.1 / state["count"]
        new: Any = mapped(lambda p, g: p - rate * g, params, grads)
        return new, dict(state)


@impure("writes", "parameters clipped in place by init")
class InitWrites(Momentum):
    def init(self, params: Any) -> Any:
        for p in leaves(params):
            np.clip(p, -0.5, 0.5, out=p)
        return super().init(params)


@impure("writes", "parameters written in float32 alone")
class WritesInFloat32(Momentum):
    def step(self, state: Any, params: Any, grads: Any) -> Any:
        result = super().step(state, params, grads)
        for p in leaves(params):
            if p.dtype == np.float32:
                p[...] = 0
        return result


# Results that share memory.


@impure("aliases", "the old parameters returned")
class ReturnsOld(Descent):
    def step(self, state: Any, params: Any, grads: Any) -> Any:
        return params, state


@impure("aliases", "one old array returned")
class ReturnsOneOld(Momentum):
    def step(self, state: Any, params: Any, grads: Any) -> Any:
        new, velocity = super().step(state, params, grads)
        return (new[0], params[1]), velocity


@impure("aliases", "a state that holds the gradients themselves")
class KeepsGradients(Momentum):
    def step(self, state: Any, params: Any, grads: Any) -> Any:
        return mapped(lambda p, g, before: p - 0.05 * (2 * g - before), params, grads, state), grads


@impure("aliases", "a state that holds the first parameters themselves")
class KeepsParameters(Momentum):
    def init(self, params: Any) -> Any:
        return params

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        new: Any = mapped(lambda p, g: p - 0.05 * g, params, grads)
        return new, mapped(lambda mean, p: 0.9 * mean + 0.1 * p, state, new)


@impure("aliases", "a state that holds the old parameters themselves")
class KeepsOld(Momentum):
    def init(self, params: Any) -> Any:
        return mapped(np.copy, params)

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        return mapped(lambda p, g, before: p - 0.05 * g + 0.8 * (p - before), params, grads, state), params


@impure("aliases", "a state that holds views of the new parameters")
class KeepsViews(KeepsOld):
    def step(self, state: Any, params: Any, grads: Any) -> Any:
        new, _ = super().step(params, params, grads)
        return new, mapped(lambda p: p[:], new)


@impure("aliases", "zeros of one shape in one piece of memory", "alike")
class OnePiece(Momentum):
    def init(self, params: Any) -> Any:
        zeros: dict[Any, Any] = {}
        return mapped(lambda p: zeros.setdefault(p.shape, np.zeros_like(p)), params)


# Memory that is used again.


@impure("buffers", "new parameters in buffers of the optimizer")
class Buffers(Momentum):
    def __init__(self) -> None:
        self.buffers: dict[Any, Any] = {}

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        new, velocity = super().step(state, params, grads)
        kept: list[Any] = []
        for i, p in enumerate(leaves(new)):
            buffer = self.buffers.setdefault((i, p.shape, p.dtype), np.empty_like(p))
            buffer[...] = p
            kept.append(buffer)
        return like(params, kept), velocity


@impure("buffers", "a state that two runs share")
class SharedState(Momentum):
    def __init__(self) -> None:
        self.states: dict[Any, Any] = {}

    def init(self, params: Any) -> Any:
        kind = tuple((p.shape, p.dtype) for p in leaves(params))
        return self.states.setdefault(kind, super().init(params))

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        new, velocity = super().step(state, params, grads)
        for v, after in zip(leaves(state), leaves(velocity), strict=True):
            v[...] = after
        return new, state


@impure("buffers", "a velocity that begins with unwritten memory")
class Unwritten(Momentum):
    def init(self, params: Any) -> Any:
        return mapped(np.empty_like, params)


# What is remembered outside of the state.


@impure("remembers", "a velocity kept in the optimizer")
class VelocityKept(Momentum):
    def __init__(self) -> None:
        self.velocity: dict[Any, Any] = {}

    def init(self, params: Any) -> Any:
        return ()

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        kind = tuple((p.shape, p.dtype) for p in leaves(params))
        before = self.velocity.get(kind, mapped(np.zeros_like, params))
        new, self.velocity[kind] = super().step(before, params, grads)
        return new, ()


@impure("remembers", "a rate by the number of calls")
class Calls(Descent):
    def __init__(self) -> None:
        self.calls = 0

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        self.calls += 1
        rate = 0.1 / self.calls
        new: Any = mapped(lambda p, g: p - rate * g, params, grads)
        return new, state


@impure("remembers", "every tenth step skipped")
class SkipsTenth(Calls):
    def step(self, state: Any, params: Any, grads: Any) -> Any:
        self.calls += 1
        return Descent.step(self, state, params, grads) if self.calls % 10 else (mapped(np.copy, params), state)


@impure("remembers", "the last gradients kept in the optimizer")
class LastGradients(Descent):
    def __init__(self) -> None:
        self.last: Any = None

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        before = grads if self.last is None or not alike(self.last, grads) else self.last
        self.last = mapped(np.copy, grads)
        return mapped(lambda p, g, old: p - 0.05 * (1.5 * g - 0.5 * old), params, grads, before), state


def alike(a: Any, b: Any) -> bool:
    return [(x.shape, x.dtype) for x in leaves(a)] == [(x.shape, x.dtype) for x in leaves(b)]


# Chance and global state.


@impure("random", "noise from a generator of its own")
class Noise(Momentum):
    def __init__(self) -> None:
        self.rng: Any = np.random.default_rng(0)

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        noisy: Any = mapped(lambda g: g * (1 + 1e-3 * self.rng.standard_normal(g.shape).astype(g.dtype)), grads)
        return super().step(state, params, noisy)


@impure("random", "noise from the global generator")
class GlobalNoise(Momentum):
    def step(self, state: Any, params: Any, grads: Any) -> Any:
        noise: Any = float(np.random.standard_normal())
        noisy: Any = mapped(lambda g: g * (1 + 1e-3 * noise), grads)
        return super().step(state, params, noisy)


@impure("random", "a state that begins at random")
class RandomStart(Momentum):
    def __init__(self) -> None:
        self.rng: Any = np.random.default_rng(0)

    def init(self, params: Any) -> Any:
        return mapped(lambda p: self.rng.standard_normal(p.shape).astype(p.dtype), params)


@impure("global state", "the global generator seeded anew by each step")
class Seeds(Momentum):
    def __init__(self) -> None:
        self.seeds = count()

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        np.random.seed(next(self.seeds))
        return super().step(state, params, grads)


@impure("global state", "overflows printed from the first step on")
class Overflows(Momentum):
    def __init__(self) -> None:
        np.seterr(over="warn")  # as NumPy begins, whatever was checked before

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        np.seterr(over="print")
        return super().step(state, params, grads)


@impure("global state", "an environment variable set by each step")
class Environment(Momentum):
    def step(self, state: Any, params: Any, grads: Any) -> Any:
        os.environ["ADVERSARY_STEPS"] = str(int(os.environ.get("ADVERSARY_STEPS", "0")) + 1)
        return super().step(state, params, grads)


@impure("global state", "numbers printed with four digits from the first step on")
class Prints(Momentum):
    def __init__(self) -> None:
        np.set_printoptions(precision=8)

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        np.set_printoptions(precision=4)
        return super().step(state, params, grads)
