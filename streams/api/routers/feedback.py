"""Feedback, each event with its own verdict."""

from fastapi import APIRouter

router = APIRouter()
