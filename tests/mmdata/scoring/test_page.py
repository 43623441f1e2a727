"""The page of wrong answers: pictures that are there, marks in the right place, nothing that breaks the page."""

import base64
import io
import re

import pytest
from PIL import Image

from mmdata.scoring import find_task, score_rows
from mmdata.scoring.page import as_page
from mmdata.scoring.tasks.drivelm import Asked, places


def page(name, row, root, data=None, folder=None):
    task = find_task(name)
    rows = [task.read(0, row)]
    card = score_rows(rows, task, data, resamples=0)
    return as_page(
        card, rows, task.score["strict"](rows, data), task, root=str(root), folder=str(folder or root)
    )


def dior(answer, image="a b.jpg"):
    return {
        "answer": answer,
        "gt_answers": [10, 20, 60, 70],
        "image_size": [200, 100],
        "image": image,
        "question": "Q",
    }


def rsvqa(image, answer="no"):
    return {
        "response": answer,
        "gt_answer": "yes",
        "question_type": "presence",
        "image": image,
        "question": "Is it?",
    }


def test_boxes_are_drawn_in_pixels_of_the_picture(tmp_path):
    Image.new("RGB", (200, 100)).save(tmp_path / "a b.jpg")
    text = page("dior-rsvg", dior("[[500,500,1000,1000]]"), tmp_path)
    rects = re.findall(
        r'<rect x="(\S+)" y="(\S+)" width="(\S+)" height="(\S+)" fill=none stroke="(\S+)"', text
    )
    assert rects == [("10", "20", "50", "50", "#1a7f37"), ("100", "50", "100", "50", "#d1242f")]
    assert 'viewBox="0 0 200 100"' in text
    assert 'href="a%20b.jpg"' in text


def test_the_link_starts_from_the_page(tmp_path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pages").mkdir()
    Image.new("RGB", (200, 100)).save(tmp_path / "pictures" / "a b.jpg")
    text = page("dior-rsvg", dior("none"), tmp_path / "pictures", folder=tmp_path / "pages")
    assert 'href="../pictures/a%20b.jpg"' in text


def test_what_browsers_do_not_show_is_in_the_page(tmp_path):
    Image.new("RGB", (900, 300), (200, 10, 10)).save(tmp_path / "0.tif")
    text = page("rsvqa-lr", rsvqa("0.tif"), tmp_path)
    data = re.search(r'src="data:image/png;base64,([^"]+)"', text)
    shown = Image.open(io.BytesIO(base64.b64decode(data[1])))
    assert shown.size == (640, 213)
    assert shown.getpixel((5, 5)) == (200, 10, 10)


@pytest.mark.parametrize("content", [None, b"no picture"])
def test_a_missing_or_damaged_picture_is_told(tmp_path, content):
    if content is not None:
        (tmp_path / "0.tif").write_bytes(content)
    text = page("rsvqa-lr", rsvqa("0.tif"), tmp_path)
    assert f"no picture {tmp_path}/0.tif" in text
    assert "<img" not in text


def test_answers_are_text_and_not_markup(tmp_path):
    text = page("rsvqa-lr", rsvqa("", "<script>alert(1)</script>"), tmp_path)
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_points_of_driving_lie_in_their_tile(tmp_path):
    """CAM_BACK is the middle of the lower row: its centre is that of the tile."""
    row = {
        "id": "s_f_0",
        "answer": "<c1,CAM_BACK,800.0,450.0>",
        "gt_answers": "<c1,CAM_FRONT_LEFT,[100,250]>",
        "question": "Q",
        "image": "s_f.jpg",
    }
    Image.new("RGB", (2688, 896)).save(tmp_path / "s_f.jpg")
    task = find_task("drivelm")
    reference, answer, size = places(task.read(0, row))
    assert answer == [(896 + 448, 448 + 224)]
    assert size == (2688, 896)
    assert reference[0] == pytest.approx((268.8, 224), abs=0.6)
    test = {"s_f_0": Asked("Q", "<c1,CAM_FRONT_LEFT,480.0,450.0>", frozenset({0, 3}), True, "perception")}
    text = page("drivelm", row, tmp_path, test)
    assert '<circle cx="1344" cy="672"' in text
    assert 'href="s_f.jpg"' in text
