"""A record as a page of HTML: tables are written here, the timeline is drawn by the page's own script.

The page has all of its data, style and script in it, and a policy that lets it fetch nothing. What is in a record comes
from anybody: text is escaped, and data cannot end its element.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from importlib import resources
from typing import Any

from cargoship.cli.render import words
from cargoship.cli.results.reporting.compare import phase_changes, unit_changes
from cargoship.records.model import RunRecord, UnitSpan
from cargoship.records.schedule import CompiledUnits, misses

UNITS_MAX = 5000
"""How many units a page has: a browser draws no more of them at ease."""
_ROWS_MAX = 15
_LAYERS_MAX = 20
_NAMES_MAX = 3
_GAIN_MIN_S = 0.1
_SHARE_MIN = 1000
"""A part below one of this many is not shown by itself."""
_ORIGINS = {"compiled": "rust", "restored": "fresh", "present": "other"}
"""Where a unit came from, with its colour; what was replaced or is unfinished was compiled."""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"

Sizes = Mapping[str, Any]
"""An image as `cargoship size --json` has it."""


def report_page(record: RunRecord, before: RunRecord | None, sizes: Sequence[Sizes], unknown: str = "") -> str:
    """The page; raises ContentInvalid for a record that contradicts itself.

    `before` is the build to compare with; `unknown` says why there are no sizes.
    """
    compiled = CompiledUnits.of(record)
    critical = compiled.critical_path()
    title = f"{record.project}, {record.began[:16].replace('T', ' ')} UTC"
    style, script = (
        resources.files("cargoship.cli.results.reporting").joinpath(f"page.{kind}").read_text()
        for kind in ("css", "js")
    )
    data = json.dumps(_data(record, compiled, {step.place for step in critical}), separators=(",", ":"))
    body = [
        f"<header><h1>{escape(title)}</h1><p>{_about(record)}</p></header>",
        "<main>",
        _tiles(record, before, compiled),
        _timeline(record),
        '<div class="columns">',
        _section("Why units were compiled", _reasons(record)),
        _section("Critical path", _chain(record, critical)),
        _section("By target", _targets(record)),
        "</div>",
        _section("Since the build before", _changes(record, before)),
        _section("Images", _images(record, before)),
        *(_section(f"Inside {each['target']}", _inside(each)) for each in sizes),
        _section("Inside the images", f"<p>not looked at: {escape(unknown)}</p>" if unknown else ""),
        _section("On the network", _traffic(record)),
        _units(),
        "</main>",
        f"<footer><p>cargoship {escape(record.cargoship)}, record {escape(record.id)}</p></footer>",
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}</title><link rel="icon" href="data:,"><style>\n{style}</style></head><body>\n'
        + "\n".join(part for part in body if part)
        + f'\n<script type="application/json" id="data">{_unending(data)}</script>\n<script>\n{script}</script>\n'
        "</body></html>\n"
    )


def _unending(data: str) -> str:
    """JSON in which nothing can end the element that it is in."""
    return data.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _data(record: RunRecord, compiled: CompiledUnits, critical: set[int]) -> dict[str, Any]:
    slowest = sorted(range(len(record.units)), key=lambda place: (place not in critical, -record.units[place].seconds))
    places = {old: new for new, old in enumerate(sorted(slowest[:UNITS_MAX]))}
    lanes = compiled.lanes()
    return {
        "phases": [{"name": each.name, "began": each.began, "ended": each.ended} for each in record.phases],
        "units": [
            {
                "place": new, "name": unit.name, "kind": unit.kind, "target": unit.target, "host": unit.for_host,
                "state": unit.state, "began": unit.began, "seconds": unit.seconds, "size": unit.size,
                "lane": lanes.get(old, 0), "critical": old in critical, "because": list(unit.because),
                "where": unit.where,
                "waits_for": None if unit.waits_for is None else places.get(unit.waits_for),
                "needs": [places[each] for each in unit.needs if each in places],
            }
            for old, new in places.items()
            for unit in (record.units[old],)
        ],
    }  # fmt: skip


def _about(record: RunRecord) -> str:
    parts = [
        f"{record.outcome}{f' ({record.error})' if record.error else ''} in {words.duration(record.seconds)}",
        f"{record.machine.cores} cores{f', {record.machine.host}' if record.machine.host else ''}",
        ", ".join(record.platforms),
        f"commit {record.revision[:12]}" if record.revision else "",
    ]
    return escape(" · ".join(part for part in parts if part))


def _tiles(record: RunRecord, before: RunRecord | None, compiled: CompiledUnits) -> str:
    states: dict[str, int] = defaultdict(int)
    for unit in record.units:
        states[unit.state] += 1
    change = "" if before is None else f" ({_more_seconds(record.seconds - before.seconds)})"
    tiles = [(words.duration(record.seconds), f"the whole build{change}")]
    if record.cache.recalled:
        tiles.append(("all of it", "from the cache: nothing was compiled"))
    if record.units:
        others = ", ".join(f"{number} {state}" for state, number in sorted(states.items()) if state != "compiled")
        tiles.append((f"{states['compiled']} compiled", others or "nothing from a cache"))
    if there := [unit.where for unit in record.units if unit.where]:
        tiles.append((f"{len(there)} of them", f"compiled at {', '.join(sorted(set(there)))}"))
    if compiled.units:
        path = sum(step.seconds for step in compiled.critical_path())
        tiles.append((words.duration(path), "the critical path"))
        at_once = compiled.seconds / compiled.span if compiled.span else 0.0
        tiles.append((f"{at_once:.1f}", f"units at once, of {record.machine.cores} cores"))
        spared = compiled.spared_by_a_core(record.machine.cores)
        tiles.append(
            (f"-{words.duration(spared)}", "about, with one core more")
            if spared >= _GAIN_MIN_S
            else ("nothing", "gained by one core more")
        )
    if record.cache.spared_seconds:
        tiles.append((words.duration(record.cache.spared_seconds), "of compiling spared by the cache"))
    tiles += [
        (words.size(each.size), f"{image.name}, {each.platform}") for image in record.images for each in image.platforms
    ]
    made = (f'<div class="tile"><b>{escape(value)}</b><span>{escape(what)}</span></div>' for value, what in tiles)
    return f'<div class="tiles">{"".join(made)}</div>'


def _timeline(record: RunRecord) -> str:
    left_out = record.units_left_out + max(len(record.units) - UNITS_MAX, 0)
    note = f"<p>{left_out} units that took least are left out.</p>" if left_out else ""
    by = "<p>Times are those of cargo's progress: without the unit cache nobody looks into cargo's folders.</p>"
    legend = "".join(
        f'<span><i class="{kind}"></i>{what}</span>'
        for kind, what in (
            ("rust", "Rust"),
            ("c", "runs of build scripts, which compile C"),
            ("host", "for the build itself"),
            ("other", "phases"),
        )
    )
    return f"""<section><h2>Timeline</h2>{note}{by if record.units_by == "progress" else ""}
<div class="controls"><input type="search" id="search" placeholder="Search units" aria-label="Search units">
<button id="in" aria-label="Zoom in">+</button><button id="out" aria-label="Zoom out">&minus;</button>
<button id="reset">Whole build</button></div>
<div class="legend">{legend}<span>outlined: the critical path</span></div>
<div id="chart" tabindex="-1"></div><div id="about" aria-live="polite"></div>
<p class="keys"><kbd>/</kbd> search, <kbd>+</kbd> <kbd>-</kbd> <kbd>0</kbd> zoom, <kbd>[</kbd> <kbd>]</kbd> move,
<kbd>←</kbd> <kbd>→</kbd> from unit to unit, <kbd>Esc</kbd> ends the search; Ctrl and the wheel zoom, dragging moves</p>
</section>"""


def _units() -> str:
    return (
        '<section><h2>Units</h2><p id="count"></p><div class="scroll"><table id="units"><thead></thead><tbody></tbody>'
        '</table></div><button id="all" hidden></button></section>'
    )


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>" if content else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the first column is text, and so is one whose title begins with a space. Cells are HTML."""
    kinds = ["name" if not place or title[:1] == " " else "n" for place, title in enumerate(head)]
    cells = "".join(f'<th class="{kind}">{escape(title.strip())}</th>' for kind, title in zip(kinds, head, strict=True))
    lines = "".join(f"<tr>{_row(kinds, row)}</tr>" for row in rows)
    return (
        f'<div class="scroll"><table><thead><tr>{cells}</tr></thead><tbody>{lines}</tbody></table></div>'
        if lines
        else ""
    )


def _row(kinds: Sequence[str], row: Sequence[str]) -> str:
    return "".join(f'<td class="{kind}">{cell}</td>' for kind, cell in zip(kinds, row, strict=True))


def _bar(parts: Iterable[tuple[str, float]], whole: float) -> str:
    made = (
        f'<i class="{kind}" style="width:{100 * value / whole:.2f}%"></i>' for kind, value in parts if value and whole
    )
    return f'<div class="bar">{"".join(made)}</div>' if whole else ""


def _reasons(record: RunRecord) -> str:
    whole = "".join(f"<p>The build as a whole was not in the cache: {escape(why)}.</p>" for why in record.cache.because)
    found = [miss for miss in misses(record) if miss.because]
    rows = (
        (f"{escape('; '.join(miss.because))}<br>{_roots(miss.names)}", str(miss.units), words.duration(miss.seconds))
        for miss in found[:_ROWS_MAX]
    )
    return whole + _table(("because of", "units", "time"), rows)


def _roots(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES_MAX} more" if len(names) > _NAMES_MAX else ""
    return f'<span class="dim">beginning with {escape(", ".join(names[:_NAMES_MAX]))}{more}</span>'


def _chain(record: RunRecord, steps: Sequence[Any]) -> str:
    longest = sorted(steps, key=lambda step: -step.seconds)[:_ROWS_MAX]
    shown = [step for step in steps if step in longest]
    rows = ((escape(record.units[step.place].name), words.duration(step.seconds)) for step in shown)
    more = len(steps) - len(shown)
    rest = f"<p>and {more} that are shorter</p>" if more else ""
    return _table(("each needs the one before", "until used"), rows) + rest


def _targets(record: RunRecord) -> str:
    """Where the units of each target came from, and what compiling took, in Rust and in build scripts."""
    found: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for unit in record.units:
        group = found["for the build itself" if unit.for_host else unit.target or "not known"]
        group["units"] += 1
        group[unit.state if unit.state in _ORIGINS else "compiled"] += 1
        if unit.began is not None:
            group["c" if unit.kind == "build script run" else "rust"] += unit.seconds
    longest = max((each["rust"] + each["c"] for each in found.values()), default=0)
    most = max((each["units"] for each in found.values()), default=0)
    rows = (
        (
            f"{escape(name)}{_units_bar(each, most)}" + _bar((("rust", each["rust"]), ("c", each["c"])), longest),
            words.duration(each["rust"]), words.duration(each["c"]),
        )
        for name, each in sorted(found.items(), key=lambda item: (-item[1]["rust"] - item[1]["c"], item[0]))
    )  # fmt: skip
    return _table(("target", "Rust", "build scripts"), rows)


def _units_bar(group: Mapping[str, float], most: float) -> str:
    counted = ", ".join(f"{round(group[state])} {state}" for state in _ORIGINS if group[state])
    bar = _bar([(kind, group[state]) for state, kind in _ORIGINS.items()], most)
    return f"<br><span class='dim'>{counted}</span>{bar}"


def _changes(record: RunRecord, before: RunRecord | None) -> str:
    if before is None:
        return ""
    heading = f"<p>Compared with the build of {escape(before.began[:16].replace('T', ' '))} UTC.</p>"
    phases = _table(
        ("phase", "before", "now", "change"),
        (
            (escape(name), words.duration(old), words.duration(new), _signed(new - old, _more_seconds(new - old)))
            for name, old, new in phase_changes(record, before)
        ),
    )
    units = _table(
        ("unit compiled both times", "before", "now", "change"),
        (
            (
                _named(unit),
                words.duration(old),
                words.duration(unit.seconds),
                _signed(unit.seconds - old, _more_seconds(unit.seconds - old)),
            )
            for unit, old in unit_changes(record, before)[:_ROWS_MAX]
        ),
    )
    if not (phases or units):
        return f"{heading}<p>No phase and no unit took noticeably more or less.</p>"
    return f'{heading}<div class="columns">{phases}{units}</div>'


def _signed(value: float, text: str) -> str:
    return f'<span class="{"more" if value > 0 else "less"}">{text}</span>' if value else text


def _named(unit: UnitSpan) -> str:
    return f"{escape(unit.name)} <span class='dim'>{escape(unit.target)}</span>"


def _images(record: RunRecord, before: RunRecord | None) -> str:
    then = {
        (image.name, each.platform): each.size
        for image in (before.images if before else ())
        for each in image.platforms
    }
    most = max((each.size for image in record.images for each in image.platforms), default=0)
    rows = []
    for image in record.images:
        for each in image.platforms:
            old = then.get((image.name, each.platform))
            change = "" if old is None else _signed(each.size - old, _more_bytes(each.size - old))
            bar = _bar((("rust", float(each.size)),), float(most))
            rows.append((f"{escape(image.name)} for {escape(each.platform)}{bar}", words.size(each.size), change))
            rows += [
                (f"<span class='dim'>{escape(layer.made_by or layer.digest)}</span>", words.size(layer.size), "")
                for layer in each.layers[:_LAYERS_MAX]
            ]
    head = ("image, and its layers from the bottom", "to pull", "change")
    if before is None:
        return _table(head[:2], [row[:2] for row in rows])
    return _table(head, rows)


def _inside(sizes: Sizes) -> str:
    return f'<div class="columns">{"".join(_platform(image) for image in sizes["images"])}</div>'


def _platform(image: Mapping[str, Any]) -> str:
    files = _table(
        (f"largest files, {image['platform'] or ''}", "size"),
        ((escape(file["path"]), words.size(file["size_bytes"])) for file in image["files"][:_ROWS_MAX]),
    )
    programs = "".join(_program(program) for program in image["programs"])
    return f"<div>{files}{programs}</div>"


def _program(program: Mapping[str, Any]) -> str:
    kinds = {"crate": "rust", "c": "c"}
    parts = program["parts"]
    most = max((part["size_bytes"] for part in parts), default=0)
    rows: list[tuple[str, str, str]] = []
    # what is too small for a bar is one row
    shown = [part for part in parts if part["size_bytes"] * _SHARE_MIN >= program["size_bytes"]][: 2 * _ROWS_MAX]
    for part in shown:
        name = f"[{part['name']}]" if part["kind"] == "section" else part["name"]
        share = f"{100 * part['size_bytes'] / program['size_bytes']:.1f} %"
        bar = _bar(((kinds.get(part["kind"], "other"), part["size_bytes"]),), most)
        rows.append((f"{escape(name)}{bar}", words.size(part["size_bytes"]), share))
    rest = parts[len(shown) :]
    if rest:
        rest_bytes = sum(part["size_bytes"] for part in rest)
        share = f"{100 * rest_bytes / program['size_bytes']:.1f} %"
        rows.append((f"{len(rest)} more", words.size(rest_bytes), share))
    table = _table((f"{program['path']}, {words.size(program['size_bytes'])}", "size", "share"), rows)
    if any(part["kind"] not in {"section", "headers"} for part in parts):
        return table
    return f"{table}<p>It has no symbols, by which crates are known: the profile strips them.</p>"


def _traffic(record: RunRecord) -> str:
    names = {"cache": "the unit cache", "registry": "registries", "packages": "packages"}
    rows = [
        (escape(names.get(what, what)), words.size(each.sent), words.size(each.received))
        for what, each in record.traffic.items()
    ]
    pushes = _table(
        ("push", "sent", "there already", "mounted", "bytes"),
        (
            (
                escape(push.reference),
                str(push.pushed),
                str(push.skipped),
                str(push.mounted),
                words.size(push.pushed_bytes),
            )
            for image in record.images
            for push in image.pushes
        ),
    )
    return _table(("what", "sent", "received"), rows) + pushes + "".join(_cache(record))


def _cache(record: RunRecord) -> Iterator[str]:
    cache = record.cache
    if cache.restored:
        took = f"{words.size(cache.restored_bytes)} in {words.duration(cache.restored_seconds)}"
        yield f"<p>{words.count(cache.restored, 'unit')} from caches, {took}.</p>"
    if cache.kept:
        took = f"{words.size(cache.kept_bytes)} in {words.duration(cache.kept_seconds)}"
        waited = words.duration(cache.waited_seconds)
        yield f"<p>{words.count(cache.kept, 'unit')} kept, {took}; that was waited for {waited}.</p>"


def _more_seconds(change: float) -> str:
    return f"{'+' if change > 0 else '-' if change < 0 else ''}{words.duration(abs(change))}"


def _more_bytes(change: int) -> str:
    return f"{'+' if change > 0 else '-' if change < 0 else ''}{words.size(abs(change))}"
