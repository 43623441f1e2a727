"""mmdata with every structural and semantic check, media off, one process."""

LABEL = "mmdata"
JOBS = 1


def run(path: str) -> int:
    """Validate; the files are clean, so anything else than no finding is a bug."""
    import mmdata

    name = "internvl" if path.endswith(".jsonl") else "geopixel"
    report = mmdata.validate(path, format=name, media="none", jobs=JOBS)
    assert not report.findings, report.findings[:3]
    return report.summary.records
