"""The training loop: plain, on `deepspeed.initialize`.

Every optimizer step: take the step's micro-batches, add up the weights of their labels over all ranks, run each forward
and backward with its share of the step's loss, step, log. Ranks run through the same modules in the same order whatever
their batches hold, so no ZeRO stage waits for ever (see `mmtrain.data.collate.packed`: filler).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmdata.errors import DataError
from mmtrain import checkpoint, schedule
from mmtrain.data.encode import Size
from mmtrain.data.fingerprint import check_same, fingerprint
from mmtrain.data.loader import Batches, Jobs, StepEnd, loader
from mmtrain.data.measuring import Measuring, alone, over
from mmtrain.data.mixing import mixture
from mmtrain.data.order import Order
from mmtrain.data.packing import Rows, State
from mmtrain.data.sources import BadSample, Reader
from mmtrain.engine import check_engine, deepspeed_config, gradient_norm, make_engine, prepare
from mmtrain.held_out import evaluate
from mmtrain.log import LOG, Log, check_log, drop_after
from mmtrain.mfu import meter_of
from mmtrain.quarantine import QUARANTINE, Quarantine, bad_records
from mmtrain.ranks import summed
from mmtrain.settings import Settings, to_plain
from mmtrain.stopping import Stopping
from mmtrain.window import Window

if TYPE_CHECKING:
    from mmtrain.data.collate import Batch

SETTINGS = "settings.json"


def train(settings: Settings) -> dict[str, Any]:
    """Train; every rank calls it, under torchrun or alone.

    Returns:
        The last entry of the log and what the run counted.

    Raises:
        UsageError: the settings cannot be carried out.
        DataError: a bad sample with ``on_bad_sample: stop``.
    """
    prepare()
    import torch.distributed as dist

    run = Run(settings)
    try:
        result = run.train()
        dist.barrier()
    finally:
        run.close()
    if dist.is_initialized():
        dist.destroy_process_group()
    return result


class Run:
    """One run: its model, data, log and place in training.

    Args:
        settings: what to do.

    Attributes:
        engine: DeepSpeed's engine.
        step: optimizer steps done.
    """

    def __init__(self, settings: Settings) -> None:
        import torch
        import torch.distributed as dist

        self.settings = settings
        self.rank, self.world = dist.get_rank(), dist.get_world_size()
        self.recipe = import_module(f"mmtrain.recipes.{settings.recipe}")
        self.encoder = self.recipe.make_encoder(settings)
        self.config = deepspeed_config(settings, self.world)
        check_engine(self.config)
        self.stage = int(self.config["zero_optimization"]["stage"])
        self.order = _order(settings)
        models = self.recipe.model_folders(settings) if hasattr(self.recipe, "model_folders") else {}
        self.data = fingerprint(settings, models)
        resumed = self._to_resume()
        self.reader = Reader(
            settings.train,
            self.encoder,
            max_length=settings.max_length,
            max_tiles=settings.packed_tiles if settings.packing else None,
        )
        torch.manual_seed(settings.seed)
        self.engine, self.model = make_engine(settings, self.recipe, self.encoder.tokenizer, self.config)
        self.device, self.dtype = self.engine.device, next(self.model.parameters()).dtype
        self.meter, self.peak = meter_of(self.model, settings.recipe, settings.dtype)
        self.step = 0
        self.order_hash = ""
        self.state = State()
        self.tokens = self.samples = self.bad = 0
        self.norm = 0.0
        self.quarantine = Quarantine(settings.output_dir, self.rank, self.world)
        self.measuring: Measuring | None = None
        # Sizes of samples are exchanged on the host: a GPU's group would have them wait for its kernels.
        nccl = self.world > 1 and dist.get_backend() != "gloo"
        self.group = dist.new_group(backend="gloo") if nccl else None
        self.stopping = Stopping(settings.early_stopping_patience)
        if resumed is not None:
            self._resume(resumed)
        self.total = self._total()
        self.log: Log | None = None
        if self.rank == 0:
            path = Path(settings.output_dir)
            for name in (LOG, QUARANTINE):
                drop_after(path / name, self.step)
            plain = to_plain(settings)
            (path / SETTINGS).write_text(json.dumps(plain, indent=1), "utf-8")
            self.log = Log(path, settings.report_to, self.total, plain)

    def close(self) -> None:
        """Finish the log."""
        if self.log is not None:
            self.log.close()

    # --- making ---------------------------------------------------------------------------------------------------

    def _to_resume(self) -> Path | None:
        """The checkpoint to go on from, if it can be gone on from; told before a model is loaded."""
        s = self.settings
        path = checkpoint.to_resume(s.resume, s.output_dir)
        if self.rank == 0:
            Path(s.output_dir).mkdir(parents=True, exist_ok=True)
            for name in (LOG, QUARANTINE):
                check_log(Path(s.output_dir) / name)
        if path is not None:
            if self.rank == 0:
                print(f"mmtrain: goes on from {path}", file=sys.stderr)  # noqa: T201
            checkpoint.check_world(path, self.world, self.stage)
            for warning in check_same(checkpoint.read_state(path)["data"], self.data):
                if self.rank == 0:
                    print(f"mmtrain: warning: {warning}", file=sys.stderr)  # noqa: T201
        return path

    def _resume(self, path: Path) -> None:
        saved = checkpoint.load(self.engine, path, adapters=_adapters(self.settings))
        self.step, self.order_hash = saved["step"], saved["order_hash"]
        self.state = State(**saved["rows"])
        self.tokens, self.samples, self.bad = saved["tokens"], saved["samples"], saved["bad"]
        self.stopping.best = tuple(saved["best"]) if saved["best"] else None
        self.stopping.since = saved["since_best"]

    def _total(self) -> int:
        """Optimizer steps of the whole run; with packing an estimate from the first window."""
        s = self.settings
        if s.max_steps > 0:
            return s.max_steps
        assert self.order.length is not None
        a_step = s.per_device_train_batch_size * s.gradient_accumulation_steps * self.world
        each = 1.0
        if s.packing:
            probe = min(self.order.epoch_length, 256)
            found = self._measuring(ahead=0)(range(probe))
            sizes = [size for size in found if isinstance(size, Size)]
            tokens = sum(x.tokens for x in sizes) / s.max_length
            tiles = sum(x.tiles for x in sizes) / s.packed_tiles
            each = max(tokens, tiles, 1 / probe) / max(1, len(sizes)) / 0.98
        return max(1, -int(-self.order.length * each // a_step))

    def _measure(self, position: int) -> Size | BadSample:
        place = self.order[position]
        return self.reader.measure(place.source, place.record)

    def _measuring(self, ahead: int, start: int = 0) -> Measuring:
        """Sizes of positions, by all ranks together."""
        return Measuring(
            self._measure,
            rank=self.rank,
            world=self.world,
            exchange=over(self.group) if self.world > 1 else alone,
            start=start,
            end=self.order.length,
            ahead=ahead,
        )

    def _batches(self) -> Iterator[Batch | DataError]:
        s = self.settings
        if s.packing or s.group_by_length:
            # Two windows: while one is trained on, the next is measured.
            ahead = -(-2 * s.packing_window // self.world) if s.dataloader_num_workers else 0
            self.measuring = self._measuring(ahead, self.state.next)
        rows = Rows(
            self.order,
            self.measuring,
            group=0 if s.packing else s.per_device_train_batch_size * self.world,
            capacity=Size(s.max_length, s.packed_tiles),
            window=s.packing_window,
            seed=s.seed,
            state=self.state,
            stop=s.on_bad_sample == "stop",
        )
        jobs = Jobs(
            self.order,
            rows,
            rank=self.rank,
            world=self.world,
            batch=s.per_device_train_batch_size,
            accumulation=s.gradient_accumulation_steps,
            order_hash=self.order_hash,
        )
        return loader(
            jobs,
            self._maker(self.reader),
            workers=s.dataloader_num_workers,
            prefetch=s.dataloader_prefetch_factor,
            pin=self.device.type == "cuda",
        )

    def _maker(self, reader: Reader) -> Batches:
        s = self.settings
        return Batches(
            reader,
            packing=s.packing,
            filler=True,
            reduction=s.loss_reduction,
            stop=s.on_bad_sample == "stop",
        )

    # --- training -------------------------------------------------------------------------------------------------

    def train(self) -> dict[str, Any]:
        """All steps that are left."""
        s = self.settings
        entry: dict[str, Any] = {}
        window = Window()
        batches = self._batches()
        last_saved = self.step
        self.engine.train()
        stopped = ""
        while self.step < self.total or s.max_steps <= 0:
            began = time.perf_counter()
            micro = self._take(batches)
            if not micro:
                break
            waited = time.perf_counter() - began
            end: StepEnd = micro[-1].notes["step"]
            loss, terms, counted = self._step(micro)
            self.step += 1
            self.state, self.order_hash = end.state, end.order_hash
            window.add(loss, terms, waited, time.perf_counter() - began, counted)
            if self.step % s.logging_steps == 0 or self.step == self.total:
                entry = self._entry(window, end)
                if self.log is not None:
                    self.log.write(entry)
                window = Window()
            evaluated = bool(s.eval and s.eval_steps and self.step % s.eval_steps == 0)
            if evaluated:
                stopped = self._evaluated(entry)
            best_now = (
                evaluated
                and s.keep_best
                and self.stopping.best is not None
                and self.stopping.best[1] == self.step
            )
            if best_now or (s.save_steps and self.step % s.save_steps == 0) or stopped:
                self.save()
                last_saved = self.step
            if stopped:
                break
        if self.step > last_saved:
            self.save()
        return {
            **entry,
            "step": self.step,
            "total_samples": self.samples,
            "total_tokens": self.tokens,
            "bad_samples": self.bad,
            "bad_records": bad_records(self.quarantine.path) if self.bad and self.rank == 0 else 0,
            "quarantine": str(self.quarantine.path) if self.bad else "",
            "order_hash": self.order_hash,
            "stopped": stopped,
        }

    def _take(self, batches: Iterator[Batch | DataError]) -> list[Batch]:
        """The micro-batches of one step; none at the end. All ranks end, or fail, together."""
        import torch
        import torch.distributed as dist

        micro: list[Batch] = []
        problem = ""
        try:
            for _ in range(self.settings.gradient_accumulation_steps):
                batch = next(batches)
                if isinstance(batch, DataError):
                    problem = problem or str(batch)
                else:
                    micro.append(batch)
        except StopIteration:
            micro = []
        except DataError as error:  # measured ahead, in this process
            problem = str(error)
        failed = torch.tensor(float(bool(problem)), device=self.device)
        dist.all_reduce(failed)
        if failed.item():
            raise DataError(problem or "another rank met a bad sample")
        return micro

    def _step(self, micro: list[Batch]) -> tuple[float, dict[str, float], tuple[int, int]]:
        """One optimizer step: its loss, the terms of it, and its tokens and samples over all ranks."""
        import torch
        import torch.distributed as dist

        s = self.settings
        bad = [one for batch in micro for one in batch.notes["bad"]]
        units = self.recipe.UNITS
        sums = torch.tensor(
            [
                *(sum(b.counts.get(unit, 0.0) for b in micro) for unit in units),
                sum(b.tokens for b in micro),
                sum(b.samples for b in micro),
                len(bad),
            ],
            dtype=torch.float64,
            device=self.device,
        )
        dist.all_reduce(sums)
        *found, tokens, samples, bad_count = sums.tolist()
        counts = dict(zip(units, found, strict=True))
        self.quarantine.add(bad, int(bad_count), self.step + 1)
        warmup = s.warmup_steps or round(self.total * s.warmup_ratio)
        rate = schedule.factor(self.step, self.total, warmup, s.lr_scheduler_type)
        for group in self.engine.optimizer.param_groups:
            group["lr"] = group["base_lr"] * rate
        means: dict[str, Any] = {}
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        for batch in micro:
            if self.meter is not None:
                self.meter.add(batch)
            here = batch.to(self.device, self.dtype)
            shares = {
                name: (term.total / max(counts[term.unit], 1e-12), term.weight)
                for name, term in self.recipe.loss(self.engine, here).items()
            }
            loss = sum(share * weight for share, weight in shares.values() if weight)
            # The engine divides by ranks and micro-batches; the loss is already this batch's share of the step's.
            self.engine.backward(loss * (self.world * s.gradient_accumulation_steps))
            if batch is micro[-1] and self.stage == 0:
                self.norm = gradient_norm(self.engine)
            self.engine.step()
            total += loss.detach().double()
            for name, (share, _) in shares.items():
                means[name] = means.get(name, 0.0) + share.detach().double()
        dist.all_reduce(total)
        if len(means) > 1:
            means = summed(means)
        self.tokens += int(tokens)
        self.samples += int(samples)
        self.bad += int(bad_count)
        return float(total), means if len(means) > 1 else {}, (int(tokens), int(samples))

    def _entry(self, window: Window, end: StepEnd) -> dict[str, Any]:
        import torch

        norm = self.engine.get_global_grad_norm() if self.stage else self.norm
        entry: dict[str, Any] = {
            "step": self.step,
            "epoch": round(end.epoch, 6),
            "loss": window.loss / window.steps,
            **{f"loss_{name}": value / window.steps for name, value in window.terms.items()},
            "learning_rate": max(group["lr"] for group in self.engine.optimizer.param_groups),
            "tokens": window.tokens,
            "samples": window.samples,
            "tokens_per_second": window.tokens / window.seconds,
            "samples_per_second": window.samples / window.seconds,
            "mfu": self.meter.take() / window.seconds / self.peak if self.meter and self.peak else None,
            "data_wait": window.waited / window.seconds,
            "bad_samples": self.bad,
            "order_hash": self.order_hash,
        }
        if norm is not None:
            entry["grad_norm"] = float(norm)
        if torch.cuda.is_available():
            entry["gpu_memory_gib"] = torch.cuda.max_memory_allocated() / 2**30
        return entry

    # --- evaluation and checkpoints -------------------------------------------------------------------------------

    def _evaluated(self, entry: dict[str, Any]) -> str:
        """Evaluate and log; why to stop, or nothing."""
        found = evaluate(self.settings, self.recipe, self.encoder, self.engine)
        if self.log is not None:
            told = {f"eval_{name}": value for name, value in found.items()}
            self.log.write({"step": self.step, "epoch": entry.get("epoch", 0.0), **told})
        return self.stopping.seen(found["loss"], self.step)

    def save(self) -> Path:
        """Write a checkpoint; every rank must call it."""
        s = self.settings
        state = {
            "rows": self.state.to_json(),
            "order_hash": self.order_hash,
            "tokens": self.tokens,
            "samples": self.samples,
            "bad": self.bad,
            "best": self.stopping.best,
            "since_best": self.stopping.since,
            "settings": to_plain(s),
            "data": self.data,
        }
        best = self.stopping.best[1] if s.keep_best and self.stopping.best is not None else None
        return checkpoint.save(
            self.engine,
            s.output_dir,
            self.step,
            state,
            keep=s.save_total_limit,
            best=best,
            adapters=_adapters(s),
        )


def _order(settings: Settings) -> Order:
    """The run's data order, the same on every rank."""
    s = settings
    drawn = mixture(s.train, mode=s.mixture, batch_size=s.per_device_train_batch_size)
    return Order(
        lambda epoch: drawn.plan(epoch, seed=s.seed), None if s.max_steps > 0 else s.num_train_epochs
    )


def _adapters(settings: Settings) -> bool:
    return "lora" in (settings.vision.tuning, settings.projector.tuning, settings.language.tuning)
