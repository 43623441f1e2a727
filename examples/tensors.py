"""Masks, pictures and frames as torch tensors: ``python examples/tensors.py`` (needs torch).

Makes the example data, and builds what a training step would be fed: all masks of a sample at a training resolution,
equal to resizing the full masks, without holding those.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import torch
from make_data import main as make_data

import mmdata
from mmdata import tensors


def main(home: Path) -> None:
    """Show the tensors of one GeoPixel and one VideoRefer sample."""
    make_data(home)
    os.chdir(home)
    with mmdata.open("geopixel.json") as dataset:
        sample = dataset.sample(0)
    full = tensors.masks(sample)
    small = tensors.masks(sample, size=128, resize="nearest-exact")
    same = torch.nn.functional.interpolate(full[None], size=tuple(small.shape[1:]), mode="nearest-exact")[0]
    picture = tensors.image(sample.media[0].paths[0], size=128)
    print("picture", tuple(picture.shape), "masks", tuple(full.shape), "at training size", tuple(small.shape))
    print("equal to resizing the full masks:", torch.equal(small, same))
    print("pixels of each object:", small.sum(dim=(1, 2)).tolist())

    with mmdata.open("videorefer.json", format="videorefer") as dataset:
        for sample in dataset.samples():
            if sample.media and sample.media[0].kind == "video" and sample.objects:
                video = tensors.video_masks(sample, size=(64, 64), dtype=torch.bool)
                print("video masks", tuple(video.masks.shape), "of frames", video.frames)
                print("annotated:", video.annotated.tolist())
                break


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(Path(folder) / "data")
