"""The demo from beginning to end: train, check gradients, test, draw."""

import reprlib
import time
from collections.abc import Sequence
from contextlib import nullcontext

import numpy as np

from chainrule.arrays.extras import pip_install
from chainrule.datasets import Dataset
from chainrule.demo import data, output_file, progress, report
from chainrule.demo.errors import UsageError
from chainrule.demo.extras import installed
from chainrule.demo.gradient_check import Finding, check
from chainrule.demo.mistakes import mistakes
from chainrule.demo.networks import NETWORKS
from chainrule.demo.options import Options
from chainrule.demo.screen import Screen
from chainrule.demo.training import Moment, descend, moments
from chainrule.two_layer import Params

CHECKED = 3
"""Test examples that the gradients are checked on."""


def run(options: Options) -> list[str]:
    """Do what the options say and show it; return the gradients that were found wrong, and by which method."""
    if options.picture:
        output_file.check(options.picture)
    examples = data.load(options.data)
    rng = np.random.default_rng(options.seed)
    start = _start(options, examples, rng)
    screen = Screen()
    if not options.quiet:
        report.header(screen, options, examples, start)
    history, params = _train(screen, options, examples, start, rng)
    wrong = _prove(screen, options, examples, params)
    _test(screen, options, examples, history, params)
    return wrong


def _start(options: Options, examples: Dataset, rng: np.random.Generator) -> Params:
    n_in, n_out = examples.train.x.shape[1], data.classes(examples)
    try:
        return NETWORKS[options.activation].init(rng, n_in, options.hidden, n_out)
    except (MemoryError, OverflowError, ValueError):  # NumPy has all three for sizes beyond it
        raise UsageError(f"--hidden {reprlib.repr(options.hidden)} needs more memory than there is") from None


def _train(
    screen: Screen, options: Options, examples: Dataset, params: Params, rng: np.random.Generator
) -> tuple[Sequence[Moment], Params]:
    network = NETWORKS[options.activation].network
    descent = descend(network, params, examples.train, rng, batch=options.batch, rate=options.rate)
    followed = moments(network, params, descent, options.steps, examples.test)
    shown = progress.silence if options.quiet else progress.bar if screen.is_watched else progress.lines
    history: list[Moment] = []
    # Overflow in a training that diverges needs no warning: `moments` reports it in words.
    with np.errstate(over="ignore", invalid="ignore"), shown(screen, options.steps) as show:
        for moment, reached in followed:
            show(moment)
            history.append(moment)
            params = reached
    return history, params


def _prove(screen: Screen, options: Options, examples: Dataset, params: Params) -> list[str]:
    x, labels = examples.test.x[:CHECKED], examples.test.labels[:CHECKED]
    began = time.perf_counter()
    with screen.status("checking the gradients") if screen.is_watched and not options.quiet else nullcontext():
        findings = check(NETWORKS[options.activation].network, params, x, labels)
    took = time.perf_counter() - began
    if options.quiet:
        report.brief(screen, findings)
    else:
        report.gradients(screen, findings, len(labels), took)
    return [_name(finding) for finding in findings if not finding.verdict.ok]


def _name(finding: Finding) -> str:
    return f"{finding.verdict.field} by {report.METHODS[finding.verdict.law]}"


def _test(screen: Screen, options: Options, examples: Dataset, history: Sequence[Moment], params: Params) -> None:
    logits = NETWORKS[options.activation].network.forward(params, examples.test.x)[0]
    found = mistakes(logits, examples.test.labels)
    report.results(screen, found, examples.test.labels)
    if not options.picture:
        return
    if not installed("matplotlib"):
        screen.say(f"picture   none, for want of matplotlib: {pip_install('demo')}")
        return
    from chainrule.demo.picture import png  # noqa: PLC0415  # it imports matplotlib, which need not be there

    output_file.write(options.picture, png(history, examples, params, found))
    screen.say(f"picture   {options.picture}")
