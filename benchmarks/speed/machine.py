"""The machine of a measurement, and the versions of everything that took part."""

import os
import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import distributions
from pathlib import Path
from statistics import median
from typing import Any

from speed.harness import Row
from speed.threads import ONE, cores

threadpoolctl: Any = import_module("threadpoolctl")  # which has no types

PACKAGES = tuple("chainrule numpy attrs torch jax jaxlib scikit-learn scipy thinc blis autograd".split())

QUIET = 0.97
"""The share of its processor that a process has at least, in the middle, where little else is at work."""


def described() -> Row:
    """The processor, its cores, the memory, and versions; nothing that names this machine."""
    names = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text("utf-8"))
    versions = {each.name: each.version for each in distributions()}
    blas = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "processor": names[0] if names else platform.processor(),
        "cores": len(cores()),
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: versions[name] for name in PACKAGES if name in versions},
        "blas": {key: blas[0][key] for key in ("internal_api", "version", "architecture", "threading_layer")},
    }


def written(found: Row) -> str:
    """The machine and the versions, in a paragraph."""
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    return (
        f"Measured on {found['date']}: {found['processor']}, {found['cores']} cores, "
        f"{found['memory'] / 2**30:.0f} GiB of memory, {found['system']}, Python {found['python']}.\n"
        "The BLAS of NumPy is {internal_api} {version} ({architecture}, {threading_layer}).\n".format(**found["blas"])
        + f"Versions: {versions}."
    )


def quiet(rows: Sequence[Row]) -> str:
    """The share of the time for which a process with one thread had the processor that it was bound to."""
    shares = [row["busy"] for row in rows if row["threads"] == ONE and "busy" in row]
    if not shares:
        return ""
    text = (
        f"With one thread, a process had its processor for {median(shares):.0%} of the time that was taken, "
        f"in the median over contenders and sizes, and {min(shares):.0%} at worst."
    )
    return text if median(shares) >= QUIET else f"**The machine was busy: these figures say little.**\n{text}"
