"""VideoRefer v1: the masks under ``annotation`` and the frames they lie on (V06 to V10, V12 to V14, V16, V21)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from mmdata.checks.registry import SHAPE, Hit, check, part
from mmdata.checks.videorefer import VIDEOREFER
from mmdata.checks.view import MediaView, RecordView
from mmdata.finding import Edit

NO_OBJECTS = "r.annotation is UNSET"


class Placed(NamedTuple):
    """A mask and where it is: its object, its frame key, the JSON pointer of its segmentation."""

    object: int
    frame: str
    segmentation: Any
    pointer: str

    @property
    def name(self) -> str:
        """For messages."""
        return f"object {self.object}, frame {self.frame}" if self.frame else f"mask {self.object}"


def masks_of(record: RecordView) -> Iterator[Placed]:
    """The masks of a record, in the trainer's order: object, then key order."""
    objects = record.raw.get("annotation")
    for number, entry in enumerate(objects if isinstance(objects, list) else ()):
        for frame, value in entry.items() if isinstance(entry, dict) else ():
            if isinstance(value, dict) and "segmentation" in value:
                key = frame.replace("~", "~0").replace("/", "~1")
                yield Placed(number, frame, value["segmentation"], f"/annotation/{number}/{key}/segmentation")


def frame_number(key: str) -> int | None:
    """A frame key as `int` reads it, or None."""
    try:
        return int(key)
    except ValueError:
        return None


def shape_of(mask: Any, record: RecordView) -> tuple[int, int] | None:
    """(height, width) of a decoded mask: of the RLE itself, or of the record for polygons and uncompressed RLE."""
    if isinstance(mask, dict) and isinstance(mask.get("counts"), str):
        size = mask.get("size")
        if isinstance(size, list) and len(size) == 2 and all(type(n) is int for n in size):
            return size[0], size[1]
        return None
    height, width = record.raw.get("height"), record.raw.get("width")
    if mask is not None and type(height) is int and type(width) is int:
        return height, width
    return None


@check("V06", severity="error", formats=VIDEOREFER, guard=NO_OBJECTS)
def frame_key(record: RecordView) -> Iterator[Hit]:
    """A frame key is no number, or no frame of the video.

    Keys are absolute frame numbers of the decoded video, or positions in a folder's listing.

    Upstream: int() or the frame's look-up fails: the sample is replaced by a random one.
    Fix: Write the frame's number, counted from 0.
    Source: `videorefer/train.py`, `videorefer/mm_utils.py`.
    Bad (videorefer): {"video": "clip.mp4", "annotation": [{"first": {"segmentation": null}}], "conversations": [{"from": "human", "value": "<video>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    Bad (videorefer; media=header): {"video": "clip.mp4", "annotation": [{"8": {"segmentation": null}}], "conversations": [{"from": "human", "value": "<video>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    Good (videorefer; media=header): {"video": "clip.mp4", "annotation": [{"7": {"segmentation": null}}], "conversations": [{"from": "human", "value": "<video>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    """
    if record.kind == "video":
        for mask in masks_of(record):
            number = frame_number(mask.frame)
            if number is None or number < 0:
                yield Hit(
                    f"{mask.name}: {mask.frame!r} is no frame number",
                    mask.pointer.removesuffix("/segmentation"),
                )


@part("V06")
def frame_in_video(record: RecordView, media: MediaView) -> Iterator[Hit]:
    """Frame numbers against the video's frames."""
    for _, path, facts in media.videos[:1]:
        for mask in masks_of(record):
            number = frame_number(mask.frame)
            if facts.frames is not None and number is not None and number >= facts.frames:
                yield Hit(
                    f"{mask.name}: the video has {facts.frames} frames",
                    mask.pointer.removesuffix("/segmentation"),
                    related_path=path,
                )


@check("V07", severity="error", formats=VIDEOREFER, guard=NO_OBJECTS, fixable="sometimes")
def no_size(record: RecordView) -> Iterator[Hit]:
    """Polygons or an uncompressed RLE, and no `height` and `width`.

    Upstream: pycocotools gets None for a size: TypeError, the run crashes.
    Fix: Add height and width of the masks to the record.
    Source: `videorefer/mm_utils.py`, `annToMask`.
    Bad (videorefer): {"image": "a.png", "annotation": [{"0": {"segmentation": [[1, 1, 9, 1, 9, 9]]}}], "conversations": [{"from": "human", "value": "<image>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    Good (videorefer): {"image": "a.png", "height": 48, "width": 64, "annotation": [{"0": {"segmentation": [[1, 1, 9, 1, 9, 9]]}}], "conversations": [{"from": "human", "value": "<image>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    """
    if "height" in record.raw:
        return  # without `width` that is V08
    for mask in masks_of(record):
        listed = isinstance(mask.segmentation, dict) and isinstance(mask.segmentation.get("counts"), list)
        if listed or isinstance(mask.segmentation, list):
            size = mask.segmentation.get("size") if listed else None
            known = isinstance(size, list) and len(size) == 2 and all(type(n) is int and n > 0 for n in size)
            edits: tuple[Edit, ...] = ()
            if known and size and record.raw.get("width", size[1]) == size[1]:
                width = () if "width" in record.raw else (Edit("add", "/width", size[1]),)
                edits = (Edit("add", "/height", size[0]), *width)
            what = "an uncompressed RLE" if listed else "polygons"
            yield Hit(
                f"{mask.name} is {what}, and the record has no `height`{'' if 'width' in record.raw else ' and `width`'}",
                mask.pointer,
                edits=edits,
            )
            return


@check(
    "V08",
    severity="error",
    formats=VIDEOREFER,
    guard=f"{NO_OBJECTS} or r.height is UNSET or r.width is not UNSET",
)
def half_a_size(record: RecordView) -> Iterator[Hit]:
    """The record has an `annotation` and `height`, and no `width`.

    Without `height`, `width` is not read; without `annotation`, neither is.

    Upstream: KeyError: the run crashes.
    Fix: Give both.
    Source: `videorefer/train.py`.
    Bad (videorefer): {"image": "a.png", "height": 48, "annotation": [{"0": {"segmentation": null}}], "conversations": [{"from": "human", "value": "<image>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    Good (videorefer): {"image": "a.png", "height": 48, "width": 64, "annotation": [{"0": {"segmentation": null}}], "conversations": [{"from": "human", "value": "<image>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    """
    if "annotation" in record.raw and "height" in record.raw and "width" not in record.raw:
        yield Hit("`height` without `width`", "/height")


@check("V09", severity="error", formats=VIDEOREFER, guard=NO_OBJECTS)
def different_shapes(record: RecordView) -> Iterator[Hit]:
    """The masks of a record have different sizes.

    Upstream: stacking them into one array fails: the run crashes.
    Fix: Make all masks at one size.
    Source: `videorefer/train.py`.
    Bad (videorefer): {"image": "a.png", "annotation": [{"0": {"segmentation": {"size": [4, 4], "counts": "`0"}}}, {"0": {"segmentation": {"size": [2, 8], "counts": "`0"}}}], "conversations": [{"from": "human", "value": "<image>\\nCompare <region> and <region>."}, {"from": "gpt", "value": "Two dogs."}]}
    Good (videorefer): {"image": "a.png", "annotation": [{"0": {"segmentation": {"size": [4, 4], "counts": "`0"}}}, {"0": {"segmentation": {"size": [4, 4], "counts": "`0"}}}], "conversations": [{"from": "human", "value": "<image>\\nCompare <region> and <region>."}, {"from": "gpt", "value": "Two dogs."}]}
    """
    yield from unlike_first(masks_of(record), record)


@part("V09")
def null_beside_others(record: RecordView, media: MediaView) -> Iterator[Hit]:
    """A null mask is made at the size of the picture or video, the others at their own."""
    sizes = [(f.height, f.width) for _, _, f in media.images[:1]]
    sizes += [(f.height, f.width) for _, _, f in media.videos[:1]]
    masks = list(masks_of(record))
    null = next((mask for mask in masks if mask.segmentation is None), None)
    if null is None or not sizes or not all(sizes[0]):
        return
    for mask in masks:
        shape = shape_of(mask.segmentation, record)
        if shape is not None and shape != sizes[0]:
            yield Hit(
                f"{mask.name} is {shape[0]} x {shape[1]}, {null.name} is null and made at the size of the media, {sizes[0][0]} x {sizes[0][1]} (height x width)",
                mask.pointer,
            )
            return


@check("V10", severity="warning", formats=VIDEOREFER)
def warped_mask(record: RecordView, media: MediaView) -> Iterator[Hit]:
    """The masks have another size than the picture or video.

    Looked at from `--media header` on.

    Upstream: they are resized to the picture: a mask of another shape is warped, and nothing is said.
    Fix: Make the masks at the picture's size.
    Source: `videorefer/train.py`.
    Bad (videorefer; media=header): {"image": "a.png", "annotation": [{"0": {"segmentation": {"size": [4, 4], "counts": "`0"}}}], "conversations": [{"from": "human", "value": "<image>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    Good (videorefer; media=header): {"image": "a.png", "annotation": [{"0": {"segmentation": {"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}}}], "conversations": [{"from": "human", "value": "<image>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    """
    looked_at = [(path, f.width, f.height) for _, path, f in media.images[:1]] + [
        (path, f.width, f.height) for _, path, f in media.videos[:1]
    ]
    for path, width, height in looked_at[:1]:
        for mask in masks_of(record):
            shape = shape_of(mask.segmentation, record)
            if width and height and shape is not None and shape != (height, width):
                yield Hit(
                    f"{mask.name} is {shape[0]} x {shape[1]}, the picture {height} x {width} (height x width)",
                    mask.pointer,
                    related_path=path,
                )
                return


@check("V12", severity="warning", formats=VIDEOREFER, guard=NO_OBJECTS)
def gif_order(record: RecordView) -> Iterator[Hit]:
    """A gif has masks on several frames.

    Upstream: a gif's frames come back in ascending order, and the masks count them in the order of a Python set, which differs from run to run: masks lie on the wrong frames.
    Fix: Put all masks on one frame, or make a video or a folder of frames of the gif.
    Source: `videorefer/train.py`, `all_frames`; `videorefer/mm_utils.py`, the gif branch of `process_video`.
    Bad (videorefer): {"video": "clip.gif", "annotation": [{"1": {"segmentation": null}, "3": {"segmentation": null}}], "conversations": [{"from": "human", "value": "<video>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    Good (videorefer): {"video": "clip.gif", "annotation": [{"1": {"segmentation": null}}], "conversations": [{"from": "human", "value": "<video>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    """
    video, objects = record.raw.get("video"), record.raw.get("annotation")
    if record.kind != "video" or not isinstance(video, str) or not video.endswith(".gif"):
        return
    entries = objects if isinstance(objects, list) else []
    frames = {frame for entry in entries if isinstance(entry, dict) for frame in entry}
    if len(frames) > 1:
        yield Hit(f"the masks lie on {len(frames)} frames of a gif", "/annotation")


@check("V13", severity="warning", formats=VIDEOREFER)
def messy_folder(record: RecordView, media: MediaView) -> Iterator[Hit]:
    """A folder of frames holds other files, or numbers without leading zeros.

    Looked at from `--media header` on.

    Upstream: every entry of the folder counts as a frame, in the order of their names: 10 comes before 2, and other files fail to open.
    Fix: Remove the other files; pad the numbers with zeros.
    Source: `videorefer/mm_utils.py`, sorted(os.listdir(…)).
    Bad (videorefer; media=header): {"video": "messy", "conversations": [{"from": "human", "value": "<video>\\nWhat happens?"}, {"from": "gpt", "value": "Nothing."}]}
    Good (videorefer; media=header): {"video": "frames", "conversations": [{"from": "human", "value": "<video>\\nWhat happens?"}, {"from": "gpt", "value": "Nothing."}]}
    """
    del record
    for ref, path, facts in media.videos:
        if facts.directory is not None and facts.directory.stray_count:
            names = ", ".join(list(facts.directory.strays)[:3])
            yield Hit(
                f"{ref.path} holds {facts.directory.stray_count} entries that are no pictures: {names}",
                ref.pointer,
                related_path=path,
            )
        if facts.directory is not None and facts.directory.unpadded:
            yield Hit(
                f"the frame numbers of {ref.path} have no leading zeros: they sort wrongly",
                ref.pointer,
                related_path=path,
            )


@check("V14", severity="error", formats=VIDEOREFER, guard=NO_OBJECTS)
def frames_of_image(record: RecordView) -> Iterator[Hit]:
    """An object of a picture has no frame key, or several.

    Upstream: a picture has one frame: further masks are ignored, and without one the run stops in a debugger and hangs.
    Fix: Give each object exactly one key.
    Source: `videorefer/train.py`.
    Bad (videorefer): {"image": "a.png", "annotation": [{"0": {"segmentation": null}, "1": {"segmentation": null}}], "conversations": [{"from": "human", "value": "<image>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    Good (videorefer): {"image": "a.png", "annotation": [{"0": {"segmentation": null}}], "conversations": [{"from": "human", "value": "<image>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    """
    objects = record.raw.get("annotation")
    if "image" in record.raw and isinstance(objects, list):
        for number, entry in enumerate(objects):
            if isinstance(entry, dict) and len(entry) != 1:
                yield Hit(f"object {number} of a picture has {len(entry)} frames", f"/annotation/{number}")


@check("V16", severity="error", formats=VIDEOREFER, guard=NO_OBJECTS)
def bad_polygon(record: RecordView) -> Iterator[Hit]:
    """A polygon is not a flat list of at least six numbers.

    Lists of [x, y] points, boxes of four numbers, odd numbers of coordinates.

    Upstream: pycocotools raises TypeError, takes the list for something else, or ignores the last number.
    Fix: Write x1, y1, x2, y2, … in one list for each part.
    Source: pycocotools `frPyObjects`.
    Bad (videorefer): {"image": "a.png", "height": 48, "width": 64, "annotation": [{"0": {"segmentation": [[[1, 1], [9, 1], [9, 9]]]}}], "conversations": [{"from": "human", "value": "<image>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    Good (videorefer): {"image": "a.png", "height": 48, "width": 64, "annotation": [{"0": {"segmentation": [[1, 1, 9, 1, 9, 9]]}}], "conversations": [{"from": "human", "value": "<image>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    """
    for mask in masks_of(record):
        if isinstance(mask.segmentation, list):
            yield from polygon_faults(mask)


def unlike_first(masks: Iterable[Placed], record: RecordView) -> Iterator[Hit]:
    """The first mask of another size than the masks before it, as a hit."""
    first: tuple[Placed, tuple[int, int]] | None = None
    for mask in masks:
        shape = shape_of(mask.segmentation, record)
        if shape is None:
            continue
        if first is None:
            first = mask, shape
        elif shape != first[1]:
            yield Hit(
                f"{mask.name} is {shape[0]} x {shape[1]}, {first[0].name} is {first[1][0]} x {first[1][1]} (height x width)",
                mask.pointer,
            )
            return


def polygon_faults(mask: Placed) -> Iterator[Hit]:
    """The faults of flat polygons, as hits."""
    from mmdata.masks.flat_polygons import flat_faults

    for fault in flat_faults(mask.segmentation):
        yield Hit(f"{mask.name}: {fault.message}", f"{mask.pointer}{fault.pointer}")


def rle_fault(mask: Placed) -> Iterator[Hit]:
    """Why an RLE does not decode to a mask of its size, as a hit."""
    from mmdata.masks.rle import check as check_rle
    from mmdata.masks.run_lengths import RLEError

    if isinstance(mask.segmentation, dict) and {"size", "counts"} <= mask.segmentation.keys():
        try:
            check_rle(mask.segmentation)
        except RLEError as error:
            place = "size" if error.kind in ("size", "limit") else "counts"
            yield Hit(f"{mask.name}: {error}", f"{mask.pointer}/{place}")


@check("V21", severity="error", formats=VIDEOREFER, guard=NO_OBJECTS)
def broken_rle(record: RecordView) -> Iterator[Hit]:
    """An RLE does not decode to a mask of its size.

    Upstream: pycocotools raises, or fills the rest of the mask with whatever lies in memory and says nothing.
    Fix: Encode the mask anew.
    Source: pycocotools `mask.decode`.
    Bad (videorefer): {"image": "a.png", "annotation": [{"0": {"segmentation": {"size": [48, 64], "counts": "04"}}}], "conversations": [{"from": "human", "value": "<image>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    Good (videorefer): {"image": "a.png", "annotation": [{"0": {"segmentation": {"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}}}], "conversations": [{"from": "human", "value": "<image>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    """
    for mask in masks_of(record):
        yield from rle_fault(mask)


__all__ = [
    "SHAPE",
    "Placed",
    "frame_number",
    "masks_of",
    "polygon_faults",
    "rle_fault",
    "shape_of",
    "unlike_first",
]
