"""The differences between what is there and what is wanted, by name: all of them, in one message."""

from collections.abc import Callable, Mapping
from operator import eq

MOST = 8
"""The most names that are listed of each kind of difference."""

LONGEST = 80
"""The most characters of a name that are shown."""


def check_fit(
    what: str, found: Mapping[str, str], wanted: Mapping[str, str], same: Callable[[str, str], bool] = eq
) -> None:
    """Check that the same names are found and wanted, each of one form, such as `f32[3, 2]`.

    Parameters
    ----------
    what
        The beginning of the message: `"load: a.safetensors does not fit like"`.
    found, wanted
        The forms by name.
    same
        Whether a form that was found, and one that is wanted, are the same.

    Raises
    ------
    ValueError
        If names are missing or unexpected, or forms differ.
    """
    missing = [f"{_shown(name)} {form}" for name, form in wanted.items() if name not in found]
    unexpected = [f"{_shown(name)} {form}" for name, form in found.items() if name not in wanted]
    different = [
        f"{_shown(name)} is {found[name]}, expected {form}"
        for name, form in wanted.items()
        if name in found and not same(found[name], form)
    ]
    kinds = {"missing": missing, "unexpected": unexpected, "different": different}
    listed = [f"{kind}: {_list(each)}" for kind, each in kinds.items() if each]
    if listed:
        raise ValueError(f"{what}: {'; '.join(listed)}")


def _shown(name: str) -> str:
    """A name for a message: a file may hold any characters."""
    text = name if name.isprintable() else ascii(name)[1:-1]
    return (text if len(text) <= LONGEST else f"{text[:LONGEST]}...") or "the only array"


def _list(entries: list[str]) -> str:
    rest = len(entries) - MOST
    return ", ".join(entries[:MOST]) + (f" and {rest} more" if rest > 0 else "")
