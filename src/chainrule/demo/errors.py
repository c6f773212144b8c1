"""Reasons for the demo to stop early: each is an exception with one line to print, and an exit status."""


class UsageError(Exception):
    """The options, a file or a missing package do not allow it."""

    status = 2


class DivergenceError(Exception):
    """The loss has become so large that training will not come back from there."""

    status = 1
