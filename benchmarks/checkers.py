"""Write the part of docs/evidence.md that sets our checks beside others': what each finds, how small, and how fast.

`--quick` tries little and prints the part, and leaves the page as it is.
"""

import argparse
import contextlib
import os
import warnings
from collections.abc import Callable, Generator
from functools import partial
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from chainrule import affine, check_against, check_layer, check_network, laws, softmax_cross_entropy, two_layer
from chainrule.interop.jax import as_layer as layer_of_jax
from chainrule.interop.torch import as_layer as layer_of_torch
from chainrule.laws._families import report_of, values_and_gradients
from checking.kernels import NAMES, exact, formula, jax_kernel, numpy_kernel, torch_formula, torch_kernel
from checking.power import LAYERS, Named, in_jax, in_torch, off_in_jax, off_in_torch
from speed.page import duration, filled, present, table

torch: Any = import_module("torch")
jax: Any = import_module("jax")
jnp: Any = import_module("jax.numpy")
check_grads: Any = import_module("jax.test_util").check_grads

PAGE = Path(__file__).parent.parent / "docs" / "evidence.md"
SHAPES = ((8, 10), (10,), (10,))
IN_BLOCKS = ((32, 16), (16,), (16,))
"""What kernel repositories try: sides that are multiples of the block."""

IN_JAX = ("missing term", "eps outside", "low-precision sum", "block edge", "None")
"""The mistakes that a function of JAX can have."""

Run = Callable[[], bool]
"""A check: whether it accepts what it is given."""


def drawn(seed: int, dtype: Any, shapes: tuple[tuple[int, ...], ...] = SHAPES) -> list[Any]:
    """Normal arrays."""
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def tensors(arrays: list[Any], *, grad: bool = False) -> list[Any]:
    """The same as tensors."""
    return [torch.tensor(each, requires_grad=grad) for each in arrays]


def cell(run: Run) -> str:
    """What a check says of a mistake, and how long it takes."""
    start = perf_counter()
    accepted = outcome(run)
    return f"{'no' if accepted else 'found'}, {duration(perf_counter() - start)}"


def outcome(run: Run) -> bool:
    """Whether a check accepts; an error is a mistake that is found."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return run()
    except Exception:  # noqa: BLE001  # whatever a kernel does
        return False


def judged(f: Any, reference: Any, args: list[Any]) -> bool:
    """Whether check_against accepts."""
    return check_against(f, reference, *args, rng=np.random.default_rng(0)).ok


def checked(layer: Any, params: Any, x: Any) -> bool:
    """Whether check_layer accepts."""
    return check_layer(layer, params, x, rng=np.random.default_rng(0)).ok


def close_in_torch(kernel: Any) -> bool:
    """As kernel repositories test: one shape of whole blocks, normal numbers, a tolerance of 1e-2."""
    arrays = drawn(0, np.float16, IN_BLOCKS)
    results: list[Any] = []
    for f in (torch_formula, kernel):
        args = tensors(arrays, grad=True)
        out = f(*args)
        out.backward(torch.tensor(drawn(1, np.float16, IN_BLOCKS)[0]))
        results.append([out, *(each.grad for each in args)])
    return all(torch.allclose(a, b, atol=1e-2, rtol=1e-2) for a, b in zip(*results, strict=True))


def close_in_jax(kernel: Any) -> bool:
    """The same in JAX."""
    arrays, dout = drawn(0, np.float16, IN_BLOCKS), drawn(1, np.float16, IN_BLOCKS)[0]
    results: list[Any] = []
    for f in (formula, kernel):
        out, pull = jax.vjp(f, *map(jnp.asarray, arrays))
        results.append([out, *pull(jnp.asarray(dout))])
    return all(bool(jnp.allclose(a, b, atol=1e-2, rtol=1e-2)) for a, b in zip(*results, strict=True))


def close_in_numpy(kernel: Any) -> bool:
    """The same of a layer."""
    (x, *params), dout = drawn(0, np.float16, IN_BLOCKS), drawn(1, np.float16, IN_BLOCKS)[0]
    results: list[Any] = []
    for layer in (exact(), kernel):
        out, cache = layer.forward(tuple(params), x.copy())
        dx, grads = layer.backward(cache, dout.copy())
        results.append([out, dx, *grads])
    return all(np.allclose(a, b, atol=1e-2, rtol=1e-2) for a, b in zip(*results, strict=True))


def with_check_grads(f: Any, arrays: list[Any]) -> bool:
    """Whether JAX's own check accepts, in float64."""
    with jax.enable_x64(True):
        check_grads(f, tuple([jnp.asarray(each) for each in arrays]), order=1, modes=["rev"])
    return True


def rows_of_faults(library: str, fault: str) -> list[str]:
    """What each check says of a mistake in a kernel of one library."""
    wide, low = drawn(0, np.float64), drawn(0, np.float16)
    x, params = wide[0], tuple(wide[1:])
    if library == "torch":
        kernel: Any = torch_kernel(fault)
        runs: list[Run | None] = [
            partial(judged, kernel, torch_formula, tensors(low)),
            partial(checked, layer_of_torch(kernel), params, x),
            partial(torch.autograd.gradcheck, kernel, tensors(wide, grad=True)),
            None,
            partial(close_in_torch, kernel),
        ]
    elif library == "JAX":
        kernel = jax_kernel(fault)
        runs = [
            partial(judged, kernel, formula, [jnp.asarray(each) for each in low]),
            partial(checked, layer_of_jax(kernel), params, x),
            None,
            partial(with_check_grads, kernel, wide),
            partial(close_in_jax, kernel),
        ]
    else:
        kernel = numpy_kernel(fault)
        runs = [
            partial(judged, kernel, exact(), [low[0], tuple(low[1:])]),
            partial(checked, kernel, params, x),
            None,
            None,
            partial(close_in_numpy, kernel),
        ]
    return [library, fault or "none", *("" if run is None else cell(run) for run in runs)]


def faults(*, quick: bool) -> str:
    """The mistakes, and who finds them."""
    rows: list[list[str]] = []
    for library, names in (("torch", NAMES), ("JAX", IN_JAX), ("NumPy", NAMES)):
        rows += [rows_of_faults(library, fault) for fault in (("", "None") if quick else ("", *names))]
    head = ["kernel of", "mistake", "check_against", "check_layer", "gradcheck", "check_grads", "allclose"]
    said = (
        "A layer norm with a mistake planted in it, and one without. check_against and allclose run in float16, the\n"
        "others in float64. Empty: the check is for another library."
    )
    return f"{said}\n\n{table(head, rows, text=2)}"


def smallest(accepts: Callable[[float, int], bool], seeds: int) -> str:
    """The smallest error, in powers of ten, that is found for every seed."""
    low, high = 0, 13  # 1e-0 is taken to be found, and 1e-13 not to be
    while high - low > 1:
        k = (low + high) // 2
        found = all(not outcome(partial(accepts, 10.0**-k, seed)) for seed in range(seeds))
        low, high = (k, high) if found else (low, k)
    return f"1e-{low:02}" if low else "none"


def by_derivative(named: Named, shape: tuple[int, int], every: bool, error: float, seed: int) -> bool:
    """Whether the law of the derivative accepts, in float64."""
    x, *params = named.drawn(shape, np.random.default_rng(seed), np.float64)
    f = off_in_torch(partial(named.f, in_torch()), error, every=every)
    verdicts = laws.derivative(layer_of_torch(f), tuple(params), x, np.random.default_rng(seed))
    return all(verdict.ok for verdict in verdicts)


def by_reference(named: Named, shape: tuple[int, int], every: bool, dtype: Any, error: float, seed: int) -> bool:
    """Whether check_against accepts, in low precision."""
    args = [torch.tensor(each).to(dtype) for each in named.drawn(shape, np.random.default_rng(seed), np.float64)]
    plain = partial(named.f, in_torch())
    f = off_in_torch(plain, error, every=every)
    report = report_of(f, plain, tuple(args), np.random.default_rng(seed), laws=(values_and_gradients,))
    return not report.failures


def by_gradcheck(named: Named, shape: tuple[int, int], every: bool, error: float, seed: int) -> bool:
    """Whether torch's gradcheck accepts."""
    args = tensors(named.drawn(shape, np.random.default_rng(seed), np.float64), grad=True)
    accepted: bool = torch.autograd.gradcheck(off_in_torch(partial(named.f, in_torch()), error, every=every), args)
    return accepted


def by_check_grads(named: Named, shape: tuple[int, int], every: bool, error: float, seed: int) -> bool:
    """Whether JAX's check_grads accepts."""
    np.random.seed(seed)  # noqa: NPY002  # it draws its direction from the global state
    f = off_in_jax(partial(named.f, in_jax()), error, every=every)
    return with_check_grads(f, named.drawn(shape, np.random.default_rng(seed), np.float64))


def power(*, quick: bool, seeds: int = 10) -> str:
    """The smallest errors that are found with certainty."""
    seeds = 2 if quick else seeds
    rows: list[list[str]] = []
    for named in LAYERS[:1] if quick else LAYERS:
        for shape in ((4, 6),) if quick else ((4, 6), (16, 24)):
            for every in (False, True):
                checks: list[Callable[[float, int], bool]] = [
                    partial(by_derivative, named, shape, every),
                    partial(by_gradcheck, named, shape, every),
                    partial(by_check_grads, named, shape, every),
                    *(
                        partial(by_reference, named, shape, every, dtype)
                        for dtype in (torch.float32, torch.float16, torch.bfloat16)
                    ),
                ]
                label = f"{shape[0]} × {shape[1]}"
                rows.append([named.name, label, "all" if every else "one", *(smallest(c, seeds) for c in checks)])
    head = ["layer", "x", "entries", "derivative", "gradcheck", "check_grads", "float32", "float16", "bfloat16"]
    said = (
        "The last argument's gradient is off by a share, in one entry or in all. The smallest share, in powers of\n"
        f"ten, that is found for each of {seeds} seeds: in float64 by our derivative, gradcheck and check_grads,\n"
        "and in low precision by check_against."
    )
    return f"{said}\n\n{table(head, rows, text=3)}"


def times(*, quick: bool) -> str:
    """How long the default check takes."""
    rng = np.random.default_rng(0)
    rows: list[list[str]] = []
    for rows_of_x, n, m in ((8, 64, 32),) if quick else ((8, 64, 32), (8, 784, 100), (8, 128, 768), (8, 784, 1000)):
        params, x = affine_of(rng, n, m), rng.standard_normal((rows_of_x, n))
        rows.append([f"affine {n} × {m}", timed(partial(check_layer, affine, params, x, rng=rng))])
    if not quick:
        attention = next(each for each in LAYERS if each.name == "attention")
        tokens, *others = attention.drawn((32, 64), rng, np.float64, (4,))
        layer = layer_of_torch(partial(attention.f, in_torch()))
        rows.append(["attention 4 × 32 × 64", timed(partial(check_layer, layer, tuple(others), tokens, rng=rng))])
        params_of_two = two_layer.init(rng, 784, 50, 10, std=0.1)
        images, labels = rng.random((8, 784), np.float32), rng.integers(0, 10, 8)
        check = partial(check_network, two_layer.network, softmax_cross_entropy, params_of_two, images, labels, rng=rng)
        rows.append(["the network of the README, 784-50-10", timed(check)])
    return table(["subject", "default check"], rows)


def affine_of(rng: np.random.Generator, n: int, m: int) -> Any:
    """Parameters of an affine layer."""
    from chainrule import Affine  # noqa: PLC0415  # beside its one use

    return Affine(rng.standard_normal((n, m)) / np.sqrt(n), rng.standard_normal(m))


def timed(check: Callable[[], Any]) -> str:
    """The time of a check, and whether it accepts."""
    start = perf_counter()
    report = check()
    passed = perf_counter() - start
    return duration(passed) if report.ok else f"{duration(passed)}, {len(report.failures)} wrong"


def part(*, quick: bool, only: str = "", seeds: int = 10) -> str:
    """The part of the page."""
    parts: dict[str, Callable[..., str]] = {"faults": faults, "power": partial(power, seeds=seeds), "times": times}
    return "\n\n".join(make(quick=quick) for name, make in parts.items() if only in {"", name})


@contextlib.contextmanager
def silent() -> Generator[None, None, None]:
    """A context in which nothing is printed: check_grads and kernels do."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


def main() -> None:
    """Write the part, or print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="try little, and print it")
    parser.add_argument("--only", default="", choices=["faults", "power", "times"], help="print one table")
    parser.add_argument("--seeds", type=int, default=10, help="for how many an error must be found (default: 10)")
    options = parser.parse_args()
    with silent():
        text = part(quick=options.quick, only=options.only, seeds=options.seeds)
    if options.quick or options.only:
        print(text)
        return
    page = PAGE.read_text("utf-8")
    PAGE.write_text(filled(page, present(page) | {"checkers": text}), "utf-8")


if __name__ == "__main__":
    main()
