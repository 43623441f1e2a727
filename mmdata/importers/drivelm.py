"""DriveLM: ``{scene: {"key_frames": {frame: {"QA": {type: [{"Q", "A", …}]}, "key_object_infos", "image_paths"}}}}``.

Ids are those of DriveLM's challenge: ``scene_frame_i``, i over perception, prediction, planning and behavior together.
Files written, each only if it has a record:

- ``NAME.jsonl``: questions with an answer, to train on (with ``--purpose eval`` just the same: the published
  ``drivelm_val.jsonl`` has this layout);
- ``NAME_questions.jsonl``: questions without one, with an empty answer, for a model to answer;
- ``NAME_frames.jsonl``: a line a key frame with its pictures, its objects in pixels and on the canvas, and whatever else
  the scene and the frame said; ``mmdata stitch`` reads it, too.

Coordinates in tags go from pixels of a camera to 0-1000 on the canvas (see `mmdata.stitching.tags`). The texts as they
were stay in ``question_old`` (which the published evaluation reads) and, where they changed, ``answer_old``.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

from mmdata.errors import DataError
from mmdata.importers._windows import windows
from mmdata.importing import Importer, ImportLedger, ImportOptions, Sink
from mmdata.progress import Progress
from mmdata.stitching.canvas import DRIVELM, NUSCENES_SIZE, Canvas
from mmdata.stitching.frames import read_scenes
from mmdata.stitching.tags import CAMERA_TAG, to_canvas

TYPES = ("perception", "prediction", "planning", "behavior")
"""Question types in the order in which the challenge counts them."""

SINGLE = {view: Canvas(1, 1, (view,), (1, 1)) for view in DRIVELM.views}
"""Each camera as a picture of its own: 0-1000 over the camera."""

NO_WINDOW = "the scene is shorter than the window"
NOT_ASKED = "its frame is the last of no window (--ask every, or another --stride)"

_STAMP = re.compile(r"__(\d{16})\.\w+$")
_LISTED_BOX = re.compile(r"\([^()<>]*(?:,\s*-?\d+(?:\.\d+)?\s*){4}\)")


@dataclass(frozen=True, slots=True)
class Question:
    """A question in its place.

    Attributes:
        id: ``scene_frame_i``.
        kind: one of `TYPES`, or another name of the file's.
        text: as annotated.
        answer: as annotated; None where there is none.
        rest: its other keys that are not null.
    """

    id: str
    kind: str
    text: str
    answer: str | None
    rest: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class KeyFrame:
    """A key frame.

    Attributes:
        scene: its scene.
        name: its name in the scene.
        paths: camera -> path as annotated.
        questions: in the order of the challenge.
    """

    scene: str
    name: str
    paths: Mapping[str, str]
    questions: tuple[Question, ...]

    @property
    def id(self) -> str:
        """File name of its canvas, without ending."""
        return f"{self.scene}_{self.name}"


def run(
    paths: Sequence[str], options: ImportOptions, sink: Sink, ledger: ImportLedger, progress: Progress
) -> None:
    """Read DriveLM's files."""
    name = options.name or "drivelm"
    seen: dict[str, str] = {}
    for path in paths:
        progress.start(os.path.basename(path), os.path.getsize(path) if os.path.isfile(path) else None)
        done = 0
        for scene, content, position in read_scenes(path):
            if scene in seen:
                raise DataError(
                    f"{path}: scene {scene} is in {seen[scene]} already; its questions would double"
                )
            seen[scene] = path
            ledger.read["scenes"] += 1
            ledger.written["scenes"] += 1
            frames = []
            for frame, value in content["key_frames"].items():
                place = f"{path}: scene {scene}, frame {frame}"
                frames.append(_read_frame(scene, frame, value, place, ledger))
                sink.line(f"{name}_frames.jsonl", _about(content, frames[-1], value, place, ledger))
            if options.window > 1:
                frames = _in_time(frames, ledger)
            _write(frames, path, name, options, sink, ledger)
            progress.advance(position - done)
            done = position


# --- reading ----------------------------------------------------------------------------------------------------------


def _read_frame(scene: str, frame: str, value: Any, place: str, ledger: ImportLedger) -> KeyFrame:
    paths = value.get("image_paths") if isinstance(value, dict) else None
    if not isinstance(paths, dict) or not all(isinstance(p, str) for p in paths.values()):
        raise DataError(f"{place}: expected `image_paths`, an object of paths by camera")
    groups = value.get("QA", {})
    if not isinstance(groups, dict):
        raise DataError(f"{place}: expected `QA`, an object of lists of questions by type")
    kinds = [*(kind for kind in TYPES if kind in groups), *(kind for kind in groups if kind not in TYPES)]
    questions = []
    number = 0
    for kind in kinds:
        if not isinstance(groups[kind], list):
            raise DataError(f"{place}: QA/{kind}: expected a list of questions")
        if kind not in TYPES:
            ledger.note(f"question type {kind}, unknown to the challenge, is counted after the others", place)
        for i, entry in enumerate(groups[kind]):
            ledger.read["questions"] += 1
            here = f"{place}, QA/{kind}/{i}"
            text = entry.get("Q") if isinstance(entry, dict) else None
            answer = entry.get("A") if isinstance(entry, dict) else None
            if not isinstance(text, str) or not text.strip():
                ledger.leave("questions", here, "no text in Q")
            elif not (answer is None or isinstance(answer, str)):
                ledger.leave("questions", here, "the answer is no text", type(answer).__name__)
            else:
                rest = {key: one for key, one in entry.items() if key not in ("Q", "A") and one is not None}
                empty = [key for key, one in entry.items() if key not in ("Q", "A") and one is None]
                if empty:
                    nulls = ledger.facts.setdefault("null_keys_left_out", Counter())
                    nulls.update(empty)
                questions.append(Question(f"{scene}_{frame}_{number}", kind, text, answer or None, rest))
            number += 1
    return KeyFrame(scene, frame, paths, tuple(questions))


def _in_time(frames: list[KeyFrame], ledger: ImportLedger) -> list[KeyFrame]:
    """By the time stamps in the file names where every frame has one, else as annotated.

    DriveLM lists the key frames of a scene in no order of time.
    """
    stamps = [_stamp(frame) for frame in frames]
    if None in stamps:
        order = list(frames)
        how = "as annotated"
    else:
        order = [frame for _, _, frame in sorted(zip(stamps, range(len(frames)), frames, strict=True))]
        how = "by time stamp" if order != frames else "as annotated and by time stamp"
    scenes = ledger.facts.setdefault("scenes_by_order_of_frames", {})
    scenes[how] = scenes.get(how, 0) + 1
    return order


def _stamp(frame: KeyFrame) -> int | None:
    found = [_STAMP.search(path) for path in frame.paths.values()]
    stamps = [int(match.group(1)) for match in found if match]
    return min(stamps) if stamps and len(stamps) == len(found) else None


# --- writing ----------------------------------------------------------------------------------------------------------


def _write(
    frames: list[KeyFrame], path: str, name: str, options: ImportOptions, sink: Sink, ledger: ImportLedger
) -> None:
    per = options.per or ("question" if options.window == 1 else "window")
    chosen = windows(frames, options.window, options.stride or 1)
    asked: set[str] = set()
    for window in chosen:
        tags = partial(_tagged, arrange=options.arrange, ledger=ledger, path=path)
        turns: dict[str, list[tuple[Question, str, str]]] = {"": [], "_questions": []}
        for i, frame in enumerate(window):
            if options.ask == "last" and i < len(window) - 1:
                continue
            before = f"Frame-{i + 1}: " if options.ask == "every" and len(window) > 1 else ""
            for question in frame.questions:
                if question.id in asked:
                    ledger.facts["questions_written_again"] = (
                        ledger.facts.get("questions_written_again", 0) + 1
                    )
                else:
                    asked.add(question.id)
                    ledger.written["questions"] += 1
                mapped = before + tags(question.text, question, count=True)
                answer = "" if question.answer is None else tags(question.answer, question, count=True)
                turns["_questions" if question.answer is None else ""].append((question, mapped, answer))
        for ending, group in turns.items():
            for record in _records(window, group, options, per):
                sink.line(f"{name}{ending}.jsonl", record)
    for frame in frames:
        for question in frame.questions:
            if question.id not in asked:
                why = NO_WINDOW if not chosen else NOT_ASKED
                ledger.leave("questions", f"{path}: {question.id}", why)


def _records(
    window: Sequence[KeyFrame], group: list[tuple[Question, str, str]], options: ImportOptions, per: str
) -> Iterator[dict[str, Any]]:
    if not group:
        return
    images, head = _pictures(window, options.arrange)
    repeated = options.ask == "every" and len(window) > 1
    shared = {"scene": window[-1].scene, "frame": window[-1].name}
    if len(window) > 1:
        shared["frames"] = [frame.name for frame in window]  # type: ignore[assignment]
    picture = images[0] if len(images) == 1 else images
    if per == "question":
        for question, text, answer in group:
            turns = [{"from": "human", "value": head + text}, {"from": "gpt", "value": answer}]
            yield {
                # A window that asks about each of its frames shares them with its neighbours.
                "id": f"{question.id}@{window[-1].name}" if repeated else question.id,
                "image": picture,
                **_kept(question, answer),
                **shared,
                "conversations": turns,
            }
        return
    turns = []
    for i, (_, text, answer) in enumerate(group):
        turns += [
            {"from": "human", "value": (head if i == 0 else "") + text},
            {"from": "gpt", "value": answer},
        ]
    yield {
        "id": f"{window[0].id}-{window[-1].name}" if len(window) > 1 else window[0].id,
        "image": picture,
        **shared,
        "questions": [{"id": question.id, **_kept(question, answer)} for question, _, answer in group],
        "conversations": turns,
    }


def _kept(question: Question, answer: str) -> dict[str, Any]:
    """The keys beside the conversation."""
    kept: dict[str, Any] = {"question_type": question.kind, "question_old": question.text}
    if question.answer is not None and question.answer != answer:
        kept["answer_old"] = question.answer
    return {**kept, **{key if key == "tag" else f"qa_{key}": value for key, value in question.rest.items()}}


def _pictures(window: Sequence[KeyFrame], arrange: str) -> tuple[list[str], str]:
    """Paths of a record's pictures and the placeholders before its first question."""
    if arrange == "stitch":
        images = [f"{frame.id}.jpg" for frame in window]
        if len(images) == 1:
            return images, "<image>\n"
        return images, "".join(f"Frame-{i + 1}: <image>\n" for i in range(len(images)))
    images, head = [], ""
    for i, frame in enumerate(window):
        for view in DRIVELM.views:
            if view not in frame.paths:
                raise DataError(
                    f"scene {frame.scene}, frame {frame.name}: no picture of {view} in `image_paths`"
                )
            images.append(frame.paths[view].removeprefix("../"))
            head += (f"Frame-{i + 1} " if len(window) > 1 else "") + f"{view}: <image>\n"
    return images, head


def canvas_of(view: str, arrange: str) -> Canvas | None:
    """Where a camera is shown; None for an unknown camera."""
    if view not in DRIVELM.views:
        return None
    return DRIVELM if arrange == "stitch" else SINGLE[view]


def _tagged(
    text: str, question: Question, *, arrange: str, ledger: ImportLedger, path: str, count: bool
) -> str:
    mapped = to_canvas(text, lambda view: canvas_of(view, arrange))
    for reason, tag in mapped.problems:
        ledger.note(reason, f"{path}: {question.id}: {tag}")
    if count:
        ledger.facts["tags_mapped"] = ledger.facts.get("tags_mapped", 0) + mapped.tags
    if _LISTED_BOX.search(text):
        key = "texts_with_boxes_left_in_pixels_of_the_camera"
        ledger.facts[key] = ledger.facts.get(key, 0) + 1
    return mapped.text


def _about(
    content: Mapping[str, Any], frame: KeyFrame, value: Mapping[str, Any], place: str, ledger: ImportLedger
) -> dict[str, Any]:
    """The line of a key frame: everything of it that is no question."""
    ledger.read["frames"] += 1
    ledger.written["frames"] += 1
    objects = value.get("key_object_infos") or {}
    if not isinstance(objects, dict):
        raise DataError(f"{place}: expected `key_object_infos`, an object by tag")
    known = ("QA", "image_paths", "key_object_infos")
    return {
        "id": frame.id,
        "scene": frame.scene,
        "frame": frame.name,
        "scene_keys": {key: one for key, one in content.items() if key != "key_frames"},
        "frame_keys": {key: one for key, one in value.items() if key not in known},
        "image": f"{frame.id}.jpg",
        "image_paths": dict(frame.paths),
        "objects": [_object(tag, one, place, ledger) for tag, one in objects.items()],
    }


def _object(tag: str, value: Any, place: str, ledger: ImportLedger) -> dict[str, Any]:
    """An object with its tag and box on the canvas; as it is, where they are not understood."""
    ledger.read["objects"] += 1
    ledger.written["objects"] += 1
    match = CAMERA_TAG.fullmatch(tag)
    result: dict[str, Any] = {"tag": tag, **(value if isinstance(value, dict) else {"value": value})}
    if match is None or match.group(2) not in DRIVELM.views:
        ledger.note("object with a tag that is not understood", f"{place}: {tag}")
        return result
    view = match.group(2)
    result["canvas_tag"] = to_canvas(tag, lambda _: DRIVELM).text
    box = value.get("2d_bbox") if isinstance(value, dict) else None
    if box is None:
        return result
    if not (isinstance(box, list) and len(box) == 4 and all(type(n) in (int, float) for n in box)):
        ledger.note("2d_bbox is not four numbers", f"{place}: {tag}")
        return result
    corners = [
        DRIVELM.to_canvas(view, Fraction(str(x)), Fraction(str(y)), NUSCENES_SIZE)
        for x, y in (box[:2], box[2:])
    ]
    result["canvas_box_xyxy"] = [*corners[0], *corners[1]]
    return result


IMPORTER = Importer(
    name="drivelm",
    title="DriveLM-nuScenes: scenes, key frames, questions in perception, prediction, planning and behavior",
    files="v1_1_train_nus.json, v1_1_val_nus_q_only.json …",
    takes=frozenset({"name", "purpose", "window", "stride", "arrange", "per", "ask"}),
    run=run,
    expected=frozenset({NO_WINDOW, NOT_ASKED}),
)
