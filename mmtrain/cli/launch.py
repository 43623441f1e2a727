"""`mmtrain launch config.yaml [key=value ...]`: train."""

from __future__ import annotations

import json
import os
import shlex
import sys
from typing import Annotated

import typer

NAME = "launch"


def command(
    config: Annotated[str, typer.Argument(metavar="CONFIG", help="YAML of the run; see `mmtrain init`.")],
    rest: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE ...] [-- LAUNCHER ARGUMENTS]",
            help="Overrides with dotted paths (lora.r=64, data.train.0.path=x.jsonl).",
        ),
    ] = None,
    nproc: Annotated[
        int | None, typer.Option(min=1, help="Processes on each node; default: one a GPU, one without any.")
    ] = None,
    nnodes: Annotated[int, typer.Option(min=1, help="Nodes.")] = 1,
    node_rank: Annotated[int | None, typer.Option(help="Number of this node, from 0.")] = None,
    rdzv: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where the nodes meet: the same on every node.")
    ] = None,
    hostfile: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="DeepSpeed hostfile; its launcher starts every node over ssh."),
    ] = None,
    slurm: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write an sbatch script there (- prints it), start nothing."),
    ] = None,
    slurm_time: Annotated[
        str | None, typer.Option(help="Time limit of the Slurm job; default: 24:00:00.")
    ] = None,
    slurm_partition: Annotated[str | None, typer.Option(help="Partition of the Slurm job.")] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print resolved config, launch command and DeepSpeed JSON; write and start nothing.",
        ),
    ] = False,
) -> int:
    """Train: in this process, on several GPUs, on several nodes; under a launcher only the environment is read."""
    from pathlib import Path

    from mmdata.errors import UsageError
    from mmdata.io.writer import atomic_writer
    from mmtrain import launch as engine
    from mmtrain.config import load_config

    overrides, arguments = split(rest or [])
    parsed = load_config(config, overrides)
    ranks = engine.Ranks(
        nproc=nproc,
        nnodes=nnodes,
        node_rank=node_rank,
        rdzv=rdzv,
        hostfile=hostfile,
        arguments=tuple(arguments),
    )
    if slurm is not None:
        if node_rank is not None or rdzv is not None or hostfile is not None:
            raise UsageError(
                "--slurm: the job itself knows its nodes: leave out --node-rank, --rdzv, --hostfile"
            )
        if slurm != "-" and Path(slurm).exists():
            raise UsageError(
                f"--slurm: {slurm}: is there already; a script is yours to edit and not replaced"
            )
        engine.check_early(parsed)
        script = engine.slurm_script(
            config, overrides, parsed, ranks, time=slurm_time or "24:00:00", partition=slurm_partition
        )
        if slurm == "-" or dry_run:
            print(script, end="")
        else:
            with atomic_writer(slurm) as file:
                file.write(script.encode())
            print(f"mmtrain: written: {slurm}; start it with: sbatch {slurm}", file=sys.stderr)
        return 0
    if slurm_time is not None or slurm_partition is not None:
        raise UsageError("--slurm-time and --slurm-partition go with --slurm FILE")
    planned = engine.plan(config, overrides, ranks)
    if dry_run:
        from mmtrain.config import to_yaml
        from mmtrain.zero import filled

        engine.check_early(parsed)
        print(f"# config\n{to_yaml(parsed)}")
        shown = shlex.join(planned.command) if planned.command else "# in this process"
        print(f"# launch: {planned.world} ranks, {planned.how}\n{shown}\n")
        print(f"# DeepSpeed\n{json.dumps(filled(parsed, planned.world), indent=2)}")
        return 0
    if planned.command is not None:
        engine.check_early(parsed)
        sys.stdout.flush()
        sys.stderr.flush()
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        os.execv(planned.command[0], planned.command)  # noqa: S606 - our own interpreter
    result = engine.run(parsed)
    if os.environ.get("RANK", "0") == "0":
        told = f"step {result['step']}"
        if "loss" in result:
            told += f", loss {result['loss']:.4f}"
        left_out = f"{result['bad_samples']} left out"
        if result["quarantine"]:
            left_out += f" ({result['bad_records']} bad records, listed in {result['quarantine']})"
        print(
            f"mmtrain: done: {told}, {result['total_samples']} samples, {left_out}; {parsed.output_dir}",
            file=sys.stderr,
        )
        if result.get("stopped"):
            print(f"mmtrain: stopped early: {result['stopped']}", file=sys.stderr)
    return 0


def split(rest: list[str]) -> tuple[list[str], list[str]]:
    """Overrides, and what follows ``--``: click has taken the dashes away; launcher arguments begin with a dash.

    Raises:
        UsageError: an override is not ``key=value``.
    """
    from mmdata.errors import UsageError

    for number, word in enumerate(rest):
        if word.startswith("-"):
            return rest[:number], rest[number:]
        if "=" not in word:
            raise UsageError(f"{word}: expected key=value; arguments of the launcher follow --")
    return rest, []
