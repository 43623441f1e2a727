"""Time from the command to the first step, and from a resume at sample 10⁷ to the first batch, against Hugging Face's `Trainer`.

First step: `mmtrain launch` against a script with `datasets`, the same tiny model and `transformers.Trainer`, on a CPU; from
the start of the process to the end of its first optimizer step, imports included.

Resume: a million records, nine epochs and 999,000 samples done. Ours computes the place in the order. The peer does what
`Trainer` does: it draws the epoch's permutation again and skips the batches that are done (`accelerate.skip_first_batches`).
Both start from an indexed file (mmdata's index, the Arrow cache of `datasets`) and end with the first tokenized batch.
"""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from benchmarks.harness import DATA

RECORDS = 1_000_000
DONE = 9_999_000
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}


def main(runs: int = 3) -> None:
    """Print seconds of both and their ratios."""
    folder = prepare()
    firsts: dict[str, list[list[float]]] = {"Trainer": [], "mmtrain": []}
    resumes: dict[str, list[list[float]]] = {"Trainer": [], "mmtrain": []}
    for _ in range(runs):
        for name in random.sample(sorted(firsts), len(firsts)):
            firsts[name].append(_first(name, folder))
            done = _run([sys.executable, "-m", "benchmarks.bench_startup", f"resume-{name}", str(folder)])
            resumes[name].append(json.loads(done.splitlines()[-1]))
    print(f"\nstart: the first step; resume at sample {DONE:,} of epochs of {RECORDS:,}")
    heads = ("first step s", "CPU s", "x Trainer, CPU", "batch at 0 s", "at 10^7 s", "x Trainer")
    print(" " * 10 + "".join(f"{head:>16}" for head in heads))
    base, far = median(row[1] for row in firsts["Trainer"]), median(row[1] for row in resumes["Trainer"])
    for name, rows in resumes.items():
        first, cpu = (median(row[i] for row in firsts[name]) for i in range(2))
        near, late = (median(row[i] for row in rows) for i in range(2))
        told = f"{name:<10}{first:>16.1f}{cpu:>16.1f}{base / cpu:>16.2f}"
        print(f"{told}{near:>16.3f}{late:>16.3f}{far / late:>16.1f}")


def prepare() -> Path:
    """A model, a small file to train on and one of a million records, made once; both indexed."""
    import datasets

    import mmdata
    from mmtrain.tiny import make_tiny

    folder = DATA / "startup"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "model").exists():
        make_tiny("internvl", folder / "model", force=True)
    for name, count in (("small", 256), ("large", RECORDS)):
        path = folder / f"{name}.jsonl"
        if path.exists():
            continue
        with open(path.with_suffix(".partial"), "w", encoding="utf-8") as out:
            for number in range(count):
                turns = [
                    ("human", f"Where is building {number}?"),
                    ("gpt", f"It is {number % 90} left of the tank."),
                ]
                record = {"id": number, "conversations": [{"from": f, "value": v} for f, v in turns]}
                out.write(json.dumps(record) + "\n")
        os.replace(path.with_suffix(".partial"), path)
    len(mmdata.open(str(folder / "large.jsonl")))
    datasets.disable_progress_bars()
    datasets.load_dataset("json", data_files=str(folder / "large.jsonl"), cache_dir=str(folder / "arrow"))
    plain = {
        "model_name_or_path": str(folder / "model"),
        "output_dir": str(folder / "run"),
        "data": {"train": str(folder / "small.jsonl")},
        "bf16": False,
        "deepspeed": "zero0",
        "max_steps": 1,
        "packing": False,
        "per_device_train_batch_size": 4,
        "dataloader_num_workers": 0,
        "report_to": "none",
        "resume": False,
    }
    (folder / "run.yaml").write_text(json.dumps(plain), "utf-8")  # JSON is YAML
    return folder


def _environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, **ENVIRONMENT, "PYTHONPATH": str(Path(__file__).parent.parent)}


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env=_environment())
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout


def _first(name: str, folder: Path) -> list[float]:
    """Seconds until a process says that its first step is done, and CPU seconds of the whole process."""
    command = [sys.executable, "-m", "mmtrain", "launch", str(folder / "run.yaml")]
    if name == "Trainer":
        command = [sys.executable, "-m", "benchmarks.bench_startup", "train-Trainer", str(folder)]
    cpu, began = _cpu(), time.perf_counter()
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=_environment()) as process:
        assert process.stderr is not None
        took = next(
            (time.perf_counter() - began for line in process.stderr if line.startswith("step 1")), None
        )
        rest = process.stderr.read()
    if took is None:
        raise RuntimeError(f"{name}: no first step: {rest[-300:]}")
    return [took, _cpu() - cpu]


def _cpu() -> float:
    """CPU seconds of all processes that ended below this one."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Collator:
    """Rows as padded tensors, by the tokenizer's own chat template."""

    def __init__(self, tokenizer) -> None:
        self.tokenizer = tokenizer

    def __call__(self, rows):
        """A batch of some rows; labels are everything but padding."""
        roles = {"human": "user", "gpt": "assistant"}
        texts = [
            self.tokenizer.apply_chat_template(
                [{"role": roles[t["from"]], "content": t["value"]} for t in row["conversations"]],
                tokenize=False,
            )
            for row in rows
        ]
        batch = self.tokenizer(texts, padding=True, return_tensors="pt")
        batch["labels"] = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
        return batch


def train_trainer(folder: Path) -> None:
    """The peer's script."""
    import datasets
    from transformers import (
        AutoModelForImageTextToText,
        AutoTokenizer,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )

    class Told(TrainerCallback):
        """Says when a step is done."""

        def on_step_end(self, _args, state, _control, **_):
            """See the class."""
            print(f"step {state.global_step}", file=sys.stderr, flush=True)

    datasets.disable_progress_bars()
    rows = datasets.load_dataset("json", data_files=str(folder / "small.jsonl"), split="train")
    arguments = TrainingArguments(
        output_dir=str(folder / "trainer"),
        max_steps=1,
        per_device_train_batch_size=4,
        remove_unused_columns=False,
        report_to="none",
        save_strategy="no",
        use_cpu=True,
    )
    Trainer(
        model=AutoModelForImageTextToText.from_pretrained(folder / "model"),
        args=arguments,
        train_dataset=rows,
        data_collator=Collator(AutoTokenizer.from_pretrained(folder / "model")),
        callbacks=[Told()],
    ).train()


def resume_trainer(folder: Path) -> None:
    """Seconds to the first batch at sample 0 and at `DONE`, as `Trainer` resumes."""
    import datasets
    import torch
    from accelerate import skip_first_batches
    from torch.utils.data import DataLoader, RandomSampler
    from transformers import AutoTokenizer

    collate = Collator(AutoTokenizer.from_pretrained(folder / "model"))
    datasets.disable_progress_bars()
    took = []
    for done in (0, DONE):
        began = time.perf_counter()
        rows = datasets.load_dataset(
            "json", data_files=str(folder / "large.jsonl"), split="train", cache_dir=str(folder / "arrow")
        )
        epoch, inside = divmod(done, len(rows))
        sampler = RandomSampler(rows, generator=torch.Generator().manual_seed(epoch))
        loader = DataLoader(rows, batch_size=4, sampler=sampler, collate_fn=collate)
        next(iter(skip_first_batches(loader, inside // 4) if inside else loader))
        took.append(time.perf_counter() - began)
    print(json.dumps(took))


def resume_mmtrain(folder: Path) -> None:
    """Seconds to the first batch at sample 0 and at `DONE`."""
    from mmtrain.data.encode import Size
    from mmtrain.data.loader import Batches, Jobs, loader
    from mmtrain.data.mixing import mixture
    from mmtrain.data.order import Order
    from mmtrain.data.packing import Rows, State
    from mmtrain.data.sources import Reader, Source
    from mmtrain.recipes.chat import make_encoder
    from mmtrain.settings import Settings

    settings = Settings(model=str(folder / "model"), output_dir="", train=())
    encoder = make_encoder(settings)
    took = []
    for done in (0, DONE):
        began = time.perf_counter()
        source = Source(path=str(folder / "large.jsonl"))
        reader = Reader([source], encoder, max_length=4096)
        drawn = mixture([source])
        order = Order(lambda epoch, drawn=drawn: drawn.plan(epoch, seed=0), None)
        rows = Rows(order, None, capacity=Size(4096, 48), state=State(next=done))
        jobs = Jobs(order, rows, rank=0, world=1, batch=4, accumulation=1)
        batches = Batches(reader, packing=False, filler=True, reduction="token", stop=True)
        next(loader(jobs, batches, workers=0, prefetch=1, pin=False))
        took.append(time.perf_counter() - began)
    print(json.dumps(took))


if __name__ == "__main__":
    {"train-Trainer": train_trainer, "resume-Trainer": resume_trainer, "resume-mmtrain": resume_mmtrain}[
        sys.argv[1]
    ](Path(sys.argv[2]))
