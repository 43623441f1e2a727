"""Many files, each looked at once, several at a time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Generic, Self, TypeVar

from mmdata.media import images, videos
from mmdata.media.exists import presence
from mmdata.media.images import ImageFacts
from mmdata.media.paths import is_url
from mmdata.media.videos import VideoFacts
from mmdata.options import MediaLevel

Facts = TypeVar("Facts")

_CHUNK = 16
"""Files a thread takes at once: probing a header costs little more than handing over the work."""


class _Cache(Generic[Facts]):
    """The facts of the files used last."""

    def __init__(self, probe: Callable[[str], Facts], capacity: int) -> None:
        self._probe = probe
        self._capacity = capacity
        self._known: OrderedDict[str, Facts] = OrderedDict()

    def get(self, path: str) -> Facts:
        facts = self._known.get(path)
        if facts is None:
            facts = self._probe(path)
            self.put(path, facts)
        else:
            self._known.move_to_end(path)
        return facts

    def put(self, path: str, facts: Facts) -> None:
        self._known[path] = facts
        if len(self._known) > self._capacity:
            self._known.popitem(last=False)

    def unknown(self, paths: Iterable[str]) -> list[str]:
        return [path for path in dict.fromkeys(paths) if path not in self._known]

    def probe_all(self, paths: list[str]) -> list[Facts]:
        return [self._probe(path) for path in paths]


class MediaProber:
    """Looks at pictures and videos, each distinct path once as long as it is remembered.

    What it answers depends on the files alone, not on the number of threads. It may be used by one thread at a time.

    Args:
        level: how closely; see `mmdata.options.MediaLevel`.
        jobs: threads for `prefetch`.
        remote: whether to open URLs (needs fsspec).
        capacity: how many pictures are remembered, and how many videos.
    """

    def __init__(
        self, level: MediaLevel, jobs: int = 2, *, remote: bool = False, capacity: int = 50_000
    ) -> None:
        self.level: MediaLevel = level
        self._jobs = max(1, jobs)
        self._images = _Cache(lambda path: images.probe(path, level, remote=remote), capacity)
        self._videos = _Cache(lambda path: videos.probe(path, level, remote=remote), capacity)
        self._threads: ThreadPoolExecutor | None = None

    def image(self, path: str) -> ImageFacts:
        """The facts of a picture, by its resolved path."""
        return self._images.get(path)

    def video(self, path: str) -> VideoFacts:
        """The facts of a video, gif or directory of frames, by its resolved path."""
        return self._videos.get(path)

    def present(self, path: str) -> bool:
        """Whether a local path is a file with bytes in it, at any level; URLs are believed."""
        return is_url(path) or presence(path) == "file"

    def prefetch(self, paths: Iterable[str], videos: Iterable[str] = ()) -> None:
        """Look at many files at once, so that `image` and `video` answer from memory.

        Args:
            paths: pictures. Give no more than `capacity` at a time.
            videos: videos, likewise.
        """
        self._fetch(self._images, self._images.unknown(paths), _CHUNK)
        self._fetch(self._videos, self._videos.unknown(videos), 1)

    def _fetch(self, cache: _Cache[Facts], paths: list[str], chunk: int) -> None:
        if self._jobs == 1 or self.level in ("none", "exists") or len(paths) < 2:
            for path in paths:
                cache.get(path)
            return
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._jobs, thread_name_prefix="mmdata-media")
        size = min(chunk, -(-len(paths) // self._jobs))
        chunks = [paths[i : i + size] for i in range(0, len(paths), size)]
        for group, found in zip(chunks, self._threads.map(cache.probe_all, chunks), strict=True):
            for path, facts in zip(group, found, strict=True):
                cache.put(path, facts)

    def close(self) -> None:
        """End the threads."""
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
            self._threads = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
