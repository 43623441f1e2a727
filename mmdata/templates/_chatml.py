"""ChatML, which most families speak, and the system text of InternVL's first chat models."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.types import Speaker

HEADERS: Mapping[Speaker, str] = {
    "system": "<|im_start|>system\n",
    "user": "<|im_start|>user\n",
    "assistant": "<|im_start|>assistant\n",
}

INTERNVL_SYSTEM = "你是由上海人工智能实验室联合商汤科技开发的书生多模态大模型，英文名叫InternVL, 是一个有用无害的人工智能助手。"
"""System text that InternVL 2 was trained with."""
