# ruff: noqa: E501 - the cases are one line each
"""Configs of the corpus as no library would write them: names in another case or twice, values of another form.

As in `image_corpus`. Go's encoding/json, by which all engines read them, takes a name in any letter case, and the last
of several.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from support.image_corpus import ONE, Case

_TWO_MEANINGS = ("verify: readers in other languages see another image in it (RFC 8259, section 4)",)
_STRICT = (
    "podman: it does not take a text for a list of one",
    "docker 26: nor does containerd",
)


@dataclass(frozen=True)
class Rewritten(Case):
    """An image whose config is changed as a text; each change is a piece of it, and what takes its place."""

    changes: Sequence[tuple[str, str]] = ()

    def config(self) -> bytes:
        """The image's config."""
        text = super().config().decode()
        for old, new in self.changes:
            assert old in text
            text = text.replace(old, new)
        return text.encode()


def _case(name: str, *changes: tuple[str, str], starts: bool = True, unlike: Sequence[str] = ()) -> Case:
    return Rewritten(name, [ONE], starts=starts, unlike=unlike, changes=changes)


def _also(text: str, *, starts: bool = True, unlike: Sequence[str] = (), name: str) -> Case:
    """A config with one more word about how the image is run."""
    return _case(name, ('"Entrypoint"', f'{text}, "Entrypoint"'), starts=starts, unlike=unlike)


_SYSTEM = '"os": "linux"'
_LENIENT = ("podman: it looks at no system", "docker 26: nor does containerd, where there is one platform alone")
_ONE_STORE = ("docker: it has a store for images of its own system and for no other",)
_WEB, _NONE = '"Entrypoint": ["/app/web"]', '"Entrypoint": ["/none"]'

CONFIGS: tuple[Case, ...] = (
    # names in another letter case
    _case("platform in capitals", ('"os"', '"OS"'), ('"architecture"', '"Architecture"')),
    _case("config in capitals", ('"config"', '"Config"')),
    _case("entrypoint in lower case", ('"Entrypoint"', '"entrypoint"')),
    _case("root file system in capitals", ('"rootfs"', '"RootFS"'), ('"diff_ids"', '"Diff_Ids"')),
    _case("name with a long s", ('"os"', '"o\\u017f"')),
    # systems, processors and variants
    _case("system in capitals", (_SYSTEM, '"os": "Linux"'), starts=False, unlike=_LENIENT),
    _case("system in capitals alone", (_SYSTEM, '"os": "LINUX"'), starts=False, unlike=_LENIENT),
    _case("system of nothing", (_SYSTEM, '"os": ""')),
    _case("system of null", (_SYSTEM, '"os": null')),
    _case("system of Microsoft", (_SYSTEM, '"os": "windows"'), unlike=_ONE_STORE),
    _case("system of Apple in capitals", (_SYSTEM, '"os": "macOS"'), unlike=_ONE_STORE),
    _case("system that is unknown", (_SYSTEM, '"os": "unknown"'), unlike=_ONE_STORE),
    _case("system with a blank", (_SYSTEM, '"os": " linux"'), starts=False, unlike=_LENIENT[1:]),
    _case("system that is a platform", (_SYSTEM, '"os": "linux/amd64"'), starts=False, unlike=_LENIENT),
    _case("processor in capitals", ('"amd64"', '"AMD64"')),
    _case("processor with a hyphen", ('"amd64"', '"x86-64"')),
    _case("processor that nobody has", ('"amd64"', '"zx81"')),
    _case("variant in capitals", ('"os"', '"variant": "V1", "os"')),
    # names that are there twice
    _case("system twice, the same", ('"os": "linux"', '"os": "linux", "OS": "linux"')),
    _case("system twice, the last one ours", ('"os": "linux"', '"os": "windows", "os": "linux"'), unlike=_TWO_MEANINGS),
    _case("entrypoint twice, the last one there", (_WEB, f"{_NONE}, {_WEB}"), unlike=_TWO_MEANINGS),
    _case("entrypoint twice, the first one there", (_WEB, f"{_WEB}, {_NONE}"), starts=False),
    _case("entrypoint twice in two cases, the last one there", (_WEB, f'"entrypoint": ["/none"], {_WEB}'), unlike=_TWO_MEANINGS),
    _case("entrypoint twice in two cases, the first one there", (_WEB, f'{_WEB}, "entrypoint": ["/none"]'), starts=False),
    _case("config twice", ('"config": {', '"config": {"User": "0"}, "config": {'), unlike=_TWO_MEANINGS),
    # values
    _case("time in words", ("2023-01-01T00:00:00Z", "yesterday"), starts=False),
    _case("time without a zone", ("2023-01-01T00:00:00Z", "2023-01-01T00:00:00"), starts=False),
    _case("time on the 30th of February", ("2023-01-01T00:00:00Z", "2023-02-30T00:00:00Z"), starts=False),
    _case("time with a fraction and a zone", ("2023-01-01T00:00:00Z", "2023-01-01T00:00:00.123456789-07:00")),
    _case("time of null", ('"2023-01-01T00:00:00Z"', "null")),
    _case("history of a step without a layer", ('"history": [', '"history": [{"empty_layer": true}, ')),
    _case("history longer than the layers", ('"history": [', '"history": [{"created_by": "x"}, '), starts=False,
          unlike=("podman: it does not count them", "docker 26: it does not count them")),
    _case("half a character", ('"os"', '"author": "\\ud800", "os"')),
    _case("number of 400 digits", ('"os"', f'"x": {"1" * 400}, "os"')),
    _case("processor by another name", ('"amd64"', '"x86_64"')),
    _case("type of root file system that nobody knows", ('"type": "layers"', '"type": "x"')),
    _case("entrypoint as a text", ('["/app/web"]', '"/app/web"'), unlike=_STRICT),
    _case("entrypoint with nothing in it first", ('["/app/web"]', '["", "/app/web"]'), starts=False),
    _case("entrypoint with null after it", ('["/app/web"]', '["/app/web", null]')),
    _also('"Env": [1]', name="variable of a number", starts=False),
    _also('"User": 0', name="user of a number", starts=False),
    _also('"Labels": {"a": 1}', name="label of a number", starts=False),
    _also('"ExposedPorts": ["80"]', name="ports in a list", starts=False),
    _also('"ExposedPorts": {"80-90/tcp": {}}', name="ports in a range"),
    _also('"Volumes": {"/v": null}', name="volume of null"),
    _also('"Healthcheck": {"Test": ["NONE"], "Interval": "1s"}', name="health check with a duration in words", starts=False),
    _also('"Healthcheck": {"Test": "x"}', name="health check with a text for a test", starts=False),
    _also('"Healthcheck": {"test": ["NONE"], "retries": null}', name="health check in lower case"),
    _also('"User": " 0 "', name="user with blanks", starts=False),
    _also('"User": "0x0"', name="user in hexadecimals", starts=False),
    _also('"User": "4294967295"', name="user beyond all numbers", starts=False),
    _also('"User": "-1"', name="user below zero", starts=False),
    _also('"OnBuild": ["RUN x"], "Shell": ["/x"], "ArgsEscaped": true', name="what is for builders and Windows"),
)  # fmt: skip
