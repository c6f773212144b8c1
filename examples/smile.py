"""Noise flows into a face: a diffusion model of points in the plane, and the picture of how they get there.

    python examples/smile.py

Points x_1 of a drawing are known, and noise x_0 is easy to draw. Let each point of noise move to a point of the
drawing, chosen at random, along a straight line:

    x_t = (1 - t) x_0 + t x_1        dx_t/dt = x_1 - x_0

Where many lines cross there is no one velocity. But let v(x, t) be the mean of x_1 - x_0 over all lines that are at x
at time t. By v as many points flow into a small region as by the lines, so that the flow

    dx/dt = v(x, t)

carries the density of the noise to that of the drawing (by the continuity equation). A mean is what minimises a squared
error, so v is learned by regression: rows of x_t and t, targets x_1 - x_0. To draw, take new noise and follow the flow.
(Lipman and others, Flow matching for generative modeling, 2023. Ho and others, Denoising diffusion probabilistic
models, 2020, mix drawing and noise in other shares, and have a flow of the same form.)

It needs chainrule[examples].
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from program import Ending, carry_out, count, needed, records, with_options, write_picture

from chainrule import Affine, Array, Run, Unit, adamw, affine, mean_squared_error, prediction, repeated, residual
from chainrule import schedules, sequential, silu, train
from chainrule.optimizer import State
from chainrule.training.progress import progress
from chainrule.training.train import Runs

Figure = needed("matplotlib.figure").Figure

WIDTH, BLOCKS, BATCH, RATE = 128, 3, 512, 0.003
LINES = 1000 * BATCH  # to learn from
DRAWN = 4000  # points
NEAR = 0.05  # of the radius of the face

Params: TypeAlias = tuple[Affine, Unit, tuple[tuple[Affine, Unit], ...], Affine]
Learned: TypeAlias = Run[Params, State[Params]]

network = sequential(affine, silu, repeated(residual(sequential(affine, silu)), BLOCKS), affine)


def face(rng: np.random.Generator, n: int) -> Array:
    """Points (n, 2) of a face: its outline, two eyes and a mouth."""
    angle, part = rng.uniform(0, 2 * np.pi, n), rng.choice(4, n, p=(0.5, 0.1, 0.1, 0.3))
    smiling = np.pi * (1.15 + 0.7 * angle / (2 * np.pi))
    centre = np.array([[0, 0], [-0.35, 0.3], [0.35, 0.3], [0, 0]])[part]
    radii = np.array([[1, 1], [0.08, 0.16], [0.08, 0.16], [0.6, 0.6]])[part]
    turned = np.where(part == 3, smiling, angle)
    points: Array = centre + radii * np.stack([np.cos(turned), np.sin(turned)], axis=1)
    points += 0.01 * rng.standard_normal((n, 2))
    return points.astype(np.float32)


def seen(x: Array, t: Array | float) -> Array:
    """The network's view of points (n, 2) at a time: (n, 15), with waves, without which it blurs what is fine."""
    waves = np.concatenate([k * np.pi * x for k in (1, 2, 4)], axis=1)
    return np.concatenate([x, np.broadcast_to(t, (len(x), 1)), np.sin(waves), np.cos(waves)], axis=1, dtype=x.dtype)


def learn(options: argparse.Namespace) -> Iterator[Learned]:
    """Train the velocity on lines from noise to the face."""
    rng = np.random.default_rng(options.seed)
    x0, x1 = rng.standard_normal((LINES, 2), np.float32), face(rng, LINES)
    t = rng.random((LINES, 1), np.float32)
    data = seen((1 - t) * x0 + t * x1, t), x1 - x0
    blocks = tuple((Affine.init(rng, WIDTH, WIDTH), ()) for _ in range(BLOCKS))
    params = (Affine.init(rng, data[0].shape[1], WIDTH), (), blocks, Affine.init(rng, WIDTH, 2))
    rate = schedules.warmup(100, schedules.cosine(RATE, 0.0, 1 + options.epochs * LINES // BATCH))

    def runs(start: Learned | None = None) -> Runs[Params, State[Params]]:
        return train(
            network, mean_squared_error, adamw(rate), params, data, rng=rng, size=BATCH, epochs=options.epochs,
            every=250, start=start,
        )  # fmt: skip  # a line for each would take half a page

    return records(options, data, runs().start, lambda start: progress(runs(start)))


def flow(params: Params, x: Array, steps: int = 50) -> Array:
    """Follow the flow from points (n, 2) at time 0 to time 1: where they are after each step, (1 + steps, n, 2)."""
    predict = prediction(network)
    path = [x]
    for i in range(steps):
        t, dt = i / steps, np.float32(1 / steps)
        first = predict(params, seen(x, t))
        second = predict(params, seen(x + dt * first, t + 1 / steps))
        x = x + dt / 2 * (first + second)
        path.append(x)
    return np.stack(path)


def shares(points: Array, wanted: Array) -> float:
    """The share of points (n, 2) that have one of those that are wanted near them."""
    distances = np.linalg.norm(points[:, None] - wanted, axis=-1)
    return float((distances.min(axis=1) < NEAR).mean())


def draw(path: Path, flowing: Array) -> None:
    """Draw where the points are at some times, each in the colour of the direction that its noise lies in."""
    figure: Any = Figure(figsize=(14, 6.2), layout="constrained", facecolor="white")
    small, large = figure.subfigures(1, 2, width_ratios=(5, 4))
    direction = np.arctan2(flowing[0, :, 1], flowing[0, :, 0])
    last = len(flowing) - 1
    for axes, share in zip(small.subplots(2, 3).ravel(), (0, 0.4, 0.6, 0.75, 0.9, 1), strict=True):
        x, y = flowing[round(share * last)].T
        axes.scatter(x, y, s=1, c=direction, cmap="hsv")
        axes.set(title=f"t = {share:g}", xlim=(-2.2, 2.2), ylim=(-2.2, 2.2), aspect="equal")
        axes.set_axis_off()
    axes = large.subplots()
    axes.plot(*np.moveaxis(flowing[:, :400], -1, 0), color="tab:gray", linewidth=0.3, alpha=0.6)
    axes.scatter(*flowing[-1].T, s=3, c=direction, cmap="hsv", zorder=2)
    axes.set(title="From noise to a face: the paths of some", xlim=(-2.2, 2.2), ylim=(-2.2, 2.2), aspect="equal")
    axes.set_axis_off()
    write_picture(figure, path)


def read_options() -> argparse.Namespace:
    """The options of the command line."""
    parser = with_options(__doc__, "smile.png")
    parser.add_argument("--epochs", type=count, default=6, help="how often to see all lines (default: 6)")
    return parser.parse_args()


def main(options: argparse.Namespace) -> Ending:
    """Train, and let new noise flow."""
    *_, run = learn(options)
    rng = np.random.default_rng((options.seed, 1))  # noise and points that it has not seen
    flowing = flow(run.params, rng.standard_normal((DRAWN, 2), np.float32))
    share = shares(flowing[-1], face(rng, 1000))
    figure = f"on the face {share:.4f} of {DRAWN} points that were noise"
    return figure, lambda: draw(options.picture, flowing)


if __name__ == "__main__":
    carry_out(main, read_options())
