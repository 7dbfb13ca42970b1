"""What the bench ran on: numbers without their machine say little."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path


def described(folder: Path) -> Iterator[str]:
    """Lines on the machine, the file system of `folder` and the versions in use."""
    yield f"{os.cpu_count()} cores, {_cpu()}, {_memory()}, load {os.getloadavg()[0]:.2f} at the start"
    yield f"{platform.system()} {platform.release()}, {folder} on {_file_system(folder)}"
    git = subprocess.run(["git", "version"], capture_output=True, text=True, check=True).stdout.strip()
    packages = ", ".join(f"{name} {version(name)}" for name in ("gofer", "GitPython", "python-frontmatter", "watchdog"))
    yield f"Python {platform.python_version()}, {git}, {packages}"


def _cpu() -> str:
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory() -> str:
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemTotal"):
            return f"{int(line.split()[1]) / 2**20:.0f} GiB"
    return "memory unknown"


def _file_system(folder: Path) -> str:
    real = os.path.realpath(folder)
    mounts = [line.split(" ")[1:3] for line in _lines("/proc/self/mounts")]
    under = [(place, kind) for place, kind in mounts if real == place or real.startswith(place.rstrip("/") + "/")]
    return max(under, key=lambda mount: len(mount[0]), default=["", "an unknown file system"])[1]


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
