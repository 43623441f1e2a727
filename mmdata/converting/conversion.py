"""`convert`: files of records from any format to any other, with a ledger, crash-safe and resumable.

The output grows in a folder beside its final place and takes that place in one rename. Records are cut into batches that
depend on the sources alone, so that a run that was killed goes on where it stopped, and the bytes are the same whatever the
number of processes. See `mmdata.converting` for the parts.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import astuple, replace
from tempfile import TemporaryDirectory
from typing import Any

from mmdata import __version__
from mmdata.converting import processes
from mmdata.converting.fast.choice import kernels_pay
from mmdata.converting.lock import sole_writer
from mmdata.converting.media import below
from mmdata.converting.mixture import read_mixtures, write_mixture
from mmdata.converting.output import REPORT, Output, occupied, remove, set_aside
from mmdata.converting.report import Conversion
from mmdata.converting.targets import mixture_of, target, writes
from mmdata.converting.task import Task
from mmdata.encoding import EncodeOptions
from mmdata.errors import MMDataError, UnknownName, UsageError
from mmdata.format import all_formats
from mmdata.options import Options
from mmdata.plan import DataSet, MixtureFile, Plan, left_aside_lines, make_plan


def convert(
    sources: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    to: str,
    format: str | None = None,
    jobs: int = 1,
    carry: bool = True,
    on_loss: str = "warn",
    media_files: str = "keep",
    relative_to: str | os.PathLike[str] | None = None,
    force: bool = False,
    plan: bool = False,
    invert: bool = False,
    template: str = "internvl2_5",
    dialogue: str = "by-instance",
    shard_bytes: int = 1 << 30,
) -> Conversion:
    """Convert data sets into files that another trainer reads as they are.

    Args:
        sources: data files, globs, directories, ``data.txt`` or InternVL meta files (all data sets that they name).
        output: the directory to write; it appears when everything is in it.
        to: target, as `mmdata.converting.targets.targets` lists them; ``internvl-meta`` and ``data-txt`` are named for the
            mixture file in the output.
        format: format of the sources; None judges each by its content.
        jobs: processes; the bytes written do not depend on it.
        carry: add the key ``mmdata_carry`` with what the target cannot say (see `mmdata.converting.carry`).
        on_loss: ``"warn"``, or ``"error"``: reject records that would lose something for good. An approximation that no
            carry makes up for is such a loss.
        media_files: ``"keep"`` media where they are, ``"link"`` or ``"copy"`` them into the output.
        relative_to: the directory that the target's trainer starts relative paths from; None is `output`.
        force: replace what lies at `output`.
        plan: say what would happen, write nothing.
        invert: masks as answers become region questions, and the other way round.
        template: InternVL template of the target model; only ``internvl2_5`` takes a system turn.
        dialogue: how a picture's COCO annotations become a conversation: ``by-instance`` or ``by-category``.
        shard_bytes: tar shards are closed before a sample that would make them larger.

    Raises:
        UsageError: no such source, unknown target or option, the output is there already or being written by another
            process, or the disk is full.
    """
    paths = [sources] if isinstance(sources, (str, os.PathLike)) else list(sources)
    for word, known, what in (
        (on_loss, ("warn", "error"), "--on-loss"),
        (media_files, ("keep", "link", "copy"), "--media-files"),
    ):
        if word not in known:
            raise UnknownName(f"word for {what}", word, known)
    if shard_bytes < 1:
        raise UsageError(f"--shard-size must be at least 1, got {shard_bytes}")
    if jobs < 1:
        raise UsageError(f"--jobs must be at least 1, got {jobs}")
    dialogues = {word for one in all_formats().values() for word in one.dialogues}
    if dialogue not in dialogues:
        raise UnknownName("dialogue", dialogue, dialogues)
    to = writes(to)
    final = os.path.abspath(os.fspath(output))
    base = os.path.abspath(os.fspath(relative_to)) if relative_to is not None else final
    start = os.path.relpath(final, base)
    if mixture_of(target(to)[0]) == "data-txt" and start.split() != [start]:
        raise UsageError(f"{start}: a data.txt cannot name files below a directory with spaces in its name")
    found = make_plan([os.fspath(p) for p in paths], format=format, options=Options(template=template))  # type: ignore[arg-type]
    folder = os.path.join(os.path.dirname(final), f".{os.path.basename(final)}.mmdata-partial")
    tasks = _tasks(
        found,
        to=to,
        folder=folder,
        plan=plan,
        replaces=force and occupied(final),
        base=base,
        output=final,
        carry=carry,
        on_loss=on_loss,
        media_files=media_files,
        options=EncodeOptions(invert=invert, template=template, dialogue=dialogue, shard_bytes=shard_bytes),
    )
    if not tasks:
        raise UsageError(f"{', '.join(str(path) for path in paths)}: names no data set that is there")
    mark = _fingerprint(tasks)
    try:
        if plan:
            with TemporaryDirectory(prefix="mmdata-plan-") as scratch:
                report = _planned([replace(task, folder=scratch) for task in tasks], mark, jobs)
            report.mixtures += _unread(found)
            report.left_aside = _left_aside(found)
            return report
        os.makedirs(os.path.dirname(final), exist_ok=True)
        with sole_writer(f"{folder}.lock", final):
            if occupied(final) and not force:
                done = _finished(final, mark)
                if done is not None:
                    for left in (
                        folder,
                        set_aside(folder),
                    ):  # by a run that was killed when it had just finished
                        remove(left)
                    return done
                raise UsageError(f"{final}: is there already; --force replaces it")
            if occupied(final):
                _must_stay(found, final)
            return _written(tasks, found, mark, jobs, final)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UsageError(
                f"{folder}: the disk is full; make room and run the same command again, it goes on where it stopped, "
                "or remove that folder"
            ) from None
        raise UsageError(f"{error.filename or folder}: {error.strerror or error}") from error


def _tasks(found: Plan, **shared: Any) -> list[Task]:
    datasets = [item for item in found.items if isinstance(item, DataSet)]
    kernels = kernels_pay(sum(os.path.getsize(one.path) for one in datasets if os.path.isfile(one.path)))
    return [
        Task(
            number=number,
            path=one.path,
            source=one.format.name,
            root=one.root,
            listed_in=one.listed_in,
            kernels=kernels,
            **shared,
        )
        for number, one in enumerate(datasets)
    ]


def _unread(found: Plan) -> list[dict[str, Any]]:
    """The lists of data sets of which something is not read."""
    return [{"path": path, "differences": why} for path, why in found.unread.items() if why]


def _left_aside(found: Plan) -> list[str]:
    """Files that are not read; entries of lists are said with these."""
    return left_aside_lines(one for one in found.left_aside if os.path.lexists(one[0]))


def _planned(tasks: list[Task], mark: str, jobs: int) -> Conversion:
    sink = Output(tasks, tasks[0].folder, mark, dry=True)
    processes.convert_all(tasks, sink, jobs)
    return sink.report()


def _must_stay(found: Plan, final: str) -> None:
    """See to it that replacing the directory `final` throws nothing away that the conversion reads.

    Raises:
        UsageError: it would.
    """
    place = os.path.realpath(final)
    if below(os.getcwd(), place):
        raise UsageError(
            f"{final}: is the working directory or above it, and --force would replace all of it"
        )
    for item in found.items:
        if below(item.path, place):
            raise UsageError(
                f"{item.path}: lies in {final}, which --force would replace as a whole; name another directory"
            )


def _written(tasks: list[Task], found: Plan, mark: str, jobs: int, final: str) -> Conversion:
    mixtures = read_mixtures(
        [item.path for item in found.items if isinstance(item, MixtureFile)],
        [task.path for task in tasks],
        [task.listed_in for task in tasks],
    )
    fresh = not os.path.exists(tasks[0].folder)
    sink = Output(tasks, tasks[0].folder, mark)
    try:
        processes.convert_all(tasks, sink, jobs)
        format = target(tasks[0].to)[0]
        kind = mixture_of(format)
        output = os.path.relpath(final, tasks[0].base)
        files = write_mixture(kind, mixtures, sink.sources, output) if kind else []
        if format.listing is not None:
            files += [(name, text.encode()) for name, text in format.listing.write(sink.kinds()).items()]
        said = [{"path": one.path, "differences": one.differences} for one in mixtures if one.path]
        said += _unread(found)
        report = sink.finish(files, said, _left_aside(found))
    except MMDataError:
        if fresh:  # the same command would end here again: there is nothing to go on with
            sink.close()
            shutil.rmtree(tasks[0].folder, ignore_errors=True)
        raise
    finally:
        sink.close()
    sink.publish(final)
    remove(set_aside(tasks[0].folder))
    return report


def _fingerprint(tasks: Sequence[Task]) -> str:
    """Of everything that decides the bytes of the output, but for where it lies; unique where the content is not known."""
    facts: list[Any] = [__version__, processes.BATCH_BYTES]
    for task in tasks:
        if task.path == "-" or not os.path.isfile(task.path):
            return secrets.token_hex(12)
        stat = os.stat(task.path)
        facts.append(
            [
                os.path.abspath(task.path),
                [stat.st_size, stat.st_mtime_ns],
                task.source,
                task.root,
                task.listed_in,
                task.to,
                None if task.base == task.output else task.base,
                [task.carry, task.on_loss, task.media_files, *astuple(task.options)],
            ]
        )
    return hashlib.blake2b(json.dumps(facts).encode(), digest_size=12).hexdigest()


def _finished(final: str, mark: str) -> Conversion | None:
    """The report of a run of the same command that has finished, and whose files are all there."""
    try:
        with open(os.path.join(final, REPORT), "rb") as file:
            report = Conversion.from_dict(json.load(file))
    except (OSError, ValueError, TypeError):
        return None
    if report.fingerprint != mark or not all(
        os.path.exists(os.path.join(final, name)) for name in report.outputs
    ):
        return None
    report.repeated = True
    return report


__all__ = ["Conversion", "convert"]
