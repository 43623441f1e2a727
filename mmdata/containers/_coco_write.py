"""Records of images as one COCO file: ids that are given stay, local ones are numbered through."""

from __future__ import annotations

import os
import shutil
from typing import IO, Any

import orjson

from mmdata.containers import WriteJob
from mmdata.containers._coco_index import LISTS
from mmdata.converting import carry


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
        carried = record.pop(carry.KEY, None)
        if carried is not None:
            final = {"image": image, "annotations": record["annotations"], "categories": list(used.values())}
            image = {**image, carry.KEY: carry.resealed(carried, final)}
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


__all__ = ["CocoWriter", "write"]
