"""Remote sensing: GeoChat, FIT-RS, RSVQA and DIOR-RSVG."""

from __future__ import annotations

from mmdata.layout import Layout, Place, TrainSet
from mmdata.layouts import _sources as at

LOW = "images/RSVQA_L/Images_LR"
HIGH = "images/RSVQA-H/Data"
FIT = "images/FIT-RS/imgv2_split_512_100_vaild"
CHAT = "images/GeoChat/images/final_images_llava"

LAYOUT = Layout(
    name="remote",
    title="remote sensing (GeoChat, FIT-RS, RSVQA, DIOR-RSVG)",
    meta="train_meta/internvl_1_2_finetune_remote.json",
    meta_source=at.ANNOTATIONS,
    places=(
        Place(
            "train_data/dior_rsvg_instruct_26k.jsonl",
            f"{at.ANNOTATIONS}, or mmdata import dior-rsvg Annotations/",
        ),
        Place("train_data/fit_rs_vqa_100k.jsonl", at.ANNOTATIONS),
        Place(
            "train_data/rsvqa_hr_train_instruct_100k.jsonl",
            f"{at.ANNOTATIONS}, or mmdata import rsvqa USGS_split_train_*.json",
        ),
        Place(
            "train_data/geochat_instruct.jsonl",
            f"{at.ANNOTATIONS}, or mmdata import geochat GeoChat_Instruct.json",
        ),
        Place(f"{LOW}/", at.RSVQA),
        Place(f"{HIGH}/", at.RSVQA),
        Place("images/DIOR-RSVG/JPEGImages/", at.DIOR_RSVG),
        Place(f"{FIT}/", at.FIT_RS),
        Place(f"{CHAT}/", at.GEOCHAT),
        Place("val/dior_rsvg_test.json", at.ANNOTATIONS, media_root="images"),
        Place("val/rsvqa_h_test_1_instruct.json", at.ANNOTATIONS, media_root=HIGH),
        Place("val/rsvqa_h_test_2_instruct.json", at.ANNOTATIONS, media_root=HIGH),
        Place("val/rsvqa_l_test_instruct.json", at.ANNOTATIONS, media_root=LOW),
    ),
    sets=(
        TrainSet("dior_rsvg_instruct_26k", "train_data/dior_rsvg_instruct_26k.jsonl", "images"),
        TrainSet("fit_rs_vqa_100k", "train_data/fit_rs_vqa_100k.jsonl", FIT),
        TrainSet("rsvqa_hr_train_instruct_100k", "train_data/rsvqa_hr_train_instruct_100k.jsonl", HIGH),
        TrainSet("geochat_instruct", "train_data/geochat_instruct.jsonl", CHAT),
    ),
    note=at.GENERAL,
)
