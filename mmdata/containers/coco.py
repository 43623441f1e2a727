"""COCO instances: one JSON object with lists of images, annotations and categories; a record is an image.

A record joins what COCO keeps apart::

    {"image": {…}, "annotations": [{…}, …], "categories": [those that the annotations name]}

Annotations need not be sorted: one pass notes where each lies (24 bytes an annotation), a second reads them image by
image. Annotations of an image that is not there come last, as records without an image. What stands beside the lists
(``info``, ``licenses``, categories that nothing names, unknown keys) rides with the first sound record, under ``mmdata_file``, so
that it comes back when COCO is written again. The carry lies in the image's own entry.
"""

from __future__ import annotations

import mmap
import os
import re
import shutil
from array import array
from collections.abc import Iterator
from typing import IO, Any

import msgspec
import orjson

from mmdata.containers import Container, Fault, Row, WriteJob
from mmdata.containers._outline import Ending, Span, outline
from mmdata.converting import carry
from mmdata.io.jsontext import JSONProblem, parse, problem

CARRY = "mmdata_carry"

LISTS = ("images", "annotations", "categories")

_HINT = re.compile(rb'"(?:images|annotations|categories)"\s*:\s*\[')


def recognise(head: bytes) -> bool:
    """An object with a list of images or annotations as COCO has them, before any conversation."""
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] != b"{" or not _HINT.search(head):
        return False
    for item in outline(head, LISTS):
        if isinstance(item, tuple):
            key, span = item
            try:
                value = orjson.loads(head[span.start : span.end])
            except orjson.JSONDecodeError:
                value = None
            if not isinstance(value, dict):
                # A first entry that is longer than what is looked at, such as one with a large carry.
                return key == "images" and span.end >= len(head) and b'"file_name"' in head[span.start :]
            if key == "images":
                return "file_name" in value or ("id" in value and "width" in value)
            if key == "annotations":
                return "image_id" in value
        elif isinstance(item, Ending) or item.key in ("conversations", "messages", "conversation"):
            return False
        elif (
            item.key in ("images", "annotations")
            and b'"categories"' in head
            and not head[item.value.start : item.value.end].strip(b"[] \t\r\n")
        ):
            # An empty list: the other one decides, or the file has neither picture nor annotation.
            return True
    return False


class CocoRows:
    """An annotations file, read image by image."""

    def __init__(self, path: str, shown: str) -> None:
        del shown
        self._file = open(path, "rb")  # noqa: SIM115 - `close` closes it
        self._map: mmap.mmap | bytes = b""
        if os.fstat(self._file.fileno()).st_size:
            self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        self._index: _Index | None = None

    def close(self) -> None:
        """Close the file."""
        if isinstance(self._map, mmap.mmap):
            self._map.close()
        self._map = b""
        self._file.close()

    def member(self, locator: str) -> bytes:
        """COCO files hold no media."""
        raise KeyError(locator)

    def count(self) -> int:
        """Images, and ids that annotations name and no image has."""
        return self._indexed().total

    def rows(self, first: int = 0) -> Iterator[Row]:
        """The images in the file's order, then annotations without an image, grouped by the id that they name."""
        index = self._indexed()
        if first == 0:
            yield from index.faults
        for number in range(first, index.total):
            yield self._row(index, number)

    def _indexed(self) -> _Index:
        if self._index is None:
            self._index = _Index(self._map)
        return self._index

    def _row(self, index: _Index, number: int) -> Row:
        image, carried = b"null", b""
        if number < len(index.images) // 2:
            image = self._map[index.images[2 * number] : index.images[2 * number + 1]]
            if wrong := problem(image):
                return Fault(wrong.kind, f"the image's entry: {wrong.message}", image)
            if b'"mmdata_carry"' in image:
                value = _loads(image)
                if isinstance(value, dict) and CARRY in value:
                    carried = orjson.dumps(value.pop(CARRY))
                    image = orjson.dumps(value)
        places = index.annotations_of(number)
        pieces = [self._map[index.places[2 * k] : index.places[2 * k + 1]] for k in places]
        used = dict.fromkeys(index.category_of[k] for k in places)
        known = [text for k in used if (text := index.category_text(k)) is not None]
        line = [b'{"image":', image, b',"annotations":[', b",".join(pieces), b'],"categories":[']
        line += [b",".join(known), b"]"]
        notes = index.notes.get(number)
        if notes:
            line += [b',"mmdata_faults":', orjson.dumps(notes)]
        if number == index.bearer and index.head is not None:
            line += [b',"mmdata_file":', index.head]
        if carried:
            line += [b',"mmdata_carry":', carried]
        whole = b"".join([*line, b"}"])
        # A line break can only stand between values, and a record is a line wherever records are written.
        return whole.replace(b"\n", b" ").replace(b"\r", b" ") if b"\n" in whole or b"\r" in whole else whole


class _Index:
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
    return _loads(data[span.start : span.end])


def _loads(text: bytes) -> Any:
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


# --- writing -----------------------------------------------------------------------------------------------------------


class _Numbers:
    """Ids that are given, each once, and fresh ones for what has none."""

    def __init__(self) -> None:
        self.given: set[Any] = set()
        self._next = 1
        self._used: set[Any] = set()

    def give(self, value: Any) -> None:
        """Take note of an id that somebody has."""
        self.given.add(value)
        if type(value) is int:
            self._next = max(self._next, value + 1)

    def take(self, value: Any) -> Any | None:
        """The id itself, once; None where it is taken already."""
        if value in self._used:
            return None
        self._used.add(value)
        return value

    def fresh(self) -> int:
        """An id that nobody has."""
        self._next += 1
        return self._next - 1


class CocoWriter:
    """Writes records of images as one annotations file: given ids stay, local ones are numbered through.

    Two passes over the records: the first sees which ids are given. Lists grow in files beside, so that memory holds the
    ids and the categories alone.
    """

    def __init__(self, job: WriteJob) -> None:
        self.job = job
        self.images, self.annotations = _Numbers(), _Numbers()
        self.categories: dict[Any, dict[str, Any]] = {}
        self.by_name: dict[str, Any] = {}
        self._next_category = 1
        self.head: dict[str, Any] = {}

    def write(self) -> dict[str, int]:
        """Write the file; returns its name and the number of pictures."""
        for text in self.job.records():
            self._first_look(orjson.loads(text))
        name = f"{self.job.stem}.json"
        spools = {key: os.path.join(self.job.folder, f".{name}.{key}") for key in ("images", "annotations")}
        with open(spools["images"], "wb") as images, open(spools["annotations"], "wb") as annotations:
            count = 0
            for text in self.job.records():
                count += 1
                image, marks = self._second_look(orjson.loads(text))
                images.write((b",\n" if images.tell() else b"") + image)
                for mark in marks:
                    annotations.write((b",\n" if annotations.tell() else b"") + mark)
        with open(os.path.join(self.job.folder, name), "wb") as out:
            self._whole(out, spools)
            out.flush()
            os.fsync(out.fileno())
        for path in spools.values():
            os.unlink(path)
        return {name: count}

    def _first_look(self, record: dict[str, Any]) -> None:
        local = record.get("mmdata_local", ())
        if "image" not in local:
            self.images.give(record["image"].get("id"))
        if "annotations" not in local:
            for mark in record["annotations"]:
                self.annotations.give(mark.get("id"))
        head = record.get("mmdata_file")
        if isinstance(head, dict) and not self.head:
            self.head = head
            for entry in head.get("categories", ()):
                self._know(entry)
        if "categories" not in local:
            for entry in record["categories"]:
                self._know(entry)

    def _know(self, entry: dict[str, Any]) -> None:
        number = entry["id"]
        if number not in self.categories:
            self.categories[number] = entry
            self.by_name.setdefault(str(entry.get("name")), number)
            if type(number) is int:
                self._next_category = max(self._next_category, number + 1)

    def _category(self, entry: dict[str, Any], *, local: bool) -> Any:
        """The id in the output of a record's category."""
        if not local and self.categories.get(entry["id"]) == entry:
            return entry["id"]
        name = str(entry.get("name"))
        if not local:
            self._trouble("coco-category-renumbered")
        if name not in self.by_name:
            number = self._next_category
            self._next_category += 1
            self.categories[number] = {**entry, "id": number}
            self.by_name[name] = number
        return self.by_name[name]

    def _trouble(self, kind: str) -> None:
        self.job.problems[kind] = self.job.problems.get(kind, 0) + 1

    def _number(self, numbers: _Numbers, value: Any, *, local: bool, what: str) -> Any:
        if local:
            return numbers.fresh()
        taken = numbers.take(value)
        if taken is None:
            self._trouble(f"coco-{what}-renumbered")
            return numbers.fresh()
        return taken

    def _second_look(self, record: dict[str, Any]) -> tuple[bytes, list[bytes]]:
        local = record.pop("mmdata_local", ())
        renamed = {
            entry["id"]: self._category(entry, local="categories" in local) for entry in record["categories"]
        }
        image = record["image"]
        image["id"] = self._number(self.images, image.get("id"), local="image" in local, what="image")
        used = {}
        for mark in record["annotations"]:
            mark["id"] = self._number(
                self.annotations, mark.get("id"), local="annotations" in local, what="annotation"
            )
            mark["image_id"] = image["id"]
            mark["category_id"] = renamed[mark["category_id"]]
            used[mark["category_id"]] = self.categories[mark["category_id"]]
        carried = record.pop(CARRY, None)
        if carried is not None:
            final = {"image": image, "annotations": record["annotations"], "categories": list(used.values())}
            image = {**image, CARRY: carry.resealed(carried, final)}
        return orjson.dumps(image), [orjson.dumps(mark) for mark in record["annotations"]]

    def _whole(self, out: IO[bytes], spools: dict[str, str]) -> None:
        others = self.head.get("others", {})
        keys = self.head.get("keys") or ["images", "annotations", "categories"]
        keys = [key for key in dict.fromkeys([*keys, *LISTS]) if key in LISTS or key in others]
        out.write(b"{")
        for number, key in enumerate(keys):
            out.write((b",\n" if number else b"") + orjson.dumps(key) + b": ")
            if key == "categories":
                out.write(orjson.dumps(list(self.categories.values())))
            elif key in spools:
                out.write(b"[\n")
                with open(spools[key], "rb") as spool:
                    shutil.copyfileobj(spool, out, 1 << 20)
                out.write(b"\n]")
            else:
                out.write(orjson.dumps(others[key]))
        out.write(b"}\n")


def write(job: WriteJob) -> dict[str, int]:
    """Write one annotations file."""
    return CocoWriter(job).write()


CONTAINER = Container(name="coco", recognise=recognise, open=CocoRows, write=write)
