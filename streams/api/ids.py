"""Ids in paths: the same rules as in messages."""

from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator

from schemas.messages.fields import ID_BYTES, why_not_an_id


def _checked(value: str) -> str:
    if why := why_not_an_id("id", value):
        raise ValueError(why.removeprefix("$.id ") + ", so nobody and nothing has this id")
    return value


UserId = Annotated[str, AfterValidator(_checked), Path(min_length=1, max_length=ID_BYTES, examples=["u42"])]
VideoId = Annotated[str, AfterValidator(_checked), Path(min_length=1, max_length=ID_BYTES, examples=["v7"])]
