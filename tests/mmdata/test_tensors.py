"""Masks, pictures and frames as tensors: the same pixels, the order stated, torch imported nowhere else."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import mmdata
from mmdata import masks, tensors
from mmdata.errors import DataError

File = Callable[..., Path]


def one(path: Path) -> Any:
    with mmdata.open(str(path)) as dataset:
        return dataset.sample(0)


@pytest.mark.parametrize(
    "code", ["import mmdata", "from mmdata.cli import app", "import mmdata.masks.placed"]
)
def test_torch_stays_out(code: str) -> None:
    check = f"{code}; import sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0


def test_masks_of_a_picture_in_the_order_of_objects(geopixel_file: File) -> None:
    sample = one(geopixel_file())
    found = tensors.masks(sample)
    assert found.shape == (2, 48, 64)
    assert found.dtype == torch.uint8
    expected = [
        masks.rasterize(rings, (48, 64), "opencv")
        for rings in ([[[10, 10], [30, 10], [30, 30], [10, 30]]], [[[20, 20], [50, 20], [50, 40], [20, 40]]])
    ]
    np.testing.assert_array_equal(found.numpy(), np.stack(expected))
    assert tensors.masks(sample, dtype=torch.bool).dtype == torch.bool
    assert not torch.equal(tensors.masks(sample, rule="coco"), found)


def test_another_size_is_torchs_own_resize(geopixel_file: File) -> None:
    sample = one(geopixel_file())
    full = tensors.masks(sample)
    for rule in ("nearest", "nearest-exact"):
        expected = torch.nn.functional.interpolate(full[None], size=(24, 32), mode=rule)[0]
        assert torch.equal(tensors.masks(sample, size=32, resize=rule), expected)  # type: ignore[arg-type]
    assert tensors.masks(sample, size=(7, 5)).shape == (2, 7, 5)


def test_a_sample_without_objects(geopixel_file: File) -> None:
    sample = one(geopixel_file([]))
    assert tensors.masks(sample, size=32).shape == (0, 24, 32)


def video(videorefer_file: File, **extra: Any) -> Any:
    a, b = np.zeros((2, 6, 8), np.uint8)
    a[:2], b[:, 3:] = 1, 1
    first, second = ({"segmentation": dict(masks.encode(m))} for m in (a, b))
    return (
        one(
            videorefer_file([{"10": first, "2": second}, {"2": first, "7": {"segmentation": None}}], **extra)
        ),
        a,
        b,
    )


def test_masks_of_a_video_by_ascending_frame(videorefer_file: File) -> None:
    sample, a, b = video(videorefer_file)
    found = tensors.video_masks(sample)
    assert found.frames == [2, 7, 10]
    assert found.masks.shape == (2, 3, 6, 8)
    np.testing.assert_array_equal(found.masks[0].numpy(), np.stack([b, 0 * b, a]))
    np.testing.assert_array_equal(found.masks[1].numpy(), np.stack([a, 0 * a, 0 * a]))
    assert found.annotated.tolist() == [[True, False, True], [True, True, False]]
    with pytest.raises(DataError, match="2 masks"):
        tensors.masks(sample)


def test_frame_keys_that_are_no_numbers_or_meet(videorefer_file: File) -> None:
    mask = {"segmentation": dict(masks.encode(np.ones((4, 4), np.uint8)))}
    with pytest.raises(DataError, match="'first' is no frame number"):
        tensors.video_masks(one(videorefer_file([{"first": mask}])))
    with pytest.raises(DataError, match="two masks on frame 1"):
        tensors.video_masks(one(videorefer_file([{"1": mask, "01": mask}])))


def test_sizes_that_differ_need_an_exact_size(videorefer_file: File) -> None:
    small, large = ({"segmentation": dict(masks.encode(np.ones(s, np.uint8)))} for s in ((4, 4), (6, 8)))
    sample = one(videorefer_file([{"1": small}, {"1": large}]))
    with pytest.raises(DataError, match=r"object 1, frame 1 is 6 x 8, object 0, frame 1 is 4 x 4"):
        tensors.video_masks(sample, size=16)
    assert tensors.video_masks(sample, size=(3, 3)).masks.all()


def test_errors_name_object_and_ring(geopixel_file: File) -> None:
    sample = one(geopixel_file([[[[1, 1], [9, 1], [9, 9]]], [[[1, 1], [9, 1], [9, 9]], []]]))
    with pytest.raises(masks.RingError, match="object 1, ring 1"):
        tensors.masks(sample)
    Path("a.json").unlink()
    with pytest.raises(DataError, match="no such polygon file"):
        tensors.masks(sample)


def test_pictures_are_stored_pixels_unless_asked(tmp_path: Path) -> None:
    picture = Image.effect_noise((20, 10), 60).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    path = str(tmp_path / "turned.png")
    picture.save(path, exif=exif)
    stored = tensors.image(path)
    np.testing.assert_array_equal(stored.permute(1, 2, 0).numpy(), np.array(Image.open(path).convert("RGB")))
    assert stored.shape == (3, 10, 20)
    assert tensors.image(path, exif=True).shape == (3, 20, 10)
    small = tensors.image(path, size=10).permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(small, np.array(picture.resize((10, 5), Image.Resampling.BICUBIC)))
    with pytest.raises(DataError, match=r"gone\.png"):
        tensors.image(str(tmp_path / "gone.png"))


def test_frames_of_a_video_gif_and_folder(tmp_path: Path) -> None:
    import av

    path = str(tmp_path / "clip.mkv")
    pictures = [np.full((16, 24, 3), 20 * k, np.uint8) for k in range(5)]
    with av.open(path, "w") as container:
        stream = container.add_stream("ffv1", rate=5)
        stream.width, stream.height, stream.pix_fmt = 24, 16, "bgr0"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    found = tensors.frames(path, [3, 0, 3])
    assert found.shape == (3, 3, 16, 24)
    assert found[:, 0, 0, 0].tolist() == [60, 0, 60]
    with pytest.raises(DataError, match="5 frames, frame 9"):
        tensors.frames(path, [1, 9])
    (tmp_path / "folder").mkdir()
    for k, picture in enumerate(pictures):
        Image.fromarray(picture).save(tmp_path / "folder" / f"{k}.png")
    assert tensors.frames(str(tmp_path / "folder"), [4, 1])[:, 0, 0, 0].tolist() == [80, 20]
    images = [Image.fromarray(p) for p in pictures]
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:])
    assert tensors.frames(str(tmp_path / "a.gif"), [2])[0, 0, 0, 0].tolist() == 40
    for bad in ([7], [-1]):
        for name in ("a.gif", "folder"):
            with pytest.raises(DataError):
                tensors.frames(str(tmp_path / name), bad)
