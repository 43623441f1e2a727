"""InternVL: tokens and tiles against the limits of the run (I14, I19, I20); needs `--assume` and pictures' sizes."""

from __future__ import annotations

from collections.abc import Iterator

from mmdata.checks.internvl import INTERNVL
from mmdata.checks.registry import Hit, check
from mmdata.checks.view import MediaView, RecordView


def _sizes(media: MediaView) -> list[tuple[int, int] | None]:
    return [
        (f.width, f.height) if f.width and f.height else None
        for ref, _, f in media.images
        if ref.kind == "image"
    ]


def _tiles(record: RecordView, media: MediaView) -> int | None:
    """Tiles of all pictures, thumbnails included; None where a size is not known."""
    from mmdata.tiling import internvl_tiles

    sizes = [size for size in _sizes(media) if size is not None]
    if not sizes or len(sizes) != len(record.images):
        return None
    return sum(internvl_tiles(sizes, max_tiles=record.assume("max_dynamic_patch") or 12))


@check("I14", severity="error", formats=INTERNVL)
def image_tokens_cut(record: RecordView, media: MediaView) -> Iterator[Hit]:
    """The pictures' tokens reach beyond the token limit.

    Needs `--assume max_length=N` and `--media header`.

    Upstream: the cut sample has fewer image tokens than tiles: the sample is replaced by a random one.
    Fix: Use fewer tiles (max_dynamic_patch), fewer pictures, or a larger limit.
    Source: `internvl/train/dataset.py`, the check of image tokens.
    Bad (internvl; media=header; max_length=200; max_dynamic_patch=1): {"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\nWhat is it?"}, {"from": "gpt", "value": "A dog."}]}
    Good (internvl; media=header; max_length=4096; max_dynamic_patch=1): {"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\nWhat is it?"}, {"from": "gpt", "value": "A dog."}]}
    """
    from mmdata.tiling import internvl_tile_tokens

    limit, tiles = record.assume("max_length"), _tiles(record, media)
    if limit is not None and tiles is not None and tiles * internvl_tile_tokens() > limit:
        yield Hit(
            f"{tiles} tiles are {tiles * internvl_tile_tokens()} image tokens; the trainer keeps {limit} tokens",
            "/image",
        )


@check("I19", severity="warning", formats=INTERNVL)
def too_many_tiles(record: RecordView, media: MediaView) -> Iterator[Hit]:
    """A sample has more tiles than a packed sequence may hold.

    Needs `--assume num_images_expected=N` and `--media header`.

    Upstream: the sample is dropped.
    Fix: Use fewer tiles (max_dynamic_patch) or fewer pictures, or raise num_images_expected.
    Source: `internvl/train/dataset_packed.py`.
    Bad (internvl; media=header; num_images_expected=1; max_dynamic_patch=1): {"image": ["a.png", "b.png"], "conversations": [{"from": "human", "value": "<image>\\n<image>\\nWhich?"}, {"from": "gpt", "value": "The first."}]}
    Good (internvl; media=header; num_images_expected=4; max_dynamic_patch=1): {"image": ["a.png", "b.png"], "conversations": [{"from": "human", "value": "<image>\\n<image>\\nWhich?"}, {"from": "gpt", "value": "The first."}]}
    """
    limit, tiles = record.assume("num_images_expected"), _tiles(record, media)
    if limit is not None and tiles is not None and tiles > limit:
        yield Hit(f"{tiles} tiles; a packed sequence holds {limit}", "/image")


@check("I20", severity="error", formats=INTERNVL)
def over_packed_limit(record: RecordView, media: MediaView) -> Iterator[Hit]:
    """A sample has more tokens than a packed sequence may hold.

    Needs `--assume max_packed_tokens=N` and `--media header`; `--tokenizer DIR` counts exactly.

    Upstream: the sample is split, and the number of image starts in a part is asserted against its tiles: the assertion fails under dynamic tiling and for text.
    Fix: Shorten the sample, or raise max_packed_tokens.
    Source: `internvl/train/dataset_packed.py`, `split_buffer`.
    Bad (internvl; media=header; max_packed_tokens=200; max_dynamic_patch=1): {"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\nWhat is it?"}, {"from": "gpt", "value": "A dog."}]}
    Good (internvl; media=header; max_packed_tokens=4096; max_dynamic_patch=1): {"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\nWhat is it?"}, {"from": "gpt", "value": "A dog."}]}
    """
    limit = record.assume("max_packed_tokens")
    if limit is None or media.level not in ("header", "decode"):
        return
    from mmdata.tiling import internvl_tile_tokens
    from mmdata.tokens import sample_tokens

    count, tiles = sample_tokens(record, _sizes(media)), _tiles(record, media)
    if count.n <= limit:
        return
    shown = f"{'' if count.exact else 'about '}{count.n}"
    message = f"the sample has {shown} tokens; a packed sequence holds {limit}"
    if tiles is None or tiles != len(record.images):
        yield Hit(message, "")
    elif internvl_tile_tokens() + 2 > limit:
        yield Hit(message, "", upstream="a single picture does not fit: the sample is split without end")
    else:
        upstream = (
            "one tile a picture: the sample is split between pictures, and each part is trained for itself"
        )
        yield Hit(message, "", severity="warning", upstream=upstream)
