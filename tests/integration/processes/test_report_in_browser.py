"""Chromium shows the report whole at a phone's width, dark and light, and has nothing to complain about."""

import json
import re
import shutil
from html import escape, unescape

import av
import pytest

from ranker.evaluation.report.page import html_report
from ranker.evaluation.report.slate_page import slate_page
from tests.support.browser import chromium, open_page
from tests.unit.ranker.evaluation.test_report import Elements, whole_evaluation
from tests.unit.ranker.evaluation.test_slate_comparison import compared, counted

BROWSER = chromium()
PHONE = 390  # CSS pixels

pytestmark = pytest.mark.skipif(BROWSER is None, reason="Chromium is not installed: apt-get install chromium")

# A page around the report looks at it from outside, for the report itself allows no script.
AROUND = """<!doctype html><meta charset="utf-8"><iframe style="width:{width}px;height:900px;border:0"></iframe>
<pre></pre><script>
const frame = document.querySelector("iframe");
frame.onload = () => {{
  const page = frame.contentDocument, found = {{}};
  const box = element => element.getBoundingClientRect();
  const inside = (a, b) => a.left >= b.left - 1 && a.right <= b.right + 1 &&
    a.top >= b.top - 1 && a.bottom <= b.bottom + 1;
  const overlap = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 0.5 &&
    Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1.5;
  const marks = [...page.querySelectorAll(".mark")];
  const texts = [...page.querySelectorAll(".picture text")];
  found.marks = marks.filter(mark => box(mark).width > 2 && inside(box(mark), box(mark.ownerSVGElement))).length;
  found.outside = texts.filter(text => !inside(box(text), box(text.ownerSVGElement))).map(text => text.textContent);
  found.overlapping = texts.flatMap((one, place) => texts.slice(place + 1)
    .filter(other => other.ownerSVGElement === one.ownerSVGElement && overlap(box(one), box(other)))
    .map(other => one.textContent + " and " + other.textContent));
  found.smallest = Math.min(...texts.map(text => box(text).height));
  found.width = page.documentElement.scrollWidth;
  found.requests = frame.contentWindow.performance.getEntriesByType("resource").length;
  found.background = frame.contentWindow.getComputedStyle(page.body).backgroundColor;
  found.colours = new Set(marks.map(mark => frame.contentWindow.getComputedStyle(mark).fill)).size;
  document.querySelector("pre").textContent = JSON.stringify(found);
}};
frame.srcdoc = "{page}";
</script>"""


def look_at(page, folder, *, dark=False):
    """What the page around the report saw, and the console."""
    file = folder / "around.html"
    source = json.dumps(page)[1:-1].replace("</", "<\\/").replace("<!--", "<\\!--")
    file.write_text(AROUND.format(width=PHONE, page=source), "utf-8")
    opened = open_page(BROWSER, file, folder / "profile", dark=dark)
    found = re.search(r"<pre>(.*?)</pre>", opened.document, re.DOTALL)
    return json.loads(unescape(found[1])), opened.console


@pytest.fixture(scope="module")
def page():
    return html_report(whole_evaluation())


@pytest.mark.skipif(shutil.which("chromedriver") is None, reason="no chromedriver: apt-get install chromium-driver")
def test_the_picture_in_the_documentation_is_of_the_plots(page, tmp_path):
    from tests.meta import report_picture

    report, file = tmp_path / "report.html", tmp_path / "report.webp"
    report.write_text(page, "utf-8")
    report_picture.draw(report, file)
    for picture in (file, report_picture.FILE):
        with av.open(str(picture)) as opened:
            shown = next(opened.decode(video=0))
        assert shown.width == report_picture.WIDTH
        assert 800 < shown.height < 2000
        assert 20_000 < picture.stat().st_size < 200_000


@pytest.mark.parametrize(("dark", "background"), [(False, "rgb(255, 255, 255)"), (True, "rgb(20, 23, 27)")])
def test_the_report_is_whole_at_a_phones_width(page, tmp_path, dark, background):
    found, console = look_at(page, tmp_path, dark=dark)
    assert console == []
    assert found["requests"] == 0
    assert found["marks"] == len(Elements(page).of_class("mark"))
    assert (found["outside"], found["overlapping"]) == ([], [])
    assert found["width"] <= PHONE
    assert found["smallest"] > 9
    assert found["background"] == background
    assert found["colours"] == 3


def test_the_comparison_of_slates_is_whole_at_a_phones_width(tmp_path):
    page = slate_page(compared(counted()))
    found, console = look_at(page, tmp_path)
    assert (console, found["requests"]) == ([], 0)
    assert found["marks"] == len(Elements(page).of_class("mark"))
    assert (found["outside"], found["overlapping"]) == ([], [])
    assert found["width"] <= PHONE


def test_a_request_and_a_script_would_be_noticed_and_are_forbidden(page, tmp_path):
    bad = '<img src="https://example.invalid/x.png"><script>document.body.remove()</script></body>'
    found, console = look_at(page.replace("</body>", bad), tmp_path)
    assert found["marks"] > 0
    assert len([line for line in console if "Content Security Policy" in line]) == 2, escape(str(console))
