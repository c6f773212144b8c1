"""What was measured on: the machine and the versions of everything that took part."""

import os
import platform
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from speed.threads import cores

threadpoolctl: Any = import_module("threadpoolctl")  # which has no types

PACKAGES = tuple("chainrule numpy attrs torch jax jaxlib scikit-learn scipy thinc blis autograd".split())


def described() -> dict[str, Any]:
    """The processor, its cores, the memory, and versions; nothing that names this machine."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "processor": _processor(),
        "cores": len(cores()),
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
        "blas": [
            {key: info[key] for key in ("internal_api", "version", "architecture", "threading_layer") if key in info}
            for info in threadpoolctl.threadpool_info()
            if info["user_api"] == "blas"
        ],
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
