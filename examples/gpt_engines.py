"""The same GPT on other engines: NumPy, JAX compiled or spread over devices, torch's tensors as they are or compiled.

    python examples/gpt_engines.py                                  NumPy, JAX and torch, on a CPU
    python examples/gpt_engines.py --engine jax jax-sharded         JAX on one device, and on eight
    python examples/gpt_engines.py --engine numpy torch-compile     some minutes: torch compiles
    python examples/gpt_engines.py --device gpu --engine numpy jax torch torch-compile cupy --size 64 256 512 8

The model is in `gpt.py`, and knows of none of them. All start from the same parameters and see the same batches: rows
of digits, each the last digit of the sum of the two before it. The last line says how far the losses are from those of
the first engine, and what a step takes when its loss is read: the median without the first, in which compilers work.
On a CPU NumPy and torch have one thread; JAX takes what it gets.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from statistics import median
from typing import Any

import numpy as np
from attrs import frozen
from gpt import gpt, init

from chainrule import Labels, adamw, clip_by_global_norm, schedules, softmax_cross_entropy, training_step, tree
from chainrule.demo.extras import one_thread

BLOCKS, DIGITS = 2, 10


def itself(value: Any) -> Any:
    """NumPy's arrays need no move, and its steps no compiler."""
    return value


@frozen
class Engine:
    """The way to an engine, for arrays of a batch and of parameters, and what makes a step fast."""

    put: Callable[[Any], Any] = itself
    put_rows: Callable[[Any], Any] = itself
    compiled: Callable[[Callable[..., Any]], Callable[..., Any]] = itself


def on_numpy(options: argparse.Namespace) -> Engine:
    """On the CPU always: with a GPU it is what the others are compared with."""
    return Engine()


def on_jax(options: argparse.Namespace) -> Engine:
    """`jax.jit`, on the first device."""
    jax = started_jax(options)
    put = partial(jax.device_put, device=jax.devices(options.device)[0])
    return Engine(put, put, jax.jit)


def on_devices_of_jax(options: argparse.Namespace) -> Engine:
    """The same step: each device holds all parameters and a part of the rows, and XLA adds up."""
    jax = started_jax(options)
    spread, devices = jax.sharding, jax.devices(options.device)
    if options.size[0] % len(devices):
        raise RuntimeError(f"the rows of a batch must be a multiple of {len(devices)}, the devices that there are")
    mesh = jax.make_mesh((len(devices),), ("data",), axis_types=(spread.AxisType.Auto,), devices=devices)
    whole, rows = (spread.NamedSharding(mesh, spread.PartitionSpec(*axes)) for axes in ((), ("data",)))
    return Engine(partial(jax.device_put, device=whole), partial(jax.device_put, device=rows), jax.jit)


def started_jax(options: argparse.Namespace) -> Any:
    """JAX, which knows our records, and has float64 if it is asked for."""
    if "jax-sharded" in options.engine and options.device == "cpu":  # before JAX starts: eight devices of one CPU
        eight = "--xla_force_host_platform_device_count=8"
        os.environ["XLA_FLAGS"] = f"{eight} {os.environ.get('XLA_FLAGS', '')}"
    jax: Any = import_module("jax")
    jax.config.update("jax_enable_x64", options.dtype == "float64")
    import_module("chainrule.interop.jax").register_pytrees()
    return jax


def on_torch(options: argparse.Namespace, *, compiles: bool = False) -> Engine:
    """Tensors of torch; `torch.compile` makes one program of the operations of a step."""
    torch: Any = import_module("torch")
    if options.device == "gpu" and not torch.cuda.is_available():
        raise RuntimeError("torch sees no GPU")
    if options.device == "cpu":
        torch.set_num_threads(1)  # two wait for each other where others work too, and take many times as long
    put = partial(torch.tensor, device="cuda" if options.device == "gpu" else "cpu")
    return Engine(put, put, import_module("chainrule.interop.torch").compiled if compiles else itself)


def on_cupy(options: argparse.Namespace) -> Engine:
    """NumPy's functions, on a GPU."""
    cupy: Any = import_module("cupy")
    cupy.cuda.runtime.getDeviceCount()  # raises a RuntimeError if there is none
    if options.device != "gpu":
        raise RuntimeError("CuPy has no arrays on a CPU: --device gpu")
    return Engine(cupy.asarray, cupy.asarray)


ENGINES: dict[str, Callable[[argparse.Namespace], Engine]] = {
    "numpy": on_numpy,
    "jax": on_jax,
    "jax-sharded": on_devices_of_jax,
    "torch": on_torch,
    "torch-compile": partial(on_torch, compiles=True),
    "cupy": on_cupy,
}


def train(engine: Engine, options: argparse.Namespace) -> Iterator[tuple[float, float]]:
    """Yield the loss of each step, and the seconds that it took."""
    rng, (n, length, width, heads) = np.random.default_rng(options.seed), options.size
    optimizer = adamw(schedules.warmup(1 + options.steps // 10, schedules.cosine(1e-3, 1e-5, options.steps)))
    step = training_step(gpt(heads, BLOCKS), softmax_cross_entropy, optimizer, adjust=clip_by_global_norm(1.0))
    step = engine.compiled(step)
    params = init(rng, DIGITS, length, width, BLOCKS, options.dtype)
    params, state = tree.map(engine.put, (params, optimizer.init(params)))  # else a compiler sees two kinds of steps
    for _ in range(options.steps):
        tokens = batch(rng, n, length)
        began = time.perf_counter()
        x, targets = engine.put_rows(tokens[:, :-1]), engine.put_rows(tokens[:, 1:])
        params, state, loss = step(params, state, x, targets)
        yield float(loss), time.perf_counter() - began


def batch(rng: np.random.Generator, n: int, length: int) -> Labels:
    """Tokens (n, length + 1)."""
    tokens = rng.integers(0, DIGITS, (n, length + 1))
    for place in range(2, length + 1):
        tokens[:, place] = (tokens[:, place - 2] + tokens[:, place - 1]) % DIGITS
    return tokens


def read_options(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    add("--engine", nargs="+", choices=ENGINES, default=["numpy", "jax", "torch"], help="(default: numpy jax torch)")
    add("--device", choices=["cpu", "gpu"], default="cpu", help="of all but NumPy (default: cpu)")
    add("--dtype", choices=["float32", "float64"], default="float32", help="of parameters (default: float32)")
    add("--steps", metavar="N", type=int, default=20, help="of training (default: 20)")
    add("--seed", metavar="N", type=int, default=0, help="of parameters and batches (default: 0)")
    names = "ROWS", "LENGTH", "WIDTH", "HEADS"
    add("--size", nargs=4, metavar=names, type=int, default=[64, 32, 64, 4], help="(default: 64 32 64 4)")
    options = parser.parse_args(arguments)
    if options.seed < 0 or options.steps < 2 or min(options.size) < 1 or options.size[2] % options.size[3]:
        parser.error("--seed must be >= 0, --steps >= 2, and the width of --size a multiple of its heads")
    return options


def in_a_line(error: Exception) -> str:
    """The first line of an error, or its name if it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def remedy(error: Exception, engine: str) -> str:
    """The command that installs a package that is missing."""
    return f": pip install 'chainrule[{engine.partition('-')[0]}]'" if isinstance(error, ModuleNotFoundError) else ""


def main(options: argparse.Namespace) -> None:
    """Train on each engine, and compare."""
    losses, times = dict[str, list[float]](), dict[str, float]()
    for name in dict.fromkeys(options.engine):
        try:
            steps = [*train(ENGINES[name](options), options)]
        except Exception as error:  # noqa: BLE001  # compilers have errors of their own; the other engines go on
            print(f"{name} was not measured: {in_a_line(error)}{remedy(error, name)}", flush=True)
            continue
        print(f"{name} took {sum(seconds for _, seconds in steps):.1f} s for {len(steps)} steps", flush=True)
        losses[name] = [loss for loss, _ in steps]
        times[name] = 1000 * median(seconds for _, seconds in steps[1:])
    if not losses or (options.device == "gpu" and losses.keys() == {"numpy"}):
        raise SystemExit(f"nothing was measured on a {options.device.upper()}")
    print("step", *(f"{name:>14}" for name in losses))
    for step, row in enumerate(zip(*losses.values(), strict=True)):
        print(f"{step:4}", *(f"{loss:14.8f}" for loss in row))
    first, *others = losses
    off = [f"{name} {np.abs(np.subtract(losses[name], losses[first])).max():.1e}" for name in others]
    took = ", ".join(f"{name} {time:.1f}" for name, time in times.items())
    beside = (
        f"losses differ from those of {first} by at most {', '.join(off)}" if off else f"{first} was measured alone"
    )
    print(f"{beside}; ms a step: {took}")


if __name__ == "__main__":
    try:
        with one_thread():
            main(read_options())
    except KeyboardInterrupt:
        raise SystemExit(130) from None
