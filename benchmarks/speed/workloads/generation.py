"""The speed of `generate` of `examples/gpt.py` beside that of torch's, eager, with a cache of keys and values.

Both read a prompt and add the likeliest token until all places are taken: in float32, with one thread.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from importlib import import_module
from itertools import islice
from typing import Any

import gpt
import numpy as np

from chainrule import Labels, tree
from speed.contender import OURS, TORCH
from speed.harness import Loop, Plan, Row, calls
from speed.networks.gpt import BLOCKS, TOKENS, logits_in_torch
from speed.options import Options
from speed.page import failures, ratio, table
from speed.processes import ask, process
from speed.whole import Size
from speed.workloads.layers import raced

PROMPT = 8
SEED = 3
"""In what is written from it, the two likeliest differ by 5e-5 of the largest logit or more, which is no rounding."""
SIZES: tuple[Size, ...] = ((1, 128, 64, 4), (64, 128, 64, 4))
"""At (batch, places, width, heads)."""


def ours(size: Size, params: gpt.Params, prompt: Labels) -> Loop:
    """`generate`."""
    network, rng = gpt.gpt(size[3], BLOCKS), np.random.default_rng(0)

    def written() -> Labels:
        return np.stack([*islice(gpt.generate(network, params, prompt, rng), size[1] - PROMPT)], axis=1)

    return calls(written, read=lambda tokens: (tokens, []))


def in_torch(size: Size, params: gpt.Params, prompt: Labels) -> Loop:
    """The cache is written in place."""
    torch: Any = import_module("torch")
    n, places, width, heads = size
    leaves = [torch.tensor(leaf) for leaf in tree.leaves(params)]

    def written() -> Any:
        tokens = torch.empty(n, places, dtype=torch.int64)
        tokens[:, :PROMPT] = torch.from_numpy(prompt)
        cache = [[torch.empty(n, heads, places, width // heads) for _ in "kv"] for _ in range(BLOCKS)]
        seen = 0
        for place in range(PROMPT, places):
            remember = partial(_remembered, cache, seen, place)
            logits = logits_in_torch(torch, heads, tokens[:, seen:place], *leaves, seen=seen, remember=remember)
            tokens[:, place], seen = logits[:, -1].argmax(-1), place
        return tokens[:, PROMPT:]

    return calls(torch.inference_mode()(written), read=lambda tokens: (tokens.numpy(), []))


def _remembered(cache: Any, seen: int, place: int, block: int, new: Any) -> Any:
    """The keys and values of a block up to a place, of which those after what was seen are new."""
    for old, each in zip(cache[block], new, strict=True):
        old.narrow(2, seen, place - seen).copy_(each)
    return [old.narrow(2, 0, place) for old in cache[block]]


def measure(options: Options) -> Iterator[Row]:
    """A row for each size and contender."""
    with process() as child:
        for size in SIZES:
            yield from ask(child, compare, size, options.plan)


def compare(size: Size, plan: Plan) -> list[Row]:
    """They take turns if their tokens are the same."""
    n, places, width, _ = size
    rng = np.random.default_rng(SEED)
    params, prompt = gpt.init(rng, TOKENS, places, width, BLOCKS), rng.integers(0, TOKENS, (n, PROMPT))
    makers = {name: partial(make, size, params, prompt) for name, make in ((OURS, ours), (TORCH, in_torch))}
    rows = raced({"batch": n, "size": " \N{MULTIPLICATION SIGN} ".join(map(str, size))}, makers, plan)
    return [row | {"tokens": n * (places - PROMPT)} for row in rows]


def parts(rows: Sequence[Row]) -> dict[str, str]:
    """A line for each size and contender."""
    lines = [
        [
            f"{row['batch']}",
            row["contender"],
            f"{row['tokens'] / row['seconds']['median']:,.0f}",
            ratio(1 / row["ours_to_it"]["median"]),
        ]
        for row in rows
        if "seconds" in row
    ]
    head = ["batch", "written by", "tokens a second", "ours, of it"]
    return {"generation": "\n\n".join([table(head, lines, text=2), *dict.fromkeys(failures(rows))])}
