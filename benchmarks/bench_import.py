"""What the command line costs before it does anything, and which imports cost it."""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median


def _seconds(arguments: list[str], runs: int = 9) -> float:
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return median(times)


def main(runs: int = 9) -> None:
    """Print medians and the slowest imports of ``mmdata --help``."""
    help_command = ["-c", "from mmdata.cli import main; main(['--help'])"]
    bare = _seconds(["-c", "pass"], runs)
    print("\nstart-up, seconds (median)")
    for name, arguments in (
        ("python -c pass", ["-c", "pass"]),
        ("import pydantic", ["-c", "import pydantic"]),
        ("import mmdata", ["-c", "import mmdata"]),
        ("mmdata --help", help_command),
    ):
        seconds = _seconds(arguments, runs)
        print(f"{name:<22}{seconds:>8.3f}   x bare python {seconds / bare:.1f}")
    profile = subprocess.run(
        [sys.executable, "-X", "importtime", *help_command], capture_output=True, text=True
    ).stderr
    rows = [
        line.removeprefix("import time:").split("|")
        for line in profile.splitlines()
        if line.startswith("import time:") and "self" not in line
    ]
    slowest = sorted(rows, key=lambda r: -int(r[0]))[:8]
    print("slowest imports of mmdata --help (own time)")
    for own, _, name in slowest:
        print(f"  {int(own) / 1000:6.1f} ms  {name.strip()}")


if __name__ == "__main__":
    main()
