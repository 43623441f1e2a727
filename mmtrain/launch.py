"""From a config to running ranks: in this process, through torchrun, through DeepSpeed's hostfile launcher, through Slurm.

Under a launcher (RANK and WORLD_SIZE are set) nothing is launched again: the environment says what this process is.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmdata.errors import UsageError
from mmtrain.config import Config, ConfigError

if TYPE_CHECKING:
    from mmtrain.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """Where the ranks of a run live.

    Attributes:
        nproc: processes on each node; None: one a GPU that is seen, or what NPROC_PER_NODE says.
        nnodes: nodes.
        node_rank: number of this node; None lets the rendezvous number them.
        rdzv: host:port where the nodes meet.
        hostfile: lines of ``host slots=N``; DeepSpeed's launcher then starts every node over ssh.
        arguments: handed to the launcher as they are.
    """

    nproc: int | None = None
    nnodes: int = 1
    node_rank: int | None = None
    rdzv: str | None = None
    hostfile: str | None = None
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Launch:
    """How a run is started.

    Attributes:
        command: to be executed; None: train in this process.
        world: number of ranks, where it is known here.
        how: one word for people: ``here``, ``torchrun``, ``deepspeed``, or the launcher above us.
    """

    command: list[str] | None
    world: int
    how: str


def plan(
    config_path: str,
    overrides: Sequence[str],
    ranks: Ranks,
    environment: Mapping[str, str] = os.environ,
) -> Launch:
    """Decide how a run is started.

    Args:
        config_path: the YAML.
        overrides: ``key=value``, passed on to every rank.
        ranks: what was asked for.
        environment: variables of this process.

    Raises:
        UsageError: the request contradicts itself, or the launcher above us.
    """
    if "RANK" in environment and "WORLD_SIZE" in environment:
        asked = (ranks.nproc, ranks.node_rank, ranks.rdzv, ranks.hostfile)
        if any(value is not None for value in asked) or ranks.nnodes != 1 or ranks.arguments:
            raise UsageError(
                "a launcher has started this process already (RANK and WORLD_SIZE are set): "
                "leave out --nproc, --nnodes, --node-rank, --rdzv, --hostfile and what follows --"
            )
        return Launch(None, _number(environment["WORLD_SIZE"], "WORLD_SIZE"), "launcher")
    rank = ["-m", "mmtrain", "launch", config_path, *overrides]
    if ranks.hostfile is not None:
        return _hostfile(ranks, rank)
    nproc = ranks.nproc or _number(environment.get("NPROC_PER_NODE", "0"), "NPROC_PER_NODE") or gpus() or 1
    nnodes = ranks.nnodes if ranks.nnodes > 1 else _number(environment.get("NNODES", "1"), "NNODES")
    if nnodes == 1 and (ranks.rdzv is not None or ranks.node_rank is not None):
        raise UsageError("--rdzv and --node-rank are for several nodes: say how many with --nnodes")
    if nproc == 1 and nnodes == 1:
        if ranks.arguments:
            raise UsageError(
                f"{shlex.join(ranks.arguments)}: there is one process and no launcher to hand this to; "
                "ask for more with --nproc"
            )
        return Launch(None, 1, "here")
    launcher = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={nproc}"]
    if nnodes == 1:
        launcher += ["--standalone"]
    else:
        launcher += _rendezvous(ranks, nnodes)
    return Launch([*launcher, *ranks.arguments, *rank], nproc * nnodes, "torchrun")


def _rendezvous(ranks: Ranks, nnodes: int) -> list[str]:
    if ranks.rdzv is None:
        raise UsageError(f"{nnodes} nodes need a place to meet: --rdzv HOST:PORT, the same on every node")
    host, port = _meeting(ranks.rdzv)
    found = [f"--nnodes={nnodes}"]
    if ranks.node_rank is not None:
        if not 0 <= ranks.node_rank < nnodes:
            raise UsageError(f"--node-rank: expected 0 to {nnodes - 1}, got {ranks.node_rank}")
        return [*found, f"--node-rank={ranks.node_rank}", f"--master-addr={host}", f"--master-port={port}"]
    return [*found, "--rdzv-backend=c10d", f"--rdzv-endpoint={ranks.rdzv}", "--rdzv-id=mmtrain"]


def _meeting(rdzv: str) -> tuple[str, str]:
    """Host and port."""
    host, _, port = rdzv.rpartition(":")
    if not host or not re.fullmatch("[0-9]{1,5}", port) or int(port) > 65535:
        raise UsageError(f"--rdzv: expected HOST:PORT, for example n0:29500, got {rdzv}")
    return host, port


def _hostfile(ranks: Ranks, rank: list[str]) -> Launch:
    if ranks.node_rank is not None or ranks.nnodes != 1:
        raise UsageError("--hostfile names the nodes: leave out --nnodes and --node-rank")
    path = str(ranks.hostfile)
    hosts = read_hostfile(path)
    command = [sys.executable, "-m", "deepspeed.launcher.runner", f"--hostfile={path}", "--no_local_rank"]
    if ranks.rdzv is not None:
        host, port = _meeting(ranks.rdzv)
        command += [f"--master_addr={host}", f"--master_port={port}"]
    slots = sum(hosts.values())
    if ranks.nproc is not None:
        few = [host for host, count in hosts.items() if count < ranks.nproc]
        if few:
            raise UsageError(f"--nproc {ranks.nproc}: {few[0]} has only {hosts[few[0]]} slots in {path}")
        command.append(f"--num_gpus={ranks.nproc}")
        slots = ranks.nproc * len(hosts)
    # The runner starts a module without the leading -m.
    return Launch([*command, *ranks.arguments, "--module", *rank[1:]], slots, "deepspeed")


def read_hostfile(path: str) -> dict[str, int]:
    """Slots of each host.

    Raises:
        UsageError: no such file, or a line is not ``host slots=N``.
    """
    from mmtrain.config.document import read_bytes

    try:
        lines = read_bytes(path, "a DeepSpeed hostfile").decode().splitlines()
    except (ConfigError, UnicodeDecodeError) as error:
        raise UsageError(f"--hostfile: {error}") from None
    hosts: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        match = re.fullmatch(r"(\S+)\s+slots=(\d+)", text)
        if match is None:
            raise UsageError(f"--hostfile: {path}: line {number}: expected `host slots=N`, got {text!r}")
        if match[1] in hosts:
            raise UsageError(f"--hostfile: {path}: line {number}: {match[1]} stands there twice")
        hosts[match[1]] = int(match[2])
    if not hosts:
        raise UsageError(f"--hostfile: {path}: names no host")
    return hosts


def _number(text: str, name: str) -> int:
    if not re.fullmatch("[0-9]{1,6}", text):
        raise UsageError(f"{name}: expected a number, got {text!r}")
    return int(text)


def gpus() -> int:
    """GPUs that a process started here would see; asked of the driver's tool, so that torch stays unloaded."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([one for one in visible.split(",") if one.strip() not in ("", "-1")])
    try:
        listed = subprocess.run(
            ["nvidia-smi", "-L"],  # noqa: S607 - the driver's own tool, wherever it lies
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return (
        sum(line.startswith("GPU ") for line in listed.stdout.splitlines()) if listed.returncode == 0 else 0
    )


def slurm_script(
    config_path: str,
    overrides: Sequence[str],
    config: Config,
    ranks: Ranks,
    *,
    time: str,
    partition: str | None,
) -> str:
    """An sbatch script: one torchrun a node, meeting on the job's first node; a requeued job resumes.

    Args:
        config_path: the YAML, as the job will find it.
        overrides: ``key=value``.
        config: tells the output directory and the workers that each rank starts.
        ranks: `nproc` (8 if None) and `nnodes` count.
        time: limit, as Slurm writes it.
        partition: where to; None leaves it to the cluster.

    Raises:
        UsageError: time or partition is none that Slurm would read.
    """
    if not re.fullmatch(r"[0-9:-]+|UNLIMITED|INFINITE", time):
        raise UsageError(
            f"--slurm-time: expected a limit as Slurm writes it, for example 24:00:00, got {time}"
        )
    if partition is not None and not re.fullmatch(r"[\w.,-]+", partition):
        raise UsageError(f"--slurm-partition: expected a name, or several with commas, got {partition}")
    nproc = ranks.nproc or 8
    name = re.sub(r"[^A-Za-z0-9_.-]", "-", Path(config.output_dir).name) or "mmtrain"
    # Slurm's %x is the job's name, %j its number; Slurm reads #SBATCH lines without a shell: no variables, no quotes.
    head = [
        "#!/bin/bash",
        f"#SBATCH --job-name={name}",
        f"#SBATCH --nodes={ranks.nnodes}",
        "#SBATCH --ntasks-per-node=1",
        f"#SBATCH --gpus-per-node={nproc}",
        f"#SBATCH --cpus-per-task={nproc * (config.dataloader_num_workers + 2)}",
        f"#SBATCH --time={time}",
        "#SBATCH --output=%x-%j.log",
        "#SBATCH --requeue",
    ]
    if partition:
        head.append(f"#SBATCH --partition={partition}")
    launcher = [
        f"--nnodes={ranks.nnodes}",
        f"--nproc-per-node={nproc}",
        "--rdzv-backend=c10d",
        '--rdzv-endpoint="$head:$port"',
        '--rdzv-id="$SLURM_JOB_ID"',
    ]
    rank = shlex.join([*ranks.arguments, "-m", "mmtrain", "launch", config_path, *overrides])
    body = [
        "",
        "set -euo pipefail",
        "export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}",
        'nodes=$(scontrol show hostnames "$SLURM_JOB_NODELIST")',
        # Not piped into `head`: with pipefail a writer that head has left ends the script.
        "head=${nodes%%$'\\n'*}",
        "port=$((20000 + SLURM_JOB_ID % 20000))  # two jobs on one node do not meet",
        "",
        "srun --kill-on-bad-exit=1 \\",
        f"  {shlex.quote(sys.executable)} -m torch.distributed.run \\",
        f"  {' '.join(launcher)} \\",
        f"  {rank}",
    ]
    return "\n".join([*head, *body]) + "\n"


def run(config: Config) -> dict[str, Any]:
    """Train in this process.

    Raises:
        UsageError: the config cannot be carried out.
        MissingExtra: torch or DeepSpeed is not installed.
    """
    from mmdata.errors import MissingExtra
    from mmtrain.quiet import quiet

    settings = check_early(config)
    quiet()
    try:
        import deepspeed  # noqa: F401
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtra(str(error.name), "train", "mmtrain launch") from None
    from mmtrain.trainer import train

    return train(settings)


def check_early(config: Config) -> Settings:
    """What can be known without importing torch: data files, DeepSpeed's JSON, recipe, template, and every directory.

    Returns:
        The settings of the config.

    Raises:
        UsageError: something of it is wrong.
    """
    from importlib import import_module
    from pkgutil import iter_modules

    import mmtrain.recipes
    from mmdata.errors import UnknownName
    from mmdata.templates import get_template
    from mmtrain.checkpoint import to_resume
    from mmtrain.families import family_of

    known = [module.name for module in iter_modules(mmtrain.recipes.__path__)]
    if config.recipe not in known:
        raise UnknownName("recipe", config.recipe, known)
    settings = config.settings()
    told = import_module(f"mmtrain.recipes.{config.recipe}").model_config(settings)
    family_of(told["model_type"]).check(settings)
    if config.template is not None:
        get_template(config.template)
    _check_model(Path(settings.model))
    _check_places(settings)
    to_resume(settings.resume, settings.output_dir)
    return settings


TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "tiktoken.model")
"""Files of which a tokenizer's directory has at least one."""


def _check_model(model: Path) -> None:
    names = {path.name for path in model.iterdir()}
    if not names.intersection(TOKENIZERS):
        raise UsageError(
            f"model: {model}: no tokenizer there (none of {', '.join(TOKENIZERS)}); copy the released model's files beside "
            "its weights"
        )
    if not any(name.endswith((".safetensors", ".bin", ".index.json")) for name in names):
        raise UsageError(f"model: {model}: no weights there (no .safetensors or .bin file)")


def _check_places(settings: Settings) -> None:
    output = Path(settings.output_dir)
    if output.resolve() == Path(settings.model).resolve():
        raise UsageError(f"output_dir: {output}: the model lies there; give the run a directory of its own")
    there = next(path for path in (output, *output.absolute().parents) if path.exists())
    if not there.is_dir():
        raise UsageError(f"output_dir: {output}: {there} is a file")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UsageError(f"output_dir: {output}: {there} cannot be written to")
    for source in (*settings.train, *settings.eval):
        root = source.media_root
        if root is not None and "://" not in root and not Path(root).is_dir():
            raise UsageError(f"data: {source.path}: media_root {root}: no such directory")
