"""Write the part of docs/evidence.md that sets our checks beside others': what each finds, how small, and how fast.

`make checkers` runs it, in seven minutes. `--quick` tries little and prints it, in one.

Seconds are those of the processor, which others that share the machine change less than those of the clock.
"""

import argparse
import contextlib
import math
import os
import sys
import warnings
from collections.abc import Callable, Generator, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import (
    Affine,
    Report,
    affine,
    check_against,
    check_layer,
    check_network,
    laws,
    softmax_cross_entropy,
    two_layer,
)
from chainrule.interop.jax import as_layer as layer_of_jax
from chainrule.interop.torch import as_layer as layer_of_torch
from chainrule.laws._of_kernels.report import report_of
from chainrule.laws._of_kernels.values import values_and_gradients
from checking.kernels import IN_JAX, NAMES, exact, formula, jax_kernel, numpy_kernel, torch_formula, torch_kernel
from checking.power import LAYERS, Named, in_jax, in_torch, off_in_jax, off_in_torch
from speed.harness import timed
from speed.page import duration, filled, present, table

torch: Any = import_module("torch")
jax: Any = import_module("jax")
jnp: Any = import_module("jax.numpy")
check_grads: Any = import_module("jax.test_util").check_grads

PAGE = Path(__file__).parent.parent / "docs" / "evidence.md"
SHAPES = ((8, 10), (10,), (10,))
IN_BLOCKS = ((32, 16), (16,), (16,))
"""The shapes that kernel repositories try: sides that are multiples of the block."""

SIZES = ((4, 6), (16, 24), (32, 48))
"""The shapes of x for which the smallest errors are searched."""

SEEDS = 5
"""The number of seeds for which an error must be found."""

REPEATS = 3
"""The number of times that a check is timed; the least counts."""

Run = Callable[[], bool]
"""A check: whether it accepts what it is given."""

Accepts = Callable[[float, int], bool]
"""A check of a gradient that is off by a share, for a seed: whether it accepts."""


def drawn(seed: int, dtype: Any, shapes: tuple[tuple[int, ...], ...] = SHAPES) -> list[Any]:
    """Normal arrays."""
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def tensors(arrays: list[Any], *, grad: bool = False) -> list[Any]:
    """The same as tensors."""
    return [torch.tensor(each, requires_grad=grad) for each in arrays]


def without_error(run: Run) -> bool:
    """Tell whether a check of another library accepts, which raises where it does not."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return run()
    except Exception:  # noqa: BLE001  # whatever a wrong kernel does
        return False


def judged(f: Any, reference: Any, args: list[Any]) -> bool:
    """Tell whether check_against accepts."""
    return not check_against(f, reference, *args, rng=np.random.default_rng(0)).failures


def checked(layer: Any, params: Any, x: Any) -> bool:
    """Tell whether check_layer accepts."""
    return not check_layer(layer, params, x, rng=np.random.default_rng(0)).failures


def with_gradcheck(f: Any, arrays: list[Any]) -> bool:
    """Tell whether torch's own check accepts, in float64."""
    return without_error(partial(torch.autograd.gradcheck, f, tensors(arrays, grad=True)))


def with_check_grads(f: Any, arrays: list[Any]) -> bool:
    """Tell whether JAX's own check accepts, in float64."""

    def run() -> bool:
        with jax.enable_x64(True):
            check_grads(f, tuple([jnp.asarray(each) for each in arrays]), order=1, modes=["rev"])
        return True

    return without_error(run)


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


CHECKS = ("check_against", "check_layer", "gradcheck", "check_grads", "allclose")
"""The checks that kernels are given to."""


def checks_of(library: str, fault: str) -> list[Run | None]:
    """The checks of a kernel of one library; None for those of another."""
    wide, low = drawn(0, np.float64), drawn(0, np.float16)
    x, params = wide[0], tuple(wide[1:])
    if library == "torch":
        kernel: Any = torch_kernel(fault)
        return [
            partial(judged, kernel, torch_formula, tensors(low)),
            partial(checked, layer_of_torch(kernel), params, x),
            partial(with_gradcheck, kernel, wide),
            None,
            partial(without_error, partial(close_in_torch, kernel)),
        ]
    if library == "JAX":
        kernel = jax_kernel(fault)
        return [
            partial(judged, kernel, formula, [jnp.asarray(each) for each in low]),
            partial(checked, layer_of_jax(kernel, jit=True), params, x),
            None,
            partial(with_check_grads, kernel, wide),
            partial(without_error, partial(close_in_jax, kernel)),
        ]
    kernel = numpy_kernel(fault)
    return [
        partial(judged, kernel, exact(), [low[0], tuple(low[1:])]),
        partial(checked, kernel, params, x),
        None,
        None,
        partial(without_error, partial(close_in_numpy, kernel)),
    ]


def row_of_fault(library: str, fault: str) -> list[str]:
    """The verdicts on a mistake in a kernel of one library, with their seconds."""
    cells: list[str] = []
    for run in checks_of(library, fault):
        if run is None:
            cells.append("")
            continue
        (_, took), accepted = timed(run)
        cells.append(f"{_verdict(fault, accepted=accepted)}, {took:.{2 if took < 10 else 0}f} s")
    return told([library, fault or "none", *cells])


def _verdict(fault: str, *, accepted: bool) -> str:
    if fault:
        return "missed" if accepted else "found"
    return "accepted" if accepted else "refused"


def faults(*, quick: bool) -> str:
    """The mistakes, and who finds them."""
    planted = (("torch", ("", *NAMES)), ("JAX", ("", *IN_JAX)), ("NumPy", ("", *NAMES)))
    tried = (("torch", ("", "None")), ("NumPy", ("", "None"))) if quick else planted
    rows = [row_of_fault(library, fault) for library, names in tried for fault in names]
    said = (
        "A layer norm with a mistake planted in it, and one without. `check_against` and `allclose` run in\n"
        "float16, `allclose` as repositories of kernels write it: for whole blocks, with a tolerance of 1e-2.\n"
        "The others run in float64, where a sum in low precision is no mistake. A function of JAX has no memory\n"
        "to be wrong about. Where a cell is empty, the check is for another library.\n\n"
        f"Found: {', '.join(map(partial(found, rows), CHECKS))}."
    )
    head = ["kernel of", "mistake", *CHECKS]
    return f"### Planted mistakes\n\n{said}\n\n{table(head, rows, text=2)}"


def found(rows: list[list[str]], check: str) -> str:
    """Count the mistakes that a check found of those that it was given."""
    given = [cell for _, fault, *cells in rows if fault != "none" and (cell := cells[CHECKS.index(check)])]
    return f"`{check}` {sum(cell.startswith('found') for cell in given)} of {len(given)}"


MOST = 13
"""An error of 1e-13 is taken not to be found."""


def smallest(accepts: Accepts, seeds: int) -> str:
    """The smallest error, as a power of ten, that is found for every seed.

    By bisection for the first seed, as what is found is found where it is larger. Another seed may need a larger one.
    """
    low, high = 0, MOST
    while high - low > 1:
        k = (low + high) // 2
        low, high = (low, k) if accepts(10.0**-k, 0) else (k, high)
    for seed in range(1, seeds):
        while low and accepts(10.0**-low, seed):
            low -= 1
    return f"1e-{low:02}" if low else "none"


def by_derivative(named: Named, shape: tuple[int, int], every: bool, error: float, seed: int) -> bool:
    """Tell whether the law of the derivative accepts, in float64."""
    x, *params = named.drawn(shape, np.random.default_rng(seed), np.float64)
    f = off_in_torch(partial(named.f, in_torch()), error, every=every)
    return not Report(tuple(laws.derivative(layer_of_torch(f), tuple(params), x, np.random.default_rng(seed)))).failures


def by_gradcheck(named: Named, shape: tuple[int, int], every: bool, error: float, seed: int) -> bool:
    """Tell whether torch's gradcheck accepts."""
    f = off_in_torch(partial(named.f, in_torch()), error, every=every)
    return with_gradcheck(f, named.drawn(shape, np.random.default_rng(seed), np.float64))


def by_check_grads(named: Named, shape: tuple[int, int], every: bool, error: float, seed: int) -> bool:
    """Tell whether JAX's check_grads accepts."""
    np.random.seed(seed)  # noqa: NPY002  # it draws its direction from the global state
    f = off_in_jax(partial(named.f, in_jax()), error, every=every)
    return with_check_grads(f, named.drawn(shape, np.random.default_rng(seed), np.float64))


def by_reference(dtype: str, named: Named, shape: tuple[int, int], every: bool, error: float, seed: int) -> bool:
    """Tell whether check_against accepts, by its law of values and gradients, in low precision."""
    drawn_ = named.drawn(shape, np.random.default_rng(seed), np.float64)
    args = [torch.tensor(each).to(getattr(torch, dtype)) for each in drawn_]
    plain = partial(named.f, in_torch())
    f = off_in_torch(plain, error, every=every)
    report = report_of(f, plain, tuple(args), np.random.default_rng(seed), laws=(values_and_gradients,))
    return not report.failures


IN_FLOAT64: dict[str, Callable[..., bool]] = {
    "derivative": by_derivative,
    "gradcheck": by_gradcheck,
    "check_grads": by_check_grads,
}
IN_LOW_PRECISION: dict[str, Callable[..., bool]] = {
    dtype: partial(by_reference, dtype) for dtype in ("float32", "float16", "bfloat16")
}

POWERS = IN_FLOAT64 | IN_LOW_PRECISION
"""The checks whose smallest errors are searched, by their columns."""


def power(*, quick: bool, seeds: int = SEEDS) -> str:
    """The smallest errors that are found with certainty."""
    layers, sizes, seeds = (LAYERS[:1], SIZES[:1], 2) if quick else (LAYERS, SIZES, seeds)

    def searched(checks: dict[str, Callable[..., bool]], shapes: Sequence[tuple[int, int]], *, every: bool) -> str:
        sizes_said = [f"{n} × {m}" for n, m in shapes]
        head = ["layer", *(cell for name in checks for cell in (f"{name}, {sizes_said[0]}", *sizes_said[1:]))]
        rows = [
            told(
                [
                    named.name,
                    *(
                        smallest(partial(check, named, shape, every), seeds)
                        for check in checks.values()
                        for shape in shapes
                    ),
                ]
            )
            for named in layers
        ]
        return table(head, rows)

    said = (
        "The gradient of the last argument is off by a share of itself. The tables show the smallest share, in\n"
        f"powers of ten, that is found for {seeds} of {seeds} seeds, and none where a tenth is not. First in one\n"
        "entry, in float64: by our law of the derivative alone, and by torch's `gradcheck` and JAX's `check_grads`\n"
        "with their own tolerances."
    )
    low = "In one entry, in low precision: by the law of `check_against` on values and gradients alone."
    every = "In every entry, as by a wrong factor: the same checks."
    return "\n\n".join(
        [
            f"### The smallest error that is found\n\n{said}",
            searched(IN_FLOAT64, sizes, every=False),
            low,
            searched(IN_LOW_PRECISION, sizes, every=False),
            every,
            searched(POWERS, sizes[:1], every=True),
        ]
    )


def subjects() -> dict[str, Callable[[np.random.Generator], Report]]:
    """The default checks of layers and of a network."""
    rng = np.random.default_rng(0)
    checks: dict[str, Callable[[np.random.Generator], Report]] = {}
    for n, m in ((64, 32), (784, 100), (128, 768), (784, 1000)):
        params = Affine(rng.standard_normal((n, m)) / np.sqrt(n), rng.standard_normal(m))
        checks[f"affine {n} × {m}, 8 rows"] = _of_layer(affine, params, rng.standard_normal((8, n)))
    attention = next(each for each in LAYERS if each.name == "attention")
    tokens, *others = attention.drawn((32, 64), rng, np.float64, (4,))
    layer = layer_of_torch(partial(attention.f, in_torch()))
    checks["attention in torch, 4 × 32 × 64"] = _of_layer(layer, tuple(others), tokens)
    params_of_two = two_layer.init(rng, 784, 50, 10, std=0.1)
    images, labels = rng.random((8, 784), np.float32), rng.integers(0, 10, 8)
    checks["the README's network, 784-50-10, 8 rows"] = lambda rng: check_network(
        two_layer.network, softmax_cross_entropy, params_of_two, images, labels, rng=rng
    )
    return checks


def _of_layer(layer: Any, params: Any, x: Any) -> Callable[[np.random.Generator], Report]:
    return lambda rng: check_layer(layer, params, x, rng=rng)


def times(*, quick: bool) -> str:
    """The times of the default check."""
    checks = dict(list(subjects().items())[: 1 if quick else None])
    rows = [told([name, duration(least(check, 1 if quick else REPEATS))]) for name, check in checks.items()]
    said = (
        "All laws, by `check_layer` and for the network by `check_network`: the least of "
        f"{1 if quick else REPEATS} times."
    )
    return f"### How long a check takes\n\n{said}\n\n{table(['subject', 'default check'], rows)}"


def least(check: Callable[[np.random.Generator], Report], repeats: int) -> float:
    """The least time of a check, which must accept."""
    passed = math.inf
    for _ in range(repeats):
        took, report = timed(check, np.random.default_rng(0))
        passed = min(passed, took.cpu)
        report.raise_if_wrong()
    return passed


def told(row: list[str]) -> list[str]:
    """The row, which is also told to whoever waits for it."""
    print(*row, sep=" | ", file=sys.stderr, flush=True)
    return row


def part(*, quick: bool, only: str = "", seeds: int = SEEDS) -> str:
    """The part of the page."""
    said = (
        f"{datetime.now(UTC):%Y-%m-%d}, numpy {np.__version__}, torch {torch.__version__}, jax {jax.__version__}.\n"
        "Seconds are those of the processor in one thread, on a machine that others shared: they are rough.\n"
        "Those of JAX include its compiler."
    )
    parts: dict[str, Callable[..., str]] = {"faults": faults, "power": partial(power, seeds=seeds), "times": times}
    return "\n\n".join([said, *(make(quick=quick) for name, make in parts.items() if only in {"", name})])


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
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"for how many an error must be found ({SEEDS})")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with silent():
        text = part(quick=options.quick, only=options.only, seeds=options.seeds)
    if options.quick or options.only:
        print(text)
        return
    page = PAGE.read_text("utf-8")
    PAGE.write_text(filled(page, present(page) | {"checkers": text}), "utf-8")


if __name__ == "__main__":
    main()
