"""InternLM-XComposer 2.5 and GeoPixel: no system turn; the answer, its end marker and the final ``</s>`` carry loss."""

from __future__ import annotations

from mmdata.templates._template import Template

TEMPLATE = Template(
    name="xcomposer",
    source="data_mix.py: conv2text; modeling_internlm_xcomposer2.py: mask_human_targets",
    before={"user": "[UNUSED_TOKEN_146]user\n", "assistant": "[UNUSED_TOKEN_146]assistant\n"},
    end="[UNUSED_TOKEN_145]",
    gap="\n",
    last="\n</s>",
    system_turns=False,
    alternate=True,
    strip=True,
    bos=True,
    implied="header",
)
