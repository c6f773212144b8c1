"""The mistakes of a trained network, and the most frequent confusion."""

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from chainrule.arrays.records import record
from chainrule.arrays.types import Array, Labels


@frozen(eq=False)
@record
class Mistakes:
    """The examples that were misread, by their rows, the most confident mistake first."""

    which: NDArray[np.intp]
    truth: Labels
    reading: Labels


def mistakes(logits: Array, labels: Labels) -> Mistakes:
    """Find the examples whose largest logit (n, k) does not stand at the label (n,).

    They are sorted by how far the largest logit is above the label's.
    """
    reading = np.argmax(logits, axis=1)
    which = np.flatnonzero(reading != labels)
    margin = logits[which, reading[which]] - logits[which, labels[which]]
    which = which[np.argsort(-margin, kind="stable")]
    return Mistakes(which, labels[which], reading[which])


def worst_confusion(found: Mistakes, labels: Labels) -> str:
    """Say which class was most often read as which other: `"a 9 was read as a 4 in 3 of 36 cases"`."""
    if not len(found.which):
        return "not one was misread"
    pairs, counts = np.unique(np.stack([found.truth, found.reading], axis=1), axis=0, return_counts=True)
    times = int(counts.max())
    truth, reading = (int(label) for label in pairs[np.argmax(counts)])
    cases = int((labels == truth).sum())
    return f"{_a(truth)} was read as {_a(reading)} in {times:,} of {cases:,} cases"


def _a(number: int) -> str:
    return f"{'an' if str(number).startswith('8') or number in (11, 18) else 'a'} {number}"
