"""Settings that hold a process to one thread, or give it all.

This module must import nothing that brings NumPy along: a process is settled before its libraries are loaded.
"""

import os
import sys
from pathlib import Path

ONE, ALL = "one", "all"

VARIABLES = (
    "OPENBLAS_NUM_THREADS",  # NumPy, SciPy
    "OMP_NUM_THREADS",  # torch
    "MKL_NUM_THREADS",  # torch
    "BLIS_NUM_THREADS",  # thinc
)
"""The numbers of threads that libraries read when they are loaded, and not after."""


def cores() -> list[int]:
    """The processors that this process may use."""
    return sorted(os.sched_getaffinity(0))


def settle(threads: str = ONE, tree: Path | None = None) -> None:
    """Ask libraries for one thread, or for one for each processor, and take the package from a tree.

    Variables are requests. What makes one thread of a library that starts more is that the process, and every thread
    that it will start, is kept to one processor.
    """
    one = threads == ONE
    os.environ.update(dict.fromkeys(VARIABLES, "1" if one else str(len(cores()))), JAX_PLATFORMS="cpu")
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1" if one else ""
    if one:
        os.sched_setaffinity(0, {cores()[-1]})
    if tree is not None:
        sys.path.insert(0, str(tree / "src"))
