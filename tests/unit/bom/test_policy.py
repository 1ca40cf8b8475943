"""Licences held against the lists of a project."""

from __future__ import annotations

import pytest

from cargoship.bom.crates import Crate
from cargoship.bom.licenses import expression_of
from cargoship.bom.policy import LicensePolicy, license_entry, unused
from cargoship.errors import UsageError
from cargoship.settings.sources import load_flags

_REGISTRY = "registry+https://github.com/rust-lang/crates.io-index"


def crate(license: str = "", text: str = "", *, source: str = _REGISTRY) -> Crate:  # noqa: A002 - the manifest's word
    return Crate("some", "1.2.3+more", source, license=license, license_text=text)


@pytest.mark.parametrize(
    ("said", "allow", "deny", "wrong"),
    [
        ("MIT", ["MIT"], [], None),
        ("MIT", ["Apache-2.0"], [], "MIT is not allowed"),
        ("MIT OR Apache-2.0", ["Apache-2.0"], [], None),
        ("MIT AND Zlib", ["MIT"], [], "MIT AND Zlib: Zlib is not allowed"),
        ("MIT AND (Zlib OR GPL-2.0-only)", ["MIT", "Zlib"], ["GPL-*"], None),
        ("(MIT OR GPL-3.0-only) AND GPL-2.0-only", [], ["GPL-2.0-only"], "GPL-2.0-only is denied"),
        ("GPL-3.0-only OR MIT", [], ["GPL-*"], None),
        ("GPL-3.0-only", [], ["gpl-*"], "GPL-3.0-only is denied"),
        ("LGPL-3.0-only", [], ["GPL-*"], None),
        ("MIT", ["MIT"], ["MIT"], "MIT is denied"),
        ("Apache-2.0 WITH LLVM-exception", ["Apache-2.0"], [], None),
        ("Apache-2.0 WITH LLVM-exception", ["Apache-2.0 WITH LLVM-exception"], [], None),
        ("Apache-2.0", ["Apache-2.0 WITH LLVM-exception"], [], "Apache-2.0 is not allowed"),
        ("GPL-2.0-only WITH Classpath-exception-2.0", [], ["GPL-2.0-only"], "exception-2.0 is denied"),
        (
            "GPL-2.0-only WITH Classpath-exception-2.0",
            ["GPL-2.0-only WITH Classpath-exception-2.0"], ["GPL-2.0-only"], None,
        ),
        ("LGPL-2.1-or-later", ["LGPL-3.0-only"], [], None),
        ("LGPL-3.0-or-later", ["LGPL-2.1-only"], [], "is not allowed"),
        ("LGPL-3.0-only", ["LGPL-2.1-or-later"], [], None),
        ("GPL-3.0-only", [], ["GPL-2.0-or-later"], "is denied"),
        ("GPL-2.0-or-later", [], ["GPL-2.0-only"], "is denied"),
        ("GPL-2.0-or-later", [], ["GPL-3.0-only"], None),
        ("GPL-2.0-only", [], ["GPL-3.0-or-later"], None),
        ("AGPL-3.0-only", [], ["GPL-3.0-only"], None),
        # SPDX's older names for a licence with an exception, and the older way to say "or later"
        ("GPL-2.0-with-classpath-exception", [], ["GPL-2.0-only"], "GPL-2.0-only WITH Classpath"),
        ("MIT OR gpl-3.0-with-gcc-exception", ["Zlib"], ["GPL-*"], "GPL-3.0-only WITH GCC-exception-3.1 is denied"),
        ("GPL-2.0-with-classpath-exception", ["GPL-2.0-only WITH Classpath-exception-2.0"], ["GPL-*"], None),
        # a name of somebody's own
        ("LicenseRef-Acme-1.0", ["LicenseRef-Acme-1.0"], [], None),
        ("MIT OR LicenseRef-Acme", [], ["LicenseRef-*"], None),
        ("MIT AND LicenseRef-Acme", ["MIT"], [], "LicenseRef-Acme is not allowed"),
        # "or later" of other licences than GNU's
        ("MPL-2.0+", ["MPL-2.0"], [], None),
        ("mpl-1.1+/Zlib", ["MPL-2.0"], [], None),
        ("MPL-2.0+", ["MPL-1.1"], [], "MPL-2.0+ is not allowed"),
        ("MPL-2.0", ["MPL-1.1+"], [], None),
        ("(Apache-2.0+ OR GPL-2.0+) AND MIT", ["MIT"], ["Apache-2.0"], "Apache-2.0+ is denied"),
        ("MPL-2.0", [], ["MPL-1.1"], None),
        ("MPL-2.0", [], ["MPL-1.1+"], "is denied"),
        ("GPL-2.0+ WITH Classpath-exception-2.0", [], ["GPL-2.0-only"], "is denied"),
    ],
)  # fmt: skip
def test_expressions(said: str, allow: list[str], deny: list[str], wrong: str | None) -> None:
    found = LicensePolicy(tuple(allow), tuple(deny)).objection(crate(expression_of(said)))
    if wrong is None:
        assert found is None
    else:
        assert found is not None
        assert wrong in found


@pytest.mark.parametrize("policy", [LicensePolicy(("MIT",)), LicensePolicy((), ("GPL-*",))])
def test_what_cannot_be_judged_is_refused(policy: LicensePolicy) -> None:
    assert policy.objection(crate()) == "it says nothing of a licence"
    assert "LICENSE.txt" in (policy.objection(crate(text="LICENSE.txt")) or "")
    assert policy.objection(crate(source="")) is None
    assert (policy.objection(crate("AGPL-3.0-only", source="")) is None) == (policy.allow == ())


@pytest.mark.parametrize(
    ("said", "own"),
    [("LicenseRef-A", True), ("(LicenseRef-A OR LicenseRef-B)", True), ("MIT OR LicenseRef-A", False), ("MIT", False)],
)
def test_a_licence_of_the_projects_own_is_nobody_elses(said: str, *, own: bool) -> None:
    policy = LicensePolicy(("Zlib",))
    assert (policy.objection(crate(said, source="")) is None) == own
    assert policy.objection(crate(said)) is not None


@pytest.mark.parametrize(
    "said",
    [
        "GPL-2.0-only+",
        "Acme+",
        "LLVM-exception+",
        "MIT++",
        "+",
        "LicenseRef-a b",
        "LicenseRef-",
        "DocumentRef-x:LicenseRef-y",
        "LicenseRef_a",
        "Acme",
    ],
)
def test_what_is_no_name_of_ones_own(said: str) -> None:
    assert expression_of(said) == ""


@pytest.mark.parametrize("name", ["some", "some@1.2.3", "some@1.2.3+more"])
def test_exceptions(name: str) -> None:
    policy = LicensePolicy(("MIT",), (), {name: "read", "other": "gone"})
    assert policy.objection(crate("GPL-3.0-only")) is None
    assert unused(policy, [crate()]) == ["other"]
    assert LicensePolicy(("MIT",), (), {"some@1.2": "read"}).objection(crate("GPL-3.0-only")) is not None


def test_without_lists_nothing_is_refused() -> None:
    assert LicensePolicy().objection(crate()) is None


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("mit", "MIT"),
        ("mpl-2.0+", "MPL-2.0+"),
        (" GPL-* ", "GPL-*"),
        ("GPL-3.0", "GPL-3.0-only"),
        ("Apache-2.0 with LLVM-exception", None),
    ],
)
def test_entries_are_written_as_spdx_does(text: str, entry: str | None) -> None:
    assert license_entry(text) == (entry or "Apache-2.0 WITH LLVM-exception")


@pytest.mark.parametrize(
    "said", ["LLVM-exception", "MIT WITH MIT", "MIT WITH LLVM-exception OR", "MIT OR LLVM-exception", "WITH"]
)
def test_exceptions_are_no_licences(said: str) -> None:
    """Such a crate passed every list of what is denied."""
    assert expression_of(said) == ""


@pytest.mark.parametrize("text", ["", "Nobody-Knows-1.0", "MIT OR Zlib", "MIT AND", "WITH"])
def test_what_is_no_entry(text: str) -> None:
    with pytest.raises(ValueError, match=r"SPDX|expression"):
        license_entry(text)


@pytest.mark.parametrize("reason", ["", "  ", "-", "..."])
def test_an_exception_without_a_reason_is_refused(reason: str) -> None:
    with pytest.raises(UsageError, match=r"license-exceptions\.ring: needs a reason"):
        load_flags({"license-exceptions": {"ring": reason}})
