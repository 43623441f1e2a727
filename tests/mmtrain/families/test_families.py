"""Each family against the model's own processor and its own forward pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import mmdata
from mmdata.errors import DataError, UsageError
from mmtrain.data.collate import packed, padded
from mmtrain.data.encode import Encoded
from mmtrain.families import families, family_of
from mmtrain.losses import weighted_nll
from schemas.sample import Media, MediaPart, Sample, SampleTurn, TextPart

SIZES = [(60, 40), (40, 200), (28, 28), (333, 31), (90, 90), (5, 3), (120, 119)]


def picture(folder: Path, width: int, height: int) -> str:
    path = folder / f"{width}x{height}.png"
    if not path.exists():
        pixels = np.random.default_rng(width * height).integers(0, 256, (height, width, 3), np.uint8)
        Image.fromarray(pixels).save(path)
    return str(path)


def talk(paths: list[str]) -> Sample:
    """A conversation of two questions; the pictures stand before, within and after the first."""
    parts: list[Any] = []
    for k in range(len(paths)):
        parts += [MediaPart(k), TextPart(f"\n{k} and ")]
    turns = [
        SampleTurn("user", [*parts, TextPart("what is it?")]),
        SampleTurn("assistant", [TextPart("A tank.")]),
        SampleTurn("user", [TextPart("Sure?")]),
        SampleTurn("assistant", [TextPart("Yes, on the left")]),
    ]
    return Sample(turns, [Media("image", [path]) for path in paths])


def by_processor(model_dir: Path, sample: Sample) -> dict[str, torch.Tensor]:
    """What the model directory's own processor builds of the conversation, with Pillow, one conversation a batch."""
    from transformers import AutoImageProcessor

    from mmtrain.tiny import load_processor

    processor = load_processor(model_dir)
    processor.image_processor = AutoImageProcessor.from_pretrained(model_dir, backend="pil")
    messages = []
    for turn in sample.turns:
        content = [
            {"type": "image", "image": Image.open(sample.media[p.media].paths[0]).convert("RGB")}
            if isinstance(p, MediaPart)
            else {"type": "text", "text": p.text}
            for p in turn.parts
            if isinstance(p, (MediaPart, TextPart))
        ]
        messages.append({"role": turn.role, "content": content})
    text = processor.apply_chat_template(messages, tokenize=False)
    images = [part["image"] for m in messages for part in m["content"] if part["type"] == "image"]
    more = {"min_patches": 1, "max_patches": 6} if model_dir.name == "internvl" else {}
    made: dict[str, torch.Tensor] = processor(
        text=[text], images=[images] if images else None, return_tensors="pt", **more
    )
    return made


@pytest.mark.parametrize("sizes", [[], *[[size] for size in SIZES], SIZES[:2], SIZES[:4]])
def test_tensors_are_the_processors_bit_for_bit(
    model_dir: Path, encoder: Any, sizes: list[tuple[int, int]], tmp_path: Path
) -> None:
    sample = talk([picture(tmp_path, *size) for size in sizes])
    if model_dir.name == "internvl" and len(sizes) > 1:
        pytest.skip(
            "the pictures of a sample share the most tiles, as InternVL trains: its processor does not"
        )
    expected = by_processor(model_dir, sample)
    encoded = encoder.encode(sample)
    assert encoded.input_ids.tolist() == expected["input_ids"][0].tolist()
    pixels = expected.get("pixel_values")
    if not sizes:
        assert pixels is None
        assert not encoded.media
        return
    assert pixels is not None
    if model_dir.name == "llava_onevision":  # without what pads every picture to the most tiles
        counts = [one[0].tiles for one in encoder.media.measure(sample.media, None, None)]
        assert all(not pixels[k, n:].any() for k, n in enumerate(counts))
        pixels = torch.cat([pixels[k, :n] for k, n in enumerate(counts)])
    assert torch.equal(torch.from_numpy(encoded.media["pixel_values"]), pixels)
    for key in ("image_grid_thw", "image_sizes", "batch_num_images"):
        if key in expected:
            assert encoded.media[key].tolist() == torch.as_tensor(expected[key]).tolist()
    assert encoder.measure(sample) == encoded.size


def test_labels_cover_the_answers(encoder: Any, tmp_path: Path) -> None:
    encoded = encoder.encode(talk([picture(tmp_path, 60, 40)]))
    trained = encoder.tokenizer.decode(encoded.input_ids[encoded.labels != -100])
    assert trained.replace("\n", "") == "A tank.<|im_end|>Yes, on the left<|im_end|>"


@pytest.fixture
def samples(encoder: Any, tmp_path: Path) -> list[Encoded]:
    sizes: list[list[tuple[int, int]]] = [[], SIZES[:1], SIZES[1:3], [], SIZES[3:4], SIZES[4:7]]
    return [encoder.encode(talk([picture(tmp_path, *size) for size in one])) for one in sizes]


def test_rotary_positions_are_the_models(plain_model: Any, encoder: Any, samples: list[Encoded]) -> None:
    if samples[0].positions is None:
        assert all(s.positions is None for s in samples)
        assert not hasattr(plain_model.model, "get_rope_index")
        return
    for sample in samples:
        ids = torch.from_numpy(sample.input_ids)[None]
        expected, _ = plain_model.model.get_rope_index(
            ids,
            mm_token_type_ids=(ids == encoder.image_id).int(),
            image_grid_thw=torch.from_numpy(sample.media["image_grid_thw"]) if sample.media else None,
        )
        assert sample.positions is not None
        assert sample.positions.tolist() == expected[:, 0].tolist()


def alone(model: Any, encoder: Any, sample: Encoded) -> torch.Tensor:
    """nll of each labelled token of a sample on its own, by the model as transformers runs it."""
    inputs: dict[str, Any] = {k: torch.from_numpy(v) for k, v in sample.media.items()}
    ids = torch.from_numpy(sample.input_ids)[None]
    if sample.positions is not None:  # the model counts them itself
        inputs["mm_token_type_ids"] = (ids == encoder.image_id).int()
    logits = model(input_ids=ids, use_cache=False, **inputs).logits[0, :-1]
    targets = torch.from_numpy(sample.labels[1:])
    nll = torch.nn.functional.cross_entropy(logits, targets, reduction="none", ignore_index=-100)
    return nll[targets != -100]


def test_packed_tokens_have_the_loss_they_have_alone(
    model: Any, plain_model: Any, encoder: Any, samples: list[Encoded]
) -> None:
    batch = packed(samples, encoder.dummy(), "token")
    at = torch.nonzero(batch.labels[0, 1:] != -100)[:, 0]
    with torch.no_grad():
        logits = model(**batch.inputs, use_cache=False, logits_to_keep=at).logits[0]
        together = torch.nn.functional.cross_entropy(logits, batch.labels[0, at + 1], reduction="none")
        reference = torch.cat([alone(plain_model, encoder, s) for s in samples])
    assert len(together) == len(reference)
    assert ((together - reference).abs() / reference).max() < 1e-5


def test_packed_and_padded_give_the_same_loss_and_gradient(
    model: Any, encoder: Any, samples: list[Encoded]
) -> None:
    found = []
    for batch in (
        packed(samples, encoder.dummy(), "token"),
        padded(samples, encoder.dummy(), "token", 0),
    ):
        model.zero_grad()
        loss = weighted_nll(model, batch.inputs, batch.labels, batch.weights) / batch.weights.sum()
        loss.backward()  # type: ignore[no-untyped-call]
        grads = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
        found.append((loss.item(), torch.cat(grads)))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    assert torch.allclose(found[0][1], found[1][1], atol=2e-6)


def test_a_filler_changes_no_loss_and_runs_through_every_part(
    model: Any, encoder: Any, samples: list[Encoded]
) -> None:
    text = [s for s in samples if not s.media]
    filler = encoder.dummy()
    batches = [packed(text, None, "token"), packed(text, filler, "token"), padded(text, filler, "token", 0)]
    losses = [weighted_nll(model, b.inputs, b.labels, b.weights).item() for b in batches]
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-5)
    model.zero_grad()
    last = batches[1]
    weighted_nll(model, last.inputs, last.labels, last.weights).backward()  # type: ignore[no-untyped-call]
    assert not [n for n, p in model.named_parameters() if p.grad is None and "post_layernorm" not in n]


def test_every_part_has_weights_and_layers_for_adapters(model_dir: Path, plain_model: Any) -> None:
    import re

    from mmtrain.parts import PARTS, part_of

    family = family_of(plain_model.config.model_type)
    assert family is families()[model_dir.name]
    names = [name for name, _ in plain_model.named_parameters()]
    assert {part_of(name, family) for name in names} == set(PARTS)
    linear = {n for n, m in plain_model.named_modules() if isinstance(m, torch.nn.Linear)}
    for part in PARTS:
        hit = {name for name in linear if re.fullmatch(family.targets[part], name)}
        assert hit
        assert {part_of(name, family) for name in hit} == {part}
        # Every linear layer of the part but the output layer and the layer that takes pixels.
        missed = {n for n in linear - hit if part_of(n, family) == part} - {"lm_head"}
        assert not missed, missed
    layers = {int(m[1]) for n in names if (m := re.search(family.layer, n))}
    assert layers == set(range(max(layers) + 1))
    assert len(layers) >= 2


def test_other_models_are_refused_by_name() -> None:
    with pytest.raises(
        UsageError, match=r"'paligemma' is not supported; supported: internvl, .*what is missing"
    ):
        family_of("paligemma")


def test_a_picture_too_thin_is_refused(tmp_path: Path, settings_of: Any) -> None:
    from mmtrain.recipes.chat import make_encoder
    from mmtrain.tiny import make_tiny

    make_tiny("qwen2_5_vl", tmp_path / "m")
    encoder = make_encoder(settings_of(tmp_path / "m"))
    sample = talk([picture(tmp_path, 900, 2)])
    for use in (encoder.encode, encoder.measure):
        with pytest.raises(DataError, match=r"900x2\.png: absolute aspect ratio"):
            use(sample)


def test_a_directory_without_its_image_processor_is_refused(tmp_path: Path, settings_of: Any) -> None:
    from mmtrain.recipes.chat import make_encoder
    from mmtrain.tiny import make_tiny

    make_tiny("qwen2_5_vl", tmp_path / "m")
    (tmp_path / "m" / "preprocessor_config.json").unlink()
    with pytest.raises(UsageError, match="no usable image processor"):
        make_encoder(settings_of(tmp_path / "m"))


def test_mixed_data_measure_as_they_encode(encoder: Any, mixed: Path) -> None:
    for one in mmdata.open(str(mixed / "mixed.jsonl")).samples():
        assert encoder.measure(one, str(mixed)) == encoder.encode(one, str(mixed)).size
