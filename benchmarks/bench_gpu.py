"""On a GPU: tokens a second and MFU of a 1B InternVL, LoRA and full, against Hugging Face's `Trainer`; one step of grounding.

Random weights in bf16, one GPU. Both sides take the same batches, which mmdata encodes in workers: padded rows of four, and
ours once more packed. The step of `recipe: grounding` has a mask decoder of SAM 2's large size behind the same model, and is
told by parts. Without a GPU the same runs with toy sizes in fp32: that shows only that it runs.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from statistics import mean

from benchmarks.harness import DATA

ON_REQUEST = True
STEPS = 24
WARM = 8
"""Steps that are not counted."""
ROWS = 4
"""Samples of a batch."""
PEER = "Trainer"


def main(runs: int = 1) -> None:
    """Print the tables."""
    import torch

    on_gpu = torch.cuda.is_available()
    print(f"\n{torch.cuda.get_device_name() if on_gpu else 'no GPU: toy sizes on the CPU'}")
    folder = prepare(on_gpu)
    heads = ("tokens/s", f"x {PEER}", "MFU")
    for tuning in ("lora", "full"):
        print(f"\n{tuning:<18}" + "".join(f"{head:>12}" for head in heads))
        peer = mean(_peer(folder, tuning, on_gpu) for _ in range(runs))
        print(f"{PEER:<18}{peer:>12.0f}{1.0:>12.2f}")
        for packing in (False, True):
            found = [_ours(folder, tuning, packing, on_gpu) for _ in range(runs)]
            rate, share = mean(one[0] for one in found), found[-1][1]
            name = "mmtrain, packed" if packing else "mmtrain, padded"
            print(f"{name:<18}{rate:>12.0f}{rate / peer:>12.2f}{share:>12}")
    grounding(folder, on_gpu)


def prepare(on_gpu: bool) -> Path:
    """A model, a mask decoder and records with pictures, made once."""
    import numpy as np
    from PIL import Image

    from mmdata import masks

    folder = DATA / ("gpu" if on_gpu else "gpu-toy")
    if (folder / "grounding.json").exists():
        return folder
    (folder / "images").mkdir(parents=True, exist_ok=True)
    _models(folder, on_gpu)
    rng = random.Random(0)
    side = 448 if on_gpu else 28
    words = [
        "where",
        "is",
        "the",
        "white",
        "tank",
        "left",
        "right",
        "top",
        "bottom",
        "object",
        "mask",
        "building",
    ]
    chat, grounded = [], []
    for number in range(STEPS * ROWS):
        across, down = rng.choice([(1, 1), (2, 1), (1, 2), (2, 2), (3, 1)])
        pixels = np.random.default_rng(number).integers(0, 256, (down * side, across * side, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{number}.jpg")
        answer = " ".join(rng.choices(words, k=rng.randrange(20, 200) if on_gpu else 20))
        turns = [{"from": "human", "value": "<image>\nDescribe it."}, {"from": "gpt", "value": answer}]
        chat.append(
            json.dumps({"id": number, "image": f"images/{number}.jpg", "conversations": turns}) + "\n"
        )
        mask = np.zeros(pixels.shape[:2], np.uint8)
        mask[side // 4 : side // 2, side // 4 : side // 2] = 1
        asked = [
            {"from": "human", "value": "<ImageHere>Segment the tank."},
            {"from": "bot", "value": "The <p> tank </p> [SEG]."},
        ]
        grounded.append(
            {"id": number, "image": f"images/{number}.jpg", "conversations": asked, "segmentation": [masks.encode(mask)]}
        )  # fmt: skip
    (folder / "chat.jsonl").write_text("".join(chat))
    (folder / "grounding.json").write_text(json.dumps(grounded))
    return folder


def _models(folder: Path, on_gpu: bool) -> None:
    import torch
    from transformers import InternVLConfig, InternVLForConditionalGeneration, Sam2Config, Sam2Model

    from mmtrain.tiny import Shape, make_tiny
    from mmtrain.tiny_sam2 import make_tiny_sam2

    make_tiny("internvl", folder / "model", shape=Shape(tile=448 if on_gpu else 28), force=True)
    make_tiny_sam2(folder / "decoder", force=True)
    if not on_gpu:
        return
    # The tokenizer and the processors stay; the model grows to InternVL2.5-1B's shape.
    config = InternVLConfig.from_pretrained(folder / "model")
    vision = {
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
    }
    language = {"hidden_size": 896, "num_hidden_layers": 24, "num_attention_heads": 14, "num_key_value_heads": 2,
                "intermediate_size": 4864, "vocab_size": 151_674}  # fmt: skip
    plain = config.to_dict()
    for part, sizes in (("vision_config", vision), ("text_config", language)):
        plain[part] = {**plain[part], **sizes}
        plain[part].pop("layer_types", None)
        plain[part].pop("head_dim", None)
    grown = InternVLConfig(**{key: plain[key] for key in plain if key not in ("model_type", "architectures")})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        InternVLForConditionalGeneration(grown).to(torch.bfloat16).save_pretrained(folder / "model")
        large = {
            "model_type": "sam2_hiera_det_model",
            "hidden_size": 144,
            "num_attention_heads": 2,
            "blocks_per_stage": [2, 6, 36, 4],
            "embed_dim_per_stage": [144, 288, 576, 1152],
            "num_attention_heads_per_stage": [2, 4, 8, 16],
            "window_size_per_stage": [8, 4, 16, 8],
            "global_attention_blocks": [23, 33, 43],
        }
        sam2 = Sam2Config(
            vision_config={"backbone_config": large, "backbone_channel_list": [1152, 576, 288, 144]}
        )
        Sam2Model(sam2).to(torch.bfloat16).save_pretrained(folder / "decoder")


def _config(folder: Path, tuning: str, packing: bool, on_gpu: bool) -> dict[str, object]:
    frozen = {"tuning": "frozen"}
    parts = (
        {"vision": frozen, "projector": frozen, "language": {"tuning": "lora"}} if tuning == "lora" else {}
    )
    return {
        "model_name_or_path": str(folder / "model"),
        "output_dir": str(folder / f"run-{tuning}-{packing}"),
        "data": {"train": {"path": str(folder / "chat.jsonl"), "media_root": str(folder)}},
        "bf16": on_gpu,
        "deepspeed": "zero1" if on_gpu else "zero0",
        "packing": packing,
        "max_length": 4096,
        "num_images_expected": 16,
        "max_dynamic_patch": 4,
        "per_device_train_batch_size": 1 if packing else ROWS,
        "max_steps": STEPS,
        "dataloader_num_workers": 4 if on_gpu else 0,
        "gradient_checkpointing": False,
        "logging_steps": 1,
        "save_steps": 0,
        "report_to": "none",
        "resume": None,
        **parts,
    }


def _ours(folder: Path, tuning: str, packing: bool, on_gpu: bool) -> tuple[float, str]:
    """Tokens a second after the warm-up, and the MFU that `mmtrain` logs."""
    config = _config(folder, tuning, packing, on_gpu)
    path = folder / "run.yaml"
    path.write_text(json.dumps(config))  # JSON is YAML
    log = Path(str(config["output_dir"])) / "train_log.jsonl"
    log.unlink(missing_ok=True)
    _run([sys.executable, "-m", "mmtrain", "launch", str(path)])
    steps = [json.loads(line) for line in log.read_text().splitlines()]
    steps = [one for one in steps if "loss" in one][WARM:]
    seconds = sum(one["tokens"] / one["tokens_per_second"] for one in steps)
    shares = [one["mfu"] for one in steps if one.get("mfu") is not None]
    return sum(one["tokens"] for one in steps) / seconds, f"{mean(shares):.1%}" if shares else "n/a"


def _peer(folder: Path, tuning: str, on_gpu: bool) -> float:
    command = [sys.executable, "-m", "benchmarks.bench_gpu", str(folder), tuning, "gpu" if on_gpu else "cpu"]
    return float(_run(command).splitlines()[-1])


def _run(command: list[str]) -> str:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def trainer(folder: Path, tuning: str, on_gpu: bool) -> None:
    """The peer: the same samples in the same batches through `transformers.Trainer`; prints tokens a second."""
    import torch
    from transformers import AutoModelForImageTextToText, Trainer, TrainerCallback, TrainingArguments

    import mmdata
    from mmtrain.data.collate import padded
    from mmtrain.recipes.chat import make_encoder
    from mmtrain.settings import Settings

    settings = Settings(model=str(folder / "model"), output_dir="", train=(), max_tiles=4)
    encoder = make_encoder(settings)
    records = list(mmdata.open(str(folder / "chat.jsonl")).samples())
    lengths = [len(encoder.encode(one, str(folder)).input_ids) for one in records]
    ends: list[float] = []

    class Told(TrainerCallback):
        """Notes when a step is done."""

        def on_step_end(self, _args, _state, _control, **_):
            """See the class."""
            if on_gpu:
                torch.cuda.synchronize()
            ends.append(time.perf_counter())

    def collate(places):
        batch = padded([encoder.encode(records[k], str(folder)) for k in places], None, "token", 0)
        return {**batch.inputs, "labels": batch.labels}

    model = AutoModelForImageTextToText.from_pretrained(
        folder / "model", dtype=torch.bfloat16 if on_gpu else torch.float32
    )
    if tuning == "lora":
        from peft import LoraConfig, get_peft_model

        wanted = r".*language_model.*\.(q|k|v|o|gate|up|down)_proj"
        model = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, target_modules=wanted))
    arguments = TrainingArguments(
        output_dir=str(folder / "trainer"),
        max_steps=STEPS,
        per_device_train_batch_size=ROWS,
        dataloader_num_workers=4 if on_gpu else 0,
        remove_unused_columns=False,
        report_to="none",
        save_strategy="no",
        bf16=on_gpu,
        use_cpu=not on_gpu,
        disable_tqdm=True,
    )
    Trainer(
        model=model,
        args=arguments,
        train_dataset=list(range(len(records))),
        data_collator=collate,
        callbacks=[Told()],
    ).train()
    # An epoch has exactly these steps, so all lengths are seen once; of them the share after the warm-up.
    print(sum(lengths) * (STEPS - WARM) / STEPS / (ends[-1] - ends[WARM - 1]))


def grounding(folder: Path, on_gpu: bool) -> None:
    """One step of the grounding recipe by parts: milliseconds forward, and memory."""
    import torch

    from mmtrain.data.loader import Batches
    from mmtrain.data.sources import Reader
    from mmtrain.recipes import grounding as recipe
    from mmtrain.settings import from_plain

    frozen = {"tuning": "frozen"}
    settings = from_plain(
        {
            "model": str(folder / "model"),
            "output_dir": str(folder / "run-grounding"),
            "recipe": "grounding",
            "section": {"decoder_name_or_path": str(folder / "decoder")},
            "train": [{"path": str(folder / "grounding.json"), "media_root": str(folder)}],
            "max_tiles": 4,
            "max_length": 4096,
            "dtype": "bf16" if on_gpu else "fp32",
            "vision": frozen,
            "language": {"tuning": "lora"},
        }
    )
    device = torch.device("cuda" if on_gpu else "cpu")
    encoder = recipe.make_encoder(settings)
    model = recipe.make_model(settings, encoder.tokenizer).to(device).train()
    dtype = torch.bfloat16 if on_gpu else torch.float32
    reader = Reader(settings.train, encoder, max_length=settings.max_length)
    make = Batches(reader, packing=True, filler=True, reduction="token", stop=True)
    batch = make.collate([reader.encode(0, k) for k in range(ROWS)]).to(device, dtype)
    chosen = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(chosen, lr=1e-5)

    def clock() -> float:
        if on_gpu:
            torch.cuda.synchronize()
        return time.perf_counter()

    spent: dict[str, float] = {}
    began: dict[str, float] = {}
    for name, part in {
        "vision": next(m for n, m in model.vlm.named_modules() if n.endswith("vision_tower")),
        "language": next(m for n, m in model.vlm.named_modules() if n.endswith("language_model")),
        "mask encoder": model.decoder.vision_encoder,
        "mask decoder": model.decoder.mask_decoder,
    }.items():
        part.register_forward_pre_hook(lambda *_, name=name: began.__setitem__(name, clock()))
        part.register_forward_hook(
            lambda *_, name=name: spent.__setitem__(name, spent.get(name, 0.0) + clock() - began[name])
        )
    for step in range(6):
        if step == 3:
            spent.clear()
            if on_gpu:
                torch.cuda.reset_peak_memory_stats()
            start = clock()
        terms = recipe.loss(model, batch)
        total = sum(term.total * term.weight for term in terms.values())
        forward = clock()
        total.backward()
        spent["backward"] = spent.get("backward", 0.0) + clock() - forward
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    took = (clock() - start) / 3
    print(f"\ngrounding, LoRA, a packed batch of {ROWS} scenes: {took * 1e3:.0f} ms a step", end="")
    print(f", {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB at most" if on_gpu else "")
    for name, seconds in spent.items():
        print(f"  {name:<14}{seconds / 3 * 1e3:>8.1f} ms{seconds / 3 / took:>7.0%}")


if __name__ == "__main__":
    trainer(Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "gpu")
