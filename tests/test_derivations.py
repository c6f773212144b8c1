"""Formulas in docstrings become mathematics on the site, and what is no formula stays as it is."""

import pytest
from derivations import derivations, translate, typeset


def body(tex: str | None) -> str:
    assert tex is not None
    return tex.removeprefix(r"\begin{aligned} ").removesuffix(r" \end{aligned}")


@pytest.mark.parametrize(
    ("plain", "tex"),
    [
        ("dx = dout W^T", r"\mathrm{d}x &= \mathrm{dout} \, W^{\top}"),
        ("dL = <A, B C>", r"\mathrm{d}L &= \langle A, B \, C \rangle"),
        (
            "d = p <a, b> - <a, b> <p, c>",
            r"d &= p \, \langle a, b \rangle - \langle a, b \rangle \, \langle p, c \rangle",
        ),
        ("a = 1 if b < c", r"a &= 1 \text{ if } b < c"),
        ("a = 1 / (1 + b)^2", r"a &= \frac{1}{\left( 1 + b \right)^{2}}"),
        ("a = (b - c) / 2h", r"a &= \frac{b - c}{2h}"),
        ("db = 1^T dout", r"\mathrm{d}b &= \mathbf{1}^\top \, \mathrm{dout}"),
        ("y = -sum(t * log(p))", r"y &= - \sum(t \cdot \log(p))"),
        ("e_j = exp(z_j - m)", r"e_{j} &= \exp(z_{j} - m)"),
        ("dout_p = sum_k(x_(p + k) w_k)", r"\mathrm{dout}_{p} &= \sum_{k}(x_{p + k} \, w_{k})"),
        ("s'(x) = |x| if x < 0", r"s'(x) &= \lvert x \rvert \text{ if } x < 0"),
        ("y = x    x (n, d)    b (m,)", r"y &= x \qquad x \in \mathbb{R}^{n \times d} \qquad b \in \mathbb{R}^{m}"),
        ("y = x    x (..., d)", r"y &= x \qquad x \in \mathbb{R}^{\cdots \times d}"),
        ("y = 1 db    1 is a column", r"y &= \mathbf{1} \, \mathrm{d}b \qquad \text{1 is a column}"),
        ("h = 2e-5 eps^(1/3)", r"h &= 2 \cdot 10^{-5} \, \varepsilon^{1/3}"),
        ("y = alpha sqrt(2 / pi)", r"y &= \alpha \, \sqrt{\frac{2}{\pi}}"),
        ("p <- p - rate * g", r"p &\leftarrow p - \mathrm{rate} \cdot g"),
    ],
)
def test_a_formula(plain: str, tex: str) -> None:
    assert body(translate(plain)) == tex


def test_lines_are_aligned_at_their_first_relation() -> None:
    assert body(translate("a = b = c\n  = d")) == r"a &= b = c \\ &= d"


def test_a_star_is_the_product_entry_by_entry_where_the_text_says_so() -> None:
    said = "Thus\n\n    a = b * c    (* entry by entry)\n\nand so\n\n    d = e * f\n"
    assert r"d &= e \odot f" in typeset(said)
    assert r"d &= e \cdot f" in typeset(said.replace("(* entry by entry)", ""))


@pytest.mark.parametrize(
    "block",
    [
        "forward (params, x) -> (out, cache)",
        "assert f(x) == y",
        "x[0] = 1",
        "type    one byte: uint8",
        "dx = (dout",
        "y = a $ b",
    ],
)
def test_what_is_no_formula_stays(block: str) -> None:
    assert translate(block) is None
    assert typeset(f"    {block}\n") == f"    {block}\n"


def test_every_line_of_every_derivation_is_typeset() -> None:
    texts = dict(derivations())
    assert len(texts) >= 5
    assert [(module, line) for module, text in texts.items() for line in text.splitlines() if line[:4] == "    "] == []


def test_inner_products_in_sentences_are_typeset() -> None:
    assert (
        typeset("so that dL = <dout, dx>, and")
        == r"so that $\mathrm{d}L = \langle \mathrm{dout}, \mathrm{d}x \rangle$, and"
    )
    assert typeset("<A B, C> = <A, C B^T>") == r"$\langle A \, B, C \rangle = \langle A, C \, B^{\top} \rangle$"
    for kept in ("`<A, B>`", "if a < b, then c > d", "    assert <A, B>", "<a href>, <b>"):
        assert typeset(kept) == kept
