"""How a process is kept to one thread, or given all."""

import os

ONE, ALL = "one", "all"

VARIABLES = (
    "OPENBLAS_NUM_THREADS",  # NumPy, SciPy
    "OMP_NUM_THREADS",  # torch
    "MKL_NUM_THREADS",  # torch
    "BLIS_NUM_THREADS",  # thinc
)
"""What the libraries read when they are loaded, and not after."""


def cores() -> list[int]:
    """The processors that this process may use."""
    return sorted(os.sched_getaffinity(0))


def environment(threads: str) -> dict[str, str]:
    """The variables of a process that is to have one thread, or as many as there are processors."""
    count = 1 if threads == ONE else len(cores())
    asked = dict(os.environ, JAX_PLATFORMS="cpu", **dict.fromkeys(VARIABLES, str(count)))
    asked.pop("XLA_FLAGS", None)
    if threads == ONE:
        asked["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    return asked


def pin(threads: str) -> None:
    """Keep this process, and every thread that it will start, to one processor if it is to have one thread.

    Variables are requests; this is what makes one thread of a library that starts more.
    """
    if threads == ONE:
        os.sched_setaffinity(0, {cores()[-1]})
