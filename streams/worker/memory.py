"""Memory that is free goes back to the system: glibc keeps it otherwise, in each of its many arenas."""

import ctypes
import sys

M_ARENA_MAX = -8  # a parameter of mallopt (malloc.h)
ARENAS = 2  # by default 8 a core: each thread that once read a topic back would keep what it needed for that


def limit_arenas() -> None:
    """Let all threads share two arenas; called before there are any others."""
    if mallopt := _function("mallopt"):
        mallopt(M_ARENA_MAX, ARENAS)


def give_back() -> None:
    """Return what is free to the system: some milliseconds, in which no other thread is given memory."""
    if malloc_trim := _function("malloc_trim"):
        malloc_trim(0)


def _function(name: str) -> "ctypes._NamedFuncPointer | None":
    """A function of glibc's; None where there is another C library."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
