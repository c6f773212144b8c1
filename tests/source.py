"""The package as its source has it, read once in each process of a run of tests."""

from functools import cache

import griffe
from modules import package


@cache
def read() -> griffe.Module:
    """Read the package, without importing it."""
    return package()


@cache
def module(name: str) -> griffe.Module:
    """A module by its full name."""
    found = read()[name.partition(".")[2]] if "." in name else read()
    assert isinstance(found, griffe.Module)
    return found
