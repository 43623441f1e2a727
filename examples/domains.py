"""Domain adaptation the whole way, on data of ``make_domains.py``: ``python examples/domains.py [--data-only] [DIR]``.

Driving, remote sensing and medicine: skeleton, import, stitch, check; then a tiny model is checked, trained, exported,
asked and scored (about a minute on a CPU; ``--data-only`` leaves that out and needs no torch). Every command is printed
as it would be typed.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shlex
import shutil
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from make_domains import make_all

from mmdata.cli import main as mmdata
from mmtrain.cli import main as mmtrain

TREE = "InternVL-Domain-Adaptation-Data"

UNPACKED = {
    "drivelm/nuscenes": "images/drivelm/nuscenes",
    "mme/data": "images/MME-RealWorld/data",
    "mme/MME_RealWorld.json": "val/MME_RealWorld.json",
    "rsvqa/Images_LR": "images/RSVQA_L/Images_LR",
    "rsvqa_high/Data": "images/RSVQA-H/Data",
    "dior/JPEGImages": "images/DIOR-RSVG/JPEGImages",
    "geochat/final_images_llava": "images/GeoChat/images/final_images_llava",
    "fit_rs/imgv2_split_512_100_vaild": "images/FIT-RS/imgv2_split_512_100_vaild",
    "fit_rs/fit_rs_vqa_100k.jsonl": "train_data/fit_rs_vqa_100k.jsonl",
    "medical/medical_images": "images/medical_images",
    "medical/medical_sft_sample500k.jsonl": "train_data/medical_sft_sample500k.jsonl",
}
"""What a person unpacks by hand: place in the made data -> place in the guide's tree."""

DATA = {
    "driving": """
mmdata layout init TREE --preset drivelm
mmdata import drivelm raw/drivelm/v1_1_train_nus.json -o TREE/train_data --name drivelm_train
mmdata import drivelm raw/drivelm/v1_1_train_nus.json -o TREE/val --name drivelm_val
mmdata stitch --ann raw/drivelm/v1_1_train_nus.json --data-root TREE/images/drivelm -o TREE/images/drivelm/stitch
mmdata import drivelm raw/drivelm/v1_1_train_nus.json -o windows --window 2 --ask every
mmdata meta add TREE/train_meta/internvl_1_2_finetune_drivelm.json windows --annotation windows/drivelm.jsonl --root TREE/images/drivelm/stitch
mmdata meta check TREE/train_meta/internvl_1_2_finetune_drivelm.json
mmdata validate TREE/train_meta/internvl_1_2_finetune_drivelm.json
mmdata layout check TREE --preset drivelm
""",
    "remote sensing": """
mmdata layout init TREE --preset remote
mmdata import rsvqa raw/rsvqa_high/USGS_split_train_questions.json raw/rsvqa_high/USGS_split_train_answers.json raw/rsvqa_high/USGS_split_train_images.json -o TREE/train_data --name rsvqa_hr_train_instruct_100k
mmdata import dior-rsvg raw/dior/Annotations --split raw/dior/train.txt -o TREE/train_data --name dior_rsvg_instruct_26k
mmdata import geochat raw/geochat/GeoChat_Instruct.json --boxes internvl --media-root raw/geochat/final_images_llava -o TREE/train_data --name geochat_instruct  # exit code 1: a turned box became an upright one
mmdata import rsvqa raw/rsvqa/LR_split_train_questions.json raw/rsvqa/LR_split_train_answers.json -o TREE/val --purpose eval --name rsvqa_l_test_instruct
mmdata import rsvqa raw/rsvqa_high/USGS_split_train_questions.json raw/rsvqa_high/USGS_split_train_answers.json -o TREE/val --purpose eval --name rsvqa_h_test_1_instruct
mmdata import rsvqa raw/rsvqa_high/USGS_split_train_questions.json raw/rsvqa_high/USGS_split_train_answers.json -o TREE/val --purpose eval --name rsvqa_h_test_2_instruct
mmdata import dior-rsvg raw/dior/Annotations --split raw/dior/test.txt -o TREE/val --purpose eval --name dior_rsvg_test
mmdata validate TREE/train_meta/internvl_1_2_finetune_remote.json
mmdata layout check TREE --preset remote
""",
    "medicine": """
mmdata layout init TREE --preset medical
mmdata validate TREE/train_meta/internvl_1_2_finetune_medical.json
mmdata layout check TREE --preset medical
""",
    "driving videos": """
mmdata layout init TREE --preset bdd
mmdata meta add TREE/train_meta/internvl_1_2_finetune_bdd.json bdd --annotation raw/bdd/bdd.jsonl --root raw/bdd/frames
mmdata validate TREE/train_meta/internvl_1_2_finetune_bdd.json
mmdata layout check TREE --preset bdd
""",
}

SMALL = "model_name_or_path=tiny bf16=false max_length=2048 max_steps=2 gradient_accumulation_steps=1 dataloader_num_workers=0 save_steps=2"
"""What makes a published recipe run on a CPU in seconds."""

TRAIN = {
    "driving": f"""
mmtrain make-tiny --family internvl -o tiny
mmtrain init --recipe mini-internvl-1b-drivelm --gpus 1
mmtrain check mini-internvl-1b-drivelm.yaml {SMALL}
mmtrain launch mini-internvl-1b-drivelm.yaml {SMALL}
mmtrain export runs/mini-internvl-1b-drivelm -o exported/drivelm
mmtrain evaluate exported/drivelm --task drivelm --data TREE -o answers/drivelm --test-file raw/drivelm/test.json --max-new-tokens 8 --batch-size 8
mmtrain score answers/drivelm/predictions.jsonl --task drivelm --test-file raw/drivelm/test.json --resamples 50 --html drivelm.html --media-root TREE/images/drivelm/stitch --submission submission.json --judge judge.jsonl
mmtrain evaluate exported/drivelm --task mme-realworld-ad --data TREE -o answers/mme --max-new-tokens 8
mmtrain score answers/mme/predictions.jsonl --task mme-realworld-ad --html mme.html --media-root TREE/images/MME-RealWorld/data
""",
    "remote sensing": f"""
mmtrain init --recipe mini-internvl-1b-remote --gpus 1
mmtrain check mini-internvl-1b-remote.yaml {SMALL}
mmtrain launch mini-internvl-1b-remote.yaml {SMALL}
mmtrain export runs/mini-internvl-1b-remote -o exported/remote
mmtrain evaluate exported/remote --task rsvqa-lr --data TREE -o answers/rsvqa-lr --max-new-tokens 8
mmtrain evaluate exported/remote --task rsvqa-hr-test1 --data TREE -o answers/rsvqa-hr --max-new-tokens 8
mmtrain evaluate exported/remote --task dior-rsvg --data TREE -o answers/dior-rsvg --max-new-tokens 8
mmtrain score answers/rsvqa-lr/predictions.jsonl --task rsvqa-lr --html rsvqa.html --media-root TREE/images/RSVQA_L/Images_LR
mmtrain score answers/dior-rsvg/predictions.jsonl --task dior-rsvg --html dior.html --media-root TREE/images
""",
    "medicine": f"""
mmtrain init --recipe mini-internvl-1b-medical --gpus 1
mmtrain check mini-internvl-1b-medical.yaml {SMALL}
mmtrain launch mini-internvl-1b-medical.yaml {SMALL}
mmtrain export runs/mini-internvl-1b-medical -o exported/medical
mmtrain predict exported/medical --image raw/medical/medical_images/scan_0.png --question "Is there a bright spot in this scan?" --max-new-tokens 8 -o answers/medical
""",
}


def unpack(raw: Path, tree: Path) -> None:
    """Copy pictures and ready files to their places."""
    for source, place in UNPACKED.items():
        (tree / place).parent.mkdir(parents=True, exist_ok=True)
        if (raw / source).is_dir():
            shutil.copytree(raw / source, tree / place, dirs_exist_ok=True)
        else:
            shutil.copy(raw / source, tree / place)


def run(line: str) -> None:
    """Run a command as if it were typed; one that fails ends the example."""
    program, *words = shlex.split(line.replace("TREE", TREE), comments=True)
    print(f"\n$ {line.replace('TREE', TREE)}", flush=True)
    if program == "mmdata":
        try:
            mmdata(words)
        except SystemExit as done:
            code = done.code
    else:
        # A process each, as in a shell: one process trains once. A fork, so that torch is imported once.
        started = multiprocessing.get_context("fork").Process(target=mmtrain, args=(words,))
        started.start()
        started.join()
        code = started.exitcode
    if code != int("# exit code 1" in line):
        sys.exit(f"examples/domains.py: exit code {code}: {line}")


def import_all() -> None:
    """Import torch, transformers and what they import late, once for all commands."""
    from transformers import AutoModelForImageTextToText

    from mmtrain.tiny import load_processor, make_tiny

    for name in ("deepspeed", "mmtrain.export", "mmtrain.loading", "mmtrain.trainer"):
        import_module(name)
    with tempfile.TemporaryDirectory() as folder:
        make_tiny("internvl", f"{folder}/tiny")
        AutoModelForImageTextToText.from_pretrained(f"{folder}/tiny")
        load_processor(Path(folder, "tiny"))


def main(folder: str, data_only: bool = False) -> None:
    """Make the data in `folder` and run every command there."""
    make_all(Path(folder, "raw"))
    unpack(Path(folder, "raw"), Path(folder, TREE))
    with contextlib.chdir(folder):
        for lines in DATA.values():
            for line in lines.strip().splitlines():
                run(line)
        if data_only:
            return
        import_all()
        for lines in TRAIN.values():
            for line in lines.strip().splitlines():
                run(line)


if __name__ == "__main__":
    os.environ.update(CUDA_VISIBLE_DEVICES="", DS_ACCELERATOR="cpu", OMP_NUM_THREADS="1")
    wanted = [word for word in sys.argv[1:] if word != "--data-only"]
    with tempfile.TemporaryDirectory() as made:
        main(wanted[0] if wanted else made, "--data-only" in sys.argv)
