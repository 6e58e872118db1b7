"""Forty titles of short videos, made up for this, each said again in other English words and in nine languages."""

import json
from pathlib import Path

FILE = Path(__file__).with_name("titles.json")
ENGLISH, AGAIN = "en", "again"
NAMES = {
    AGAIN: "English, other words",
    "de": "German",
    "es": "Spanish",
    "fr": "French",
    "pt": "Portuguese",
    "ru": "Russian",
    "ja": "Japanese",
    "zh": "Chinese",
    "hi": "Hindi",
    "ar": "Arabic",
}


def titles() -> dict[str, list[str]]:
    """The titles by language, the same title at the same place."""
    rows: list[dict[str, str]] = json.loads(FILE.read_text("utf-8"))
    return {language: [row[language] for row in rows] for language in rows[0]}
