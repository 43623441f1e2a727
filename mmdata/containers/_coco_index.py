"""Where the entries of a COCO file lie, found in one pass: 24 bytes an annotation, whatever its mask is."""

from __future__ import annotations

import mmap
from array import array
from typing import Any

import msgspec
import orjson

from mmdata.containers import Fault
from mmdata.containers._outline import Ending, Span, outline
from mmdata.io.jsontext import JSONProblem, parse, problem

LISTS = ("images", "annotations", "categories")
"""The keys of the file whose entries are read one by one."""


class Index:
    """Where everything lies in an annotations file, and which annotation belongs to which image.

    Attributes:
        images: start and end of each image's entry.
        places: start and end of each annotation.
        category_of: of each annotation, the number of its category (see `category_text`).
        categories: id -> text of the entry; the last of an id wins, as in pycocotools.
        head: what stands beside the lists, as JSON; None where nothing does.
        faults: what is wrong with the file as a whole.
        notes: record -> what is wrong with it that its own text does not show.
        total: records.
        bearer: the record that `head` rides with: the first with which nothing is wrong.
    """

    def __init__(self, data: mmap.mmap | bytes) -> None:
        self._data = data
        self.images = array("q")
        self.places = array("q")
        self.categories: dict[Any, bytes] = {}
        self.head: bytes | None = None
        self.faults: list[Fault] = []
        self.notes: dict[int, list[str]] = {}
        self._keys: dict[Any, int] = {}
        self._slot_of = array("q")
        self._owners = array("q")
        self._ids = array("q")
        self.category_of = array("l")
        self._kinds: dict[Any, int] = {}
        self._kind_ids: list[Any] = []
        self._odd_ids: dict[Any, list[int]] = {}
        self._listed: list[bytes] = []
        self._beside: list[tuple[str, bytes]] = []
        self._order: list[str] = []
        self._named_again: dict[int, list[int]] = {}
        for item in outline(data, LISTS):
            if isinstance(item, Ending):
                self._ending(item)
            elif not isinstance(item, tuple):
                self._entry(item.key, item.value)
            elif item[0] == "images":
                self._image(item[1])
            elif item[0] == "annotations":
                self._annotation(item[1])
            else:
                self._category(item[1])
        self._arrange()

    def annotations_of(self, number: int) -> list[int]:
        """The numbers of a record's annotations, in the file's order."""
        found: list[int] = self._sorted[self._bounds[number] : self._bounds[number + 1]].tolist()
        return found

    def _ending(self, item: Ending) -> None:
        if not item.whole:
            text = "the file ends in the middle of its object; what came before is read"
            self.faults.append(Fault("truncated", text))
        elif item.rest:
            self.faults.append(Fault("stray", f"text after the object, at byte {item.at}"))

    def _entry(self, key: str, span: Span) -> None:
        self._order.append(key)
        text = self._data[span.start : span.end]
        if key in LISTS and text[:1] == b"[":
            return
        wrong = problem(text)
        if not key or wrong is not None:
            why = f": {wrong.message}" if wrong is not None else ""
            self.faults.append(Fault("syntax", f"text at byte {span.start} is no key with a value{why}"))
        elif key in LISTS:
            self.faults.append(Fault("stray", f"`{key}` is no list, at byte {span.start}"))
        else:
            self._beside.append((key, text))

    def _key(self, value: Any) -> int:
        name = value if _hashable(value) else ("unhashable", repr(value))
        number = self._keys.get(name)
        if number is None:
            number = self._keys[name] = len(self._slot_of)
            self._slot_of.append(-1)
        return number

    def _image(self, span: Span) -> None:
        slot = len(self.images) // 2
        self.images.extend(span)
        value = _parsed(self._data, span)
        if not isinstance(value, dict) or value.get("id") is None:
            self._note(slot, "the image has no `id`, so that no annotation can name it")
            return
        number = self._key(value["id"])
        earlier = self._slot_of[number]
        if earlier >= 0:
            self._named_again.setdefault(number, [earlier]).append(slot)
        self._slot_of[number] = slot

    def _annotation(self, span: Span) -> None:
        try:
            # Most of an annotation is its mask, which is passed over here.
            one = _DECODE(self._data[span.start : span.end])
            image, own, category = one.image_id, one.id, one.category_id
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            value = _parsed(self._data, span)
            image, own, category = None, None, None
            if isinstance(value, dict):
                image, own, category = value.get("image_id"), value.get("id"), value.get("category_id")
        else:
            value = {}
        if not isinstance(value, dict):
            text = self._data[span.start : min(span.end, span.start + 60)].decode("utf-8", "replace")
            self.faults.append(
                Fault("syntax", f"the annotation at byte {span.start} is no JSON object: {text!r}")
            )
            return
        number = len(self._owners)
        self.places.extend(span)
        self._owners.append(self._key(image))
        self.category_of.append(self._kind(category))
        if type(own) is int and -(1 << 62) < own < 1 << 62:
            self._ids.append(own)
        else:
            self._ids.append(_NO_ID)
            self._odd_ids.setdefault(own if _hashable(own) else repr(own), []).append(number)

    def _kind(self, category: Any) -> int:
        """A small number for the id of a category; -1 for what can be none."""
        if isinstance(category, (list, dict)):
            return -1
        number = self._kinds.get(category)
        if number is None:
            number = self._kinds[category] = len(self._kind_ids)
            self._kind_ids.append(category)
        return number

    def category_text(self, number: int) -> bytes | None:
        """The entry of a category by that number; None where there is none."""
        return self.categories.get(self._kind_ids[number]) if number >= 0 else None

    def _category(self, span: Span) -> None:
        value = _parsed(self._data, span)
        text = self._data[span.start : span.end]
        if not isinstance(value, dict) or not _hashable(value.get("id")) or value.get("id") is None:
            self.faults.append(Fault("stray", f"the category at byte {span.start} is no object with an `id`"))
            return
        if value["id"] in self.categories:
            self.faults.append(
                Fault("stray", f"category id {value['id']} comes twice, again at byte {span.start}")
            )
        self._listed.append(text)
        self.categories[value["id"]] = text

    def _note(self, slot: int, text: str) -> None:
        self.notes.setdefault(slot, []).append(text)

    def _arrange(self) -> None:
        """Give every annotation its record, and say what is wrong between records."""
        import numpy as np

        slots = np.frombuffer(self._slot_of, np.int64).copy() if self._slot_of else np.zeros(0, np.int64)
        owners = np.frombuffer(self._owners, np.int64) if self._owners else np.zeros(0, np.int64)
        named = np.zeros(slots.size, bool)
        named[owners] = True
        strangers = np.flatnonzero(named & (slots < 0))
        count = len(self.images) // 2
        slots[strangers] = np.arange(count, count + strangers.size)
        self.total = count + int(strangers.size)
        owners = slots[owners]
        self._sorted = np.argsort(owners, kind="stable")
        self._bounds = np.searchsorted(owners[self._sorted], np.arange(self.total + 1))
        if strangers.size:
            missing = set(strangers.tolist())
            for name, number in self._keys.items():
                if number in missing:
                    self._note(
                        int(slots[number]), f"no image has the id {_shown(name)} that annotations name"
                    )
        if self._named_again:
            names = {number: name for name, number in self._keys.items() if number in self._named_again}
            for number, records in self._named_again.items():
                for slot in records:
                    self._note(slot, f"{len(records)} images have the id {_shown(names[number])}")
        self._twice(np, owners)
        if self._beside or self._listed:
            pieces = [orjson.dumps(key) + b":" + text for key, text in self._beside]
            whole = b",".join(self._listed)
            self.head = (
                b'{"keys":' + orjson.dumps(self._order) + b',"categories":[' + whole + b"]"
                + (b',"others":{' + b",".join(pieces) + b"}" if pieces else b"") + b"}"
            )  # fmt: skip
        self.bearer = next((slot for slot in range(count) if slot not in self.notes), 0)
        del self._keys, self._slot_of, self._owners, self._ids, self._odd_ids

    def _twice(self, np: Any, owners: Any) -> None:
        """Annotation ids that come twice, or are missing."""
        ids = np.frombuffer(self._ids, np.int64) if self._ids else np.zeros(0, np.int64)
        order = np.argsort(ids, kind="stable")
        ordered = ids[order]
        again = np.zeros(ids.size, bool)
        if ids.size > 1:
            same = (ordered[1:] == ordered[:-1]) & (ordered[1:] != _NO_ID)
            again[order[1:][same]] = True
            again[order[:-1][same]] = True
        for place in np.flatnonzero(again).tolist():
            self._note(
                int(owners[place]), f"annotation id {int(ids[place])} comes more than once in the file"
            )
        for name, places in self._odd_ids.items():
            for place in places:
                if name is None:
                    self._note(int(owners[place]), "an annotation has no `id`")
                elif len(places) > 1:
                    self._note(
                        int(owners[place]), f"annotation id {_shown(name)} comes more than once in the file"
                    )


_NO_ID = -(1 << 63)


class _Ids(msgspec.Struct):
    """What an annotation says of others."""

    image_id: Any = None
    id: Any = None
    category_id: Any = None


_DECODE = msgspec.json.Decoder(_Ids).decode


def _parsed(data: mmap.mmap | bytes, span: Span) -> Any:
    return loads(data[span.start : span.end])


def loads(text: bytes) -> Any:
    """The value of a JSON text as Python's parser sees it; None where it is none."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        try:
            return parse(text)
        except JSONProblem:
            return None


def _hashable(value: Any) -> bool:
    return not isinstance(value, (list, dict))


def _shown(name: Any) -> str:
    return name[1] if isinstance(name, tuple) else repr(name)


__all__ = ["LISTS", "Index", "loads"]
