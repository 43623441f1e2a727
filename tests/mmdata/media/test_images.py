"""Every way a picture can be wrong has its name; a good one is measured as Pillow measures it."""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mmdata.media.images import MAX_PIXELS, ImageFacts, probe


def encoded(image, format_, **options):
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def exif(orientation):
    block = Image.Exif()
    block[0x0112] = orientation
    return block


PIXELS = np.random.default_rng(0).integers(0, 256, (37, 53, 4), dtype=np.uint8)
MODES = {
    "RGB": Image.fromarray(PIXELS[..., :3]),
    "RGBA": Image.fromarray(PIXELS),
    "L": Image.fromarray(PIXELS[..., 0]),
    "1": Image.fromarray(PIXELS[..., 0]).convert("1"),
    "P": Image.fromarray(PIXELS[..., :3]).convert("P"),
    "LA": Image.fromarray(PIXELS).convert("LA"),
    "CMYK": Image.fromarray(PIXELS[..., :3]).convert("CMYK"),
    "I;16": Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 200),
}
GOOD = [
    ("JPEG", "RGB", {}),
    ("JPEG", "L", {}),
    ("JPEG", "CMYK", {}),
    ("JPEG", "RGB", {"progressive": True}),
    ("JPEG", "RGB", {"icc_profile": b"x" * 150_000, "exif": exif(8)}),
    *(("JPEG", "RGB", {"exif": exif(n)}) for n in range(1, 9)),
    ("PNG", "RGB", {}),
    ("PNG", "RGBA", {}),
    ("PNG", "L", {}),
    ("PNG", "1", {}),
    ("PNG", "P", {}),
    ("PNG", "LA", {}),
    ("PNG", "I;16", {}),
    ("PNG", "RGB", {"exif": exif(6)}),
    ("GIF", "P", {}),
    ("WEBP", "RGB", {}),
    ("WEBP", "RGB", {"lossless": True}),
    ("WEBP", "RGBA", {"lossless": True}),
    ("WEBP", "RGB", {"exif": exif(6)}),
    ("BMP", "RGB", {}),
    ("BMP", "L", {}),
    ("TIFF", "RGB", {"exif": exif(3)}),
    ("PPM", "RGB", {}),
]


@pytest.mark.parametrize(("format_", "mode", "options"), GOOD)
@pytest.mark.parametrize("level", ["header", "decode"])
def test_good_pictures_are_measured_as_pillow_does(tmp_path, format_, mode, options, level):
    path = tmp_path / "picture.dat"  # the name tells nothing
    path.write_bytes(encoded(MODES[mode], format_, **options))
    facts = probe(str(path), level)
    with Image.open(path) as image:
        assert (facts.problem, facts.detail, facts.hint) == (None, "", "")
        assert (facts.width, facts.height) == image.size == (53, 37)
        assert facts.format == image.format
        assert facts.orientation == image.getexif().get(0x0112, 1)
        assert facts.mode in (image.mode, None)
        assert level == "header" or facts.mode == image.mode


NOISE = encoded(
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (200, 200, 3), dtype=np.uint8)), "JPEG"
)
BAD = {
    "missing": (None, "no such file"),
    "empty": (b"", "0 bytes"),
    "lfs-pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7\nsize 12345\n", "git-lfs"),
    "html": (b"\n<!DOCTYPE html><html><body>404</body></html>", "web page"),
    "video": (b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00" + b"\x00" * 600, "video"),
    "not-an-image": (b'{"error": "not found"}', '{"error"'),
}


@pytest.mark.parametrize("level", ["exists", "header", "decode"])
@pytest.mark.parametrize("problem", BAD)
def test_what_is_no_picture_is_named(tmp_path, problem, level):
    content, said = BAD[problem]
    path = tmp_path / "a.jpg"
    if content is not None:
        path.write_bytes(content)
    facts = probe(str(path), level)
    if level == "exists" and problem not in ("missing", "empty"):
        assert facts == ImageFacts()
    else:
        assert facts.problem == problem
        assert said in facts.detail


@pytest.mark.parametrize("level", ["exists", "header", "decode"])
def test_what_cannot_be_opened_is_named(tmp_path, level):
    os.mkfifo(tmp_path / "pipe.jpg")
    assert probe(str(tmp_path), level).problem == "directory"
    assert probe(str(tmp_path / "pipe.jpg"), level).problem == "unreadable"
    assert probe("/dev/zero", level).problem == "unreadable"
    assert probe(str(tmp_path / "a.jpg" / "b.jpg"), level).problem == "missing"
    for name in ("", "a\x00b.jpg", "\ud800.jpg", "x" * 5000):
        assert probe(name, level).problem == "missing"


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "BMP"])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.95])
def test_truncated_pictures(tmp_path, format_, kept):
    data = encoded(Image.open(io.BytesIO(NOISE)), format_)
    path = tmp_path / "cut.png"
    path.write_bytes(data[: int(len(data) * kept)])
    decoded = probe(str(path), "decode")
    assert decoded.problem == "truncated"
    assert (decoded.width, decoded.height) == (200, 200)
    header = probe(str(path), "header")
    if format_ in ("PNG", "WEBP"):
        assert header.problem == "truncated"
    else:
        assert header.problem is None
        assert bool(header.hint) == (format_ == "JPEG")


def test_a_cut_that_loses_no_pixel_is_a_hint_at_most(tmp_path):
    for format_, missing in (("PNG", 12), ("PNG", 16)):
        path = tmp_path / f"{missing}.{format_}"
        path.write_bytes(encoded(MODES["RGB"], format_)[:-missing])
        with Image.open(path) as image:
            image.load()
        assert probe(str(path), "header").problem is None
        assert probe(str(path), "header").hint
        assert probe(str(path), "decode").problem is None
        assert probe(str(path), "decode").hint == ""


def test_a_jpeg_without_its_end_marker_is_for_the_decoder_to_judge(tmp_path):
    path = tmp_path / "open.jpg"
    path.write_bytes(NOISE[:-2])
    facts = probe(str(path), "header")
    assert facts.problem is None
    assert "end marker" in facts.hint


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "GIF"])
def test_bytes_after_the_end_do_no_harm(tmp_path, format_):
    path = tmp_path / "longer"
    path.write_bytes(encoded(MODES["P" if format_ == "GIF" else "RGB"], format_) + b"\x00" * 100)
    for level in ("header", "decode"):
        assert probe(str(path), level).problem is None


def test_a_small_file_that_claims_a_huge_picture_is_not_decoded(tmp_path):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    path = tmp_path / "bomb.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"x") + chunk(b"IEND", b"")
    )
    for level in ("header", "decode"):
        facts = probe(str(path), level)
        assert (facts.problem, facts.width, facts.height) == ("too-large", 60_000, 60_000)
    path.write_bytes(b"P6 60000 60000 255\n")  # a format that only Pillow reads
    assert probe(str(path), "header").problem == "too-large"
    with pytest.raises(Image.DecompressionBombError):
        Image.open(path)
    assert Image.MAX_IMAGE_PIXELS * 2 == MAX_PIXELS


def test_pillow_is_not_let_warn(tmp_path):
    path = tmp_path / "wide.ppm"
    path.write_bytes(b"P6 10000 10000 255\n")  # between Pillow's warning and its limit
    assert probe(str(path), "header").problem is None
    with pytest.warns(Image.DecompressionBombWarning):
        Image.open(path).close()


SEEDS = [encoded(MODES[mode], format_, **options) for format_, mode, options in GOOD]


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 2000), st.binary(min_size=1, max_size=6)), max_size=4),
    st.integers(0, 6000),
)
def test_no_damage_raises_and_decoding_finds_what_pillow_finds(tmp_path_factory, seed, patches, kept):
    data = bytearray(seed)
    for at, patch in patches:
        data[at : at + len(patch)] = patch
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(bytes(data[:kept]))
    header, decoded = probe(str(path), "header"), probe(str(path), "decode")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(path)
        with image:
            image.load()
            good, size = True, image.size
    except Exception:  # whatever a damaged file draws from Pillow
        good = False
    if good:
        assert decoded.problem is None
        assert (decoded.width, decoded.height) == size
        assert header.problem is None
    else:
        assert decoded.problem is not None
        assert decoded.detail


def test_urls_are_opened_only_on_request(tmp_path):
    from fsspec.implementations.memory import MemoryFileSystem

    store = MemoryFileSystem()
    store.pipe("/bucket/good.png", encoded(MODES["RGB"], "PNG"))
    store.pipe("/bucket/empty.png", b"")
    assert probe("memory://bucket/none.png", "header") == ImageFacts()
    good = probe("memory://bucket/good.png", "decode", remote=True)
    assert (good.problem, good.width, good.height) == (None, 53, 37)
    for level in ("exists", "header"):
        assert probe("memory://bucket/empty.png", level, remote=True).problem == "empty"
        assert probe("memory://bucket/none.png", level, remote=True).problem == "missing"
        assert probe("nosuchscheme://x/y.png", level, remote=True).problem == "unreadable"
