"""Trains what a JSON file lists, one run after the other; under torchrun or alone: ``worker.py RUNS.json OUT.json``."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any


def kill_at(run: Any, step: int) -> None:
    """End this process, as an outage would, in the middle of that step: after its backward passes."""
    going = run.engine.step

    def dying() -> None:
        if run.step == step:
            os.kill(os.getpid(), signal.SIGKILL)
        going()

    run.engine.step = dying


def main(runs: str, out: str) -> None:
    import torch

    torch.set_num_threads(1)
    from mmdata.errors import MMDataError
    from mmtrain.engine import prepare
    from mmtrain.settings import from_plain
    from mmtrain.trainer import Run

    prepare()
    results = []
    for plain in json.loads(Path(runs).read_text()):
        try:
            kill_after = plain.pop("kill_after", None)
            run = Run(from_plain(plain))
            first = run.step
            if kill_after is not None:
                kill_at(run, kill_after)
            result = run.train()
            result["first_step"] = first
            result["measured"] = run.measuring.measured if run.measuring is not None else 0
            run.close()
        except MMDataError as error:
            result = {"error": str(error), "kind": type(error).__name__}
        log = Path(plain["output_dir"]) / "train_log.jsonl"
        result["log"] = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        results.append(result)
    if os.environ["RANK"] == "0":
        Path(out).write_text(json.dumps(results))
    import torch.distributed as dist

    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
