"""A headless Chromium, where there is one: opens a file and gives the page as it then is, and what its console said."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CONSOLE = re.compile(r":(?:INFO|WARNING|ERROR):CONSOLE[:(]\S+ (.*)")
HEADLESS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
)
FLAGS = (*HEADLESS, "--enable-logging=stderr", "--virtual-time-budget=2000", "--dump-dom")


class Opened(NamedTuple):
    """What came of opening a page: its document as HTML, and the lines of its console."""

    document: str
    console: list[str]


def chromium() -> str | None:
    """Where Chromium is; None where it is not installed."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def open_page(browser: str, file: Path, profile: Path, *, dark: bool = False, limit_s: float = 120) -> Opened:
    """Open a file in a browser with a profile of its own."""
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    command = [browser, *FLAGS, scheme, f"--user-data-dir={profile}", file.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, check=True)
    return Opened(done.stdout, CONSOLE.findall(done.stderr))
