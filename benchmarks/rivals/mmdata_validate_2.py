"""mmdata with every structural and semantic check, media off, two processes."""

LABEL = "mmdata --jobs 2"


def run(path: str) -> int:
    """Validate with two processes."""
    import mmdata

    name = "internvl" if path.endswith(".jsonl") else "geopixel"
    return mmdata.validate(path, format=name, media="none", jobs=2).summary.records
