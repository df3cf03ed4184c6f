"""The device's page in a real Chromium: it changes state by itself, in two languages."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.running import RunningAgent
from tests.shared import needed

FLAGS = [
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WEARS_FAST = {"defect_from_s": 4.0, "defect_over_s": 20.0}
LEARNS = {"learn_ahead_s": None}  # and is up at once


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    needed(chromium is not None, "chromium (apt-get install chromium)")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(
            executable_path=chromium, args=FLAGS, chromium_sandbox=False
        )


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Of a browser that has been nowhere."""
    with browser.new_context(viewport={"width": 360, "height": 900}) as fresh:
        yield fresh.new_page()


@pytest.fixture
def agent(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RunningAgent]:
    """`request.param`: the simulation."""
    running = RunningAgent(tmp_path, simulation=request.param)
    running.start()
    yield running
    running.close()


@pytest.mark.chromium
@pytest.mark.parametrize("agent", [WEARS_FAST], indirect=True, ids=["wears fast"])
def test_the_page_goes_from_green_to_red_and_says_why(page: Page, agent: RunningAgent) -> None:
    asked: list[str] = []
    failed: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: failed.append(message.text))
    page.goto(f"http://127.0.0.1:{agent.port}/")
    page.wait_for_selector("article[data-state=normal]", timeout=30_000)
    assert page.locator("html").get_attribute("lang") == "es"
    assert "Datos simulados" in page.locator("main").inner_text()
    page.wait_for_selector("article[data-state=warning]", timeout=60_000)
    page.wait_for_selector("article[data-state=alarm]", timeout=60_000)
    card = page.locator("article").inner_text()
    assert "Alarma" in card and "No se parece a su línea base" in card
    assert "mm/s" in card and "°C" in card and "Zona" in card
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.get_by_role("link", name="English").click()
    page.wait_for_selector("article[data-state=alarm]")
    assert "Unlike its baseline" in page.locator("article").inner_text()
    page.goto(f"http://127.0.0.1:{agent.port}/")
    assert page.locator("html").get_attribute("lang") == "en"
    assert all(url.startswith(f"http://127.0.0.1:{agent.port}/") for url in asked), asked
    assert failed == []


@pytest.mark.chromium
@pytest.mark.parametrize("agent", [LEARNS], indirect=True, ids=["learns"])
def test_the_page_says_when_the_device_is_gone(page: Page, agent: RunningAgent) -> None:
    page.goto(f"http://127.0.0.1:{agent.port}/")
    page.wait_for_selector("article", timeout=30_000)
    assert page.locator("#offline").is_hidden()
    agent.terminate()
    page.wait_for_selector("#offline", state="visible", timeout=20_000)


@pytest.mark.chromium
@pytest.mark.parametrize("agent", [LEARNS], indirect=True, ids=["learns"])
def test_the_first_paint_needs_no_script(agent: RunningAgent, browser: Browser) -> None:
    agent.wait_for(lambda state: "machine/Bomba 1" in state)
    with browser.new_context(java_script_enabled=False) as context:
        plain = context.new_page()
        plain.goto(f"http://127.0.0.1:{agent.port}/?lang=en")
        assert "Bomba 1" in plain.locator("article").inner_text()
