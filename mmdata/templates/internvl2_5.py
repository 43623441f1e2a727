"""InternVL 2.5 and 3: ChatML with a line break after each turn; the answer and its end carry loss."""

from __future__ import annotations

from mmdata.templates._chatml import HEADERS
from mmdata.templates._template import Template

TEMPLATE = Template(
    name="internvl2_5",
    source="internvl/train/dataset.py: preprocess_internvl2_5; internvl/conversation.py",
    before=HEADERS,
    end="<|im_end|>",
    gap="\n",
    system="你是书生·万象，英文名是InternVL，是由上海人工智能实验室、清华大学及多家合作单位联合开发的多模态大语言模型。",
    bos=True,
    frame="Frame-{i}: ",
)
