"""Packages that the demo uses and the library does not."""

from contextlib import AbstractContextManager, nullcontext
from importlib import import_module


def installed(name: str) -> bool:
    """Tell whether a package is installed."""
    try:
        import_module(name)
    except ImportError:
        return False
    return True


def one_thread() -> AbstractContextManager[object]:
    """A block in which BLAS uses one thread, if threadpoolctl is there to tell it so.

    For small products, on a busy machine, two can be ten times slower.
    """
    if not installed("threadpoolctl"):
        return nullcontext()
    limits: AbstractContextManager[object] = import_module("threadpoolctl").threadpool_limits(1)
    return limits
