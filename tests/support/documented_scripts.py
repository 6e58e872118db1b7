"""The scripts that a page shows, by the names that it gives them."""

import re
from pathlib import Path

from tests.support.paths import ROOT

EXTENDING = ROOT / "docs/extending.md"


def scripts_of(page: Path) -> dict[str, str]:
    """Python scripts by file name: code blocks behind `<!-- script: name.py -->`."""
    return dict(re.findall(r"<!-- script: (\S+) -->\n```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL))
