"""The page's files: what they may load and do, and how they are sent."""

import re
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from streams.api.errors import install
from streams.api.routers import page

MOST_LINES = 300
SAYS_WHERE = "http://www.w3.org/2000/svg"  # a namespace, which nothing is loaded from
PARSES_HTML = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|srcdoc|DOMParser"
)
INLINE = re.compile(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=")


@pytest.fixture
def client() -> TestClient:
    app = FastAPI()
    install(app)
    app.include_router(page.router)
    return TestClient(app)


@pytest.mark.parametrize("name", page.FILES)
def test_a_file_of_the_page_is_short_and_asks_no_other_host(name: str) -> None:
    text = page.FILES[name].body.decode()
    assert len(text.splitlines()) <= MOST_LINES
    assert not re.search(r"(?:https?|wss?)://|[\"'(]//[a-z0-9]", text.replace(SAYS_WHERE, ""))


@pytest.mark.parametrize("name", page.FILES)
def test_no_text_is_parsed_as_html_and_nothing_is_inline(name: str) -> None:
    text = page.FILES[name].body.decode()
    assert not PARSES_HTML.search(text)
    assert not (name.endswith((".html", ".svg")) and INLINE.search(text))


def test_what_the_page_names_is_there() -> None:
    for name, file in page.FILES.items():
        for found in re.findall(r'"(?:/static/|\./)([\w.-]+)', file.body.decode()):
            assert found in page.FILES, name


def test_the_page_may_load_from_its_own_host_alone(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'self'; ")
    assert "unsafe" not in policy and "http" not in policy and "*" not in policy


def test_a_file_that_has_not_changed_is_not_sent_twice(client: TestClient) -> None:
    first = client.get("/static/app.js")
    assert first.headers["content-type"] == "text/javascript; charset=utf-8"
    again = client.get("/static/app.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", ["gone.js", "..%2Frouters%2Fpage.py", "%2e%2e/app.py"])
def test_nothing_beside_the_page_is_sent(client: TestClient, name: str) -> None:
    assert client.get(f"/static/{name}").status_code == 404


def test_a_file_of_no_known_type_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not for a browser")
    with pytest.raises(KeyError):
        page.read_files(tmp_path)
