"""`mmdata detect PATH...`: which format a file is in, judged by its content."""

from __future__ import annotations

from mmdata.cli.options import OutputFormat, Paths, wants_json

NAME = "detect"


def command(
    paths: Paths,
    output_format: OutputFormat = "text",
) -> int:
    """Say which format a file is in, how sure that is, and why."""
    import orjson

    from mmdata.detection import detect
    from mmdata.io.paths import expand

    as_json = wants_json(output_format)
    detections = [detect(path) for path in expand(paths).files]
    if as_json:
        print(orjson.dumps([d.to_dict() for d in detections], option=orjson.OPT_INDENT_2).decode())
    else:
        for d in detections:
            print(f"{d.path}: {_verdict(d.format, [c.format for c in d.rivals], d.otherwise)}")
            for c in d.candidates[:3] if d.format is None else d.candidates[:1]:
                print(f"  {c.format:<16} {c.confidence:4.0%}  {'; '.join(c.reasons)}")
    return 0 if all(d.format for d in detections) else 1


def _verdict(name: str | None, rivals: list[str], otherwise: str | None) -> str:
    if name:
        return name
    if rivals:
        return f"ambiguous ({' or '.join(rivals)}); validate with --format"
    return f"no known format ({otherwise})" if otherwise else "no known format"
