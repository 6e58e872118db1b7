"""Chromium driven by Selenium, with what the tests of the page ask it: orders, keys, console, and what it asked for."""

import json
import shutil
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from tests.support.browser import HEADLESS, chromium

PATIENCE_S = 20.0
OWN_SCHEMES = ("about", "blob", "chrome", "data")  # that ask no host


def missing() -> str:
    """What keeps the browser from being driven, or an empty string."""
    if chromium() is None:
        return "no Chromium is installed (Debian: apt-get install chromium)"
    return (
        "" if shutil.which("chromedriver") else "no chromedriver is installed (Debian: apt-get install chromium-driver)"
    )


def start() -> webdriver.Chrome:
    """A browser with an empty profile."""
    options = webdriver.ChromeOptions()
    options.binary_location = chromium() or ""
    for flag in HEADLESS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))


class Page:
    """One page in the browser, at one width."""

    def __init__(self, driver: webdriver.Chrome, address: str, width: int) -> None:
        self.driver, self.address, self.width = driver, address, width
        driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
        driver.execute_cdp_cmd("Storage.clearDataForOrigin", {"origin": address, "storageTypes": "all"})
        self.look()
        driver.get("about:blank")
        self.console(), self.hosts()

    def look(self, *, dark: bool = False, still: bool = False, width: int = 0, height: int = 812) -> None:
        """Take on a size and what the person prefers."""
        wide = width or self.width
        screen = {"width": wide, "height": height, "deviceScaleFactor": 1, "mobile": wide < 500}
        preferred = {
            "prefers-color-scheme": "dark" if dark else "light",
            "prefers-reduced-motion": "reduce" if still else "no-preference",
        }
        features = [{"name": name, "value": value} for name, value in preferred.items()]
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def open(self, view: str = "") -> None:
        """Load the page at one of its views."""
        self.driver.get("about:blank")
        self.driver.get(f"{self.address}/#/{view}")

    def open_feed(self) -> None:
        """Load the feed, until a card and what comes next are there."""
        self.open()
        self.until(lambda: self.now() and len(self.order()) > 5)

    def until(self, holds: Callable[[], Any], why: str = "") -> Any:
        """What a check gives once it gives something true; fails after a while."""
        return WebDriverWait(self.driver, PATIENCE_S, poll_frequency=0.03).until(lambda _: holds(), why)

    def rest(self, seconds: float) -> None:
        """Do nothing for a moment, as a person does."""
        time.sleep(seconds)

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script gives."""
        return self.driver.execute_script(script, *arguments)

    def find(self, selector: str) -> WebElement:
        """The first element of a CSS selector, waited for."""
        self.until(lambda: self.all(selector), f"nothing is {selector}")
        return self.all(selector)[0]

    def all(self, selector: str) -> list[WebElement]:
        """All elements of a CSS selector."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        """The text of an element as it is now; empty where there is none."""
        return str(self.run("return document.querySelector(arguments[0])?.textContent ?? ''", selector))

    def click(self, selector: str) -> None:
        """Click on an element, once it is on the screen."""
        element = self.find(selector)
        self.run("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
        element.click()

    def press(self, keys: str) -> None:
        """Press keys on the page itself."""
        webdriver.ActionChains(self.driver).send_keys(keys).perform()

    def swipe(self, selector: str, by_px: int) -> None:
        """Drag an element to the side and let it go."""
        element = self.find(selector)
        self.run("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
        above = -int(element.size["height"] * 0.4)  # what lies lower on a card are its controls
        drag = webdriver.ActionChains(self.driver, duration=40)
        drag.move_to_element_with_offset(element, -by_px // 2, above)
        drag.click_and_hold().move_by_offset(by_px // 2, 1).move_by_offset(by_px - by_px // 2, 1).release()
        drag.perform()

    def now(self) -> str:
        """The video on the stage."""
        return str(self.run("return document.querySelector('.card')?.dataset.id ?? ''"))

    def order(self) -> list[str]:
        """The videos that come next."""
        found = self.run("return [...document.querySelectorAll('.queue > li')].map((row) => row.dataset.id)")
        return [str(one) for one in found]

    def answers(self) -> int:
        """How many of the person's acts have been answered by a slate on the screen."""
        return int(self.run("return document.querySelector('.pulse')?.dataset.answers ?? 0"))

    def offline(self, away: bool) -> None:
        """Cut the page off from its host, or let it in again."""
        self.driver.execute_cdp_cmd("Network.enable", {})
        conditions = {"offline": away, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        self.driver.execute_cdp_cmd("Network.emulateNetworkConditions", conditions)

    def console(self) -> list[str]:
        """What the console said since it was asked last."""
        return [entry["message"] for entry in self._log("browser") if entry["level"] != "DEBUG"]

    def hosts(self) -> set[str]:
        """Which hosts were asked since this was asked last."""
        time.sleep(0.05)
        messages = [json.loads(entry["message"])["message"] for entry in self._log("performance")]
        sent = [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]
        return {urlsplit(url).netloc for url in sent if urlsplit(url).scheme not in OWN_SCHEMES}

    def _log(self, name: str) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self.driver.get_log(name)  # type: ignore[no-untyped-call]
        return entries
