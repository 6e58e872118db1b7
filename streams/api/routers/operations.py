"""What an operator asks: status, dead letters, metrics."""

from fastapi import APIRouter

router = APIRouter()
