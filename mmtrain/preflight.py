"""Everything that can be known before the GPUs are paid for: `mmtrain check`, one function a step, no printing.

Each step yields a `Step`; a failed one does not keep the others from running unless they need what it lacks.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import math
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from mmdata.errors import DataError, MMDataError
from mmtrain.config import Config
from mmtrain.families import family_of

Verdict = Literal["ok", "warning", "failed"]


@dataclass(slots=True)
class Step:
    """What one step of the check found.

    Attributes:
        name: of the step.
        verdict: ``failed`` means that training would fail or train something else than meant.
        lines: what to tell.
        sample: pieces of a decoded sample, each with whether it carries loss.
    """

    name: str
    verdict: Verdict
    lines: list[str] = field(default_factory=list)
    sample: list[tuple[str, bool]] = field(default_factory=list)


@dataclass(slots=True)
class _Held:
    """What earlier steps made for later ones."""

    settings: Any = None
    encoder: Any = None
    recipe: Any = None


def preflight(config: Config, *, ranks: int = 1, samples: int = 1000, step: bool = True) -> Iterator[Step]:
    """Check a run, step after step.

    Args:
        config: of the run.
        ranks: GPUs that the memory estimate is for.
        samples: how many samples are measured, spread evenly over the data.
        step: whether to train one step, save, export and load again; it needs memory for the whole model.
    """
    held = _Held()
    yield _guarded("config", lambda: _config(config, held))
    if held.encoder is None:
        return
    yield _guarded("data", lambda: _data(config, held))
    yield _guarded("tokenizer", lambda: _tokens(config, held))
    yield _guarded("template", lambda: _round_trip(held))
    yield _guarded("chat template", lambda: _own_template(held))
    yield _guarded("sample", lambda: _shown(held))
    yield _guarded("lengths", lambda: _lengths(held, samples))
    yield _guarded("memory", lambda: _memory(config, held, ranks))
    if step:
        yield _guarded("one step", lambda: _trained(held))


def _guarded(name: str, make: Any) -> Step:
    try:
        found: Step = make()
    except (MMDataError, OSError) as error:
        return Step(name, "failed", [str(error)])
    return found


def _config(config: Config, held: _Held) -> Step:
    from mmtrain.launch import check_early

    held.settings = check_early(config)
    held.recipe = import_module(f"mmtrain.recipes.{config.recipe}")
    held.encoder = held.recipe.make_encoder(held.settings)
    files = ", ".join(
        f"{source.name or source.path} ({len(source)} records)" for source in held.settings.train
    )
    lines = [f"template {held.encoder.template.name}; {files}"]
    unused = family_of(held.recipe.model_config(held.settings)["model_type"]).unused
    # A mixture file brings it along for InternVL; it is no mistake that would stop the run.
    bounded = any(source.max_tiles is not None for source in (*held.settings.train, *held.settings.eval))
    if bounded and "max_tiles" in unused:
        lines.append(f"of a data file nothing is made of {unused['max_tiles']}")
        return Step("config", "warning", lines)
    return Step("config", "ok", lines)


def _data(config: Config, held: _Held) -> Step:
    """Validate every file as `mmdata validate` does, headers of pictures included."""
    from typing import get_args, get_type_hints

    from mmdata.options import Options
    from mmdata.validating.validation import validate_with

    known = get_args(get_type_hints(Options)["template"])
    template = held.encoder.template.name
    more: dict[str, Any] = {"template": template} if template in known else {}
    errors = warnings = 0
    lines: list[str] = []
    for file in (*config.data.train, *config.data.eval):
        options = Options(media="header", media_root=file.media_root, **more)
        report = validate_with([file.path], format=file.format, options=options)
        errors += report.summary.errors
        warnings += report.summary.warnings
        lines.append(f"{file.path}: {report.summary.errors} errors, {report.summary.warnings} warnings")
        lines += [f"  {f.code} {f.message}" for f in report.findings if f.severity in ("error", "warning")][
            :5
        ]
    if errors:
        lines.append("`mmdata validate` lists all of them, `mmdata explain CODE` tells what they mean")
    return Step("data", "failed" if errors else "warning" if warnings else "ok", lines)


_MARK = re.compile(r"<\|?[^<>|\s]+\|?>|\[UNUSED_TOKEN_\d+\]")


def _tokens(config: Config, held: _Held) -> Step:
    """Markers of the template and new tokens must be one id each."""
    template, tokenizer = held.encoder.template, held.encoder.tokenizer
    text = "".join([*template.before.values(), template.end, template.image.format(template.image_token)])
    marks = list(dict.fromkeys([*_MARK.findall(text), *config.lora.new_tokens]))
    split = {m: n for m in marks if (n := len(tokenizer.encode(m, add_special_tokens=False))) != 1}
    lines = [f"{mark} is {count} tokens, expected one" for mark, count in split.items()]
    if split:
        lines.append(f"the tokenizer does not fit the template {template.name}; choose another `template`")
    return Step("tokenizer", "failed" if split else "ok", lines or [f"one id each: {' '.join(marks)}"])


def _some(held: _Held, count: int) -> Iterator[tuple[int, int]]:
    """(source, record) of `count` records spread evenly over all files."""
    sources = held.settings.train
    lengths = [len(source) for source in sources]
    total = sum(lengths)
    for k in range(min(count, total)):
        place = k * total // min(count, total)
        for source, length in enumerate(lengths):
            if place < length:
                yield source, place
                break
            place -= length


def _samples(held: _Held, count: int) -> Iterator[tuple[str, Any, str | None]]:
    """(place, sample, media root) of `count` records spread evenly over all files; what cannot be decoded is left out.

    It is counted and told among the lengths.
    """
    for source, record in _some(held, count):
        file = held.settings.train[source]
        with contextlib.suppress(DataError):
            yield f"{file.path}: record {record}", file.records().sample(record), file.media_root


def _first_difference(text: str, wanted: str) -> str:
    near = enumerate(zip(text, wanted, strict=False))
    at = next((k for k, (a, b) in near if a != b), min(len(text), len(wanted)))
    return f"at character {at}: {text[max(0, at - 20) : at + 20]!r}, expected {wanted[max(0, at - 20) : at + 20]!r}"


def _round_trip(held: _Held) -> Step:
    """Ids decoded again must be the rendered text, each picture as one token."""
    encoder = held.encoder
    template, tokenizer = encoder.template, encoder.tokenizer
    tried = 0
    for place, sample, root in _samples(held, 20):
        try:
            wanted, ids = encoder.unexpanded(sample, root)
        except DataError:
            continue
        text = tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        tried += 1
        if text.removeprefix(tokenizer.bos_token or "") != wanted:
            told = f"{place}: decoded again, the text differs {_first_difference(text, wanted)}"
            return Step("template", "failed", [told])
    if not tried:
        return Step("template", "warning", ["no sample to try: none can be used"])
    return Step("template", "ok", [f"{tried} samples decode to the text of {template.name}"])


def _own_template(held: _Held) -> Step:
    """The tokenizer's own chat template, which a chat with the trained model will use, must give the trained text."""
    from mmdata.templates import shown

    name = "chat template"
    encoder = held.encoder
    template, tokenizer = encoder.template, encoder.tokenizer
    if not tokenizer.chat_template:
        return Step(
            name, "ok", ["the tokenizer has none of its own: chats need the template of the training"]
        )
    tried = 0
    for place, sample, _ in _samples(held, 20):
        messages = _messages(sample, template.implied == "value")
        if messages is None:
            continue
        try:
            wanted = shown(template.render(sample), template.image_token)
        except DataError:
            continue
        try:
            text = tokenizer.apply_chat_template(messages, tokenize=False)
        except Exception as error:  # a template is a program: it raises what its author thought of
            return Step(name, "warning", [f"the tokenizer's own cannot be rendered: {error}"])
        # Processors put the tags around a picture themselves, or leave it to the template.
        text = text.replace(template.image.format(template.image_token), template.image_token)
        tried += 1
        if text.removeprefix(tokenizer.bos_token or "") != wanted:
            told = (
                f"{place}: the tokenizer's own differs from {template.name} {_first_difference(text, wanted)}"
            )
            why = "a chat by it meets other text than the model is trained on; `template` names another"
            return Step(name, "warning", [told, why])
    if not tried:
        return Step(
            name, "ok", ["not compared: every sample tried has parts that messages have no place for"]
        )
    return Step(name, "ok", [f"the tokenizer's own gives the same text for {tried} samples"])


def _messages(sample: Any, implied: bool) -> list[dict[str, Any]] | None:
    """A sample as chat messages; None if it has parts that messages have no place for.

    Args:
        sample: the sample.
        implied: whether a picture without a mark stands before the value, with a line break.
    """
    from schemas.sample import MediaPart, TextPart

    messages = []
    for turn in sample.turns:
        content: list[dict[str, str]] = []
        for part in turn.parts:
            if isinstance(part, MediaPart) and sample.media[part.media].kind == "image":
                if part.implied and not implied:
                    return None
                content.append({"type": "image"})
                if part.implied:
                    content.append({"type": "text", "text": "\n"})
            elif isinstance(part, TextPart):
                content.append({"type": "text", "text": part.text})
            else:
                return None
        plain = all(part["type"] == "text" for part in content)
        text = "".join(part["text"] for part in content) if plain else ""
        messages.append({"role": turn.role, "content": text if plain else content})
    return messages


def _shown(held: _Held) -> Step:
    """One sample, decoded, with what carries loss."""
    from mmtrain.data.encode import IGNORED

    encoder = held.encoder
    for source, record in _some(held, 20):
        file = held.settings.train[source]
        try:
            encoded = encoder.encode(file.records().sample(record), file.media_root, file.max_tiles)
        except DataError:
            continue
        pieces: list[tuple[str, bool]] = []
        ids, labels = encoded.input_ids.tolist(), (encoded.labels != IGNORED).tolist()
        start = 0
        for k in range(1, len(ids) + 1):
            if (
                k < len(ids)
                and labels[k] == labels[start]
                and (ids[k] == encoder.image_id) == (ids[start] == encoder.image_id)
            ):
                continue
            if ids[start] == encoder.image_id:
                text = f"{encoder.template.image_token}×{k - start}"
            else:
                text = encoder.tokenizer.decode(ids[start:k], clean_up_tokenization_spaces=False)
            pieces.append((text, labels[start]))
            start = k
        told = (
            f"{file.path}: record {record}: {len(ids)} tokens, {sum(labels)} with loss, {encoded.tiles} tiles"
        )
        return Step("sample", "ok", [told], pieces)
    return Step("sample", "failed", ["none of the samples tried can be used"])


def _lengths(held: _Held, count: int) -> Step:
    """Token lengths; samples over the limit are never cut, they are bad samples."""
    from mmtrain.data.encode import Size
    from mmtrain.data.sources import Reader

    settings = held.settings
    reader = Reader(settings.train, held.encoder, max_length=2**62)
    sizes: list[Size] = []
    bad: list[str] = []
    for source, record in _some(held, count):
        one = reader.measure(source, record)
        if isinstance(one, Size):
            sizes.append(one)
        else:
            bad.append(f"{one.source}: record {one.record}: {one.reason}")
    total = sum(len(source) for source in settings.train)
    lines = [f"{len(sizes) + len(bad)} of {total} samples measured"]
    lengths = [size.tokens for size in sizes]
    long = sum(n > settings.max_length for n in lengths)
    many = sum(s.tiles > settings.packed_tiles for s in sizes) if settings.packing else 0
    if lengths:
        lines += histogram(lengths, settings.max_length)
    if long:
        lines.append(f"{long} samples are longer than max_length {settings.max_length}; they are never cut")
    if many:
        lines.append(f"{many} samples have more tiles than num_images_expected {settings.packed_tiles}")
    if bad:
        lines += [f"{len(bad)} samples cannot be used:", *(f"  {line}" for line in bad[:5])]
    wrong = bool(long or many or bad)
    if wrong and settings.on_bad_sample == "stop":
        lines.append("training stops at the first such sample; on_bad_sample: quarantine leaves them out")
        return Step("lengths", "failed", lines)
    return Step("lengths", "failed" if not lengths else "warning" if wrong else "ok", lines)


def histogram(lengths: Sequence[int], limit: int, rows: int = 8, width: int = 40) -> list[str]:
    """Lines of a histogram with bins of equal width; each tells its range, a bar and its count."""
    low, high = min(lengths), max(lengths)
    each = max(1, math.ceil((high - low + 1) / rows))
    counts = [0] * ((high - low) // each + 1)
    for n in lengths:
        counts[(n - low) // each] += 1
    most = max(counts)
    ordered = sorted(lengths)
    lines = [
        f"{low + k * each:>7} – {low + (k + 1) * each - 1:<7} {'█' * math.ceil(count / most * width):<{width}} {count}"
        for k, count in enumerate(counts)
    ]
    middle, tail = ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
    return [*lines, f"median {middle}, 99 % up to {tail}, longest {high}, limit {limit} tokens"]


def count_weights(settings: Any, tokenizer: Any) -> tuple[int, int]:
    """(all, trained) weights, told without loading any: the model is built on the meta device."""
    import torch

    recipe: Any = import_module(f"mmtrain.recipes.{settings.recipe}")
    with torch.device("meta"):
        model = recipe.empty_model(settings, tokenizer)
    weights = list(model.parameters())
    return sum(p.numel() for p in weights), sum(p.numel() for p in weights if p.requires_grad)


def _memory(config: Config, held: _Held, ranks: int) -> Step:
    from mmtrain.memory import gib, model_states
    from mmtrain.zero import PRESETS, deepspeed_json

    weights, trained = count_weights(held.settings, held.encoder.tokenizer)
    zero = deepspeed_json(config).get("zero_optimization", {})
    lines = [
        f"{weights:,} weights, {trained:,} trained ({trained / weights:.1%}), {config.dtype}, {ranks} GPUs"
    ]
    own = model_states(weights, trained, ranks=ranks, zero=zero, dtype=config.dtype)
    lines.append(_mfu(config))
    lines.append(
        f"this config (stage {zero.get('stage', 0)}): {gib(own.gpu)} on each GPU"
        + (f", {gib(own.host)} of the host for each" if own.host else "")
        + "; activations come on top"
    )
    for name, preset in PRESETS.items():
        need = model_states(weights, trained, ranks=ranks, zero=preset, dtype=config.dtype)
        lines.append(f"  {name:14} {gib(need.gpu):>12}" + (f" + host {gib(need.host)}" if need.host else ""))
    return Step("memory", "ok", lines)


def _mfu(config: Config) -> str:
    """Whether the log will tell it."""
    import torch

    from mmtrain.mfu import peak

    if not torch.cuda.is_available():
        return "MFU: n/a on a CPU"
    name = torch.cuda.get_device_name()
    best = peak(name)
    if best is None or config.dtype == "fp32":
        return f"MFU: n/a for {name} in {config.dtype}"
    return f"MFU: of {best / 1e12:.0f} TFLOPS of {name}"


def _trained(held: _Held) -> Step:
    """The real thing once: forward, backward, step, checkpoint, export, load again."""
    from mmtrain.export import export
    from mmtrain.trainer import train

    with tempfile.TemporaryDirectory(prefix="mmtrain-check-") as folder:
        settings = dataclasses.replace(
            held.settings,
            output_dir=str(Path(folder) / "run"),
            max_steps=1,
            gradient_accumulation_steps=1,
            report_to=(),
            eval=(),
            eval_steps=0,
            save_steps=0,
            keep_best=False,
            early_stopping_patience=None,
            dataloader_num_workers=0,
            packing_window=min(held.settings.packing_window, 64),
            resume=None,
        )
        with contextlib.redirect_stderr(io.StringIO()):
            result = train(settings)
        loss, norm = result["loss"], result.get("grad_norm", 0.0)
        if not math.isfinite(loss) or not math.isfinite(norm):
            return Step("one step", "failed", [f"loss {loss}, gradient norm {norm}: not finite"])
        with contextlib.redirect_stdout(io.StringIO()):
            done = export(settings.output_dir, Path(folder) / "model")
    return Step(
        "one step",
        "ok",
        [
            f"loss {loss:.4f}, {result['total_tokens']} tokens; saved, exported, loaded again: "
            f"logits differ by {done.difference:.1e}"
        ],
    )
