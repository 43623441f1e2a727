"""A tiny random InternVL directory, and settings to train it on the example data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

WORDS = [
    "Where is the white tank?",
    "left right top bottom object mask",
    "<ref>the white tank</ref><box>[[12, 345, 678, 90]]</box>",
]


def make_tokenizer(special: list[str]) -> Any:
    """A byte-level BPE trained on a few words."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.train_from_iterator(
        WORDS * 4,
        trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=["<|endoftext|>"],
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        ),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    tokenizer.add_special_tokens(
        {"extra_special_tokens": ["<|im_start|>", *special]}, replace_extra_special_tokens=False
    )
    return tokenizer


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    return make_tokenizer(["<img>", "</img>", "<IMG_CONTEXT>", "<ref>", "</ref>", "<box>", "</box>"])


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> Path:
    """28-pixel tiles of one token each; about 90 thousand weights."""
    import torch
    from transformers import InternVLConfig, InternVLForConditionalGeneration

    folder = tmp_path_factory.mktemp("models") / "tiny-internvl"
    config = InternVLConfig(
        vision_config={
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 64,
            "image_size": [28, 28],
            "patch_size": [14, 14],
        },
        text_config={
            "model_type": "qwen2",
            "vocab_size": len(tokenizer),
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "max_position_embeddings": 4096,
            "pad_token_id": tokenizer.pad_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "bos_token_id": None,
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=1,
        tie_word_embeddings=False,
    )
    torch.manual_seed(0)
    InternVLForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 InternVL records of text, one picture and several, of many lengths and sizes."""
    import json
    import random

    import numpy as np
    from PIL import Image

    rng = random.Random(0)
    folder = tmp_path_factory.mktemp("mixed")
    words = " ".join(WORDS[:2]).split()
    lines = []
    for number in range(24):
        count = number % 3
        names = []
        for k in range(count):
            size = (rng.randrange(20, 120), rng.randrange(20, 120))
            pixels = np.random.default_rng(number * 10 + k).integers(0, 256, (*size, 3), np.uint8)
            name = f"{number}_{k}.png"
            Image.fromarray(pixels).save(folder / name)
            names.append(name)
        say = lambda: " ".join(rng.choices(words, k=rng.randrange(2, 30)))  # noqa: E731
        turns = [("human", "<image>\n" * count + say()), ("gpt", say())]
        if number % 4 == 0:
            turns += [("human", say()), ("gpt", say())]
        record: dict[str, Any] = {"id": number, "conversations": [{"from": f, "value": v} for f, v in turns]}
        if count:
            record["image"] = names if count > 1 else names[0]
        lines.append(json.dumps(record) + "\n")
    (folder / "mixed.jsonl").write_text("".join(lines), "utf-8")
    return folder


def settings_of(model: Path, data: Path) -> dict[str, Any]:
    """Settings as JSON, without ``output_dir``: fp32, no workers, no boards."""
    return {
        "model": str(model),
        "train": [{"path": str(data / "mixed.jsonl"), "media_root": str(data)}],
        "max_length": 512,
        "packed_tiles": 24,
        "max_tiles": 6,
        "max_steps": 6,
        "learning_rate": 3e-3,
        "dtype": "fp32",
        "dataloader_num_workers": 0,
        "report_to": [],
        "save_steps": 0,
    }


@pytest.fixture
def plain_settings(tiny: Path, mixed: Path, tmp_path: Path) -> dict[str, Any]:
    """`settings_of` the mixed data."""
    return {**settings_of(tiny, mixed), "output_dir": str(tmp_path / "run")}


WORKER = Path(__file__).parent / "worker.py"
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "DS_ACCELERATOR": "cpu",
}


PRELOADED = ["deepspeed", "peft", "transformers.models.internvl.modeling_internvl", "mmtrain.trainer"]
"""What takes seconds to import; a server process imports it once and every rank is forked from that."""

RANK = """
import os, runpy, sys
out = os.open({output!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
os.dup2(out, 1), os.dup2(out, 2)
os.environ.update({environment!r})
sys.argv = {argv!r}
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class Started:
    """Ranks of one launch; like a `subprocess.Popen`, as far as the tests need it."""

    def __init__(self, ranks: list[Any], output: Path) -> None:
        self.ranks, self.output = ranks, output
        self.returncode: int | None = None

    def communicate(self, timeout: float = 240) -> tuple[str, None]:
        """Wait for all ranks; where one fails, the others are ended, as a launcher does."""
        import time

        end = time.monotonic() + timeout
        while any(rank.is_alive() for rank in self.ranks):
            failed = any(rank.exitcode not in (None, 0) for rank in self.ranks)
            late = time.monotonic() > end
            for rank in self.ranks:
                if failed or late:
                    rank.join(5 if failed else 0)
                    rank.kill()
                rank.join(0.2)
            assert not late, self.output.read_text()[-3000:]
        self.returncode = next((rank.exitcode for rank in self.ranks if rank.exitcode), 0)
        return self.output.read_text() if self.output.exists() else "", None


def start(runs: list[dict[str, Any]], folder: Path, ranks: int = 1) -> Started:
    """Start `worker.py` on so many ranks; returns what `finish` reads the results of."""
    import json
    import multiprocessing
    import os
    from multiprocessing import forkserver

    from mmtrain.engine import _free_port

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "runs.json").write_text(json.dumps(runs))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    before = dict(os.environ)
    os.environ.update(ENVIRONMENT)
    forkserver.ensure_running()
    os.environ.clear()
    os.environ.update(before)
    world = {"WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
    started = []
    for rank in range(ranks):
        text = RANK.format(
            output=str(folder / "output.txt"),
            environment={**ENVIRONMENT, **world, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            argv=[str(WORKER), str(folder / "runs.json"), str(folder / "out.json")],
        )
        started.append(context.Process(target=exec, args=(text, {"__name__": "rank"})))
        started[-1].start()
    return Started(started, folder / "output.txt")


def finish(process: Started, folder: Path, timeout: float = 240) -> list[dict[str, Any]]:
    """Wait and read the results of every run."""
    import json

    output, _ = process.communicate(timeout=timeout)
    assert process.returncode == 0, output[-3000:]
    found: list[dict[str, Any]] = json.loads((folder / "out.json").read_text())
    return found


@pytest.fixture(scope="session")
def launch() -> Any:
    """(start, finish): train in other processes."""
    return start, finish
