"""LLaVA-OneVision with a Qwen2 backbone: ChatML as its processor writes it; the answer and its end carry loss."""

from __future__ import annotations

from mmdata.templates._chatml import HEADERS
from mmdata.templates._template import Template

TEMPLATE = Template(
    name="llava-onevision",
    source="the chat template of the released processors; upstream training also puts loss on headers, which a reply never writes",
    before=HEADERS,
    end="<|im_end|>",
    gap="\n",
    image="{}",
    image_token="<image>",  # noqa: S106 - a token of text
    video_token="<video>",  # noqa: S106 - a token of text
)
