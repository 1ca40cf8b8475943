"""The page of a report in a browser: what a person does with it, read back from what the browser shows."""

from __future__ import annotations

import html
import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from cargoship.cli.results.reporting.page import report_page
from cargoship.records.schedule import CompiledUnits
from support.build_records import sample_record
from support.programs import run

pytestmark = pytest.mark.tools

# a person at the page: looks, searches, zooms, goes from unit to unit by keys, sorts
PERSON = """
const seen = {};
const all = (what) => [...document.querySelectorAll(what)];
const pressed = (key) => new KeyboardEvent("keydown", { key, bubbles: true });
const key = (name, at) => (at || document.body).dispatchEvent(pressed(name));
const bars = () => all("#chart rect.unit");
const placed = (name) => bars().map((bar) => Number(bar.getAttribute(name)));
const look = () => ({
  bars: bars().length, critical: all("#chart rect.critical").map((bar) => Number(bar.dataset.place)),
  faint: all("#chart rect.faint").length, rows: all("#units tbody tr").map((row) => row.cells[0].textContent),
  about: document.getElementById("about").textContent, count: document.getElementById("count").textContent,
  focus: document.activeElement.dataset ? document.activeElement.dataset.place : undefined,
});
const wait = () => new Promise((done) => setTimeout(done, 50));
(async () => {
  await wait();
  seen.start = look();
  seen.x = placed("x"); seen.width = placed("width");
  seen.page = document.documentElement.scrollWidth <= window.innerWidth;
  seen.colours = getComputedStyle(document.body).backgroundColor;
  key("/");
  seen.typing = document.activeElement.id;
  document.activeElement.value = "helper";
  document.activeElement.dispatchEvent(new Event("input"));
  await wait();
  seen.search = look();
  key("Escape");
  document.activeElement.blur();
  seen.ended = look();
  key("+");
  seen.zoomed = placed("width");
  key("0");
  seen.back = placed("width");
  bars()[0].focus();
  key("Enter", document.activeElement);
  seen.chosen = look();
  key("ArrowRight", document.activeElement);
  seen.next = look();
  all("#units th button")[4].click();
  seen.sorted = look().rows;
  const made = document.createElement("pre");
  made.id = "seen";
  made.textContent = JSON.stringify(seen);
  document.body.append(made);
})();
"""


# axe-core, which knows the rules of WCAG: what it finds in the page as it stands
JUDGE = """
(async () => {
  await new Promise((done) => setTimeout(done, 50));
  const found = await axe.run(document, { resultTypes: ["violations"] });
  const said = JSON.stringify({
    judged: found.passes.length, width: document.documentElement.scrollWidth, window: window.innerWidth,
    faults: found.violations.map((each) => [each.impact, each.id, each.nodes.map((node) => node.html.slice(0, 200))]),
  });
  parent.postMessage(said, "*");
})();
"""
# Chromium has no window that is narrower than 500 pixels: a frame can be
FRAME = """<!doctype html><title>frame</title>
<body><iframe width="{width}" height="844" src="page.html"></iframe><script>
addEventListener("message", (said) => {{
  const made = document.createElement("pre");
  made.id = "seen";
  made.textContent = said.data;
  document.body.append(made);
}});
</script></body>"""


def judged(page: str, folder: Path, *, width: int, dark: bool) -> dict[str, Any]:
    """What axe-core finds in a page of a width."""
    axe = (resources.files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")
    (folder / "page.html").write_text(page.replace("</body>", f"<script>{axe}</script><script>{JUDGE}</script></body>"))
    (folder / "frame.html").write_text(FRAME.format(width=width))
    return opened(folder / "frame.html", width=1440, dark=dark)


def browse(page: str, folder: Path, *, width: int, dark: bool = False) -> dict[str, Any]:
    """What a person has seen; nothing was said on the console."""
    place = folder / "page.html"
    place.write_text(page.replace("</body>", f"<script>{PERSON}</script></body>"))
    return opened(place, width=width, dark=dark)


def opened(place: Path, *, width: int, dark: bool) -> dict[str, Any]:
    """What a script in a page has left in it."""
    scheme = ["--blink-settings=preferredColorScheme=0"] if dark else []
    done = run(
        "chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
        f"--user-data-dir={place.parent / 'profile'}", f"--window-size={width},1000", "--enable-logging=stderr",
        "--virtual-time-budget=5000", *scheme, "--dump-dom", f"file://{place}", timeout_s=120,
    )  # fmt: skip
    assert "CONSOLE" not in done.stderr, done.stderr
    found = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found is not None, done.stdout[-2000:]
    seen: dict[str, Any] = json.loads(html.unescape(found[1]))
    return seen


def test_a_person_finds_the_way_through_a_build(tmp_path: Path) -> None:
    record = sample_record()
    seen = browse(report_page(record, None, ()), tmp_path, width=1440)
    timed = [unit for unit in record.units if unit.began is not None]
    assert seen["start"]["bars"] == len(timed)
    assert seen["start"]["critical"] == [step.place for step in CompiledUnits.of(record).critical_path()]
    assert seen["start"]["count"] == "7 of 7 units"
    # bars lie where the record says, all on one scale
    scale = seen["width"][0] / timed[0].seconds
    assert [width / scale for width in seen["width"]] == pytest.approx([unit.seconds for unit in timed], abs=0.02)
    assert [x / scale for x in seen["x"]] == pytest.approx([unit.began or 0 for unit in timed], abs=0.02)
    assert seen["typing"] == "search"
    assert seen["search"]["rows"] == ["helper 1.0.0 lib", "helper 1.0.0 lib"]
    assert seen["search"]["faint"] >= 4
    assert seen["ended"]["count"] == "7 of 7 units"
    assert max(seen["zoomed"]) > 1.9 * max(seen["width"])
    assert seen["back"] == seen["width"]
    assert "because of the cache having nothing of it yet" in seen["chosen"]["about"]
    assert (seen["chosen"]["focus"], seen["next"]["focus"]) == ("0", "2")
    assert "helper" in seen["next"]["about"]
    assert len(seen["sorted"]) == 7


def test_a_telephone_at_night_shows_all_of_it(tmp_path: Path) -> None:
    page = report_page(sample_record(), None, (), f"no image sha256:{'0' * 64}")
    seen = browse(page, tmp_path, width=500, dark=True)
    assert seen["page"], "nothing is wider than the window"
    assert seen["colours"] == "rgb(13, 17, 23)"
    assert seen["start"]["bars"] == 6


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_a_judge_of_accessibility_finds_nothing_serious(tmp_path: Path, width: int, dark: bool) -> None:  # noqa: FBT001
    record = sample_record()
    seen = judged(report_page(record, sample_record(), ()), tmp_path, width=width, dark=dark)
    assert seen["judged"] > 10
    assert [each for each in seen["faults"] if each[0] in {"serious", "critical"}] == []
    assert seen["window"] == width
    assert seen["width"] <= width, "nothing is wider than the window"
