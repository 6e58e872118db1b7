"""The picture of a report in docs/ranking.md: `python -m tests.meta.report_picture report.html` writes it."""

import base64
import io
import sys
from pathlib import Path

import av

from tests.support.page_browser import missing, start
from tests.support.paths import ROOT

FILE = ROOT / "docs/ranking-report.webp"
WIDTH = 1100  # CSS pixels
FIRST, BEHIND = "Calibration", "Full catalogue"  # headings: the plots lie between them
QUALITY = 70  # of libwebp
TOP = """const headings = [...document.querySelectorAll("h2")];
return headings.find((one) => one.textContent === arguments[0]).getBoundingClientRect().top"""


def draw(report: Path, file: Path) -> None:
    """Open a report in a browser, and keep its plots as a WebP."""
    driver = start()
    try:
        screen = {"width": WIDTH, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        driver.get(report.resolve().as_uri())
        top, bottom = (int(driver.execute_script(TOP, heading)) for heading in (FIRST, BEHIND))
        clip = {"x": 0, "y": top - 10, "width": WIDTH, "height": bottom - top - 10, "scale": 1}
        asked = {"format": "png", "captureBeyondViewport": True, "clip": clip}
        write(base64.b64decode(driver.execute_cdp_cmd("Page.captureScreenshot", asked)["data"]), file)
    finally:
        driver.quit()


def write(png: bytes, file: Path) -> None:
    """One picture as a WebP."""
    with av.open(io.BytesIO(png)) as taken, av.open(str(file), "w", format="webp") as container:
        picture = next(taken.decode(video=0))
        stream = container.add_stream("libwebp", rate=1)
        stream.width, stream.height, stream.pix_fmt = picture.width, picture.height, "bgra"
        stream.options = {"quality": str(QUALITY), "compression_level": "6"}
        container.mux(stream.encode(picture.reformat(format="bgra")))
        container.mux(stream.encode(None))


def main() -> None:
    """Write the picture of the report that the command names."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if why := missing():
        sys.exit(why)
    draw(Path(sys.argv[1]), FILE)
    print(f"{FILE.name}: {FILE.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
