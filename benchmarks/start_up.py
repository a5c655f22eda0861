"""How long the command line takes to start, against those of the packages it stands on.

    python benchmarks/start_up.py

Each command is run in turn, so that all see the same load; the median of its wall times is shown.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

COMMANDS = {"defectflow": "defectflow", "atomate2": "atm", "FireWorks": "lpad"}
ROUNDS = 5


def seconds(command: str) -> float:
    """Return the wall time of ``command --help``."""
    started = time.perf_counter()
    done = subprocess.run(  # noqa: S603 - the commands are named above
        [command, "--help"], capture_output=True, check=False
    )
    if done.returncode != 0:
        message = f"{command} --help failed: {done.stderr.decode()[-200:]}"
        raise RuntimeError(message)
    return time.perf_counter() - started


def main() -> None:
    """Print the median of each command and its ratio to ours."""
    folder = Path(sys.executable).parent
    paths = {name: str(folder / file) for name, file in COMMANDS.items()}
    times: dict[str, list[float]] = {name: [] for name in paths}
    for _ in range(ROUNDS):
        for name, path in paths.items():
            times[name].append(seconds(path))
    ours = statistics.median(times["defectflow"])
    for name, values in times.items():
        median = statistics.median(values)
        print(f"{name:12s} {COMMANDS[name]} --help  {median:6.2f} s  {median / ours:6.1f} x ours")


if __name__ == "__main__":
    main()
