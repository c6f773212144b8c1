"""A GPT learns to add, from sums that are written as text; with `--text FILE` it learns to continue that text instead.

    457+234=1960        the digits of a result in reverse, in the order in which one finds them on paper

It is shown 128,000 of the million sums of two numbers of three digits, none of them twice, and asked for 10,000 others.
The model is in `gpt.py`, and how it writes.
"""

import argparse
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from gpt import Params, generate, gpt, init
from program import Ending, carry_out, count, families, records, refuse, with_options, write_picture

from chainrule import Labels, Run, Weighted, adamw, clip_by_global_norm, prediction, schedules
from chainrule import softmax_cross_entropy, train, weighted
from chainrule.optimizer import State
from chainrule.training.train import Runs

WIDTH, HEADS, BLOCKS, BATCH = 64, 4, 2, 128
SIGNS, RESULT, UNSEEN = "0123456789+=", 8, 10_000  # a result begins at place 8
LENGTH, SAMPLE, DRAWN = 64, 60, 24  # of the pieces of a text, of what is written to show, and of what is drawn

network, loss = gpt(HEADS, BLOCKS), weighted(softmax_cross_entropy)
Dots: TypeAlias = tuple[Sequence[int], Sequence[int]]
Learned: TypeAlias = Run[Params, State[Params]]


def add(options: argparse.Namespace) -> Ending:
    """Learn to add, and tell how well."""
    rng = np.random.default_rng(options.seed)
    tokens, tests = map(sums, train_and_test(rng, BATCH * options.steps))
    params = init(rng, len(SIGNS), tokens.shape[1] - 1, WIDTH, BLOCKS)
    for run in learn(options, params, tokens, BATCH, RESULT):
        params, share, text = run.params, *answers(run.params, tests[:500])
        print(f"{so_far(run)}   accuracy {share:.3f}   {text}", flush=True)
    right = np.mean([answers(params, some)[0] for some in np.split(tests, 20)])
    # For each digit from the second on: the two digits below, and what was written there, say whether one is carried.
    carried = [2, 6, 8, 1, 5, 9, 0, 4, 10], [1, 1, 1, 2, 2, 2, 3, 3, 3]
    asked_for = sums(np.array([457_234]))[0]
    figure = f"accuracy {right:.4f} of {UNSEEN} unseen sums"
    return figure, lambda: draw(options.picture, params, asked_for, SIGNS, RESULT, carried)


def train_and_test(rng: np.random.Generator, n: int) -> tuple[Labels, Labels]:
    """Pairs a, b as numbers 1000 a + b: n to be shown, and those that are not, nor the other way round."""
    unseen, free = rng.choice(1_000_000, UNSEEN, replace=False), np.ones((1000, 1000), bool)
    a, b = np.divmod(unseen, 1000)
    free[a, b] = free[b, a] = False
    if n > free.sum():
        refuse(f"--steps: there are no more than {free.sum()} sums to show, and {n} are needed")
    return rng.choice(np.flatnonzero(free), n, replace=False), unseen


def sums(pairs: Labels) -> Labels:
    """The sums of pairs (n,) as tokens (n, 12)."""

    def digits(numbers: Labels, places: int) -> Labels:
        return numbers[:, None] // 10 ** np.arange(places) % 10

    a, b = np.divmod(pairs, 1000)
    plus, equals = (np.full((len(pairs), 1), SIGNS.index(sign)) for sign in "+=")
    parts = digits(a, 3)[:, ::-1], plus, digits(b, 3)[:, ::-1], equals, digits(a + b, 4)
    return np.concatenate(parts, axis=1).astype(np.uint8)


def answers(params: Params, tests: Labels) -> tuple[float, str]:
    """The share of sums (n, 12) whose results the network writes as they are, and how it writes the first."""
    results = islice(generate(network, params, tests[:, :RESULT], np.random.default_rng(0)), 4)
    written = np.concatenate([tests[:, :RESULT], *(digit[:, None] for digit in results)], axis=1)
    return float((written == tests).all(axis=1).mean()), "".join(SIGNS[token] for token in written[0])


def learn(options: argparse.Namespace, params: Params, tokens: Labels, size: int, first: int = 1) -> Iterator[Learned]:
    """Train on rows of tokens (n, t): each place is to be told from those before it, from place `first` on."""
    steps = len(tokens) // size
    optimizer = adamw(schedules.warmup(max(1, steps // 10), schedules.cosine(2e-3, 1e-5, steps)), b2=0.99)

    def runs(start: Learned | None = None) -> Runs[Params, State[Params]]:
        return train(
            network, loss, optimizer, params, asked(tokens, first), rng=np.random.default_rng(options.seed),
            size=size, epochs=1, every=-(-steps // 15), adjust=clip_by_global_norm(1.0), start=start,
        )  # fmt: skip  # a line for each would take half a page

    return records(options, tokens, runs().start, runs)


def asked(tokens: Labels, first: int) -> tuple[Labels, Weighted[Labels]]:
    """The tokens that the network reads, and those that it is to say at each place; before `first` nothing counts."""
    counts = np.full(tokens.shape, fill_value=False)
    counts[:, first:] = True
    return tokens[:, :-1], Weighted(tokens[:, 1:], weights=counts[:, 1:])


def so_far(run: Learned) -> str:
    """The step of a run, and the loss of the steps before, if there are any."""
    return f"step {run.step:5}   loss {run.loss:6.4f}" if run.step else f"step {0:5}   loss {'-':>6}"


def continue_text(options: argparse.Namespace) -> Ending:
    """Learn to continue a text, and tell how well it foresees the last tenth of it."""
    rng, letters = np.random.default_rng(options.seed), sorted(set(options.text))
    tokens, prompt = (in_numbers(text, letters) for text in (options.text, options.prompt))
    pieces = np.lib.stride_tricks.sliding_window_view(tokens, LENGTH + 1)
    last = len(pieces) * 9 // 10
    shown, tests = pieces[rng.integers(0, last - LENGTH, 64 * options.steps)], pieces[last::LENGTH]
    params = init(rng, len(letters), LENGTH, WIDTH, BLOCKS)
    for run in learn(options, params, shown, 64):
        params, draws = run.params, np.random.default_rng(options.seed)
        text = islice(generate(network, params, prompt[None], draws, options.temperature), SAMPLE)
        sample = "".join(letters[token[0]] for token in text)
        held_out = held_out_loss(params, tests[:200])
        print(f"{so_far(run)}   held out: loss {held_out:.4f}   {options.prompt + sample!r}", flush=True)
    figure = f"loss {held_out_loss(params, tests):.4f} of {LENGTH * len(tests)} unseen characters"
    if len(prompt) > 1:
        return figure, lambda: draw(options.picture, params, prompt[-DRAWN:], letters, 1)
    return figure, lambda: print("no picture: it takes a prompt of two characters or more")


def in_numbers(text: str, letters: Sequence[str]) -> Labels:
    """The place (t,) of each character of a text among letters."""
    places = {letter: place for place, letter in enumerate(letters)}
    return np.fromiter(map(places.__getitem__, text), np.min_scalar_type(len(letters)), len(text))


def held_out_loss(params: Params, pieces: Labels) -> float:
    """The loss of all characters of pieces (n, t) but the first of each; of some at a time, for a pass takes memory."""
    parts = np.array_split(pieces, 1 + len(pieces) // 200)
    losses = [loss.forward(prediction(network)(params, x), targets)[0] for x, targets in (asked(p, 1) for p in parts)]
    return float(np.average(losses, weights=[len(part) for part in parts]))


def draw(path: Path, params: Params, tokens: Labels, signs: Sequence[str], first: int, dots: Dots = ((), ())) -> None:
    """Draw where the heads of each block look to write the tokens (t,) from `first` on; dots in columns and rows."""
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415  # it need not be there
    except ImportError:
        print("no picture, for want of matplotlib: pip install 'chainrule[examples]', or `make examples`")
        return
    _, (_, (_, blocks, _, _)) = network.forward(params, tokens[None, :-1])
    text = [sign if sign.isprintable() else repr(sign)[1:-1] for sign in (signs[int(token)] for token in tokens)]
    font = {"fontfamily": families()}
    figure: Any = Figure(figsize=(14, 5), layout="constrained")
    for i, (row, (((_, looks),), _)) in enumerate(zip(figure.subplots(BLOCKS, HEADS), blocks, strict=True), start=1):
        for head, (axes, weights) in enumerate(zip(row, looks.p[0][0], strict=True), start=1):
            axes.set_title(f"head {head}" * (i == 1))
            axes.imshow(weights[first - 1 :], cmap="Blues", vmin=0, vmax=1, aspect="auto")
            axes.set_xticks(range(len(text) - 1), text[:-1], **font)
            axes.set_yticks(range(len(text) - first), text[first:], **font)
            axes.plot(*dots, "o", color="tab:orange", markersize=4)
        row[0].set_ylabel(f"block {i} writes")
    figure.supxlabel(
        "and looks at"
        + " (the last digit of a result comes first; dots: where it shows whether one is carried)" * any(dots)
    )
    write_picture(figure, path)


def read_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options of the command line, with the text in the place of its file."""
    parser = with_options(__doc__, "adder.png")
    option = parser.add_argument
    option("--steps", metavar="N", type=count, help="of training (default: 1000; of a text a fortieth of its length)")
    option("--text", metavar="FILE", type=Path, help="learn to continue this text, and not to add")
    option("--prompt", metavar="TEXT", help="what to continue, with --text (default: its first line)")
    option("--temperature", metavar="T", type=float, help="of what is written then (default: 0.5)")
    options = parser.parse_args(arguments)
    if options.steps is not None and options.steps < 1:
        parser.error("--steps must be positive")
    for name in ("prompt", "temperature"):
        if getattr(options, name) is not None and not options.text:
            parser.error(f"--{name} goes with --text")
    if options.temperature is None:
        options.temperature = 0.5
    if not 0 <= options.temperature < np.inf:
        parser.error("--temperature must not be negative, and not infinite")
    if options.text:
        options.text, options.prompt = text_and_prompt(parser, options)
    if options.steps is None:  # a text that is seen more often is learned by heart
        options.steps = min(1000, len(options.text) // 40) if options.text else 1000
    return options


def text_and_prompt(parser: argparse.ArgumentParser, options: argparse.Namespace) -> tuple[str, str]:
    """The text of `--text`, and what of it is continued."""
    try:
        text: str = options.text.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        parser.error(f"--text: {options.text} is no text in UTF-8: {error}")
    except (OSError, ValueError) as error:
        parser.error(f"--text: {error}")
    if len(text) < 20 * LENGTH:
        parser.error(f"--text: {20 * LENGTH} characters are needed, and there are {len(text)}")
    if options.prompt == "":
        parser.error("--prompt must have a character or more")
    prompt: str = options.prompt or text.strip().partition("\n")[0][:LENGTH]
    if not prompt:
        parser.error("--prompt: the text has no line to begin with, so give one")
    if unknown := set(prompt) - set(text):
        parser.error(f"--prompt: the text does not have {''.join(sorted(unknown))!r}")
    return text, prompt


def main(options: argparse.Namespace) -> Ending:
    """Learn as the options say."""
    return (continue_text if options.text else add)(options)


if __name__ == "__main__":
    carry_out(main, read_options())
