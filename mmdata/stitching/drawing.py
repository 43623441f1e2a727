"""`draw_view`: the pictures of one moment on one canvas, with the pixels of the upstream layout.

Each view is read as Pillow's RGB (EXIF orientation not applied), resized to the tile with Pillow's default filter
(bicubic), named in magenta at its top left, and pasted (InternVL, ``tools/images_stitching.py``). Upstream's letters are
DejaVu Sans Bold at 50 pixels, read from a path that few machines have; ours are Pillow's own font (Aileron) at the same
size unless a font file is given, so only the letters differ.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from mmdata.errors import DataError, UsageError
from mmdata.stitching.canvas import Canvas

if TYPE_CHECKING:
    from PIL import Image

MAGENTA = (255, 0, 255)
LABEL_SIZE = 50
"""Of the letters, in pixels."""

NO_FONT = "none"
OWN_FONT = "pillow"


@cache
def load_font(name: str) -> Any:
    """A font: a file, ``pillow`` for Pillow's own, ``none`` for no labels.

    Raises:
        UsageError: the file is no font.
    """
    from PIL import ImageFont

    if name == NO_FONT:
        return None
    if name == OWN_FONT:
        return ImageFont.load_default(LABEL_SIZE)
    try:
        return ImageFont.truetype(name, LABEL_SIZE)
    except OSError as error:
        raise UsageError(f"{name}: no font file: {error}") from None


def font_title(name: str) -> str:
    """What a font is called, for example ``DejaVu Sans Bold``; "" for no labels."""
    font = load_font(name)
    return "" if font is None else " ".join(str(part) for part in font.getname() if part)


def read_view(path: str) -> Image.Image:
    """A picture as RGB.

    Raises:
        DataError: it is missing, empty, cut off or damaged; nothing is filled in.
    """
    from PIL import Image, UnidentifiedImageError

    from mmdata.media.images import open_quietly

    try:
        with open(path, "rb") as file, open_quietly(file) as image:
            if image.mode == "RGB":
                image.load()
                return image
            return image.convert("RGB")
    except FileNotFoundError:
        raise DataError("no such file") from None
    except UnidentifiedImageError:
        raise DataError("is no picture that Pillow can read") from None
    except Image.DecompressionBombError as error:
        raise DataError(f"too large: {error}") from None
    except Exception as error:  # Pillow raises whatever it stumbles over on damaged input
        raise DataError(f"cannot be decoded: {error}") from None


def draw_view(
    onto: Image.Image, canvas: Canvas, view: str, picture: Image.Image, *, font: str = OWN_FONT
) -> None:
    """Put one view where it belongs on a canvas.

    Args:
        onto: RGB, of ``canvas.size``.
        canvas: the grid.
        view: name of the view.
        picture: RGB, of any size.
        font: see `load_font`.
    """
    tile = picture.resize(canvas.tile)
    mask = _label(font, view, canvas.tile)
    if mask is not None:
        tile.paste(MAGENTA, (0, 0), mask)
    onto.paste(tile, canvas.corner(view))


@cache
def _label(font: str, view: str, tile: tuple[int, int]) -> Image.Image | None:
    """How much of each pixel the letters cover, 0 to 255, from the tile's top left; None without letters.

    White on black is just that, and pasting a colour through it blends as drawing text does, so that the letters of a
    view are drawn once for all frames.
    """
    from PIL import Image, ImageDraw

    letters = load_font(font)
    if letters is None:
        return None
    drawn = Image.new("L", tile)
    ImageDraw.Draw(drawn).text((0, 0), view, fill=255, font=letters)
    _, _, right, lower = drawn.getbbox() or (0, 0, 1, 1)
    return drawn.crop((0, 0, right, lower))
