"""The page, served beside the API."""

from fastapi import APIRouter

router = APIRouter()
