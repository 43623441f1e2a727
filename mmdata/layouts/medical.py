"""Medical images."""

from __future__ import annotations

from mmdata.layout import Layout, Place, TrainSet
from mmdata.layouts import _sources as at

LAYOUT = Layout(
    name="medical",
    title="medical images",
    meta="train_meta/internvl_1_2_finetune_medical.json",
    meta_source=at.ANNOTATIONS,
    places=(
        Place("train_data/medical_sft_sample500k.jsonl", at.ANNOTATIONS),
        Place("images/medical_images/", f"{at.ANNOTATIONS}, archives to unpack"),
    ),
    sets=(
        TrainSet(
            "medical_sft_sample500k", "train_data/medical_sft_sample500k.jsonl", "images/medical_images"
        ),
    ),
    note=at.GENERAL,
)
