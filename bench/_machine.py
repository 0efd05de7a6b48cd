"""What the kernel says about processes and about the machine: CPU, memory, cores, noise."""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOREIGN: Final = 0.10
"""Share of one core that processes which are not ours may take before a slice is noisy."""
STOLEN: Final = 0.05
"""Share of one core that the hypervisor may take."""
_CORES: Final = sorted(os.sched_getaffinity(0))
_TICKS: Final = os.sysconf("SC_CLK_TCK")


def cores() -> list[int]:
    """The cores that this process had when it began."""
    return _CORES


def pin(pid: int, core: int) -> None:
    """Every thread of `pid` runs on `core` only; nothing happens on a machine with one core."""
    if len(cores()) > 1:
        for thread in _threads(pid):
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(thread, {core})


def cpu(pids: Iterable[int]) -> float:
    """Seconds that all threads of `pids` were on a CPU; nanosecond counters, without steal."""
    total = 0
    for pid in pids:
        for thread in _threads(pid):
            with contextlib.suppress(OSError):
                text = Path(f"/proc/{pid}/task/{thread}/schedstat").read_text()
                total += int(text.split()[0])
    return total / 1e9


def proportional(pids: Iterable[int]) -> float:
    """MiB of memory (PSS: a page shared by n processes counts one n-th for each)."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def family(pid: int) -> list[int]:
    """`pid` and all its descendants."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                parents.setdefault(parent, []).append(int(entry.name))
    found, left = [], [pid]
    while left:
        one = left.pop()
        found.append(one)
        left += parents.get(one, [])
    return found


def program(pid: int) -> str:
    """The name that `ps` shows."""
    return Path(f"/proc/{pid}/comm").read_text().strip()


def executable(pid: int) -> str:
    """The file that `pid` runs; empty when it is gone."""
    try:
        return str(Path(f"/proc/{pid}/exe").readlink())
    except OSError:
        return ""


@dataclass(frozen=True, slots=True)
class Moment:
    """Counters of the whole machine and of our part in it, at one moment."""

    at: float
    busy: float
    stolen: float
    ours: float

    def noisy(self, later: Moment) -> bool:
        """Whether others took too much of the machine from here until `later`."""
        wall = later.at - self.at
        foreign = (later.busy - self.busy) - (later.ours - self.ours)
        return foreign > FOREIGN * wall or later.stolen - self.stolen > STOLEN * wall


def moment(pids: Iterable[int]) -> Moment:
    """Now. `pids` are ours; so are this process and its children that have ended."""
    words = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    user, nice, system, _, _, irq, softirq, steal = map(int, words)
    own = os.times()
    mine = own.user + own.system + own.children_user + own.children_system
    busy = (user + nice + system + irq + softirq) / _TICKS
    return Moment(time.monotonic(), busy, steal / _TICKS, cpu(pids) + mine)


def description() -> str:
    """The machine in one line."""
    model = "unknown CPU"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    load = Path("/proc/loadavg").read_text().split()[0]
    return f"{model}, {len(cores())} cores, Linux {platform.release()}, load {load}"


def _threads(pid: int) -> list[int]:
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]  # noqa: PTH208  numbers
    except OSError:
        return []
