"""The public face of the package."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

import cargoship
from cargoship import calls
from cargoship.errors import BinaryUnknown, KeywordInvalid, ManifestNotFound, UsageError
from cargoship.images.inspection import Inspection
from cargoship.oci.layout import write_layout
from cargoship.oci.platform import Platform
from cargoship.plan import Output, OutputKind, Selection
from support import results

PAGE = Path(__file__).parents[3] / "docs" / "library.md"
EXPORTS = {
    "BuildResult", "BuiltImage", "CargoshipError", "Comparison", "Diagnosis", "Digest", "Event", "Examination",
    "FoundSbom", "Inspection", "LicenseSurvey", "Options", "PinnedBase", "Plan", "Platform", "Published", "Rebased",
    "Rebuilt", "Reference",
    "SignatureReport",
    "Surroundings", "__version__", "build", "copy", "diff", "doctor", "inspect", "licenses", "merge", "pack",
    "pin_base", "plan_build", "rebase", "rebuild", "sbom", "verify", "verify_signatures",
}  # fmt: skip


def test_what_is_exported_is_meant_to_be() -> None:
    assert set(cargoship.__all__) == set(dir(cargoship)) == EXPORTS
    for name in EXPORTS:
        assert getattr(cargoship, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'biuld'"):
        cargoship.biuld  # noqa: B018


def test_every_call_and_type_says_what_it_is() -> None:
    for name in EXPORTS - {"Event", "__version__"}:
        assert getattr(cargoship, name).__doc__, name


def test_the_options_are_those_of_a_selection_and_all_documented() -> None:
    own = {"platforms", "libc", "tags", "base", "compression", "settings", "verify"}
    surroundings = set(cargoship.Surroundings.__annotations__)
    options = set(cargoship.Options.__annotations__) - surroundings
    assert options == set(Selection.__struct_fields__) - {"path", "overrides"} | own
    reported = set(re.findall(r"`(\w+)`", PAGE.read_text(encoding="utf-8")))
    assert options | surroundings <= reported


def test_options_become_a_selection(tmp_path: Path) -> None:
    options: cargoship.Options = {
        "cwd": tmp_path, "packages": ["a"], "bins": ["b"], "platforms": ["linux/arm64"], "tags": ["x/y:1"],
        "libc": "gnu", "settings": {"user": "root"}, "outputs": ["oci:out"], "push": True, "features": ["f"],
        "jobs": 2, "locked": False,
    }  # fmt: skip
    assert calls.selection_for_call("project", options) == Selection(
        path=tmp_path / "project", packages=("a",), bins=("b",), features=("f",), locked=False, jobs=2, push=True,
        overrides={"user": "root", "platforms": ("linux/arm64",), "tags": ("x/y:1",), "libc": "gnu"},
        outputs=(Output(OutputKind.OCI, tmp_path / "out"),),
    )  # fmt: skip


def test_what_is_left_out_is_the_processs_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CARGOSHIP_USER", "root")
    context = calls.context_for_call({})
    assert (context.cwd, context.env["CARGOSHIP_USER"], context.verify) == (tmp_path, "root", True)
    given = calls.context_for_call({"env": {"A": "b"}, "cwd": "sub"}, verify=False)
    assert (given.cwd, given.env, given.verify) == (tmp_path / "sub", {"A": "b"}, False)


def test_an_image_is_looked_at_without_any_tool(tmp_path: Path) -> None:
    index = results.result(results.plan(tmp_path, "web")).images[0].index
    write_layout(tmp_path / "web", index, names=())
    seen = cargoship.inspect("web", cwd=tmp_path, env={})
    assert isinstance(seen, Inspection)
    assert [image.config.platform for image in seen.images] == [Platform("linux", "amd64"), Platform("linux", "arm64")]


def test_errors_are_raised_not_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ManifestNotFound):
        cargoship.plan_build(tmp_path)
    with pytest.raises(UsageError):
        cargoship.build(tmp_path, outputs=["nonsense"])
    with pytest.raises(cargoship.CargoshipError) as caught:
        cargoship.pack(tmp_path, binaries={"linux/amd46": []})
    assert 'did you mean "linux/amd64"' in caught.value.message
    assert capsys.readouterr() == ("", "")


CALLS: dict[str, Callable[..., object]] = {
    "build": cargoship.build,
    "pack": partial(cargoship.pack, binaries={}),
    "plan_build": cargoship.plan_build,
    "inspect": partial(cargoship.inspect, "web"),
    "sbom": partial(cargoship.sbom, "web"),
    "licenses": cargoship.licenses,
    "verify": partial(cargoship.verify, "web"),
    "verify_signatures": partial(cargoship.verify_signatures, "web"),
    "diff": partial(cargoship.diff, "web", "web"),
    "copy": partial(cargoship.copy, "web", "oci:there"),
    "merge": partial(cargoship.merge, ["localhost:1/a"], tags=["localhost:1/b"]),
    "rebase": partial(cargoship.rebase, "web"),
    "rebuild": partial(cargoship.rebuild, "web"),
    "pin_base": cargoship.pin_base,
    "doctor": cargoship.doctor,
}


@pytest.mark.parametrize("name", CALLS)
def test_a_misspelled_keyword_is_refused_by_every_call(name: str) -> None:
    assert set(CALLS) == {each for each in EXPORTS if inspect.isfunction(getattr(cargoship, each))}
    with pytest.raises(UsageError, match=f"cargoship.{name} has no keyword 'cwwd'; did you mean \"cwd\"") as caught:
        CALLS[name](cwwd="/")
    assert isinstance(caught.value, TypeError), "as Python's own calls raise it"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"platform": "linux/arm64"}, 'did you mean "platforms"'),
        ({"tag": "x"}, 'did you mean "tags"'),
        ({"output": "oci:x"}, 'did you mean "outputs"'),
        ({"expose": [80]}, 'settings={"expose": ...}'),
        ({"build_packages": []}, 'settings={"build-packages": ...}'),
        ({"platforms": "linux/arm64"}, "['linux/arm64']"),
        ({"tags": "ghcr.io/me/web"}, "['ghcr.io/me/web']"),
    ],
)
def test_options_that_would_be_passed_over_say_what_is_meant(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(KeywordInvalid) as caught:
        CALLS["build"](".", **wrong)
    assert words in f"{caught.value.message} {caught.value.hint}"


def test_pack_takes_its_platforms_from_the_binaries_alone(tmp_path: Path) -> None:
    with pytest.raises(KeywordInvalid) as caught:
        cargoship.pack(tmp_path, binaries={"linux/amd64": ["a"]}, platforms=["linux/arm64"])
    assert caught.value.hint == "the platforms are the keys of binaries"
    with pytest.raises(KeywordInvalid, match="binaries\\['linux/amd64'\\] is the text 'out/server'"):
        cargoship.pack(tmp_path, binaries={"linux/amd64": "out/server"})


def test_the_page_holds_working_python() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 5
    for block in blocks:
        compile(block, str(PAGE), "exec")


def test_the_families_of_errors_are_where_the_page_says() -> None:
    assert issubclass(BinaryUnknown, cargoship.CargoshipError)
    assert "cargoship.errors" in sys.modules
