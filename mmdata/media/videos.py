"""Videos: one file, one gif, or a directory of frames; opened, and counted frame by frame.

A container's own frame count is often absent or wrong, and frame rate times duration is wrong for variable rates. At
level ``header`` the packets are counted without decoding, which gives the exact number at a fraction of the price.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from typing import Any, Literal

from mmdata.errors import MissingExtra
from mmdata.media import images
from mmdata.media.exists import presence
from mmdata.media.frames import FrameDirectory, list_frames
from mmdata.media.images import ImageProblem
from mmdata.media.paths import is_url
from mmdata.media.sniff import sort_of
from mmdata.media.source import UnopenableError, open_source
from mmdata.options import MediaLevel

VideoProblem = Literal[ImageProblem, "no-video-stream", "not-a-video", "needs-av"]

MAX_PACKETS = 20_000_000
"""Packets counted at most: 90 hours at 60 frames a second."""

_HEAD = 4096


@dataclass(slots=True)
class VideoFacts:
    """What is known of a video, as far as it was looked at.

    Attributes:
        problem: why it cannot be used, or None. As for pictures, and: ``no-video-stream`` (sound only, for example),
            ``not-a-video``, ``needs-av`` (the library that reads videos is not installed: nothing is known).
        detail: the same in words, for a message; empty without a problem.
        hint: a sign that the end is missing where only decoding can tell.
        kind: ``"file"``, ``"gif"`` or ``"frames"`` (a directory); None when it was not found out.
        frames: number of frames; for a directory, of all its entries, as VideoRefer counts.
        fps: average frames a second; None for directories, and for gifs before level ``decode``.
        width: pixels as stored; of the first frame of a directory.
        height: likewise.
        duration: seconds; None where `fps` is, and where the container does not say.
        container: FFmpeg's name, for example ``"mov,mp4,m4a,3gp,3g2,mj2"``; ``"gif"`` for a gif.
        directory: what the directory of frames holds, or None.
    """

    problem: VideoProblem | None = None
    detail: str = ""
    hint: str = ""
    kind: Literal["file", "gif", "frames"] | None = None
    frames: int | None = None
    fps: float | None = None
    width: int | None = None
    height: int | None = None
    duration: float | None = None
    container: str | None = None
    directory: FrameDirectory | None = None


def probe(path: str, level: MediaLevel, *, remote: bool = False) -> VideoFacts:
    """Look at a video. Never raises for what a file contains or lacks.

    Directories are listed at every level.

    Args:
        path: local path, URL, or directory of frames.
        level: how closely; see `mmdata.options.MediaLevel`.
        remote: whether to open URLs (needs fsspec); otherwise nothing is found out about them.
    """
    if level == "none" or (is_url(path) and not remote):
        return VideoFacts()
    if not is_url(path):
        found = presence(path)
        if found == "directory":
            return _directory(path, level)
        if level == "exists" or found != "file":
            seen = images.probe(path, "exists")
            return VideoFacts(seen.problem, seen.detail)
    try:
        file, _ = open_source(path)
    except UnopenableError as failure:
        return VideoFacts(failure.problem, failure.detail)
    with file:
        if level == "exists":
            return VideoFacts()
        try:
            return _look(path, file, level)
        except OSError as error:
            return VideoFacts("unreadable", str(error))


def _directory(path: str, level: MediaLevel) -> VideoFacts:
    try:
        directory, names = list_frames(path)
    except OSError as error:
        return VideoFacts("unreadable", error.strerror or str(error), kind="frames")
    facts = VideoFacts(kind="frames", frames=directory.entries, directory=directory)
    if not directory.entries:
        facts.problem, facts.detail = "empty", "a directory without entries"
    if level == "exists":
        return facts
    for name in names:
        frame = images.probe(os.path.join(path, name), level)
        if facts.width is None:
            facts.width, facts.height = frame.width, frame.height
        if frame.problem:
            facts.problem, facts.detail = frame.problem, f"frame {name}: {frame.detail}"
            break
    return facts


def _look(path: str, file: io.RawIOBase, level: MediaLevel) -> VideoFacts:
    head = file.read(_HEAD) or b""
    file.seek(0)
    sort = sort_of(head)
    if sort == "lfs-pointer":
        return VideoFacts("lfs-pointer", "a git-lfs pointer: the video itself was never downloaded")
    if sort == "html":
        return VideoFacts("html", "a web page, not a video")
    if sort == "gif":
        return _gif(file, level)
    try:
        import av
    except ModuleNotFoundError:
        return VideoFacts("needs-av", str(MissingExtra("av", "video", "reading videos")))
    # The explicit protocol keeps FFmpeg from reading meaning into a name ("concat:…"), and playlists from leading on.
    source: Any = io.BufferedReader(file) if is_url(path) else f"file:{path}"
    facts = VideoFacts(kind="file")
    try:
        with av.open(source, options={"protocol_whitelist": "file"}) as container:
            facts.container = container.format.name
            if not container.streams.video:
                facts.problem, facts.detail = "no-video-stream", "no video stream in the file"
                return facts
            _measure(container, container.streams.video[0], facts, level)
    except Exception as error:  # FFmpeg's errors and, on hostile input, any other: what they say is reported
        facts.problem, facts.detail = _failure(error, facts, sort is not None)
    return facts


def _measure(container: Any, stream: Any, facts: VideoFacts, level: MediaLevel) -> None:
    facts.width, facts.height = stream.width or None, stream.height or None
    facts.fps = float(stream.average_rate) if stream.average_rate else None
    if stream.duration is not None and stream.time_base is not None:
        facts.duration = float(stream.duration * stream.time_base)
    elif container.duration is not None:
        facts.duration = container.duration / 1_000_000
    stated = stream.frames
    facts.frames = 0
    too_large = (stream.width or 0) * (stream.height or 0) > images.MAX_PIXELS
    if level == "decode" and not too_large:
        stream.thread_count = 1  # files are probed in parallel; one decoder each bounds the memory
        for _ in container.decode(stream):
            facts.frames += 1
    else:
        for packet in container.demux(stream):
            facts.frames += packet.size > 0 and packet.pts is not None and not packet.is_discard
            if facts.frames >= MAX_PACKETS:
                break
    if facts.frames < stated:
        facts.hint = f"{facts.frames} of {stated} frames are in the file"
    if too_large:
        facts.problem, facts.detail = "too-large", f"{facts.width}x{facts.height} pixels"
    elif not facts.frames:
        facts.problem, facts.detail = "undecodable", "no frame can be read"


def _failure(error: Exception, facts: VideoFacts, known: bool) -> tuple[VideoProblem, str]:
    message = f"{type(error).__name__}: {error}"
    if facts.container is None:
        return ("undecodable" if known else "not-a-video"), message
    return ("truncated" if facts.hint else "undecodable"), message


def _gif(file: io.RawIOBase, level: MediaLevel) -> VideoFacts:
    facts = VideoFacts(kind="gif", container="gif")
    try:
        with io.BufferedReader(file) as stream, images.open_quietly(stream) as image:
            facts.width, facts.height = image.size
            facts.frames = getattr(image, "n_frames", 1)
            if level == "decode":
                milliseconds = 0
                for index in range(facts.frames):
                    image.seek(index)
                    image.load()
                    milliseconds += image.info.get("duration", 0)
                facts.duration = milliseconds / 1000 or None
                facts.fps = facts.frames / facts.duration if facts.duration else None
    except Exception as error:  # as for pictures: Pillow raises what it stumbles over
        message = f"{type(error).__name__}: {error}"
        cut = "truncated" in message.lower() or isinstance(error, EOFError)
        facts.problem, facts.detail = "truncated" if cut else "undecodable", message
    return facts
