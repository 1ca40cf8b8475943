"""An image is made again from its provenance: the same to the byte, or it is said what differs, and why."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from cargoship.attest.provenance import BUILD, MERGE, BuildParameters, BuildRun, Material, Provenance
from cargoship.cli.main import main
from cargoship.cli.session import World
from cargoship.context import Context
from cargoship.errors import ContentInvalid, NothingAttached, NotRebuildable
from cargoship.events import Level, Note
from cargoship.images.merging import merge
from cargoship.pipeline import build, pack
from cargoship.plan import Output, Selection
from cargoship.rebuilding.rebuild import RebuildOptions, rebuild
from cargoship.rebuilding.request import RebuildRequest
from cargoship.testing import InMemoryRegistry
from support.elf_files import elf_file
from support.images import AMD64, ARM64, small_index
from support.pushing import client_of, push
from support.shop import PROGRAMS, Shop

pytestmark = pytest.mark.usefixtures("few_time_zones")


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path, {"app": ["app"]})


@pytest.fixture
def registry() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry() as running:
        yield running


def pushed(shop: Shop, registry: InMemoryRegistry, **overrides: object) -> Selection:
    return structs.replace(shop.selection(tags=[f"{registry.host}/team/app:1"], **overrides), push=True)


def name(registry: InMemoryRegistry) -> str:
    return f"{registry.host}/team/app:1"


def warnings(shop: Shop) -> list[str]:
    return [each.text for each in shop.events if isinstance(each, Note) and each.level is Level.WARNING]


def context(shop: Shop, **env: str) -> Context:
    return shop.context(verify=True, **env)


def test_it_comes_out_the_same_and_nothing_is_left_behind(shop: Shop, registry: InMemoryRegistry) -> None:
    build(pushed(shop, registry, user="root", expose=["8080"]), context(shop))
    before, compiled = registry.tags("team/app"), len(shop.compiled)
    found = rebuild(name(registry), shop.machine.project, context(shop))
    assert found.is_same
    assert found.materials == ()
    assert found.comparison is not None
    assert found.comparison.digests[0] == found.comparison.digests[1] == found.digest
    assert len(shop.compiled) == compiled + 1
    assert registry.tags("team/app") == before
    assert not (shop.machine.project / "target/.cargoship-rebuild").exists()
    assert not any("--target-dir" not in each.argv for each in shop.compiled[compiled:])


def test_another_program_is_described_in_the_words_of_diff(shop: Shop, registry: InMemoryRegistry) -> None:
    build(pushed(shop, registry), context(shop))
    shop.makes[AMD64] += b"\0"
    found = rebuild(name(registry), shop.machine.project, context(shop))
    assert not found.is_same
    assert found.comparison is not None
    differing = [image.platforms[0] for image in found.comparison.images if not image.is_equal]
    assert differing == ["linux/amd64"]
    alone = rebuild(name(registry), shop.machine.project, context(shop), RebuildOptions(platform="linux/arm64"))
    assert alone.is_same, "what was asked about is the same"


def test_what_is_not_as_it_was_is_reported_before_the_compile(shop: Shop, registry: InMemoryRegistry) -> None:
    build(pushed(shop, registry, user="root"), context(shop, RUSTFLAGS="-Copt-level=3"))
    compiled = len(shop.compiled)
    (shop.machine.project / "Cargo.lock").write_text("version = 4\n# other\n")
    found = rebuild(name(registry), shop.machine.project, context(shop), RebuildOptions(compiles=False))
    assert [each.name for each in found.materials] == ["Cargo.lock", "environment"]
    assert str(found.materials[1]) == "environment: RUSTFLAGS then, none now"
    assert len(shop.compiled) == compiled
    assert len([text for text in warnings(shop) if text.startswith("not as it was")]) == 2
    assert not found.is_same


def test_settings_are_those_of_then_whatever_the_project_says(shop: Shop, registry: InMemoryRegistry) -> None:
    build(pushed(shop, registry, expose=["8080"]), context(shop))
    shop.settings["app"] = {"user": "root", "expose": ["9"], "env": {"A": "b"}}
    found = rebuild(name(registry), shop.machine.project, context(shop))
    assert [each.name for each in found.materials] == []
    assert not found.is_same, "a variable is the project's, for no provenance tells its value"
    shop.settings["app"] = {"user": "root", "expose": ["9"], "labels": {"a": "b"}}
    found = rebuild(name(registry), shop.machine.project, context(shop))
    assert [str(each) for each in found.materials] == ["setting labels: none then, {'a': 'b'} now"]


def test_variables_of_the_image_come_from_the_project_or_the_caller(shop: Shop, registry: InMemoryRegistry) -> None:
    build(pushed(shop, registry, env={"A": "b"}), context(shop))
    found = rebuild(name(registry), shop.machine.project, context(shop))
    assert found.withheld == ("env",)
    assert not found.is_same
    given = RebuildOptions(settings={"env": {"A": "b"}})
    assert rebuild(name(registry), shop.machine.project, context(shop), given).is_same


def test_the_time_is_the_one_of_then(shop: Shop, registry: InMemoryRegistry) -> None:
    build(pushed(shop, registry), context(shop, SOURCE_DATE_EPOCH="1700000000"))
    assert rebuild(name(registry), shop.machine.project, context(shop)).is_same
    assert rebuild(name(registry), shop.machine.project, context(shop, SOURCE_DATE_EPOCH="1")).is_same


def test_one_image_of_a_workspace_is_made_alone(tmp_path: Path, registry: InMemoryRegistry) -> None:
    shop = Shop(tmp_path, {"api": ["api"], "worker": ["worker"]})
    build(structs.replace(shop.selection(tags=[f"{registry.host}/team/{{name}}:1"]), push=True), context(shop))
    found = rebuild(f"{registry.host}/team/worker:1", shop.machine.project, context(shop))
    assert found.is_same
    assert "api" in " ".join(shop.compiled[-1].argv), "what was compiled together is, for its features are unified"


def test_what_cannot_be_made_again_is_refused(shop: Shop, registry: InMemoryRegistry) -> None:
    selection = pushed(shop, registry, provenance=False)
    build(selection, context(shop))
    with pytest.raises(NothingAttached):
        rebuild(name(registry), shop.machine.project, context(shop))
    packed = structs.replace(shop.selection(tags=[f"{registry.host}/team/packed:1"]), push=True)
    pack(packed, shop.files(app=b""), context(shop))
    with pytest.raises(NotRebuildable, match="given to cargoship pack"):
        rebuild(f"{registry.host}/team/packed:1", shop.machine.project, context(shop))


def test_another_project_is_refused(tmp_path: Path, registry: InMemoryRegistry) -> None:
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
    shop = Shop(tmp_path / "one", {"app": ["app"]})
    build(pushed(shop, registry), context(shop))
    other = Shop(tmp_path / "other", {"app": ["other"]})
    with pytest.raises(NotRebuildable, match="makes no image app of app:app") as caught:
        rebuild(name(registry), other.machine.project, context(other))
    assert caught.value.exit_code == 44
    assert caught.value.hint is not None


def test_the_base_is_the_one_of_then_though_its_tag_has_moved(shop: Shop, registry: InMemoryRegistry) -> None:
    base = f"{registry.host}/bases/slim:12"
    with client_of(registry.host) as client:
        push(client, small_index(shop.root / "store", (AMD64, ARM64), mark="old"), "12", repository="bases/slim")
        build(pushed(shop, registry, base=base), context(shop))
        push(client, small_index(shop.root / "store", (AMD64, ARM64), mark="new"), "12", repository="bases/slim")
    found = rebuild(name(registry), shop.machine.project, context(shop))
    assert found.materials == ()
    assert found.is_same


def test_one_part_of_a_merged_index_is_made_again(shop: Shop, registry: InMemoryRegistry) -> None:
    parts = []
    for platform in ("linux/amd64", "linux/arm64"):
        asked = shop.selection(tags=[f"{registry.host}/team/app"], platforms=(platform,))
        done = build(structs.replace(asked, push=False, push_by_digest=True), context(shop))
        parts.append(str(done.images[0].published[0].reference))
    merge(parts, [name(registry)], context(shop))
    with pytest.raises(NotRebuildable, match="merged"):
        rebuild(name(registry), shop.machine.project, context(shop))
    assert rebuild(name(registry), shop.machine.project, context(shop), RebuildOptions(platform="linux/arm64")).is_same


def test_an_archive_with_statements_in_its_index_is_made_again(shop: Shop) -> None:
    output = Output.parse("oci-archive:app.tar", cwd=shop.machine.project)
    build(structs.replace(shop.selection(attest="index"), outputs=(output,)), context(shop))
    with pytest.raises(NotRebuildable, match="of each image"):
        rebuild("oci-archive:app.tar", shop.machine.project, context(shop))
    for platform in ("linux/amd64", "linux/arm64"):
        found = rebuild("oci-archive:app.tar", shop.machine.project, context(shop), RebuildOptions(platform))
        assert found.is_same


def test_what_was_not_checked_is_not_checked_again(shop: Shop, registry: InMemoryRegistry) -> None:
    shop.makes[AMD64] = elf_file("EM_X86_64", interpreter="/lib64/ld-linux-x86-64.so.2")
    build(pushed(shop, registry), replace(context(shop), verify=False))
    assert rebuild(name(registry), shop.machine.project, context(shop)).is_same


ASKED = BuildParameters(
    image="app", package="app", binaries=("app:app",), platforms=("linux/amd64",), packages=("app",)
)
BASE = Material("base", "oci://docker.io/library/debian:12-slim", {"sha256": "a" * 64}, {"platform": "linux/amd64"})


def said(*materials: Material, **asked: Any) -> Provenance:  # noqa: ANN401 - of several types
    return Provenance(BUILD, structs.replace(ASKED, **asked).to_json(), {}, materials, BuildRun())


@pytest.mark.parametrize(
    "asked",
    [
        {"settings": {"sign": "env://SECRET"}},
        {"settings": {"cache-to": ["dir:/elsewhere"]}},
        {"settings": {"tags": ["elsewhere/app:1"]}},
        {"settings": {"smoke": ["--help"]}},
        {"settings": {"debian-mirror": "http://elsewhere"}},
        {"settings": {"nonsense": 1}},
        {"profile": "--config=x"},
        {"epoch": -1},
        {"epoch": 10**30},
    ],
    ids=str,
)
def test_provenance_has_a_say_in_the_image_alone(asked: dict[str, Any]) -> None:
    with pytest.raises(NotRebuildable, match="none of cargoship says"):
        RebuildRequest.of(said(**asked), "app")


def test_what_others_have_made_is_refused() -> None:
    with pytest.raises(NotRebuildable, match="something else than cargoship build: https:"):
        RebuildRequest.of(structs.replace(said(), build_type="https://mobyproject.org/buildkit@v1\n"), "app")
    with pytest.raises(NotRebuildable, match="merged") as caught:
        RebuildRequest.of(structs.replace(said(), build_type=MERGE), "app")
    assert "--platform" in str(caught.value.hint)


def test_a_base_is_taken_by_its_digest() -> None:
    request = RebuildRequest.of(said(BASE, settings={"base": "debian:12-slim"}), "app")
    assert request.settings["base"] == "debian:12-slim@sha256:" + "a" * 64
    pinned = "debian:12-slim@sha256:" + "b" * 64
    assert RebuildRequest.of(said(BASE, settings={"base": pinned}), "app").settings["base"] == pinned
    with pytest.raises(NotRebuildable, match="a base that is none"):
        RebuildRequest.of(said(BASE, settings={"base": "nonsense"}), "app")
    with pytest.raises(ContentInvalid):
        RebuildRequest.of(said(structs.replace(BASE, digest={"sha256": "x"}), settings={"base": "debian:12"}), "app")


def run(shop: Shop, *words: str, **env: str) -> tuple[int, str, str]:
    """The command as a person types it, in the project's folder."""
    out, err = io.StringIO(), io.StringIO()
    around = shop.context(verify=True, **env)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cargoship.process.SystemRunner.run", lambda _, *given, **named: shop.runner.run(*given, **named))
        patch.setattr(
            "cargoship.process.SystemRunner.stream", lambda _, *given, **named: shop.runner.stream(*given, **named)
        )
        code = main(["rebuild", *words], World(around.env, shop.machine.project, out, err))
    return code, out.getvalue(), err.getvalue()


def test_the_command_says_what_came_of_it(shop: Shop, registry: InMemoryRegistry) -> None:
    build(pushed(shop, registry), context(shop))
    words = (name(registry), "--set", "cache=false")
    code, out, err = run(shop, *words)
    assert code == 0, err
    assert out.endswith("are the same\n")
    shop.makes[AMD64] = PROGRAMS[AMD64] + b"\0"
    code, out, _ = run(shop, *words)
    assert code == 44
    assert "/app/app" in out
    assert f"what {shop.machine.project} makes" in out
    (shop.machine.project / "Cargo.lock").write_text("version = 4\n# other\n")
    code, out, _ = run(shop, *words, "--check", "--json")
    reported = json.loads(out)
    assert (code, reported["same"], reported["comparison"]) == (44, False, None)
    assert [each["name"] for each in reported["materials"]] == ["Cargo.lock"]
    code, out, err = run(shop, f"{registry.host}/team/none:1")
    assert code == 54
    assert out == ""
    assert "Traceback" not in err
