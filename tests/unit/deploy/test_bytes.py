"""Only the references change: every other byte of a document stays."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from cargoship.deploy.documents import Format
from cargoship.errors import CargoshipError
from support.deploying import Workplace

HARD: dict[str, str] = {
    "plain": "image: @@\n",
    "quotes": "a: '@@'\nb: \"@@\"\nc:   @@   \n",
    "no newline at the end": "image: @@",
    "crlf": "# one\r\na:\r\n  - image: @@ # two\r\n  - 'x @@'\r\n\r\n",
    "comments everywhere": (
        "# cargoship://app\n%: # cargoship://app\n  a: @@ # cargoship://app\n\n# cargoship://app\n  # odd\n  b: 1\n#end"
    ).replace("%", "key"),
    "keys stay": "cargoship://app : @@\n? cargoship://app\n: b\n",
    "anchors": "x: &a @@\ny: *a\nz: [*a, &b '@@', *b]\nm: &m {i: @@}\nn: {<<: *m, j: @@}\n",
    "tags": "a: !!str @@\nb: !custom '@@'\nc: &x !!str \"@@\"\nd: !!binary aGVsbG8=\n",
    "odd indents": "a:\n    -\n        - image:\n                  @@\n    -    b:   \n            - @@\n",
    "folded": "a: >-\n  run @@\n  and @@\n\n   more\n\nb: >2 # cargoship://app\n    @@\n  x\n",
    "literal": "a: |+ # cargoship://app\n  one: @@\n  # @@ is content here\n\n\nb: |-\n\n  @@\nc: |9\n          @@\n",
    "multi-line plain": "a: one\n  two @@\n\n  three\nb: 'one\n\n  @@\n  two'\nc: \"x \\\n    @@ \\\n    y\"\n",
    "flow": '{"a": "@@", b: [ @@ , {c: @@}], "d":[@@]}\n',
    "flow over lines": "a: {\n  b: @@, # cargoship://app\n  'c' : [\n @@\n ,],\n}\n",
    "several documents": "%YAML 1.1\n---\na: @@\n...\n# between cargoship://app\n---\n--- # empty\n---\n- @@\n...\n",
    "empty": "",
    "only comments": "# cargoship://app\n---\n# cargoship://app\n",
    "scalar alone": "--- @@\n---\n'@@'\n",
    "not ASCII": "ü: 'é @@' # ñ 日本\n😀: \"😀 @@\"\n\u2028x: @@\n".replace("\u2028", ""),
    "separators": "a: 'one\u2028 @@'\nb: \"two\u0085 @@\"\nc: @@\n",
    "lines that end otherwise": "a: |\r  @@\rb: >- # cargoship://app\r  @@\r",
    "byte order mark": "\ufeffa: @@\nb: '@@'\n",
    "tabs": "a:\t@@\t# x\nb: [\t@@\t]\nc: '\t@@'\n",
    "several in one": "a: --x=@@ --y=@@,@@;z\nb: (@@) <@@> [@@]\n",
    "prose": "a: see @@. Or @@!\nb: is it @@?\n",
    "json in yaml": "a: '{\"image\":\"@@\"}'\nb: \"{\\\"image\\\":\\\"@@\\\"}\"\n",
    "helm values": "image:\n  repository: @@#name\n  digest: @@#digest\n",
    "null and numbers": "a: ~\nb: 010\nc: 1e3\nd: @@\ne: 2001-01-01\nf: yes\n? \n: \n",
    "kubernetes": (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n"
        "      initContainers: [{name: init, image: @@}]\n      containers:\n      - image:   '@@'   # web\n"
        "        name: web\n        args:\n        - --sidecar=@@\n        env:\n"
        "        - {name: IMAGE, value: @@}\n"
    ),
}  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path, {"app": ["app"]})


def filled(text: str, reference: str) -> str:
    name, _, digest = reference.partition("@")
    return text.replace("@@#name", name).replace("@@#digest", digest).replace("@@", reference)


def check(place: Workplace, text: str, name: str = "a.yaml", form: Format = Format.AUTO) -> None:
    source = text.replace("@@", "cargoship://app")
    (document,) = place.resolve((name, source.encode()), form=form).documents
    reference = place.reference("app") if "@@" in text else ""
    assert document.data.decode() == filled(text, reference)


def test_lines_of_block_scalars_that_yaml_1_1_ends_by_other_characters(place: Workplace) -> None:
    for end in ("\u2028", "\u2029", "\x85"):
        check(place, f"a: |{end}  @@{end}b: >- # cargoship://app{end}  @@\n")


@pytest.mark.parametrize("text", HARD.values(), ids=HARD)
def test_yaml(place: Workplace, text: str) -> None:
    check(place, text)


# the other parser reads YAML 1.2, with fewer line breaks and no tabs, and makes objects of tags
COMMON = {name: text for name, text in HARD.items() if name not in {"separators", "tabs", "tags"}}


@pytest.mark.parametrize("text", COMMON.values(), ids=COMMON)
def test_another_parser_sees_the_same_but_for_the_images(place: Workplace, text: str) -> None:
    source = text.replace("@@", "cargoship://app")
    (document,) = place.resolve(("a.yaml", source.encode())).documents
    reference = place.reference("app") if "@@" in text else ""

    def seen(stream: str) -> list[object]:
        parser = YAML(typ="rt")
        parser.allow_duplicate_keys = True
        return list(parser.load_all(io.StringIO(stream)))

    def replaced(value: object) -> object:
        match value:
            case str():
                return filled(value.replace("cargoship://app", "@@"), reference)
            case dict():
                return {key: replaced(each) for key, each in value.items()}
            case list():
                return [replaced(each) for each in value]
            case _:
                return value

    assert seen(document.data.decode()) == [replaced(each) for each in seen(source)]


def test_ten_thousand_lines(place: Workplace) -> None:
    blocks = [text for name, text in HARD.items() if name not in {"byte order mark", "several documents", "crlf"}]
    stream = "---\n" + "\n---\n".join(blocks[number % len(blocks)] for number in range(2200))
    assert stream.count("\n") > 10_000
    check(place, stream)
    assert len(place.builder.built) == 1


JSON_TEXTS = {
    "indented": '{\n  "image": "@@",\n\t"b": ["@@", 1.50, 1e5, null]\r\n}\n',
    "one line": '{"a":"@@","cargoship://app":"@@","b":"x @@ y"}',
    "escapes": '{"a": "\\ud83d\\ude00 \\u00fc \\"@@\\"", "b\\"": "@@", "c": "\\\\"}',
    "byte order mark": '\ufeff{"a": "@@"}',
    "list": '[ "@@" , {} , [ ] ]',
}


@pytest.mark.parametrize("text", JSON_TEXTS.values(), ids=JSON_TEXTS)
def test_json(place: Workplace, text: str) -> None:
    check(place, text, "a.json")


def test_json_on_standard_input_is_found_out(place: Workplace) -> None:
    check(place, JSON_TEXTS["escapes"], "stdin")
    check(place, HARD["several documents"], "stdin")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("main.tf", 'image = "@@" # @@\nother = "${var.x}-@@"\n'),
        ("job.nomad", 'config {\n  image = "@@"\n}\n'),
        ("values.tpl", "image: {{ .x }}\nb: @@\n"),
        ("deployment.yaml", "{{- if .Values.on }}\nb: @@\n{{- end }}\n# @@\n"),
        ("README", "@@\r\n@@"),
    ],
)
def test_text(place: Workplace, name: str, text: str) -> None:
    check(place, text, name)


def test_a_format_can_be_said(place: Workplace) -> None:
    check(place, "a: @@ # @@\n", form=Format.TEXT)
    check(place, "a: @@ # cargoship://app\n", "values", form=Format.YAML)


def test_escapes_that_hide_a_reference_are_seen_through(place: Workplace) -> None:
    source = 'a: &x "\\u0063argoship:\\/\\/app" # stays\nb: "run \\\n  cargo\\\n  ship://app\\tü"\n'
    (document,) = place.resolve(("a.yaml", source.encode())).documents
    reference = place.reference("app")
    assert document.data.decode() == f'a: &x "{reference}" # stays\nb: "run {reference}\\tü"\n'
    (document,) = place.resolve(("a.json", b'["\\ud800 cargoship:\\/\\/app"]')).documents
    assert document.data.decode() == f'["\\ud800 {reference}"]'
    (document,) = place.resolve(("a.json", b'{"a": "cargoship:\\/\\/app x\\n", "b":1}')).documents
    assert document.data.decode() == f'{{"a": "{reference} x\\n", "b":1}}'


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=8)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), WORDS, st.just("cargoship://app"), st.just("x cargoship://app")),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=12,
)


@given(value=VALUES, flow=st.booleans(), indent=st.integers(2, 7), width=st.integers(5, 90))
def test_whatever_another_program_writes(
    tmp_path_factory: pytest.TempPathFactory,
    value: object,
    flow: bool,  # noqa: FBT001 - data
    indent: int,
    width: int,
) -> None:
    place = Workplace(tmp_path_factory.getbasetemp() / "workplace", {"app": ["app"]})
    text = yaml.safe_dump(value, default_flow_style=flow, indent=indent, width=width, allow_unicode=True)
    (document,) = place.resolve(("a.yaml", text.encode())).documents
    reference = place.reference("app")

    def replaced(value: object) -> object:
        match value:
            case str():
                return value.replace("cargoship://app", reference) if "cargoship://app" in value else value
            case dict():
                return {key: replaced(each) for key, each in value.items()}
            case list():
                return [replaced(each) for each in value]
            case _:
                return value

    assert yaml.safe_load(document.data) == replaced(value)


PIECES = (
    "\n", "\r\n", " ", ":", "- ", "#", "'", '"', "[", "]", "{", "}", ",", "&a ", "*a", "!x ", "|", "\t", "\\", "%",
    "---\n", "build: app\n", "? ", "<<: ", "cargoship://app", "services: ", "image: ",
)  # fmt: skip
CUTS = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 6), st.sampled_from(PIECES)), min_size=1, max_size=4)


@given(
    text=st.sampled_from([*HARD.values(), *JSON_TEXTS.values()]),
    cuts=CUTS,
    name=st.sampled_from(["a.yaml", "a.json", "a.txt"]),
)
def test_damaged_documents_are_resolved_or_refused(
    tmp_path_factory: pytest.TempPathFactory, text: str, cuts: list[tuple[int, int, str]], name: str
) -> None:
    place = Workplace(tmp_path_factory.getbasetemp() / "workplace", {"app": ["app"]})
    text = text.replace("@@", "cargoship://app")
    for start, length, piece in cuts:
        text = text[:start] + piece + text[start + length :]
    try:
        (document,) = place.resolve((name, text.encode())).documents
    except CargoshipError as error:
        assert error.message.startswith(name)  # noqa: PT017 - either outcome is right
    else:
        made = document.data.decode()
        assert "team/app" in made or "sha256:" in made or not place.builder.built
