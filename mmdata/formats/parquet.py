"""Parquet files of conversations, as Hugging Face `datasets` reads and writes them."""

from __future__ import annotations

from mmdata.formats._shared import conversation

FORMAT = conversation.packed_in(
    "parquet",
    what="Parquet file",
    title="Parquet (Hugging Face datasets)",
    trainer="Hugging Face datasets",
    paths="in the file, or from the working directory",
)
