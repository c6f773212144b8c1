"""The chapters of the tutorial are notebooks too: their cells are the page's blocks, and run from top to bottom."""

import ast
from importlib.util import find_spec
from typing import Any

import notebooks
import pytest

PAGE = """# Title

Words with a [chapter](3-loss.md#here), a [page](../how-to/train.md), [`tanh`][chainrule.tanh] and [torch](https://pytorch.org).

```python
import numpy as np
```

```python
>>> x = np.ones(2)
>>> x
array([1., 1.])
>>> y = x + 1
>>> x.reshape(3)
Traceback (most recent call last):
ValueError: cannot reshape
>>> z = y
```

```picture A line
from matplotlib.figure import Figure

figure = Figure()
axes = figure.subplots()
figure
```

!!! tip "To remember"
    One thing.
    And another.

**Try it.** Do it.

??? note "What you should see"
    It is done, as on the [last page](3-loss.md).

[Next.](../how-to/train.md)

```sh
make demo
```
"""


def sources(unrun: dict[str, Any], kind: str) -> list[str]:
    return [cell["source"] for cell in unrun["cells"] if cell["cell_type"] == kind]


def test_each_answer_has_its_cell() -> None:
    assert sources(notebooks.notebook(PAGE), "code") == [
        "%matplotlib inline",
        "import numpy as np",
        "x = np.ones(2)\nx",
        "y = x + 1\nx.reshape(3)",
        "z = y",
        "from matplotlib.figure import Figure\n\nfigure = Figure()\naxes = figure.subplots()\nfigure",
    ]


def test_only_the_cell_that_should_raise_may_raise() -> None:
    tagged = [cell["source"] for cell in notebooks.notebook(PAGE)["cells"] if cell["metadata"].get("tags")]
    assert tagged == ["y = x + 1\nx.reshape(3)"]


def test_text_reads_without_the_site() -> None:
    words, caption, boxes, shell = sources(notebooks.notebook(PAGE), "markdown")
    assert words.endswith("a [chapter](3-loss.ipynb), a page, `tanh` and [torch](https://pytorch.org).")
    assert caption == "*A line*"
    quoted, folded = boxes.split("\n\n**Try it.** Do it.\n\n")
    assert quoted == "> **To remember**\n>\n> One thing.\n> And another."
    assert folded == (
        "<details>\n<summary>What you should see</summary>\n\n"
        "It is done, as on the [last page](3-loss.ipynb).\n\n</details>\n\nNext."
    )
    assert shell == "```sh\nmake demo\n```"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_chapter_is_a_notebook_whose_code_python_reads(language: str) -> None:
    pages = notebooks.chapters(language)
    assert len(pages) >= 6
    for page in pages:
        unrun = notebooks.notebook(page.read_text("utf-8"))
        code = [source for source in sources(unrun, "code") if source != notebooks.INLINE]
        assert len(code) > 5, page.name
        assert all(ast.parse(source).body for source in code), page.name
        assert len({cell["id"] for cell in unrun["cells"]}) == len(unrun["cells"])


def test_the_cells_of_a_chapter_run_one_after_another() -> None:
    page = next(page for page in notebooks.chapters("en") if page.stem == "1-affine")
    namespace: dict[str, Any] = {}
    for source in sources(notebooks.notebook(page.read_text("utf-8")), "code"):
        exec(source, namespace)  # noqa: S102 (our own page)
    assert namespace["grads"].W.shape == namespace["params"].W.shape


if find_spec("nbclient") and find_spec("ipykernel"):  # as other libraries that are not needed: where they are installed

    def test_a_kernel_runs_a_notebook_and_shows_its_answers_and_pictures() -> None:
        whole = notebooks.executed(notebooks.notebook(PAGE))  # validated by nbformat
        answers = [cell["outputs"] for cell in whole["cells"] if cell["cell_type"] == "code"]
        assert answers[2][0]["data"]["text/plain"] == "array([1., 1.])"
        assert answers[3][0]["traceback"] == ["ValueError: cannot reshape array of size 2 into shape (3,)"]
        assert "image/png" in answers[5][0]["data"]
        chapter = next(page for page in notebooks.chapters("en") if page.stem == "1-affine")
        drawn = notebooks.executed(notebooks.notebook(chapter.read_text("utf-8")))
        kinds = {kind for cell in drawn["cells"] for answer in cell.get("outputs", ()) for kind in answer["data"]}
        assert {"image/svg+xml", "text/plain"} <= kinds
