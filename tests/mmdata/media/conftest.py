"""Pictures and videos made for the tests."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from PIL import Image


def picture(width=64, height=48, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def write_video(path, frames=12, *, codec="mpeg4", size=(64, 48), variable=False, sound_only=False):
    import av

    with av.open(str(path), "w") as container:
        if sound_only:
            stream = container.add_stream("aac", rate=16000)
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            frame.rate = 16000
            container.mux(stream.encode(frame))
            container.mux(stream.encode())
            return path
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 600) if variable else Fraction(1, 25)
        for i in range(frames):
            pixels = np.random.default_rng(i).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            if variable:
                frame.pts, frame.time_base = i * 24 + (i % 3) * 7, Fraction(1, 600)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture
def make_picture():
    return picture


@pytest.fixture
def make_video():
    return write_video
