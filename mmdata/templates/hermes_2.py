"""InternVL 2 with a Qwen2 or Hermes backbone (1B, 40B): ChatML without a line break after turns."""

from __future__ import annotations

from mmdata.templates._chatml import HEADERS, INTERNVL_SYSTEM
from mmdata.templates._template import Template

TEMPLATE = Template(
    name="Hermes-2",
    source="internvl/train/dataset.py: preprocess_mpt; internvl/conversation.py",
    before=HEADERS,
    end="<|im_end|>",
    system=INTERNVL_SYSTEM,
    system_turns=False,
    alternate=True,
    bos=True,
    frame="Frame-{i}: ",
)
