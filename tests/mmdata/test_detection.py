from __future__ import annotations

from pathlib import Path

import pytest

import mmdata

TURNS = '"conversations": [{"from": "human", "value": "<image>\\nHi"}, {"from": "gpt", "value": "Hello"}]'

CASES = {
    "internvl": f'{{"image": "a.png", {TURNS}}}\n{{"image": "b.png", {TURNS}}}\n',
    "internvl-meta": '{"m": {"root": "", "annotation": "a.jsonl", "data_augment": false, "repeat_time": 1}}',
    "data-txt": "a.json 1\nb.json 2.5\n",
    "videorefer": f'[{{"image": "a.png", "annotation": [], {TURNS}}}]',
    "videorefer-vl3": f'[{{"video": ["a.mp4"], "masks": [], {TURNS}}}]',
    "geopixel": '[{"image": "a.png", "polygons": "a.json", "conversations": [{"from": "human", "value": "Hi"}]}]',
    "xcomposer": '[{"image": "a.png", "conversations": [{"from": "user", "value": "<ImageHere>Hi"}, {"from": "bot", "value": "A"}]}]',
}
DAMAGED = {
    "a wrong key and a broken record": (
        "xcomposer",
        '[{"id": 1, "conversation": [{"from": "user", "value": "<ImageHere>"}]}, {\'id\': 2}, ]',
    ),
    "a mark and a comma": (
        "internvl-meta",
        '\ufeff{"m": {"root": "", "annotation": "a.jsonl", "repeat_time": 1},}',
    ),
    "single quotes": (
        "internvl",
        "{'image': 'a.png', 'conversations': [{'from': 'human', 'value': 'Hi'}, {'from': 'gpt', 'value': 'A'}]}\n",
    ),
    "cut off": (
        "geopixel",
        '[{"image": "a.png", "polygons": "a.json", "conversations": [{"from": "human", "value": "Hi"}]}, {"image": "b.p',
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_content_tells_the_format_whatever_the_name(name: str, tmp_path: Path) -> None:
    (tmp_path / "file.dat").write_text(CASES[name])
    found = mmdata.detect(str(tmp_path / "file.dat"))
    assert found.format == name
    assert found.candidates[0].reasons


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_files_are_recognised(damage: str, tmp_path: Path) -> None:
    name, text = DAMAGED[damage]
    (tmp_path / "file").write_text(text)
    assert mmdata.detect(str(tmp_path / "file")).format == name


@pytest.mark.parametrize("to", ["llava", "videorefer", "videorefer-vl3"])
def test_what_convert_wrote_is_known_by_its_report(tmp_path: Path, to: str) -> None:
    (tmp_path / "talk.jsonl").write_text(
        '{"conversations": [{"from": "human", "value": "Hi?"}, {"from": "gpt", "value": "Ho."}]}\n'
    )
    mmdata.convert(tmp_path / "talk.jsonl", tmp_path / "out", to=to, format="internvl")
    assert mmdata.detect(str(tmp_path / "out/talk.json")).format == to
    (tmp_path / "out/talk.json").rename(tmp_path / "out/other.json")  # the report does not speak of it
    assert mmdata.detect(str(tmp_path / "out/other.json")).format is None
    (tmp_path / "out/other.json").write_text('[{"images": [], "messages": []}]')
    (tmp_path / "out/other.json").rename(tmp_path / "out/talk.json")
    assert mmdata.detect(str(tmp_path / "out/talk.json")).format != to  # what the records say comes first
