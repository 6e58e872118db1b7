"""Texts as models read them and as tags are compared: one form for what looks alike; what is stored stays as sent.

Reference: Unicode Standard Annex 15 (normalization form KC), and Technical Standard 39 on letters that look alike.
"""

import re
from unicodedata import category, normalize

WORD_CHARS = 100  # longer words are unknown to the text encoder's tokenizer; and normalising takes the square of a word
LONG_WORD = re.compile(r"\S{101}")
MARKS = re.compile(f"[{''.join(chr(at) for at in range(0x20000) if category(chr(at)) in ('Mn', 'Me'))}]")
CASED = re.compile("[a-z]")
# Letters that NFKC leaves: small capitals, and letters in black circles and squares.
SMALL_CAPITALS = dict(zip(map(ord, "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ"), "abcdefghijklmnoprstuvwyz", strict=True))
BLACK = {start + place: chr(ord("a") + place) for start in (0x1F150, 0x1F170) for place in range(26)}
UNSEEN = dict.fromkeys((0x034F, 0x17B4, 0x17B5, *range(0x180B, 0x1810)))  # joiners and selectors of scripts' letters
FORMS = SMALL_CAPITALS | BLACK | UNSEEN
BLANKS = dict.fromkeys((0x115F, 0x1160, 0x2800, 0x3164, 0xFFA0), " ")  # letters and signs that are drawn as a space
# What says how a sign is drawn, as in colour, and the dot that a capital dotted i leaves in small letters.
STYLES = dict.fromkeys((*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
DOTTED = "i\u0307"
# Cyrillic and Greek small letters that pass for Latin ones.
LOOKALIKES = str.maketrans("авеіјкморсѕтухһԁԛԝӏіυοινακρτχ", "abeijkmopcstyxhdqwliuoivakptx")


def plain_text(text: str) -> str:
    """A text in normalization form KC, without what cannot be seen, its words parted by single spaces.

    Ordinary text stays as it is but for its white space; a word of more than 100 characters is cut into several.

    >>> plain_text("\\U0001d5db\\uff4f\\uff57  to pas\\u200bta"), plain_text("家で作る")
    ('How to pasta', '家で作る')
    """
    if text.isascii() and text.isprintable() and not LONG_WORD.search(text):
        return text
    words = text.translate(BLANKS).split()
    pieces = (word[start : start + WORD_CHARS] for word in words for start in range(0, len(word), WORD_CHARS))
    return " ".join(filter(None, map(_plain_word, pieces)))


def comparable(text: str) -> str:
    """What two tags or codes have in common that differ in case, width, white space, letter and emoji forms alone.

    >>> comparable(" \\uff26ood  Truck\\u200b") == comparable("food truck")
    True
    """
    return " ".join(plain_text(text).translate(STYLES).casefold().replace(DOTTED, "i").split())


def language_code(text: str | None) -> str | None:
    """A language tag as it is compared: in small letters, with hyphens; None where there is none.

    >>> language_code("pt_BR"), language_code("\\uff25N "), language_code(" ")
    ('pt-br', 'en', None)
    """
    return comparable(text or "").replace("_", "-") or None


def bare_words(text: str) -> str:
    """A text in small Latin letters without marks, for a list of English words: what is painted over letters is off.

    Letters of other alphabets that look like Latin ones count as those in words that have Latin letters too.

    >>> bare_words("I\\u0336d\\u0336ïot"), bare_words("\\u0456d\\u0456\\u043et")
    ('idiot', 'idiot')
    """
    plain = plain_text(text).lower()
    return plain if plain.isascii() else " ".join(map(_bare_word, plain.split()))


def _plain_word(word: str) -> str:
    normal = normalize("NFKC", word)[: 4 * WORD_CHARS].translate(FORMS)  # a single letter may become 18
    return normal if normal.isprintable() else "".join(filter(str.isprintable, normal))


def _bare_word(word: str) -> str:
    bare = MARKS.sub("", normalize("NFKD", word))
    return bare.translate(LOOKALIKES) if CASED.search(bare) else bare
