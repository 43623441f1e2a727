"""Validation of messages (LLaMA-Factory, ms-swift, OpenAI's content parts, LLaVA) against parsing alone."""

from __future__ import annotations

from benchmarks import data
from benchmarks.harness import compare, show

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


def main(runs: int = 3, megabytes: int = 20) -> None:
    """Print thousand records a second, ratios to the json module and peak memory, of one process."""
    for name in FILES:
        path = data.messages(name, megabytes)
        peers = ["json_loads", "orjson_loads", "mmdata_messages"]
        show(f"{name}, {megabytes} MB", compare(peers, path, runs=runs), base="json")


if __name__ == "__main__":
    main()
