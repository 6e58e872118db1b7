"""Uploads and withdrawals."""

from fastapi import APIRouter

router = APIRouter()
