"""Operations counted against torch's own counter of matrix products, and peaks by the names of GPUs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import mmdata
from mmtrain.data.collate import packed, padded
from mmtrain.losses import weighted_nll
from mmtrain.mfu import Meter, meter_of, peak
from mmtrain.recipes.chat import make_encoder, make_model
from mmtrain.settings import Lora, Part, Settings
from mmtrain.tiny import Shape, make_tiny

FULL = {"language": Part()}
FROZEN = {"vision": Part(tuning="frozen"), "projector": Part(tuning="frozen")}
LORA = {**FROZEN, "language": Part(tuning="lora"), "lora": Lora(r=4, dropout=0.0)}
PROJECTOR = {"vision": Part(tuning="frozen"), "language": Part(tuning="frozen")}


PARTS = {"full": FULL, "frozen": FROZEN, "lora": LORA, "projector": PROJECTOR}
EVERYDAY = {"internvl-full", "internvl-lora", "qwen2_5_vl-frozen", "llava_onevision-projector"}
CASES = [
    pytest.param(family, parts, id=name, marks=[] if name in EVERYDAY else [pytest.mark.slow])
    for family in ("internvl", "qwen2_5_vl", "llava_onevision")
    for part, parts in PARTS.items()
    for name in [f"{family}-{part}"]
]


@pytest.fixture(scope="module")
def directory(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wide enough that matrices outweigh everything else."""
    return make_tiny(
        request.param,
        tmp_path_factory.mktemp("wide") / request.param,
        shape=Shape(hidden_size=128, layers=3, heads=4, tile=56),
    ).directory


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # peft asks for it
@pytest.mark.parametrize(("directory", "parts"), CASES, indirect=["directory"])
def test_operations_are_those_that_torch_counts(directory: Path, mixed: Path, parts: dict[str, Any]) -> None:
    settings = Settings(model=str(directory), output_dir="unused", train=(), dtype="fp32", **parts)
    encoder = make_encoder(settings)
    records = [one for one in mmdata.open(str(mixed / "mixed.jsonl")).samples() if one.media][:6]
    samples = [encoder.encode(one, str(mixed)) for one in records]
    model = make_model(settings, encoder.tokenizer)
    meter = Meter.of(model)
    # A sequence of several, and rows that are not packed.
    batches = [packed(samples[:4], None, "token"), *(padded([s], None, "token", 0) for s in samples[4:])]
    counter = FlopCounterMode(display=False)
    with counter:
        for batch in batches:
            meter.add(batch)
            weighted_nll(model, batch.inputs, batch.labels, batch.weights).backward()  # type: ignore[no-untyped-call]
    # Attention on a CPU is not in torch's count: compare without it.
    meter.layers, meter.vision = 0, (0, 0)
    meter.take()
    for batch in batches:
        meter.add(batch)
    assert meter.take() == pytest.approx(counter.get_total_flops(), rel=0.07)
    assert meter.take() == 0


@pytest.mark.parametrize(
    ("name", "tera"),
    [
        ("NVIDIA H100 80GB HBM3", 989.4),
        ("NVIDIA H100 PCIe", 756.4),
        ("NVIDIA A100-SXM4-80GB", 311.8),
        ("NVIDIA H200", 989.4),
        ("NVIDIA L40S", 362.1),
        ("NVIDIA L4", 121.0),
        ("NVIDIA A10G", 70.0),
        ("NVIDIA GeForce RTX 4090", 165.2),
        ("Some Accelerator A1000", None),
    ],
)
def test_peaks_by_name(name: str, tera: float | None) -> None:
    assert peak(name) == (None if tera is None else pytest.approx(tera * 1e12))


def test_there_is_no_meter_on_a_cpu() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert meter_of(None, "chat", "bf16") == (None, None)
