"""No file, value or moment makes a verb of mmtrain show a traceback, hang, or leave half of an output behind."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from zipfile import ZipFile

import pytest
from typer.main import get_command

from mmdata.errors import UsageError
from mmtrain.cli import main
from mmtrain.log import drop_after

RECORD = {"id": 0, "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
GOOD = """\
model_name_or_path: model
output_dir: runs/x
data:
  train: data.jsonl
deepspeed: zero0
bf16: false
"""

known = cache(get_command)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a config that passes every check that needs no torch."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("typer.main.get_command", known)  # built once, not for each of hundreds of commands
    (tmp_path / "run.yaml").write_text(GOOD)
    (tmp_path / "data.jsonl").write_text(json.dumps(RECORD) + "\n")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text('{"model_type": "internvl"}')
    (tmp_path / "model" / "tokenizer.json").write_text("{}")
    (tmp_path / "model" / "model.safetensors").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    (tmp_path / "binary").write_bytes(bytes(range(256)) * 20)
    (tmp_path / "nul").write_bytes(b"\0" * 3000)
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "deep").write_text("[" * 5_000)
    (tmp_path / "large").write_bytes(b"x" * (2**20 + 1))
    (tmp_path / "cut").write_text('{"a": [1, 2')
    (tmp_path / "list").write_text("[1, 2]\n")
    return tmp_path


PLACES = (
    *("binary", "nul", "empty", "deep", "large", "cut", "list", "folder"),
    *("missing", "x" * 5000, "", "a\0b", "/dev/zero"),
)


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main([*arguments])
    return int(stopped.value.code or 0)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run; must end with 2 and one line, and write nothing. Returns the line."""
    before = sorted(Path().rglob("*"))
    assert run(*arguments) == 2, arguments
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1, said
    assert said[0].startswith("mmtrain: ")
    assert sorted(Path().rglob("*")) == before
    return said[0]


def test_the_good_config_is_good(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("launch", "run.yaml", "--dry-run") == 0


@pytest.mark.parametrize("verb", ["launch", "check"])
def test_any_file_as_config(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    for place in PLACES:
        refused(capsys, verb, place)


LAUGHS = "a0: &a0 [x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{k}: &a{k} [{','.join([f'*a{k - 1}'] * 8)}]\n" for k in range(1, 9)
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("- a\n- b\n", "got a list"),
        ("a:\n\tb: 1\n", "spaces, not tabs"),
        (GOOD + "template: caf\xe9\n", "line 7: byte 0xe9 is not UTF-8"),
        (f"---\n{GOOD}---\n{GOOD}", "line 8: not YAML"),
        (GOOD + "? [a, b]\n: 1\n", "line 7: expected the name of a key"),
        (GOOD + "1: 2\n", "line 7: expected the name of a key, got 1"),
        (GOOD + "yes: 2\n", "line 7: expected the name of a key, got yes"),
        (GOOD + "template: 2020-99-99\n", "line 7: 2020-99-99 looks like a YAML timestamp"),
        (GOOD + "seed: !!int abc\n", "line 7: abc looks like a YAML int"),
        (GOOD + f"seed: {'9' * 5000}\n", "line 7"),
        (GOOD + "seed: 0b_\n", "line 7"),
        (GOOD + "packing: !!bool abc\n", "line 7"),
        (GOOD + "lora: &a {r: *a}\n", "nested without end"),
        (LAUGHS, "more than 20000 values"),
        ("a: " + "{a: " * 3000, "nested without end"),
        (GOOD + 'template: "a\\0b"\n', "line 7: 'a\\\\x00b' holds a character"),
        (GOOD + 'template: "a\\uD800b"\n', "line 7: 'a\\\\ud800b' holds a character"),
        (GOOD + "seed: 99999999999999999999\n", "line 7: seed: expected at most"),
        (GOOD + "max_steps: yes\n", "line 7: max_steps: expected a number, got true"),
        (GOOD + "num_train_epochs: .inf\n", "line 7: num_train_epochs: input should be a finite number"),
        (GOOD + "learning_rate: .nan\n", "line 7: learning_rate"),
        (GOOD + "max_steps: 0\n", "max_steps 0 would train nothing"),
        (GOOD.replace("runs/x", '""'), "line 2: output_dir: is an empty text"),
        (GOOD.replace("runs/x", "model/."), "the model lies there"),
        (GOOD.replace("runs/x", "run.yaml/x"), "is a file"),
        (GOOD.replace("\n  train:", ""), "for example data: {train: file.jsonl}"),
        (GOOD.replace(" data.jsonl", " []"), "data.train: is empty"),
        (GOOD + "vision: frozen\n", "for example vision: {tuning: frozen}"),
        (GOOD.replace("zero0", "3"), "deepspeed: expected a preset (zero0, "),
        (GOOD.replace(": model", ": Org/Name"), "nothing is downloaded while training"),
    ],
)
def test_any_text_as_config(text: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("other.yaml").write_bytes(text.encode("latin-1"))
    assert told in refused(capsys, "launch", "other.yaml", "--dry-run").replace("\\", "\\\\")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"a": [1', "not JSON"),
        ("[1]", "expected an object"),
        ("[" * 100_000, "nested without end"),
        ('{"gradient_clipping": NaN}', "gradient_clipping is nan"),
        ('{"zero_optimization": null}', "zero_optimization: expected an object"),
        ('{"zero_optimization": {"stage": true}}', "expected 0, 1, 2 or 3, got true"),
        ('{"zero_optimization": {"stage": 2}, "zero_optimization": {"stage": 3}}', "stands there twice"),
        ('{"zero_optimization": {"stage": 3, "offload_param": "cpu"}}', '{"device": "cpu"}'),
        ('{"zero_optimization": {"stage": 3, "offload_param": {"device": "nvme"}}}', "nvme_path"),
        ('{"zero_optimization": {"stage": 2, "reduce_bucket_size": "auto"}}', "leave it out"),
        ('{"zero_optimisation": {"stage": 3}}', "did you mean zero_optimization?"),
        ('{"stage": 3}', "belongs into zero_optimization"),
    ],
)
def test_any_json_of_deepspeed(text: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("ds.json").write_text(text)
    assert told in refused(capsys, "launch", "run.yaml", "deepspeed=ds.json", "--dry-run")


@pytest.mark.parametrize(
    "argument",
    ["deepspeed=./{}", "data.train={}", "model_name_or_path={}", "data.eval={} eval_steps=1", "resume={}"],
)
def test_any_file_a_config_names(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    for place in PLACES:
        if place in ("", "a\0b", "empty") and argument.startswith(("resume", "deepspeed", "data")):
            continue
        refused(capsys, "launch", "run.yaml", *argument.replace("{}", place).split(), "--dry-run")


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_model_without_a_file(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (Path("model") / name).unlink()
    assert "model: model" in refused(capsys, "launch", "run.yaml", "--dry-run")


@pytest.mark.parametrize(
    "text", ["", "[]", "3", '{"model_type": []}', '{"model_type": "internvl_chat"}', "[" * 99_999]
)
def test_any_model_config(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("model/config.json").write_text(text)
    refused(capsys, "launch", "run.yaml", "--dry-run")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("--rdzv n0:1", "--nnodes"),
        ("--node-rank 1", "--nnodes"),
        ("--nnodes 2 --rdzv n0:99999", "HOST:PORT"),
        ("--slurm-partition p", "--slurm FILE"),
        ("--slurm-time 3", "--slurm FILE"),
        ("--slurm - --slurm-time x", "24:00:00"),
        ("--slurm run.yaml", "is there already"),
        ("--slurm folder", "is there already"),
        ("--slurm nowhere/job.sh", "nowhere"),
        ("--hostfile binary", "--hostfile"),
        ("--hostfile large", "more than 1 MiB"),
        ("--hostfile folder", "Is a directory"),
    ],
)
def test_options_of_launch(options: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert told in refused(capsys, "launch", "run.yaml", *options.split())


def checkpoint(step: int) -> Path:
    """A checkpoint that is whole as far as can be told without torch."""
    path = Path("runs/x") / f"checkpoint-{step}"
    (path / "weights").mkdir(parents=True)
    for name in ("random-0.pt", "weights/mp_rank_00_model_states.pt"):
        with ZipFile(path / name, "w") as file:
            file.writestr("data.pkl", b"x" * 1000)
    state = {
        "step": step,
        "world_size": 1,
        "order_hash": "",
        "tokens": 1,
        "samples": 1,
        "bad": 0,
        "best": None,
        "since_best": 0,
        "settings": {},
        "data": {},
        "rows": {"next": 1, "window": 1, "waiting": [], "rows": []},
    }
    (path / "trainer.json").write_text(json.dumps(state))
    return path


def test_a_whole_checkpoint_is_gone_on_from() -> None:
    checkpoint(2)
    assert run("launch", "run.yaml", "--dry-run") == 0


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"step": true}', bytes(range(256)), b"[" * 99_999, None]
)
@pytest.mark.parametrize("name", ["trainer.json", "random-0.pt", "weights/mp_rank_00_model_states.pt"])
def test_a_damaged_checkpoint_is_told_before_torch_is_needed(
    name: str, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    file = checkpoint(2) / name
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    elif name == "trainer.json":
        return  # such a checkpoint was never finished, and is none
    assert str(file.parent) in refused(capsys, "launch", "run.yaml", "--dry-run")
    assert str(file.parent) in refused(capsys, "export", "runs/x", "-o", "exported")


@pytest.mark.parametrize("key", ["step", "world_size", "rows", "settings", "data"])
def test_a_checkpoint_of_another_version_is_told(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = checkpoint(2) / "trainer.json"
    state = json.loads(file.read_text())
    del state[key]
    file.write_text(json.dumps(state))
    assert f"lacks {key}" in refused(capsys, "launch", "run.yaml", "--dry-run")
    file.write_text(json.dumps(state | {key: "odd"}))
    assert f"{key} is 'odd'" in refused(capsys, "launch", "run.yaml", "--dry-run")


@pytest.mark.parametrize("resume", ["null", "runs/x/checkpoint-2"])
def test_a_run_is_not_mixed_with_later_checkpoints(resume: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It would save earlier steps, which would be deleted as the oldest, and go on from the later ones if it were killed."""
    checkpoint(2)
    checkpoint(9)
    assert "checkpoint-9 of an earlier run" in refused(
        capsys, "launch", "run.yaml", f"resume={resume}", "--dry-run"
    )


@pytest.mark.parametrize(
    "text",
    [
        "[]\n",
        "3\n",
        "{\n",
        '{"step": [1]}\n',
        "[" * 99_999 + "\n",
        "\0\n",
        '{"step": 1}\nhalf\n{"step": 2}\n',
    ],
)
def test_any_log(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("runs/x").mkdir(parents=True)
    log = Path("runs/x/train_log.jsonl")
    log.write_text(text)
    assert "expected an object with a step" in refused(capsys, "plot", "runs/x")
    with pytest.raises(UsageError, match="expected an object with a step"):
        drop_after(log, 1)  # nothing but its own lines of later steps may be taken out of a log
    assert log.read_text() == text


def test_any_place_as_run(capsys: pytest.CaptureFixture[str]) -> None:
    for place in PLACES:
        refused(capsys, "plot", place)
        refused(capsys, "export", place, "-o", "exported")
