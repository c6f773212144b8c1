"""The glossary is the same from both sides, and the Chinese pages use its words."""

import re
from pathlib import Path

import pytest
from parts import PART

ROOT = Path(__file__).parents[1]
ROW = re.compile(r"^\| (.*?) \| (.*?) \| (.*) \|$", re.MULTILINE)
EVERYDAY = {
    "accuracy",
    "activation",
    "batch",
    "bias",
    "check",
    "clipping",
    "entry",
    "frozen",
    "mistake",
    "shape",
    "step",
}
"""Terms that English uses as everyday words too: a page may have them and mean nothing of the glossary's."""
OFTEN = 3
"""So many times a page says a term that it is about: once or twice, a translation may go another way."""
NEVER = {
    r"真相": "真实值",
    r"计算带": "梯度带（tape）",
    r"\| 你想 \|": "目的",
    r"存疑": "若要质疑它",
    r"网络过来": "从……转过来",
    r"看看里面": "看看网络内部",
    r"一趟": "一次正向与反向",
    r"太随机": "噪声太大",
    r"交付小": "部署小型网络",
    r"就地推导": "就在代码旁推导",
    r"错误的梯度就是错误本身": "误差的梯度就是误差本身",
    r"推动输出": "权重每增加一点，输出就增加那么多倍",
    r"给了 \d 以": "给 0 的概率是 0.665",
    r"(?<![阅确承默])[读认](?:出的?)?数字": "识别数字",
    r"[前后]向传播": "正向传播，反向传播",
    r"池化": "汇聚",
    r"丢弃法": "暂退法（dropout）",
    r"[掩屏]膜": "掩码",
    r"隐藏状态": "隐状态",
    r"(?<!加)权值": "权重",
    r"令牌": "词元",
    r"学习速率": "学习率",
    r"代价函数": "损失函数",
    r"批(?:归一|标准|规范)化": "批量归一化",
    r"复数步长": "复步长",
    r"梯度检查": "梯度检验",
}
"""Words that no Chinese page has, and what it says instead."""
BOLD = re.compile(r"\*\*([^*\n]+)\*\*(\w?)")
PAGES = {page: ROOT / "docs" / page.relative_to(ROOT / "docs-zh") for page in sorted(ROOT.glob("docs-zh/**/*.md"))}
ROOTS_FILES = {page: ROOT / page.name.replace(".zh", "") for page in sorted(ROOT.glob("*.zh.md"))}
CHINESE = PAGES | ROOTS_FILES
"""Each Chinese page, and the English one."""
WORDS = sorted(ROOT.glob("docs-zh/*.toml"))


def table(folder: str) -> list[tuple[str, str, str]]:
    """The rows of a glossary, without the heads of its tables."""
    rows = ROW.findall((ROOT / folder / "glossary.md").read_text("utf-8"))
    return [row for row in rows if row[0] not in {"English", "中文", "---"}]


def test_the_glossaries_have_the_same_terms_in_the_same_order() -> None:
    assert [(chinese, english) for english, chinese, _ in table("docs")] == [row[:2] for row in table("docs-zh")]


def test_no_term_is_there_twice_and_each_has_a_meaning() -> None:
    terms = [english for english, _, _ in table("docs")]
    assert len(terms) == len(set(terms)) > 100
    assert all(meaning for folder in ("docs", "docs-zh") for _, _, meaning in table(folder))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def prose(page: str) -> str:
    """The words of a page: no code, no formulas, no addresses."""
    page = re.sub(r"^```.*?^```$|^\$\$.*?^\$\$$", "", page, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"(`+).+?\1|\$[^$\n]+\$|\]\([^)]*\)", "", page)


def missing(english: str, chinese: str) -> list[str]:
    """The terms that an English page says often, whose Chinese word the Chinese page has nowhere."""
    kept = prose(chinese)  # messages and names, which are the same in both
    said = " ".join(part for part in re.split(r"[|\n]", prose(english)) if part.strip() not in kept)
    return [
        f"{term}: {word}"
        for word, term, _ in table("docs-zh")
        if term not in EVERYDAY | {"WRONG", "cannot tell"}
        and "," not in term  # a kernel is two things, and an error many
        and len(re.findall(rf"\b{term}(?:s|es)?\b", said, re.IGNORECASE)) >= OFTEN
        and not any(part in chinese for part in re.split(r"[（）、]", word) if part)
    ]


@pytest.mark.parametrize("page", [*CHINESE, *WORDS], ids=name)
def test_a_chinese_page_has_no_word_that_the_field_does_not_use(page: Path) -> None:
    text = page.read_text("utf-8")
    assert {found[0]: better for word, better in NEVER.items() if (found := re.search(word, text))} == {}


@pytest.mark.parametrize("page", CHINESE, ids=name)
def test_a_chinese_page_has_the_words_of_the_glossary(page: Path) -> None:
    english = PART.sub("", CHINESE[page].read_text("utf-8"))  # tests/test_parts.py has what programs write
    assert missing(english, page.read_text("utf-8")) == []


def unclosed(page: str) -> list[str]:
    """Bold text that ends in a full stop with a letter right behind: GitHub and notebooks show its asterisks."""
    return [text for text, letter in BOLD.findall(prose(page)) if letter and text[-1] in "。，：；！？）”"]


@pytest.mark.parametrize("page", [*CHINESE, *WORDS], ids=name)
def test_bold_text_ends_where_every_reader_of_markdown_ends_it(page: Path) -> None:
    assert unclosed(page.read_text("utf-8")) == []


def test_bold_text_that_does_not_end_is_seen() -> None:
    assert unclosed("**记住：**掩码") == ["记住："]
    assert unclosed("**记住：** 掩码，**尖点**，**学**：教程，**层**也是。") == []


def test_another_word_for_a_term_is_seen() -> None:
    assert missing("The learning rate. " * 3, "学习速率。") == ["learning rate: 学习率"]
    assert missing("`learning rate` " * 3, "") == missing("The learning rate. " * 2, "") == []
