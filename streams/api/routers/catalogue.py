"""What the catalogue answers: videos, similar ones, search, trends, playlists, explanations."""

from fastapi import APIRouter

router = APIRouter()
