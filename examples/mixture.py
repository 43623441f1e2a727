"""Plan epochs over two data sets: exact quotas, shards of ranks, a jump to any position."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import mmdata


def main(folder: str) -> None:
    """Write two small data sets into `folder` and plan four epochs over them."""
    turns = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]
    paths = []
    for name, count in (("large", 100), ("small", 8)):
        path = Path(folder) / f"{name}.jsonl"
        path.write_text(
            "".join(json.dumps({"id": f"{name}-{i}", "conversations": turns}) + "\n" for i in range(count))
        )
        paths.append(str(path))
    # A quarter of the large one each epoch, the small one twice.
    with mmdata.Mixture({paths[0]: 0.25, paths[1]: 2}) as mixture:
        seen = set()
        for epoch in range(4):
            plan = mixture.plan(epoch, seed=7)
            print(
                f"epoch {epoch}: {len(plan)} draws, {plan.counts().tolist()} of each; the first: {mixture.record(plan[0]).id}"
            )
            seen |= {draw for draw in plan if draw.source == 0}
        print(f"after four epochs {len(seen)} of 100 records of the large one have come, each once")
        ranks = [list(plan.shard(rank, 4)) for rank in range(4)]
        print(
            f"four ranks get {[len(r) for r in ranks]} draws; together the plan: {sorted(d for r in ranks for d in r) == sorted(plan)}"
        )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        with tempfile.TemporaryDirectory() as made:
            main(made)
