"""Training steps of a network affine, ReLU, affine with softmax cross-entropy and SGD: ours, and native to a library.

Each contender is prepared once (moved to the device, compiled, warmed up) and then does steps when told to. Times are
the device's own on a GPU: of events in the stream for torch and CuPy, and until the last result is there for JAX.
"""

import gc
import time
from collections.abc import Callable, Collection
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from statistics import median
from typing import Any, Protocol

import numpy as np
from attrs import frozen

from chainrule import Array, Labels, sgd, softmax_cross_entropy, training_step, tree, two_layer, value_and_grad


@frozen
class Size:
    """A network and a batch."""

    n_in: int
    n_hidden: int
    n_out: int
    batch: int

    def __str__(self) -> str:
        return f"{self.n_in}-{self.n_hidden}-{self.n_out}, {self.batch}"

    @property
    def flops(self) -> int:
        """Additions and multiplications in the five matrix products of a step, which needs no dx of its input."""
        return 2 * self.batch * self.n_hidden * (2 * self.n_in + 3 * self.n_out)

    @lru_cache(maxsize=2)  # noqa: B019  # all contenders take the same numbers, which at the largest size take seconds
    def draw(self, rows: int | None = None) -> tuple[two_layer.Params, Array, Labels]:
        """Parameters and a batch, in float32."""
        rng = np.random.default_rng(0)
        n = rows or self.batch
        spread = self.n_in**-0.5
        params = two_layer.init(rng, self.n_in, self.n_hidden, self.n_out, std=spread, dtype=np.float32)
        return params, rng.standard_normal((n, self.n_in), np.float32), rng.integers(0, self.n_out, n)


class Contender(Protocol):
    """A way to do steps of training."""

    name: str

    def load(self, params: two_layer.Params, x: Array, labels: Labels, dtype: str) -> None:
        """Take parameters and a batch, in `dtype` from now on."""
        ...

    def steps(self, count: int) -> float:
        """Do some steps, one after another; the seconds that they took on the device."""
        ...

    def result(self) -> tuple[list[Array], float]:
        """The parameters as they are now, as float64 on the host, and the last loss."""
        ...


class InJax:
    """JAX, compiled; parameters are given away with each step, so that no copy is kept of them."""

    def __init__(self, name: str, step: Callable[..., Any], device: str) -> None:
        self.name = name
        self.clock = time.perf_counter
        self.jax: Any = import_module("jax")
        import_module("chainrule.interop.jax").register_pytrees()
        self.step = self.jax.jit(step, donate_argnums=0)
        self.device = self.jax.devices(device)[0]

    def load(self, params: two_layer.Params, x: Array, labels: Labels, dtype: str) -> None:
        def put(leaf: Array) -> Any:
            return self.jax.device_put(self.jax.numpy.array(leaf, dtype=dtype), self.device)  # a copy, to give away

        self.params, self.x = tree.map(put, params), put(x)
        self.labels = self.jax.device_put(self.jax.numpy.array(labels, dtype="int32"), self.device)
        self.jax.block_until_ready((self.params, self.x, self.labels))

    def steps(self, count: int) -> float:
        start = self.clock()
        for _ in range(count):
            self.params, self.loss = self.step(self.params, self.x, self.labels)
        self.jax.block_until_ready((self.params, self.loss))
        return self.clock() - start

    def result(self) -> tuple[list[Array], float]:
        return [np.asarray(leaf, np.float64) for leaf in tree.leaves(self.params)], float(self.loss)


def ours(rate: float) -> Callable[..., Any]:
    """Our step, on the arrays of any library."""
    step = training_step(two_layer.network, softmax_cross_entropy, sgd(rate))

    def one(params: Any, x: Any, labels: Any) -> Any:
        params, _, loss = step(params, (), x, labels)
        return params, loss

    return one


def native_jax(rate: float) -> Callable[..., Any]:
    """A step as one writes it in JAX."""
    jax: Any = import_module("jax")

    def loss_of(params: Any, x: Any, labels: Any) -> Any:
        first, _, second = params
        logits = jax.nn.relu(x @ first.W + first.b) @ second.W + second.b
        return -jax.numpy.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1).mean()

    def descend(param: Any, grad: Any) -> Any:
        return param - rate * grad

    def one(params: Any, x: Any, labels: Any) -> Any:
        loss, grads = jax.value_and_grad(loss_of)(params, x, labels)
        return jax.tree.map(descend, params, grads), loss

    return one


class InTorch:
    """torch: a step on tensors that are parameters of torch's, or not."""

    def __init__(self, name: str, device: str, rate: float, own: bool = False, compiled: bool = False) -> None:
        self.name, self.rate, self.compiled = name, rate, compiled
        self.ours = ours(rate) if own else None
        self.torch: Any = import_module("torch")
        self.device = "cuda" if device == "gpu" else "cpu"
        self.gradient: Any = self._loss

    def _loss(self, W1: Any, b1: Any, W2: Any, b2: Any, x: Any, labels: Any) -> Any:
        F = self.torch.nn.functional
        logits = self.torch.addmm(b2, F.relu(self.torch.addmm(b1, x, W1)), W2)
        return F.cross_entropy(logits, labels)

    def load(self, params: two_layer.Params, x: Array, labels: Labels, dtype: str) -> None:
        kind = getattr(self.torch, dtype)

        def put(leaf: Array) -> Any:
            return self.torch.tensor(np.array(leaf)).to(self.device, kind)

        self.params, self.x = tree.map(put, params), put(x)
        self.labels = self.torch.tensor(labels).to(self.device)
        self.leaves: list[Any] = [self.torch.nn.Parameter(leaf) for leaf in tree.leaves(self.params)]
        if self.compiled:
            # For this size alone. torch would go on to compile for any number of rows, which is slower, and after some
            # sizes would stop to compile.
            self.torch.compiler.reset()
            self.gradient = self.torch.compile(self._loss, dynamic=False)

    def _step(self) -> None:
        if self.ours is not None:
            self.params, self.loss = self.ours(self.params, self.x, self.labels)
            return
        self.loss = self.gradient(*self.leaves, self.x, self.labels)
        self.loss.backward()
        with self.torch.no_grad():
            for leaf in self.leaves:
                leaf.sub_(leaf.grad, alpha=self.rate)
                leaf.grad = None

    def steps(self, count: int) -> float:
        if self.device == "cpu":
            start = time.perf_counter()
            for _ in range(count):
                self._step()
            return time.perf_counter() - start
        before, after = (self.torch.cuda.Event(enable_timing=True) for _ in range(2))
        self.torch.cuda.synchronize()
        before.record()
        for _ in range(count):
            self._step()
        after.record()
        self.torch.cuda.synchronize()
        milliseconds: float = before.elapsed_time(after)
        return milliseconds / 1000

    def result(self) -> tuple[list[Array], float]:
        leaves: list[Any] = self.leaves if self.ours is None else list(tree.leaves(self.params))
        return [leaf.detach().to("cpu", self.torch.float64).numpy() for leaf in leaves], self.loss.item()


class InCupy:
    """Ours on CuPy's arrays."""

    name = "ours, CuPy arrays"

    def __init__(self, rate: float) -> None:
        self.step = ours(rate)
        self.cupy: Any = import_module("cupy")

    def load(self, params: two_layer.Params, x: Array, labels: Labels, dtype: str) -> None:
        self.params = tree.map(self.cupy.asarray, params)
        self.x, self.labels = self.cupy.asarray(x), self.cupy.asarray(labels)

    def steps(self, count: int) -> float:
        before, after = self.cupy.cuda.Event(), self.cupy.cuda.Event()
        before.record()
        for _ in range(count):
            self.params, self.loss = self.step(self.params, self.x, self.labels)
        after.record()
        after.synchronize()
        milliseconds: float = self.cupy.cuda.get_elapsed_time(before, after)
        return milliseconds / 1000

    def result(self) -> tuple[list[Array], float]:
        return [self.cupy.asnumpy(leaf).astype(np.float64) for leaf in tree.leaves(self.params)], float(self.loss)


LIBRARIES = ("jax", "torch", "cupy")


def absent(library: str, device: str) -> str:
    """Why a library has no part in steps on a device, in some words; nothing if it has."""
    if find_spec(library) is None:
        return "not installed"
    if library == "cupy" and device == "cpu":
        return "has no arrays on a CPU"
    try:
        module: Any = import_module(library)
        match library:
            case "jax":
                module.devices(device)
            case "torch":
                seen = device == "cpu" or module.cuda.is_available()
                return "" if seen else "sees no GPU"
            case _:
                return "" if module.cuda.runtime.getDeviceCount() else "sees no GPU"
    except Exception as error:  # noqa: BLE001  # libraries have many ways to find no driver, or one that is too old
        return f"sees no {device.upper()}: {summary(error)}"
    return ""


def summary(error: Exception) -> str:
    """An error in a line."""
    lines = f"{type(error).__name__}: {error}".splitlines()
    return lines[0].strip()[:160]


def contenders(device: str, dtype: str, rate: float, libraries: Collection[str]) -> list[Contender]:
    """What these libraries can do in the dtype."""
    found: list[Contender] = []
    if "jax" in libraries:
        found += [InJax("ours, jax.jit", ours(rate), device), InJax("native JAX", native_jax(rate), device)]
    if "torch" in libraries:
        found += [
            InTorch("ours, torch tensors", device, rate, own=True),
            InTorch("torch eager", device, rate),
            InTorch("torch compiled", device, rate, compiled=True),
        ]
    if "cupy" in libraries and dtype == "float32":  # NumPy's dtypes, of which bfloat16 is none
        found.append(InCupy(rate))
    return found


def free(libraries: Collection[str]) -> None:
    """Give memory back that libraries keep for themselves, for the next size in another."""
    gc.collect()
    if "torch" in libraries:
        torch: Any = import_module("torch")
        torch.cuda.empty_cache()
    if "cupy" in libraries:
        cupy: Any = import_module("cupy")
        cupy.get_default_memory_pool().free_all_blocks()


def _round(array: Array, dtype: str) -> Array:
    """The numbers of an array as `dtype` holds them, in float32."""
    if dtype != "bfloat16":
        return array
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    rounded: Array = ((bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)).view(np.float32)
    return rounded


@lru_cache(maxsize=2)
def rounded(size: Size, dtype: str, rows: int) -> tuple[two_layer.Params, Array, Labels]:
    """Parameters and rows as `dtype` holds them, in float32."""
    params, x, labels = size.draw(rows)
    return tree.map(lambda leaf: _round(leaf, dtype), params), _round(x, dtype), labels


@lru_cache(maxsize=1)
def expected(size: Size, dtype: str, rate: float, rows: int) -> list[Array]:
    """The parameters after a step of NumPy's in float64."""
    params, x, labels = rounded(size, dtype, rows)
    double = tree.map(lambda leaf: leaf.astype(np.float64), params)
    _, grads = value_and_grad(two_layer.network, softmax_cross_entropy)(double, x.astype(np.float64), labels)
    return [old - rate * grad for old, grad in zip(tree.leaves(double), tree.leaves(grads), strict=True)]


def difference(contender: Contender, size: Size, dtype: str, rate: float, rows: int = 64) -> float:
    """How far one step on some rows is from NumPy's in float64, relative to the largest entry of each array.

    The rate should be large, so that the step is all gradient, and nothing of it is lost in rounding the parameters.
    """
    rows = min(rows, size.batch)
    contender.load(*rounded(size, dtype, rows), dtype)
    contender.steps(1)
    after, _ = contender.result()
    pairs = zip(after, expected(size, dtype, rate, rows), strict=True)
    return float(np.max([np.abs(new - right).max() / np.abs(right).max() for new, right in pairs]))  # nan if one is


def times(contender: Contender, size: Size, dtype: str, rounds: int, seconds: float) -> Callable[[], float]:
    """Prepare a contender for timing: the function that does some steps and gives the seconds of one."""
    params, x, labels = size.draw()
    contender.load(params, x, labels, dtype)
    contender.steps(3)
    once = contender.steps(3) / 3
    count = max(1, min(1000, int(seconds / rounds / once)))
    return lambda: contender.steps(count) / count


def interleaved(prepared: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """The seconds of a step in each round, contenders taking turns so that a busy machine is busy for all."""
    seconds: dict[str, list[float]] = {name: [] for name in prepared}
    for turn in range(rounds):
        names = list(prepared)
        first = turn % max(1, len(names))
        for name in names[first:] + names[:first]:
            seconds[name].append(prepared[name]())
    return seconds


def ratio(ours: list[float], theirs: list[float]) -> float:
    """The median over the rounds of one's time by another's."""
    return median(a / b for a, b in zip(ours, theirs, strict=True))
