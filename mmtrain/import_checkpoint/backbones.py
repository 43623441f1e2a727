"""Language backbones: the native config, and where each weight goes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from mmdata.errors import UsageError

Weights = Iterator[tuple[str, Any]]


@dataclass(frozen=True, slots=True)
class Backbone:
    """A language model as released inside InternVL.

    Attributes:
        config: released ``llm_config`` -> native ``text_config``.
        weights: (released name without ``language_model.``, tensor, ``llm_config``) -> native names without prefix.
    """

    config: Callable[[dict[str, Any]], dict[str, Any]]
    weights: Callable[[str, Any, dict[str, Any]], Weights]


_KEPT = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "hidden_act",
    "max_position_embeddings",
    "rms_norm_eps",
    "initializer_range",
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
    "tie_word_embeddings",
    "attention_dropout",
    "resid_pdrop",
    "embd_pdrop",
    "sliding_window",
    "use_sliding_window",
    "max_window_layers",
    "original_max_position_embeddings",
)


def _common(config: dict[str, Any], model_type: str) -> dict[str, Any]:
    found = {key: config[key] for key in _KEPT if key in config}
    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": float(config.get("rope_theta", 10000.0))}
    scaling = config.get("rope_scaling")
    if scaling:
        kind = scaling.get("rope_type", scaling.get("type"))
        if kind not in ("dynamic", "linear", "su", "longrope"):
            raise UsageError(f"llm_config.rope_scaling: {kind!r} is not supported")
        rope |= {k: v for k, v in scaling.items() if k not in ("type", "rope_type")}
        rope["rope_type"] = "longrope" if kind == "su" else kind
        if rope["rope_type"] == "longrope":
            rope["original_max_position_embeddings"] = config["original_max_position_embeddings"]
    return found | {"model_type": model_type, "rope_parameters": rope}


def _head(name: str) -> str:
    return name if name.startswith("lm_head.") else "model.language_model." + name.removeprefix("model.")


def _same(name: str, tensor: Any, _: dict[str, Any]) -> Weights:
    if not name.endswith("rotary_emb.inv_freq"):  # computed from the config, in old files saved as well
        yield _head(name), tensor


def _qwen2(config: dict[str, Any]) -> dict[str, Any]:
    return _common(config, "qwen2")


def _phi3(config: dict[str, Any]) -> dict[str, Any]:
    return _common(config, "phi3")


def _internlm2(config: dict[str, Any]) -> dict[str, Any]:
    """InternLM2 is Llama with q, k and v in one matrix: without biases, all else is the same."""
    if config.get("bias", False):
        raise UsageError("llm_config.bias: InternLM2 with biases is not supported")
    return _common(config, "llama") | {"attention_bias": False, "mlp_bias": False}


_INTERNLM2 = {
    r"model\.tok_embeddings\.": "model.language_model.embed_tokens.",
    r"model\.norm\.": "model.language_model.norm.",
    r"output\.": "lm_head.",
}
_INTERNLM2_LAYER = {
    "attention.wo": "self_attn.o_proj",
    "feed_forward.w1": "mlp.gate_proj",
    "feed_forward.w3": "mlp.up_proj",
    "feed_forward.w2": "mlp.down_proj",
    "attention_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}


def _internlm2_weights(name: str, tensor: Any, config: dict[str, Any]) -> Weights:
    if name.endswith("rotary_emb.inv_freq"):
        return
    for pattern, native in _INTERNLM2.items():
        if re.match(pattern, name):
            yield re.sub(pattern, native, name, count=1), tensor
            return
    match = re.fullmatch(r"model\.layers\.(\d+)\.(.+)\.weight", name)
    if match is None:
        raise UsageError(f"language_model.{name}: no InternLM2 weight that is known here")
    layer, part = f"model.language_model.layers.{match[1]}.", match[2]
    if part == "attention.wqkv":
        # Rows lie group by group: the queries of a key-value head, its key, its value.
        heads, kv = config["num_attention_heads"], config["num_key_value_heads"]
        width = tensor.shape[1]
        grouped = tensor.reshape(kv, heads // kv + 2, config["hidden_size"] // heads, width)
        yield layer + "self_attn.q_proj.weight", grouped[:, :-2].reshape(-1, width)
        yield layer + "self_attn.k_proj.weight", grouped[:, -2].reshape(-1, width)
        yield layer + "self_attn.v_proj.weight", grouped[:, -1].reshape(-1, width)
    elif part in _INTERNLM2_LAYER:
        yield f"{layer}{_INTERNLM2_LAYER[part]}.weight", tensor
    else:
        raise UsageError(f"language_model.{name}: no InternLM2 weight that is known here")


BACKBONES: dict[str, Backbone] = {
    "Qwen2ForCausalLM": Backbone(_qwen2, _same),
    "InternLM2ForCausalLM": Backbone(_internlm2, _internlm2_weights),
    "Phi3ForCausalLM": Backbone(_phi3, _same),
}
"""By ``llm_config.architectures[0]``."""


def backbone_of(config: dict[str, Any]) -> Backbone:
    """The backbone of an ``llm_config``.

    Raises:
        UsageError: it is none of those supported.
    """
    name = (config.get("architectures") or ["?"])[0]
    if name not in BACKBONES:
        raise UsageError(f"llm_config: {name} is not supported; supported: {', '.join(sorted(BACKBONES))}")
    return BACKBONES[name]
