"""Media files below the media root."""

from fastapi import APIRouter

router = APIRouter()
