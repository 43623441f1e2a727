"""How a run is started, from what is asked for and what the environment says."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mmdata.errors import UsageError
from mmtrain.cli.launch import split
from mmtrain.config import parse_config
from mmtrain.launch import Launch, Ranks, check_early, plan, read_hostfile, slurm_script
from mmtrain.settings import Settings

CONFIG = parse_config({"model_name_or_path": "m", "output_dir": "runs/my run", "data": {"train": "x"}}, "x")


def planned(environment: dict[str, str] | None = None, **ranks: Any) -> Launch:
    return plan("run.yaml", ["seed=1"], Ranks(**ranks), environment or {})


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


def test_one_process_trains_here() -> None:
    assert planned() == Launch(None, 1, "here")


def test_one_rank_a_visible_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,3")
    assert planned().world == 2


def test_several_processes_start_under_torchrun_with_the_same_overrides() -> None:
    found = planned(nproc=4, arguments=("--max-restarts=3",))
    assert found.command is not None
    assert found.command[1:] == [
        "-m", "torch.distributed.run", "--nproc-per-node=4", "--standalone", "--max-restarts=3",
        "-m", "mmtrain", "launch", "run.yaml", "seed=1",
    ]  # fmt: skip


def test_environment_asks_as_the_options_do() -> None:
    assert planned({"NPROC_PER_NODE": "2"}).world == 2
    with pytest.raises(UsageError, match="NPROC_PER_NODE"):
        planned({"NPROC_PER_NODE": "two"})


def test_nodes_meet_with_and_without_a_number() -> None:
    fixed = planned(nproc=8, nnodes=2, node_rank=1, rdzv="n0:29500")
    assert fixed.world == 16
    assert fixed.command is not None
    assert {"--node-rank=1", "--master-addr=n0", "--master-port=29500"} <= set(fixed.command)
    elastic = planned(nproc=8, nnodes=2, rdzv="n0:29500").command
    assert elastic is not None
    assert {"--rdzv-backend=c10d", "--rdzv-endpoint=n0:29500"} <= set(elastic)


@pytest.mark.parametrize(
    ("ranks", "told"),
    [
        ({"nnodes": 2}, "--rdzv HOST:PORT"),
        ({"nnodes": 2, "rdzv": "host"}, "expected HOST:PORT"),
        ({"nnodes": 2, "rdzv": "h:1", "node_rank": 2}, "expected 0 to 1"),
        ({"arguments": ("--max-restarts=1",)}, "no launcher"),
        ({"hostfile": "gone"}, "gone"),
    ],
)
def test_requests_that_contradict_themselves(ranks: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        planned(**ranks)


def test_under_a_launcher_only_the_environment_is_read() -> None:
    inside = {"RANK": "3", "WORLD_SIZE": "16"}
    assert planned(inside) == Launch(None, 16, "launcher")
    with pytest.raises(UsageError, match="has started this process already"):
        planned(inside, nproc=4)


def test_a_hostfile_starts_the_deepspeed_launcher(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text("n0 slots=8  # first\n\nn1 slots=8\n")
    found = planned(hostfile=str(path))
    assert found.world == 16
    assert found.command is not None
    at = found.command.index("--module")
    assert found.command[at + 1 :] == ["mmtrain", "launch", "run.yaml", "seed=1"]
    with pytest.raises(UsageError, match="n0 has only 8 slots"):
        planned(hostfile=str(path), nproc=9)


@pytest.mark.parametrize("text", ["n0\n", "n0 slots=2\nn0 slots=2\n", "# nothing\n"])
def test_a_bad_hostfile_is_told(text: str, tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text(text)
    with pytest.raises(UsageError, match="hostfile"):
        read_hostfile(str(path))


def test_the_slurm_script_is_a_script_with_one_torchrun_a_node(tmp_path: Path) -> None:
    ranks = Ranks(nproc=4, nnodes=16)
    script = slurm_script("my run.yaml", ["output_dir=a b"], CONFIG, ranks, time="01:00:00", partition="gpu")
    path = tmp_path / "job.sh"
    path.write_text(script)
    assert subprocess.run(["bash", "-n", str(path)], check=False).returncode == 0
    assert {"#SBATCH --nodes=16", "#SBATCH --ntasks-per-node=1", "#SBATCH --gpus-per-node=4"} <= set(
        script.splitlines()
    )
    assert "'my run.yaml' 'output_dir=a b'" in script
    # What srun and scontrol are given, as the shell hands it over.
    (tmp_path / "srun").write_text('#!/bin/bash\nprintf "%s\\n" "$@"\n')
    (tmp_path / "scontrol").write_text("#!/bin/bash\necho n0\necho n1\n")
    for name in ("srun", "scontrol"):
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        ["bash", str(path)],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "SLURM_JOB_ID": "41", "SLURM_JOB_NODELIST": "n[0-1]"},
        capture_output=True,
        text=True,
        check=True,
    )
    words = done.stdout.splitlines()
    assert "--rdzv-endpoint=n0:20041" in words
    assert words[-4:] == ["mmtrain", "launch", "my run.yaml", "output_dir=a b"]


def test_words_after_the_dashes_are_the_launchers() -> None:
    assert split(["a=1", "b=2", "--max-restarts", "3"]) == (["a=1", "b=2"], ["--max-restarts", "3"])
    with pytest.raises(UsageError, match="expected key=value"):
        split(["a=1", "b"])


@pytest.fixture
def runnable(tmp_path: Path) -> dict[str, Any]:
    """A config that is right as far as it can be told early; nothing in its model directory is a model's."""
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text('{"model_type": "internvl", "vision_config": {"image_size": 28}}')
    (model / "tokenizer.json").touch()
    (model / "model.safetensors").touch()
    turns = [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "yes"}]
    (tmp_path / "d.jsonl").write_text(json.dumps({"conversations": turns}) + "\n")
    return {
        "model_name_or_path": str(model),
        "output_dir": str(tmp_path / "run"),
        "data": {"train": str(tmp_path / "d.jsonl")},
    }


def early(plain: dict[str, Any]) -> Settings:
    return check_early(parse_config(plain, "run.yaml"))


def test_a_right_config_passes_and_writes_nothing(runnable: dict[str, Any], tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert early(runnable).model == runnable["model_name_or_path"]
    assert sorted(tmp_path.rglob("*")) == before


def without(folder: str, name: str) -> Any:
    return lambda plain, here: (here / folder / name).unlink()


def given(**more: Any) -> Any:
    def give(plain: dict[str, Any], here: Path) -> None:
        plain.update({k: v.format(here=here) if isinstance(v, str) else v for k, v in more.items()})

    return give


def written(name: str, text: str) -> Any:
    def write(plain: dict[str, Any], here: Path) -> None:
        (here / name).write_text(text)
        plain["data"] = {"train": str(here / name)}

    return write


def rooted(plain: dict[str, Any], here: Path) -> None:
    plain["data"] = {"train": {"path": plain["data"]["train"], "media_root": str(here / "nowhere")}}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (without("model", "config.json"), "config.json: no such file; expected a local model directory"),
        (without("model", "tokenizer.json"), "no tokenizer there"),
        (without("model", "model.safetensors"), "no weights there"),
        (given(model_name_or_path="{here}/gone"), "expected a local model directory"),
        (given(output_dir="{here}/d.jsonl/run"), "d.jsonl is a file"),
        (given(output_dir="{here}/d.jsonl"), "d.jsonl is a file"),
        (given(resume_from_checkpoint="{here}/checkpoint-3"), "no complete checkpoint there"),
        (given(min_pixels=4), "min_pixels is Qwen2-VL's; max_dynamic_patch bounds a picture"),
        (given(deepspeed="zero4"), "did you mean 'zero3'"),
        (given(deepspeed="{here}/gone.json"), "gone.json: No such file"),
        (given(recipe="chatt"), "did you mean 'chat'"),
        (given(template="internvl3"), "did you mean 'internvl2_5'"),
        (given(data={"train": "{here}/gone.jsonl"}), "no such file"),
        (written("data.txt", "nowhere.json 1\n"), "no file at nowhere.json"),
        (written("empty.jsonl", ""), "the file is empty"),
        (rooted, "nowhere: no such directory"),
    ],
)
def test_what_is_wrong_is_one_line_before_torch_is_needed(
    runnable: dict[str, Any], tmp_path: Path, change: Any, told: str
) -> None:
    change(runnable, tmp_path)
    with pytest.raises(UsageError) as caught:
        early(runnable)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
