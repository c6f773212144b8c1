"""Softmax and its logarithm, along rows of classes."""

from functools import partial

from chainrule import log_softmax, softmax
from speed.line import Line

SIZES = (256, 16), (4096, 64), (2048, 1024)

LINES = {
    "softmax": Line(softmax, lambda torch: partial(torch.softmax, dim=-1), lambda jax: jax.nn.softmax, sizes=SIZES),
    "log_softmax": Line(
        log_softmax, lambda torch: partial(torch.log_softmax, dim=-1), lambda jax: jax.nn.log_softmax, sizes=SIZES
    ),
}
