"""Qwen2-VL and Qwen2.5-VL: ChatML with a line break; answer, end and line break carry loss."""

from __future__ import annotations

from mmdata.templates._chatml import HEADERS
from mmdata.templates._template import Template

TEMPLATE = Template(
    name="qwen2-vl",
    source="qwen-vl-finetune/qwenvl/data: preprocess_qwen_2_visual",
    before=HEADERS,
    end="<|im_end|>",
    gap="\n",
    gap_loss=True,
    system="You are a helpful assistant.",
    image="<|vision_start|>{}<|vision_end|>",
    image_token="<|image_pad|>",  # noqa: S106 - a token of text
    video_token="<|video_pad|>",  # noqa: S106 - a token of text
)
