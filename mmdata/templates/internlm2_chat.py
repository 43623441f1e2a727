"""InternVL 2 with an InternLM2 backbone (2B, 8B, 26B): ChatML without line breaks, values stripped, BOS first."""

from __future__ import annotations

from mmdata.templates._chatml import HEADERS, INTERNVL_SYSTEM
from mmdata.templates._template import Template

TEMPLATE = Template(
    name="internlm2-chat",
    source="internvl/train/dataset.py: preprocess_internlm; internvl/conversation.py",
    before=HEADERS,
    end="<|im_end|>",
    system=INTERNVL_SYSTEM,
    system_turns=False,
    alternate=True,
    strip=True,
    bos=True,
    frame="Frame-{i}: ",
)
