"""The settings under which every test runs."""

import gc
import os
import sys
from collections import defaultdict
from collections.abc import Iterator
from heapq import nsmallest
from tempfile import TemporaryDirectory
from threading import local
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings

# These need the built site and a browser: `make site-test` asks for them.
collect_ignore = [] if "SITE_TEST" in os.environ else ["browser"]

settings.register_profile("ci", deadline=None, derandomize=True, max_examples=30)
settings.register_profile("brief", deadline=None, derandomize=True, max_examples=5)
settings.register_profile("deep", deadline=None, max_examples=2000, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "mutation",
    deadline=None,
    derandomize=True,
    max_examples=10,
    phases=(Phase.explicit, Phase.generate),
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow],
)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "ci")
settings.load_profile(PROFILE)

CASES = 1
"""The most cases of a parametrized test that the brief profile tries."""


def pytest_configure(config: pytest.Config) -> None:
    """Torch has one thread; JAX compiles without optimizing, and keeps it in a folder: here and in processes from here.

    Threads of torch wait for each other by spinning, which on cores that are busy takes several times the work itself.

    JAX compiles each operation anew for each shape, and that is most of the time of its tests: half of it goes into
    making small programs fast. In memory they would need gigabytes, and share nothing.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false")
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:  # which the other processes have from the first
        folder = TemporaryDirectory(prefix="compiled-by-jax-")
        config.add_cleanup(folder.cleanup)
        os.environ["JAX_COMPILATION_CACHE_DIR"] = folder.name
        os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In the brief profile a test of many cases tries one of them, as their names' checksums draw it."""
    if PROFILE != "brief":
        return
    cases: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        cases[item.nodeid.partition("[")[0]].append(item)
    tried = {
        each for of in cases.values() for each in nsmallest(CASES, of, key=lambda item: crc32(item.nodeid.encode()))
    }
    config.hook.pytest_deselected(items=[item for item in items if item not in tried])
    items[:] = [item for item in items if item in tried]


def pytest_collection() -> None:
    """Nothing is garbage while modules are imported: looking for it would take a fifth of that time."""
    gc.disable()


def pytest_collection_finish() -> None:
    """From now on there is garbage, but not among the two million objects of modules and tests."""
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def strict_floating_point() -> Iterator[None]:
    """Overflow, division by zero and invalid operations are errors. Underflow is not: 1e-168 squared is 0."""
    with np.errstate(over="raise", divide="raise", invalid="raise", under="ignore"):
        yield


@pytest.fixture(scope="module", autouse=True)
def compiled_code_is_dropped() -> Iterator[None]:
    """JAX keeps all that it has compiled, which is a gigabyte for some files of tests."""
    yield
    if "jax" in sys.modules:
        sys.modules["jax"].clear_caches()


@pytest.fixture(scope="module", autouse=True)
def programs_share_a_context() -> Iterator[None]:
    """JAX makes a context of MLIR for each program, which takes a third of the time that it compiles a small one in.

    Each thread makes one for a file of tests instead: two threads may not load into one at once. The function is none
    that JAX promises: where there is none of that name, JAX does as it always does.
    """
    lowering = sys.modules.get("jax._src.interpreters.mlir")
    make, of_thread = getattr(lowering, "make_ir_context", None), local()

    def shared() -> Any:
        if make is not None and not hasattr(of_thread, "context"):
            of_thread.context = make()
        return of_thread.context

    with pytest.MonkeyPatch.context() as patch:
        if make is not None:
            patch.setattr(lowering, "make_ir_context", shared)
        yield


@pytest.fixture
def products_may_be_invalid() -> Iterator[None]:
    """For tests of libraries that multiply by NumPy without silencing it, as array-api-strict does.

    OpenBLAS for AVX-512 multiplies a float32 matrix of five columns by a vector, and numbers in memory beside them that
    it then drops: if these were nan, the operation counts as invalid. Tests compare what it gives.
    """
    with np.errstate(invalid="ignore"):
        yield


@pytest.fixture
def without_lines_to_paste(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of verdicts alone: the search for lines that show a fault takes as long, and has its own tests."""

    def none(*_: object) -> str:
        return ""

    searches = ("showing.examples.demonstrated", "showing.examples.smallest", "reports.steps_shown")
    for search in (*searches, "_of_kernels.report.example_of"):
        monkeypatch.setattr(f"chainrule.laws.{search}", none)
