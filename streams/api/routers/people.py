"""A person asks to be forgotten."""

from fastapi import APIRouter

router = APIRouter()
