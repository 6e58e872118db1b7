"""Whether the process lives and is of use, and the documents that describe the API."""

from fastapi import APIRouter

router = APIRouter()
