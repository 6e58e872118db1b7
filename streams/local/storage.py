"""What Kafka demands of its folder before a first start: ids, and the features with which its cluster begins.

Kafka's StorageTool writes both, in a Java process of its own. The features are the same in all folders of one Kafka, so
those of the first folder are kept beside the jars, and only that one asks for the tool.
"""

import base64
import shutil
import tempfile
import uuid
from contextlib import suppress
from pathlib import Path

from streams.local.java import properties_text

IDS, FEATURES = "meta.properties", "bootstrap.checkpoint"


def is_formatted(log: Path) -> bool:
    """Whether a broker can start on the folder."""
    return (log / IDS).exists()


def format_as_before(log: Path, jars: Path, node_id: str) -> bool:
    """Format an empty folder with ids of its own and the features that were kept; False where none were."""
    if not (jars / FEATURES).exists():
        return False
    log.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(jars / FEATURES, log / FEATURES)
    ids = {"version": "1", "cluster.id": random_id(), "node.id": node_id, "directory.id": random_id()}
    (log / IDS).write_text(properties_text(ids), encoding="ascii")  # last, for it tells that all is there
    return True


def keep_features(log: Path, jars: Path) -> None:
    """Keep those of a folder for the next ones; where that cannot be, these ask for the tool again."""
    with suppress(OSError), tempfile.TemporaryDirectory(dir=jars, prefix=".features-") as beside:
        copy = shutil.copyfile(log / FEATURES, Path(beside) / FEATURES)
        copy.replace(jars / FEATURES)


def random_id() -> str:
    """A fresh id as Kafka spells it: 22 characters of URL-safe base64, no dash first (as options have)."""
    return "F" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]
