"""`read_frames`: which pictures belong together, from DriveLM's nested annotation or from any file of records.

DriveLM: ``{scene: {"key_frames": {frame: {"image_paths": {camera: path}}}}}``; the canvas is called ``scene_frame``.
Records: an array or JSON Lines of ``{"id": …, "image_paths": {view: path}}``; the key of the paths can be another.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mmdata.errors import DataError
from mmdata.io.jsontext import JSONProblem, parse
from mmdata.io.object_stream import ObjectStream, WrongOpening
from mmdata.io.read import open_source
from mmdata.io.record import Problem

UPSTREAM_PREFIX = "../nuscenes/"
"""How DriveLM's paths begin; the place below the data root is ``nuscenes/``."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One moment.

    Attributes:
        id: file name of its canvas, without ending.
        scene: its scene, "" where there is none.
        frame: its own name.
        paths: view -> path of its picture, as the annotation has it.
    """

    id: str
    scene: str
    frame: str
    paths: Mapping[str, str]

    @property
    def where(self) -> str:
        """For messages."""
        return f"scene {self.scene}, frame {self.frame}" if self.scene else f"frame {self.frame}"


class _TwiceError(Exception):
    """A key stands twice in one object; Python's parser drops the first in silence."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        name = next(name for name in names if names.count(name) > 1)
        raise _TwiceError(f"the key {name!r} stands twice in one object")
    return value


def read_scenes(path: str) -> Iterator[tuple[str, dict[str, Any], int]]:
    """DriveLM's annotation, a scene at a time: its name, its content, and how many bytes of the file are read.

    Raises:
        UsageError: there is no such file.
        DataError: not JSON, a key twice in one object, or no object of scenes with ``key_frames``.
    """
    with ObjectStream(path) as stream:
        scenes = 0
        try:
            for scene in stream.members():
                data = stream.value()
                try:
                    parse(data)  # refuses what Python's parser refuses, and says where
                    content = json.loads(data.decode("utf-8"), object_pairs_hook=_unique)
                except JSONProblem as error:
                    raise DataError(f"{path}: scene {scene}: not JSON: {error}") from None
                except _TwiceError as twice:
                    raise DataError(
                        f"{path}: scene {scene}: {twice}: only the last one would count"
                    ) from None
                frames = content.get("key_frames") if isinstance(content, dict) else None
                if not isinstance(frames, dict):
                    raise DataError(f"{path}: scene {scene}: expected `key_frames`, an object of frames")
                scenes += 1
                yield scene, content, stream.position
        except WrongOpening as error:
            raise DataError(f"{path}: expected an object of scenes, got {error.got}") from None
        if not scenes:
            raise DataError(f"{path}: expected an object of scenes, it has none")


def local_path(path: str, data_root: str) -> str:
    """Where a picture lies: DriveLM's ``../nuscenes/samples/…`` is ``DATA_ROOT/nuscenes/samples/…``.

    Upstream's script turns it into ``/nuscenes/samples/…``, an absolute path, whatever its ``--data-root``; the layout
    of the guide (``images/drivelm/nuscenes``) is what is meant.
    """
    if path.startswith(UPSTREAM_PREFIX):
        path = path.removeprefix("../")
    return os.path.join(data_root, path)


def nested_frames(path: str) -> Iterator[Frame]:
    """The key frames of DriveLM's annotation, in its order.

    Raises:
        DataError: as `read_scenes`; or a frame has no ``image_paths``.
    """
    for scene, content, _ in read_scenes(path):
        for name, frame in content["key_frames"].items():
            paths = frame.get("image_paths") if isinstance(frame, dict) else None
            yield Frame(
                f"{scene}_{name}", scene, name, _checked(paths, f"scene {scene}, frame {name}", "image_paths")
            )


def record_frames(path: str, *, key: str, id_key: str) -> Iterator[Frame]:
    """The frames of an array or JSON Lines file, one a record.

    Args:
        path: the file.
        key: of the object view -> path.
        id_key: of the name of the canvas.

    Raises:
        DataError: broken JSON, or a record without these keys.
    """
    with open_source(path) as source:
        for item in source.records():
            if isinstance(item, Problem):
                raise DataError(f"{path}: {item.message}")
            if item.problem is not None:
                raise DataError(f"{path}: record {item.index}: {item.problem.message}")
            record = parse(item.data)
            name = record.get(id_key) if isinstance(record, dict) else None
            if not isinstance(name, (str, int)) or isinstance(name, bool) or not str(name):
                raise DataError(f"{path}: record {item.index}: expected `{id_key}`, the name of its canvas")
            yield Frame(
                str(name), "", str(name), _checked(record.get(key), f"{path}: record {item.index}", key)
            )


def read_frames(path: str, *, key: str = "image_paths", id_key: str = "id") -> list[Frame]:
    """Every frame of an annotation, in its order.

    Raises:
        DataError: it cannot be read, a frame has no pictures, or two frames would be the same file.
    """
    with open_source(path) as source:
        nested = source.container == "object" and not _is_record(path, key, id_key)
    frames = list(nested_frames(path) if nested else record_frames(path, key=key, id_key=id_key))
    seen: dict[str, Frame] = {}
    for frame in frames:
        if frame.id in seen:
            raise DataError(f"{path}: {seen[frame.id].where} and {frame.where} would both be {frame.id}.jpg")
        if os.path.basename(frame.id) != frame.id or frame.id in (".", ".."):
            raise DataError(f"{path}: {frame.where}: {frame.id!r} is no file name")
        seen[frame.id] = frame
    return frames


def _is_record(path: str, key: str, id_key: str) -> bool:
    """Whether a file of one object is one record rather than scenes: a JSON Lines file of one line looks just so."""
    if os.path.basename(path).endswith(".jsonl"):
        return True
    found: set[str] = set()
    with ObjectStream(path) as stream:
        try:
            for name in stream.members():
                found.add(name)
                if {key, id_key} <= found:
                    return True
                if b'"key_frames"' in stream.value():
                    return False
        except DataError:
            return False  # told by the reader of scenes
    return False


def _checked(paths: Any, where: str, key: str) -> dict[str, str]:
    if not isinstance(paths, dict) or not all(isinstance(value, str) and value for value in paths.values()):
        raise DataError(f"{where}: expected `{key}`, an object of paths by view")
    return paths
