"""What every process of a demo or a playground serves while it runs, scraped as Prometheus does it."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from streams.worker.health import read_status
from tests.support.metrics import get

INTERVAL_S = 0.5
PORTS = "19700-19799"


@contextmanager
def scraping(folder: Path, **others: str) -> Iterator[Mapping[str, str]]:
    """Scrape every worker whose status lies below a folder, and others, again and again: the longest page of each.

    Not the last: an agent that ends has no partitions any more, and says nothing of them.

    others  addresses by name
    """
    pages, stopped = dict[str, str](), threading.Event()

    def scrape() -> None:
        while not stopped.wait(INTERVAL_S):
            found = (read_status(file) for file in folder.glob("*/run-*/run/*/*.json"))
            urls = {one.agent: one.metrics for one in found if one is not None and one.metrics}
            for name, url in (urls | others).items():
                try:
                    status, text = get(url)
                except OSError:  # it is about to start, or has ended
                    continue
                if status == 200:
                    pages[name] = max(pages.get(name, ""), text, key=len)

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield pages
    finally:
        stopped.set()
        thread.join()
