"""What a reference means, and what is said where it means nothing, or too much."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from cargoship.deploy.documents import STDIN, read_sources
from cargoship.errors import CargoshipError, CompileFailed, DocumentInvalid, ReferenceUnknown, UsageError
from support.deploying import Workplace

ONE: dict[str, Sequence[str]] = {"app": ["app"]}
TWO: dict[str, Sequence[str]] = {"app": ["app", "app-worker"], "shop": ["shop-web"], "lib": []}


@pytest.mark.parametrize(
    ("name", "binary"),
    [
        ("app", "app"),
        ("app/app", "app"),
        ("app-worker", "app-worker"),
        ("app/app-worker", "app-worker"),
        ("shop", "shop-web"),
        ("shop-web", "shop-web"),
        ("shop/shop-web", "shop-web"),
    ],
)
def test_names(tmp_path: Path, name: str, binary: str) -> None:
    place = Workplace(tmp_path, TWO)
    (document,) = place.resolve(("a.yaml", f"a: cargoship://{name}\n".encode())).documents
    assert document.data.decode() == f"a: {place.reference(binary)}\n"


def test_every_project_is_built_once_with_all_that_is_wanted(tmp_path: Path) -> None:
    place = Workplace(tmp_path, TWO)
    files = [
        ("a.yaml", b"a: cargoship://app\nb: cargoship://shop\n"),
        ("b.json", b'["cargoship://app", "cargoship://app-worker"]'),
        ("compose.yaml", b"services: {web: {build: shop}}\n"),
    ]
    resolved = place.resolve(*files)
    (selection,) = place.builder.built
    assert selection.packages == ("app", "shop")
    assert sorted(selection.bins) == ["app", "app-worker", "shop-web"]
    assert selection.push
    assert [each.name for each in resolved.documents] == ["a.yaml", "b.json", "compose.yaml"]
    assert place.reference("shop-web").encode() in resolved.documents[2].data


def test_a_bundle_is_wanted_as_a_whole(tmp_path: Path) -> None:
    place = Workplace(tmp_path, TWO, settings={"app": {"bundle": ["app", "app-worker"]}})
    place.resolve(("a.yaml", b"a: cargoship://app\n"))
    assert place.builder.built[0].overrides == {"bundle": ("app", "app-worker")}
    place.resolve(("a.yaml", b"a: cargoship://app-worker\n"))
    assert place.builder.built[1].overrides == {}


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("a:\n  b: cargoship://ap\n", 'a.yaml:2:6: no binary or package is called ap; did you mean "app"?',
         "cargoship://app/app, cargoship://app/app-worker, cargoship://shop/shop-web"),
        ("a: cargoship://shop/app\n", "a.yaml:1:4: no binary or package is called shop/app", "cargoship://app/app,"),
        ("a: cargoship://lib\n", "a.yaml:1:4: no binary or package is called lib", "cargoship://app/app,"),
        ("a: cargoship://\n", "a.yaml:1:4: cargoship:// is no reference to a binary", "cargoship://PACKAGE/BINARY"),
        ("a: x cargoship://app:1.0\n", "a.yaml:1:6: cargoship://app:1.0 is no reference", ""),
        ("a: cargoship://a/b/c\n", "a.yaml:1:4: cargoship://a/b/c is no reference", ""),
        ("a: cargoship://app#tag\n", "a.yaml:1:4: cargoship://app#tag is no reference", "#digest"),
        ("a: cargoship://${APP}\n", "a.yaml:1:4: cargoship://${APP is no reference", ""),
        ("a: |\n  one\n  two cargoship://ap\n", "a.yaml:3:7: no binary or package is called ap", ""),
    ],
)  # fmt: skip
def test_references_that_mean_nothing(tmp_path: Path, text: str, message: str, hint: str) -> None:
    place = Workplace(tmp_path, TWO)
    with pytest.raises(ReferenceUnknown) as caught:
        place.resolve(("fine.yaml", b"a: cargoship://app\n"), ("a.yaml", text.encode()))
    assert caught.value.message.startswith(message)
    assert hint in (caught.value.hint or "")
    assert place.builder.planned == place.builder.built == []


def test_references_that_mean_too_much(tmp_path: Path) -> None:
    place = Workplace(tmp_path, {"app": ["app-a", "app-b"], "b": ["main"], "c": ["main"]})
    for name, candidates in {
        "app": "cargoship://app/app-a, cargoship://app/app-b",
        "main": "cargoship://b/main, cargoship://c/main",
    }.items():
        with pytest.raises(ReferenceUnknown) as caught:
            place.resolve(("a.yaml", f"- x\n- cargoship://{name}\n".encode()))
        assert caught.value.message == f"a.yaml:2:3: cargoship://{name} can mean 2 images"
        assert caught.value.hint == f"write one of {candidates}"
    with pytest.raises(UsageError, match="have one name and cannot be built together"):
        place.resolve(("a.yaml", b"[cargoship://b/main, cargoship://c/main]\n"))
    assert place.builder.built == []


BROKEN = {
    "broken": (b"a: [1\nb: 2\n", "a.yaml:2:2: this is no YAML: while parsing a flow sequence"),
    "indentation": (b"a:\n  b: 1\n c: 2\n", "a.yaml:3:2: this is no YAML"),
    "a cycle": (b"a: &x\n  b: [1, *x]\n", "a.yaml:2:10: *x is inside of &x: it would never end"),
    "an unknown anchor": (b"a: *x\n", "a.yaml:1:4: there is no anchor &x before this"),
    "a tab": (b"a:\n\tb: 1\n", "a.yaml:2:1: this is no YAML"),
    "control characters": (b"a: 1\nb: x\x01\n", "a.yaml:2:5: this is no YAML"),
    "UTF-16": ("a: cargoship://app\n".encode("utf-16"), "a.yaml:1: this is UTF-16"),
    "UTF-16 without a mark": ('{"a": "cargoship://app"}'.encode("utf-16-be"), "a.json:1: this is UTF-16"),
    "UTF-16 of any text": ("A=cargoship://app\n".encode("utf-16-le"), "a.env:1: this is UTF-16"),
    "UTF-32": ("a: cargoship://app\n".encode("utf-32"), "a.yaml:1: this is UTF-32"),
    "UTF-32 with the other mark": (b"\0\0\xfe\xff" + "a: 1\n".encode("utf-32-be"), "a.yaml:1: this is UTF-32"),
    "UTF-32 without a mark": ('{"a": "cargoship://app"}'.encode("utf-32-be"), "a.json:1: this is UTF-32"),
    "UTF-32 of any text": ("A=cargoship://app\n".encode("utf-32-le"), "a.env:1: this is UTF-32"),
    "latin 1": (b"a: 1\nb: \xe9\n", "a.yaml:2: this is no UTF-8"),
    "brackets without end": (b"[" * 100_000, "a.yaml:1:1001: this is nested too deeply: "),
    "lists in lists": (b"- " * 5000 + b"x\n", "a.yaml:1:1999: this is nested too deeply: "),
    "JSON": (b'{\n "a": 1,\n "b" 2\n}', "a.json:3:6: this is no JSON: "),
    "JSON without end": (b"[" * 100_000, "a.json: this is no JSON that anybody could use"),
}


@pytest.mark.parametrize(("data", "message"), BROKEN.values(), ids=BROKEN)
def test_what_cannot_be_read(tmp_path: Path, data: bytes, message: str) -> None:
    place = Workplace(tmp_path, ONE)
    with pytest.raises(DocumentInvalid) as caught:
        place.resolve(("fine.yaml", b"a: cargoship://app\n"), (message.partition(":")[0], data))
    assert caught.value.message.startswith(message)
    assert place.builder.planned == []


def test_anchors_that_multiply_cost_nothing(tmp_path: Path) -> None:
    lines = ["a0: &a0 cargoship://app\n"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 60)]
    (document,) = Workplace(tmp_path, ONE).resolve(("a.yaml", "".join(lines).encode())).documents
    assert document.data.count(b"cargoship://") == 0


def test_deep_nesting_is_no_matter(tmp_path: Path) -> None:
    text = "- " * 900 + "cargoship://app\n"
    (document,) = Workplace(tmp_path, ONE).resolve(("a.yaml", text.encode())).documents
    assert b"@sha256:" in document.data


def test_a_build_that_fails_leaves_no_document(tmp_path: Path) -> None:
    place = Workplace(tmp_path, ONE)
    place.builder.fails = CompileFailed("cargo ended with 101")
    with pytest.raises(CompileFailed):
        place.resolve(("a.yaml", b"a: cargoship://app\n"))


OBJECTS = """\
# first
kind: A
metadata: {labels: {app: web, tier: front}}
image: cargoship://app
---
# second
kind: B
metadata:
  labels:
    app: cache
image: cargoship://nothing
---
kind: C
image: cargoship://nothing
---
kind: D
metadata: {labels: {app: web}}
"""


@pytest.mark.parametrize(
    ("selector", "kinds"),
    [
        ("app=web", "AD"), ("app==web,tier=front", "A"), ("app=web, tier!=front", "D"), ("tier", "A"),
        ("app in (web, db),!tier", "D"), ("app notin (cache),app", "AD"),
    ],
)  # fmt: skip
def test_a_selector_leaves_other_objects_out(tmp_path: Path, selector: str, kinds: str) -> None:
    place = Workplace(tmp_path, ONE)
    (document,) = place.resolve(("a.yaml", OBJECTS.encode()), selector=selector).documents
    parts = {text.partition("kind: ")[2][0]: text for text in OBJECTS.split("---\n")}
    starts = {kind: "" if kind == "A" else "---\n" for kind in "ABCD"}
    expected = "".join(starts[kind] + parts[kind] for kind in kinds)
    expected = expected.replace("cargoship://app", place.reference("app")) if "A" in kinds else expected
    assert document.data.decode() == expected


def test_a_selector_for_json_and_lists(tmp_path: Path) -> None:
    place = Workplace(tmp_path, ONE)
    data = b'{"metadata": {"labels": {"app": "web"}}, "i": "cargoship://app"}'
    assert place.resolve(("a.json", data), selector="app=db").documents[0].data == b""
    assert b"@sha256" in place.resolve(("a.json", data), selector="app=web").documents[0].data
    with pytest.raises(UsageError, match=r"a\.yaml:1:1: -l cannot take a List apart"):
        place.resolve(("a.yaml", b"kind: List\nitems: []\n"), selector="app=web")
    with pytest.raises(UsageError, match="cannot be read at 'a=b=c'"):
        place.resolve(("a.yaml", b"a: 1\n"), selector="x=1,a=b=c")


def test_where_documents_come_from(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.yml", "c.json", "notes.md", "deep/d.yaml", ".git/e.yaml"):
        (tmp_path / "k" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "k" / name).write_text(name)

    def names(*what: str, recursive: bool = False) -> list[str]:
        return [each.name for each in read_sources(what, recursive=recursive, cwd=tmp_path, stdin=lambda: b"x")]

    assert names("k") == ["k/a.yml", "k/b.yaml", "k/c.json"]
    assert names("k", recursive=True) == ["k/a.yml", "k/b.yaml", "k/c.json", "k/deep/d.yaml"]
    assert names("k/notes.md", STDIN) == ["k/notes.md", "stdin"]
    for what, words in {"gone.yaml": "there is no file gone.yaml", "k/deep": ""}.items():
        if words:
            with pytest.raises(CargoshipError, match=words):
                names(what)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"no \.yaml, \.yml or \.json file in empty"):
        names("empty")
