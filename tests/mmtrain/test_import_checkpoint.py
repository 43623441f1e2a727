"""Random released-layout weights give the logits of the released architecture, rebuilt here from plain tensor operations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
F = torch.nn.functional

from mmdata.errors import DataError, UsageError  # noqa: E402
from mmtrain.import_checkpoint import import_checkpoint, native_config  # noqa: E402
from mmtrain.tiny import make_tiny  # noqa: E402

HIDDEN, LAYERS, HEADS, KV, WIDE = 32, 2, 4, 2, 48


def llm_config(kind: str, vocab: int) -> dict[str, Any]:
    config: dict[str, Any] = {
        "architectures": [kind],
        "vocab_size": vocab,
        "hidden_size": HIDDEN,
        "intermediate_size": WIDE,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV,
        "max_position_embeddings": 512,
        "rms_norm_eps": 1e-5,
        "rope_theta": 1e6,
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    if kind == "InternLM2ForCausalLM":
        config |= {"bias": False, "rope_scaling": {"type": "dynamic", "factor": 2.0}}
    if kind == "Phi3ForCausalLM":
        factors = [1.0 + k / 4 for k in range(HIDDEN // HEADS // 2)]
        config |= {
            "original_max_position_embeddings": 128,
            "rope_scaling": {"type": "su", "short_factor": factors, "long_factor": factors},
        }
    return config


def released(kind: str, vocab: int, *, qk: bool = False) -> dict[str, Any]:
    return {
        "architectures": ["InternVLChatModel"],
        "ps_version": "v2",
        "select_layer": -1,
        "downsample_ratio": 0.5,
        "force_image_size": 28,
        "template": "internvl2_5",
        "vision_config": {
            "hidden_size": HIDDEN,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": HEADS,
            "intermediate_size": WIDE,
            "image_size": 28,
            "patch_size": 14,
            "hidden_act": "gelu",
            "layer_norm_eps": 1e-6,
            "norm_type": "rms_norm" if qk else "layer_norm",
            "qkv_bias": not qk,
            "qk_normalization": qk,
        },
        "llm_config": llm_config(kind, vocab),
    }


def weights_of(config: dict[str, Any]) -> dict[str, Any]:
    torch.manual_seed(1)
    r = lambda *shape: torch.randn(*shape) * 0.2  # noqa: E731
    v, llm = config["vision_config"], config["llm_config"]
    w = {
        "vision_model.embeddings.class_embedding": r(1, 1, HIDDEN),
        "vision_model.embeddings.position_embedding": r(1, 5, HIDDEN),
        "vision_model.embeddings.patch_embedding.weight": r(HIDDEN, 3, 14, 14),
        "vision_model.embeddings.patch_embedding.bias": r(HIDDEN),
        "mlp1.0.weight": r(4 * HIDDEN),
        "mlp1.0.bias": r(4 * HIDDEN),
        "mlp1.1.weight": r(HIDDEN, 4 * HIDDEN),
        "mlp1.1.bias": r(HIDDEN),
        "mlp1.3.weight": r(HIDDEN, HIDDEN),
        "mlp1.3.bias": r(HIDDEN),
    }
    for i in range(LAYERS):
        p = f"vision_model.encoder.layers.{i}."
        w |= {p + "ls1": r(HIDDEN), p + "ls2": r(HIDDEN), p + "attn.qkv.weight": r(3 * HIDDEN, HIDDEN)}
        w |= {p + "attn.proj.weight": r(HIDDEN, HIDDEN), p + "attn.proj.bias": r(HIDDEN)}
        w |= {p + "mlp.fc1.weight": r(WIDE, HIDDEN), p + "mlp.fc1.bias": r(WIDE)}
        w |= {p + "mlp.fc2.weight": r(HIDDEN, WIDE), p + "mlp.fc2.bias": r(HIDDEN)}
        w |= {p + "norm1.weight": r(HIDDEN), p + "norm2.weight": r(HIDDEN)}
        if v["norm_type"] == "layer_norm":
            w |= {p + "norm1.bias": r(HIDDEN), p + "norm2.bias": r(HIDDEN)}
        if v["qkv_bias"]:
            w[p + "attn.qkv.bias"] = r(3 * HIDDEN)
        if v["qk_normalization"]:
            w |= {p + "attn.q_norm.weight": r(HIDDEN), p + "attn.k_norm.weight": r(HIDDEN)}
    return w | {"language_model." + k: t for k, t in language_weights(llm, r).items()}


def language_weights(llm: dict[str, Any], r: Any) -> dict[str, Any]:
    if llm["architectures"] != ["InternLM2ForCausalLM"]:
        return {k: r(*t.shape) for k, t in language_reference(llm).state_dict().items()}
    head = HIDDEN // HEADS
    w = {
        "model.tok_embeddings.weight": r(llm["vocab_size"], HIDDEN),
        "model.norm.weight": r(HIDDEN),
        "output.weight": r(llm["vocab_size"], HIDDEN),
    }
    for i in range(LAYERS):
        p = f"model.layers.{i}."
        w |= {
            p + "attention.wqkv.weight": r((HEADS + 2 * KV) * head, HIDDEN),
            p + "attention.wo.weight": r(HIDDEN, HIDDEN),
        }
        w |= {p + "feed_forward.w1.weight": r(WIDE, HIDDEN), p + "feed_forward.w3.weight": r(WIDE, HIDDEN)}
        w |= {p + "feed_forward.w2.weight": r(HIDDEN, WIDE)}
        w |= {p + "attention_norm.weight": r(HIDDEN), p + "ffn_norm.weight": r(HIDDEN)}
    return w


def language_reference(llm: dict[str, Any]) -> Any:
    """The backbone's own class: upstream takes Qwen2 and Phi-3 from transformers."""
    import transformers

    kind = llm["architectures"][0].removesuffix("ForCausalLM")
    plain = {k: v for k, v in llm.items() if k not in ("architectures", "rope_scaling", "rope_theta")}
    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": llm["rope_theta"]}
    if kind == "Phi3":
        scaling = llm["rope_scaling"]
        rope |= {
            "rope_type": "longrope",
            "short_factor": scaling["short_factor"],
            "long_factor": scaling["long_factor"],
            "original_max_position_embeddings": llm["original_max_position_embeddings"],
        }
    config = getattr(transformers, kind + "Config")(**plain, rope_parameters=rope)
    return getattr(transformers, kind + "ForCausalLM")(config).eval()


def norm(x: Any, weight: Any, bias: Any | None, eps: float) -> Any:
    if bias is not None:
        return F.layer_norm(x, weight.shape, weight, bias, eps)
    return weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps)


def vision_reference(w: dict[str, Any], pixels: Any) -> Any:
    """InternViT, pixel shuffle v2 and mlp1: (tiles, 3, 28, 28) -> (tiles, 1, hidden)."""
    g = lambda name: w.get("vision_model." + name)  # noqa: E731
    x = F.conv2d(pixels, g("embeddings.patch_embedding.weight"), g("embeddings.patch_embedding.bias"), 14)
    x = x.flatten(2).transpose(1, 2)
    x = torch.cat([g("embeddings.class_embedding").expand(len(x), 1, -1), x], 1)
    x = x + g("embeddings.position_embedding")
    for i in range(LAYERS):
        p = f"encoder.layers.{i}."
        y = norm(x, g(p + "norm1.weight"), g(p + "norm1.bias"), 1e-6)
        q, k, v = F.linear(y, g(p + "attn.qkv.weight"), g(p + "attn.qkv.bias")).chunk(3, -1)
        if g(p + "attn.q_norm.weight") is not None:
            q, k = (
                norm(q, g(p + "attn.q_norm.weight"), None, 1e-6),
                norm(k, g(p + "attn.k_norm.weight"), None, 1e-6),
            )
        split = lambda t: t.unflatten(-1, (HEADS, -1)).transpose(1, 2)  # noqa: E731
        q, k, v = split(q), split(k), split(v)
        a = torch.softmax(q @ k.transpose(-1, -2) / (HIDDEN // HEADS) ** 0.5, -1) @ v
        a = F.linear(a.transpose(1, 2).flatten(2), g(p + "attn.proj.weight"), g(p + "attn.proj.bias"))
        x = x + a * g(p + "ls1")
        y = norm(x, g(p + "norm2.weight"), g(p + "norm2.bias"), 1e-6)
        y = F.gelu(F.linear(y, g(p + "mlp.fc1.weight"), g(p + "mlp.fc1.bias")))
        x = x + F.linear(y, g(p + "mlp.fc2.weight"), g(p + "mlp.fc2.bias")) * g(p + "ls2")
    # One square of 2 × 2 patches: shuffled, its channels are the patches (0,0), (0,1), (1,0), (1,1) end to end.
    x = x[:, 1:].flatten(1)[:, None]
    x = F.layer_norm(x, x.shape[-1:], w["mlp1.0.weight"], w["mlp1.0.bias"])
    x = F.gelu(F.linear(x, w["mlp1.1.weight"], w["mlp1.1.bias"]))
    return F.linear(x, w["mlp1.3.weight"], w["mlp1.3.bias"])


def internlm2_reference(w: dict[str, Any], embedded: Any, theta: float) -> Any:
    """InternLM2: (1, L, hidden) -> (1, L, vocabulary)."""
    g = lambda name: w["language_model." + name]  # noqa: E731
    n, head = embedded.shape[1], HIDDEN // HEADS
    angles = torch.arange(n)[:, None] / theta ** (torch.arange(0, head, 2) / head)
    cos, sin = torch.cat([angles, angles], -1).cos(), torch.cat([angles, angles], -1).sin()
    turn = lambda t: t * cos + torch.cat([-t[..., head // 2 :], t[..., : head // 2]], -1) * sin  # noqa: E731
    x = embedded
    for i in range(LAYERS):
        p = f"model.layers.{i}."
        y = norm(x, g(p + "attention_norm.weight"), None, 1e-5)
        qkv = F.linear(y, g(p + "attention.wqkv.weight"))[0].view(n, KV, HEADS // KV + 2, head)
        out = torch.zeros(n, HEADS, head)
        for h in range(HEADS):
            group, place = divmod(h, HEADS // KV)
            q, k, v = turn(qkv[:, group, place]), turn(qkv[:, group, -2]), qkv[:, group, -1]
            scores = (q @ k.T) / head**0.5 + torch.full((n, n), float("-inf")).triu(1)
            out[:, h] = torch.softmax(scores, -1) @ v
        x = x + F.linear(out.flatten(1)[None], g(p + "attention.wo.weight"))
        y = norm(x, g(p + "ffn_norm.weight"), None, 1e-5)
        gate = F.silu(F.linear(y, g(p + "feed_forward.w1.weight")))
        x = x + F.linear(gate * F.linear(y, g(p + "feed_forward.w3.weight")), g(p + "feed_forward.w2.weight"))
    return F.linear(norm(x, g("model.norm.weight"), None, 1e-5), g("output.weight"))


@pytest.fixture(scope="module")
def tokenizer_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny("internvl", tmp_path_factory.mktemp("tiny") / "internvl").directory


def write(folder: Path, config: dict[str, Any], weights: dict[str, Any], tokenizer: Path) -> Path:
    from safetensors.torch import save_file

    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    save_file({k: v.contiguous() for k, v in weights.items()}, folder / "model.safetensors")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((tokenizer / name).read_bytes())
    return folder


@pytest.mark.parametrize(
    ("kind", "qk"),
    [
        ("Qwen2ForCausalLM", False),
        ("InternLM2ForCausalLM", False),
        ("InternLM2ForCausalLM", True),
        ("Phi3ForCausalLM", False),
    ],
)
def test_logits_are_those_of_the_released_architecture(
    kind: str, qk: bool, tmp_path: Path, tokenizer_files: Path
) -> None:
    from transformers import AutoModelForImageTextToText, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tokenizer_files)
    config = released(kind, len(tokenizer), qk=qk)
    w = weights_of(config)
    done = import_checkpoint(write(tmp_path / "released", config, w, tokenizer_files), tmp_path / "native")
    assert done.problems == []
    image = tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>")
    ids = torch.randint(5, 200, (1, 12))
    ids[0, 3], ids[0, 7] = image, image
    pixels = torch.randn(2, 3, 28, 28)
    model = AutoModelForImageTextToText.from_pretrained(tmp_path / "native", dtype=torch.float32).eval()
    with torch.no_grad():
        ours = model(input_ids=ids, pixel_values=pixels).logits
        embedding = w[
            "language_model.model.tok_embeddings.weight"
            if "InternLM2" in kind
            else "language_model.model.embed_tokens.weight"
        ]
        embedded = F.embedding(ids, embedding)
        embedded[0, ids[0] == image] = vision_reference(w, pixels).flatten(0, 1)
        if "InternLM2" in kind:
            truth = internlm2_reference(w, embedded, config["llm_config"]["rope_theta"])
        else:
            language = language_reference(config["llm_config"])
            own = {
                k.removeprefix("language_model."): t for k, t in w.items() if k.startswith("language_model.")
            }
            language.load_state_dict(own)
            truth = language(inputs_embeds=embedded).logits
    torch.testing.assert_close(ours, truth, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"architectures": ["LlavaForCausalLM"]}, "LlavaForCausalLM"),
        ({"ps_version": "v1"}, "ps_version: v1"),
        ({"select_layer": -4}, "select_layer: -4"),
        ({"use_llm_lora": 16}, "use_llm_lora: 16"),
        ({"llm_config": {"architectures": ["BaichuanForCausalLM"]}}, "BaichuanForCausalLM"),
    ],
)
def test_what_is_not_supported_is_named(change: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        native_config(released("Qwen2ForCausalLM", 100) | change)


def test_a_missing_weight_writes_nothing(tmp_path: Path, tokenizer_files: Path) -> None:
    config = released("Qwen2ForCausalLM", 416)
    w = weights_of(config)
    del w["mlp1.3.bias"]
    with pytest.raises(DataError, match=r"linear_2\.bias"):
        import_checkpoint(write(tmp_path / "released", config, w, tokenizer_files), tmp_path / "native")
    assert [p.name for p in tmp_path.iterdir()] == ["released"]
