"""InternVL 2 with a Phi-3 backbone (4B)."""

from __future__ import annotations

from mmdata.templates._chatml import INTERNVL_SYSTEM
from mmdata.templates._template import Template

TEMPLATE = Template(
    name="phi3-chat",
    source="internvl/train/dataset.py: preprocess_phi3; internvl/conversation.py",
    before={"system": "<|system|>\n", "user": "<|user|>\n", "assistant": "<|assistant|>\n"},
    end="<|end|>",
    system=INTERNVL_SYSTEM,
    system_turns=False,
    alternate=True,
    bos=True,
    frame="Frame-{i}: ",
)
