"""A person's slate, at once, waited for, or as a stream."""

from fastapi import APIRouter

router = APIRouter()
