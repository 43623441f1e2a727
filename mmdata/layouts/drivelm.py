"""Autonomous driving with six cameras: DriveLM, and MME-RealWorld's driving subset to evaluate."""

from __future__ import annotations

from mmdata.layout import Layout, Place, TrainSet
from mmdata.layouts import _sources as at

STITCHED = "images/drivelm/stitch"

LAYOUT = Layout(
    name="drivelm",
    title="autonomous driving, six cameras stitched (DriveLM)",
    meta="train_meta/internvl_1_2_finetune_drivelm.json",
    meta_source=at.ANNOTATIONS,
    places=(
        Place(
            "train_data/drivelm_train.jsonl",
            f"{at.ANNOTATIONS}, or mmdata import drivelm v1_1_train_nus.json",
        ),
        Place("images/drivelm/nuscenes/", at.DRIVELM),
        Place(
            f"{STITCHED}/",
            "mmdata stitch v1_1_train_nus.json --media-root images/drivelm (then the val file)",
        ),
        Place("images/MME-RealWorld/data/AutonomousDriving/", at.MME_REALWORLD),
        Place("val/drivelm_val.jsonl", at.ANNOTATIONS, media_root=STITCHED),
        Place(
            "val/MME_RealWorld.json",
            at.MME_REALWORLD,
            media_root="images/MME-RealWorld/data",
            media_key="Image",
            only=("Subtask", "Autonomous_Driving"),
        ),
    ),
    sets=(TrainSet("drivelm_train", "train_data/drivelm_train.jsonl", STITCHED),),
    note=at.GENERAL,
)
