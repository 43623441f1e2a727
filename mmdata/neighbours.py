"""Files that are no data set of the trainers, recognised so that an error can say what they are."""

from __future__ import annotations

from mmdata.format import Evidence
from mmdata.own_files import own_file


def what_is(evidence: Evidence) -> str | None:
    """What a file of no known format looks like, in words for a person; None where it looks like nothing known."""
    if evidence.container == "empty":
        return "the file is empty"
    if own := own_file(evidence.head):
        return own
    first = next((r for r in evidence.records if isinstance(r, dict)), None)
    if first is None:
        if evidence.container not in ("array", "jsonl"):
            return None
        return "no record" if len(evidence.head) < 1 << 20 else "no record ends in its first MiB"
    if isinstance(first.get("polygons"), list) and "conversations" not in first:
        return "a GeoPixel polygon file, which is read through the record that names it"
    if {"images", "annotations"} <= first.keys():
        return "COCO annotations"
    if {"image_id", "segmentation"} <= first.keys() or {"image_id", "bbox"} <= first.keys():
        return "COCO results"
    if any(isinstance(v, dict) and ("file_name" in v or "hf_hub_url" in v) for v in first.values()):
        return (
            "LLaMA-Factory's list of data sets, which is read where it is given itself, as dataset_info.json"
        )
    return None
