"""The one place that says how to install what need not be there: extras of this package, by its name."""


def pip_install(extra: str) -> str:
    """The command that brings an extra, for a message: `pip install 'chainrule[jax]'`."""
    return f"pip install 'chainrule[{extra}]'"
