"""Wall time of a command and the peak memory of its largest process.

Run as a script, this file is a small process between a benchmark and the command: Linux counts the memory of the parent
into the peak of a child.
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
    """Run a command and discard its output; raises CalledProcessError if it fails."""
    script = [sys.executable, "-S", __file__, *command]
    seconds, kibibytes = subprocess.run(script, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    return Cost(float(seconds), float(kibibytes) / 1024)


def main() -> None:
    start = time.perf_counter()
    process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    print(time.perf_counter() - start, usage.ru_maxrss)
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
