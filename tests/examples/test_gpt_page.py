"""The page that takes a GPT through one pass is about the model of `examples/gpt.py`."""

import re
from itertools import islice
from pathlib import Path

import gpt
import numpy as np
import pictures

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "gpt.md"


def test_the_network_of_the_page_is_that_of_the_example() -> None:
    document = pictures.examples(PAGE.read_text("utf-8"), str(PAGE))
    for example in islice(document, 2):  # the network, and its parameters
        example.evaluate()
    network, params, tokens = (document.namespace[name] for name in ("network", "params", "tokens"))
    rows, (places, look, think, norm, head) = params
    theirs = gpt.gpt(heads=2, blocks=1).forward((rows, (places, ((look, think),), norm, head)), tokens)[0]
    assert np.array_equal(network.forward(params, tokens)[0], theirs)


def test_each_parameter_is_printed_and_its_gradient() -> None:
    printed = re.findall(r"(\w+) \((?:\d+, ?)*\d*\)", PAGE.read_text("utf-8"))
    for name in "E W_q W_k W_v b_qkv W_out b_out W_up b_up W_down b_down W_head b_head".split():
        assert printed.count(name) == printed.count(f"d{name}") == 1, name
    for name in ("scale", "bias"):
        assert printed.count(name) == printed.count(f"d{name}") == 3, name
    assert printed.count("P") == 1  # its gradient is dh2
