"""Validation of messages (LLaMA-Factory, ms-swift, OpenAI's content parts, LLaVA) against parsing alone, by CPU time."""

from __future__ import annotations

import random
from statistics import median

from benchmarks import data
from benchmarks.harness import label, measure

FILES = (
    "llamafactory.messages",
    "llamafactory.sharegpt",
    "ms-swift.messages",
    "ms-swift.system",
    "ms-swift.boxes",
    "openai-messages.text",
    "openai-messages.parts",
    "llava.array",
)
PEERS = ["json_loads", "orjson_loads", "mmdata_messages"]


def main(runs: int = 3, megabytes: int = 50) -> None:
    """Print the ratios to the json module by the CPU time of one process, and its peak memory."""
    print(f"\n{megabytes} MB each, x json by CPU time\n{'':<26}" + "".join(f"{label(p):>14}" for p in PEERS))
    for name in FILES:
        path = data.messages(name, megabytes)
        seconds: dict[str, list[float]] = {peer: [] for peer in PEERS}
        peak = 0.0
        for _ in range(runs):
            for peer in random.sample(PEERS, len(PEERS)):
                _, _, cpu, held = measure(peer, path)
                seconds[peer].append(cpu)
                if peer == PEERS[-1]:
                    peak = max(peak, held / 1024)
        base = median(seconds[PEERS[0]])
        ratios = "".join(f"{base / median(seconds[peer]):>14.2f}" for peer in PEERS)
        print(f"{name:<26}{ratios}   {peak:.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
