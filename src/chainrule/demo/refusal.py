"""Why the demo stops early: each reason is an exception with one line to say, and an exit status."""


class RefusalError(Exception):
    """The options, a file or a missing package do not allow it."""

    status = 2


class DivergenceError(Exception):
    """The loss has become so large that training will not come back from there."""

    status = 1
