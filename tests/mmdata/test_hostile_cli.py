"""No file, path or limit makes a verb show a traceback, hang, or leave half of an output behind."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
from functools import cache
from pathlib import Path

import pytest
import zstandard
from typer.main import get_command

from mmdata.cli import main

LINE = '{"id":"1","conversations":[{"from":"human","value":"Hi"},{"from":"gpt","value":"Hello"}]}'
MANY = gzip.compress(f"[{','.join([LINE] * 500)}]".encode())
ASK = '"conversations":[{"from":"human","value":"<ImageHere>x"},{"from":"bot","value":"<p> a </p> [SEG]"}]'
POLYGONS = '[{"image":"a.png","polygons":"FILE",' + ASK + "}]"
REGION = (
    '[{{"video":"a.mp4","height":{0},"width":{0},"annotation":[{{"0":{{"segmentation":{1}}}}}],'
    '"conversations":[{{"from":"human","value":"<video>\\n<region>?"}},{{"from":"gpt","value":"x"}}]}}]'
)

FILES: dict[str, bytes | str] = {
    "empty.json": "",
    "spaces.json": " \n\n ",
    "binary.json": bytes(range(256)) * 20,
    "nul.json": b"\0" * 3000,
    "cut.json": '{"a": [1, 2',
    "scalar.json": "42",
    "no-records.json": '[null, 1, "x", [], {}]',
    "deep.json": "[" * 100_000 + "]" * 100_000,
    "deep.jsonl": '{"a":' * 50_000 + "1" + "}" * 50_000 + f"\n{LINE}\n",
    "numbers.json": f'[{{"id":{"9" * 5000},"height":1e400,"image":1e999,{LINE[9:]}]',
    "nan.json": f'[{{"id":NaN,"image":Infinity,{LINE[9:]}]',
    "surrogate.json": '[{"id":"\\ud800","image":"\\udfff.png",' + ASK + "}]",
    "raw-surrogate.jsonl": LINE.replace('"1"', '"\ud800"').encode("utf-8", "surrogatepass"),
    "latin.jsonl": LINE.replace('"1"', '"\xff"').encode("latin-1"),
    "bom.json": b"\xef\xbb\xbf" + f"[{LINE}]".encode(),
    "utf16.json": f"[{LINE}]".encode("utf-16"),
    "crlf.jsonl": f"{LINE}\r\n" * 3,
    "twice.json": '[{"id":1,"id":2,' + ASK + "}]",
    "cut.json.gz": MANY[: len(MANY) // 2],
    "sum.json.gz": MANY[:-8] + b"\0" * 8,
    "not.json.gz": f"[{LINE}]",
    "cut.jsonl.zst": zstandard.ZstdCompressor().compress(MANY)[:-9],
    "cut.parquet": b"PAR1" + b"\0" * 30,
    "cut.tar": b"a.json" + b"\0" * 94 + b"0000644\0" + b"0" * 50,
    "huge-coco.json": '{"images":[{"id":1,"file_name":"a.png","height":8589934592,"width":8589934592}],'
    '"categories":[null],"annotations":[{"id":1,"image_id":1,"category_id":1,"iscrowd":1,'
    '"segmentation":{"size":[8589934592,8589934592],"counts":[73786976294838206464]}}]}',
    "huge-rle.json": REGION.format(2**40, '{"size":[2147483648,2147483648],"counts":"PPYo1"}'),
    "huge-ring.json": REGION.format(200_000, "[[[0,0],[1e9,0],[1e9,1e9]]]"),
    "deep-polygons.json": POLYGONS.replace("FILE", "deep.json"),
    "fifo-polygons.json": POLYGONS.replace("FILE", "fifo"),
    "device-polygons.json": POLYGONS.replace("FILE", "/dev/zero"),
    "folder-polygons.json": POLYGONS.replace("FILE", "folder"),
    "data.txt": "\x00 nan\na.json inf\nb.json 1e400\n\n x\n",
    "loop.txt": "loop.txt 1\n",
    "meta.json": '{"a":{"root":"","annotation":"meta.json","repeat_time":1e308,"length":1}}',
    "device-meta.json": '{"a":{"root":"","annotation":"/dev/zero","repeat_time":1,"length":1}}',
    "a b\n\U0001f600.json": f"[{LINE}]",
    "C:\\data\\x.json": f"[{LINE}]",
}
PLACES = ("missing.json", "folder", "link", "x" * 5000, "", "no://such/x.json", "fifo-nobody")

VERBS: dict[str, list[str]] = {
    "validate": ["validate", "{}", "--jobs", "1"],
    "validate closely": ["validate", "{}", "--media", "decode", "--masks", "full", "--jobs", "1"],
    "sarif": ["validate", "{}", "--output-format", "sarif", "-o", "out.json", "--jobs", "1"],
    "detect": ["detect", "{}"],
    "convert": ["convert", "{}", "--to", "internvl", "-o", "out", "--jobs", "1"],
    "convert videorefer": [
        "convert",
        "{}",
        "--format",
        "videorefer",
        "--to",
        "coco",
        "-o",
        "out",
        "--jobs",
        "1",
    ],
    "rasterize": ["rasterize", "{}", "-o", "out"],
    "rasterize videorefer": ["rasterize", "{}", "-o", "out", "--format", "videorefer"],
    "raster-diff": ["raster-diff", "{}"],
    "mixture show": ["mixture", "show", "{}"],
    "mixture plan": ["mixture", "plan", "{}", "--draws", "2"],
    "merge": ["merge", "{}", "good.jsonl", "-o", "out.jsonl"],
    "split": ["split", "{}", "--parts", "a=0.5,b=0.5", "--by", "media", "-o", "out"],
    "filter": ["filter", "{}", "len(codes) == 0 and tokens < 100 and width > 1", "-o", "out.json"],
    "dedup": ["dedup", "{}", "--by", "image", "-o", "out.json"],
    "diff": ["diff", "good.jsonl", "{}"],
    "layout": ["layout", "check", "{}", "--preset", "drivelm"],
    "meta": ["meta", "check", "{}"],
    "import drivelm": ["import", "drivelm", "{}", "-o", "out"],
    "import geochat": ["import", "geochat", "{}", "-o", "out"],
    "stitch": ["stitch", "--ann", "{}", "-o", "out"],
}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("hostile")
    for name, content in FILES.items():
        (home / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    (home / "good.jsonl").write_text(f"{LINE}\n" * 3)
    (home / "folder").mkdir()
    (home / "folder" / "self").symlink_to(".")
    (home / "link").symlink_to("link")
    os.mkfifo(home / "fifo")
    return home


def run(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    return int(stopped.value.code or 0)


EVERYDAY = ("validate closely", "convert", "merge", "raster-diff", "mixture plan")
known = cache(get_command)


@pytest.mark.parametrize(
    "verb", [verb if verb in EVERYDAY else pytest.param(verb, marks=pytest.mark.slow) for verb in VERBS]
)
def test_any_file(
    verb: str, hostile: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(hostile)
    monkeypatch.setattr("typer.main.get_command", known)  # built once, not for each of a thousand commands
    before = set(os.listdir(hostile))
    wrong = []
    signal.signal(signal.SIGALRM, lambda *_: pytest.fail(f"{verb} {place} hangs"))
    for place in [*FILES, *PLACES]:
        signal.alarm(120)
        code = run([argument.replace("{}", place) for argument in VERBS[verb]])
        signal.alarm(0)
        told = [line for line in capsys.readouterr().err.splitlines() if ": left aside: " not in line]
        left = set(os.listdir(hostile)) - before
        if code not in (0, 1, 2) or (code == 2 and (len(told) != 1 or not told[0].startswith("mmdata: "))):
            wrong.append((place[:40], code, told[-2:]))
        if left - {"out", "out.json", "out.jsonl"} or (code == 2 and left):
            wrong.append((place[:40], code, sorted(left)))
        for name in left & {"out.json"}:
            json.loads((hostile / name).read_bytes())
        for name in left:
            shutil.rmtree(name) if os.path.isdir(name) else os.unlink(name)
    assert wrong == []
