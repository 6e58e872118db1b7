"""Where things lie: the repository, the golden files, and real data where there are some."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests/golden"
DATA = Path(os.environ.get("FRESHET_TEST_DATA") or ROOT.parent / "shared/data")  # tests that need them skip without
