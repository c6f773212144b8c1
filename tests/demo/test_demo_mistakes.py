"""Misread images are listed, the surest first, and the most frequent confusion is named."""

import numpy as np

from chainrule.demo.mistakes import mistakes, worst_confusion

LABELS = np.array([9, 9, 9, 8, 1, 18])


def logits(
    readings: list[int], margins: list[float] | None = None
) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    scores = np.zeros((len(readings), 20), np.float32)
    scores[np.arange(len(readings)), readings] = margins or 1
    return scores


def test_mistakes_are_sorted_by_how_sure_they_are() -> None:
    found = mistakes(logits([4, 9, 7, 8, 2, 18], [1, 9, 3, 1, 2, 1]), LABELS)
    assert found.which.tolist() == [2, 4, 0]
    assert found.truth.tolist() == [9, 1, 9]
    assert found.reading.tolist() == [7, 2, 4]


def test_the_most_frequent_confusion_is_said_in_words() -> None:
    found = mistakes(logits([4, 4, 9, 8, 1, 18]), LABELS)
    assert worst_confusion(found, LABELS) == "a 9 was read as a 4 in 2 of 3 cases"


def test_numbers_have_their_article() -> None:
    found = mistakes(logits([9, 9, 9, 11, 1, 18]), LABELS)
    assert worst_confusion(found, LABELS) == "an 8 was read as an 11 in 1 of 1 cases"
    found = mistakes(logits([9, 9, 9, 8, 1, 10]), LABELS)
    assert worst_confusion(found, LABELS) == "an 18 was read as a 10 in 1 of 1 cases"


def test_no_mistakes() -> None:
    found = mistakes(logits(LABELS.tolist()), LABELS)
    assert len(found.which) == 0
    assert worst_confusion(found, LABELS) == "not one was misread"
