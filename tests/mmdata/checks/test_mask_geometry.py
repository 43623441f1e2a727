"""`--masks full`: what it adds, that it adds nothing unasked, and that broken input does it no harm."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mmdata
from mmdata import masks
from mmdata.checks.registry import all_checks, selected
from mmdata.errors import UnknownName
from mmdata.format import get_format
from mmdata.options import Options
from mmdata.plan import DataSet
from mmdata.validating.fastpath import FastPath
from mmdata.validating.filecheck import FileChecker

File = Callable[..., Path]
BOW = [[10, 10], [30, 30], [30, 10], [10, 30], [5, 20]]


def codes(path: Path, **options: Any) -> set[str]:
    return {f.code for f in mmdata.validate(path, jobs=1, **options) if f.code.startswith("K")}


def test_nothing_of_it_without_the_option(geopixel_file: File) -> None:
    path = geopixel_file([[BOW], [BOW]])
    assert codes(path) == set()
    assert codes(path, media="decode") == set()
    assert codes(path, masks="full") == {"K01", "K10"}
    assert codes(path, masks="full", ignore=("K01",)) == {"K10"}
    assert codes(path, masks="full", select=("K01",)) == {"K01"}
    with pytest.raises(UnknownName):
        mmdata.validate(path, masks="fulll")


def test_the_fast_path_is_the_same_without_the_option(geopixel_file: File) -> None:
    kinds = get_format("geopixel")
    geometry = [c for c in all_checks().values() if c.code.startswith("K")]
    assert geometry
    without = FastPath(kinds, selected("geopixel", ignore=("K",)), Options(media="none"))
    assert FastPath(kinds, selected("geopixel"), Options(media="none")).source == without.source
    dataset = DataSet(str(geopixel_file()), kinds)
    assert not FileChecker(dataset, Options()).look_into
    assert FileChecker(dataset, Options(masks="full")).look_into


def test_full_looks_at_the_size_of_pictures_unless_media_is_none(geopixel_file: File) -> None:
    path = geopixel_file([[[[44, 10], [84, 10], [84, 30], [44, 30]]], [[[100, 1], [120, 1], [120, 9]]]])
    found = {f.code: f.message for f in mmdata.validate(path, masks="full", jobs=1)}
    assert found["K06"] == "50% of object 0 lies outside the picture of 64 x 48"
    assert found["K07"] == "object 1 covers no pixel of the picture of 64 x 48"
    assert codes(path, masks="full", media="none") == set()


def test_several_processes_find_the_same(geopixel_file: File) -> None:
    path = geopixel_file([[BOW]], records=3)
    one = mmdata.validate(path, masks="full", jobs=1).to_dict()
    assert mmdata.validate(path, masks="full", jobs=3).to_dict() == one


def test_masks_of_different_frames_are_not_compared(videorefer_file: File) -> None:
    mask = {"segmentation": dict(masks.encode(np.ones((20, 30), np.uint8)))}
    path = videorefer_file([{"1": mask}, {"2": mask}])
    assert codes(path, masks="full", media="none") == set()
    assert codes(videorefer_file([{"1": mask}, {"1": mask}]), masks="full", media="none") == {"K10"}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 70)
    | st.floats(allow_nan=False)
    | st.just(1e308)
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=30,
)
COORDINATE = st.integers(-30, 90) | st.sampled_from([1e308, -1e308, 2**31, 0.5, 1e-300])
RINGS = st.lists(st.lists(st.lists(COORDINATE, min_size=2, max_size=2), max_size=7), max_size=3)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(JSON | st.lists(RINGS, max_size=4))
def test_any_polygon_file_gives_a_report(geopixel_file: File, objects: Any) -> None:
    path = geopixel_file([[BOW]])
    Path("a.json").write_text(json.dumps({"polygons": objects}))
    mmdata.validate(path, masks="full", jobs=1)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(JSON | st.lists(st.lists(COORDINATE, min_size=6, max_size=6), max_size=3), JSON | st.integers(1, 80))
def test_any_segmentation_gives_a_report(videorefer_file: File, segmentation: Any, side: Any) -> None:
    path = videorefer_file([{"0": {"segmentation": segmentation}}] * 2, height=side, width=side)
    mmdata.validate(path, format="videorefer", masks="full", jobs=1)
