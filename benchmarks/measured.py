"""What a command costs: wall seconds from start to end, and the peak memory of the largest of its processes.

Run as a script, this is the small process between a benchmark and the command: Linux counts the memory of whatever
starts a command into the command's peak.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import NamedTuple


class Cost(NamedTuple):
    """Wall seconds, and peak memory in MiB."""

    seconds: float
    mebibytes: float


def measured(command: list[str]) -> Cost:
    """Run a command, its output thrown away; raises CalledProcessError where it fails."""
    between = [sys.executable, "-S", __file__, *command]
    seconds, kibibytes = subprocess.run(between, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    return Cost(float(seconds), float(kibibytes) / 1024)


def main() -> None:
    start = time.perf_counter()
    process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    print(time.perf_counter() - start, usage.ru_maxrss)
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
