"""What is shown of the licences of a plan's crates."""

from __future__ import annotations

from cargoship.licensing import LicensedCrate, LicenseSurvey
from cargoship.printable import printable, without_user

_VERSION = 1


def licenses_document(survey: LicenseSurvey) -> dict[str, object]:
    """What JSON has: `version` 1, and `crates` in the order of their names.

    Each has `name`, `version`, `source` (empty for one of the project), `license` (an SPDX expression, or null),
    `license-text` (what the manifest has in its place, or null), `shipped`, `programs`, `path` (how it comes in),
    `refused` (why the settings do not take it, or null) and `exception` (why they let it pass, or null).
    """
    return {"version": _VERSION, "crates": [_crate(each) for each in survey.crates]}


def _crate(each: LicensedCrate) -> dict[str, object]:
    crate = each.crate
    return {
        "name": crate.name,
        "version": crate.version,
        "source": without_user(crate.source),
        "license": crate.license or None,
        "license-text": crate.license_text or None,
        "shipped": each.is_shipped,
        "programs": sorted(each.programs),
        "path": list(each.path),
        "refused": each.objection,
        "exception": each.excuse,
    }


def licenses_text(survey: LicenseSurvey) -> str:
    """A line for each crate, and how often each licence is there."""
    rows = [
        (
            f"{each.crate.name} {each.crate.version}",
            each.crate.license or each.crate.license_text or "none is said",
            "" if each.is_shipped else "build",
            f"refused: {each.objection}" if each.objection else f"exception: {each.excuse}" if each.excuse else "",
        )
        for each in survey.crates
    ]
    widths = [max((len(row[place]) for row in rows), default=0) for place in range(3)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]).rstrip()
        for row in rows
    ]
    return "\n".join(map(printable, lines))
