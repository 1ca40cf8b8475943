"""What a build leaves: references on standard output, records, a summary, and what to do next."""

from __future__ import annotations

import io
import json
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec.structs import replace

from cargoship.cli.main import main
from cargoship.cli.render import words
from cargoship.cli.session import World
from cargoship.context import Context
from cargoship.destinations import Published
from cargoship.destinations.layout import OwnLayoutDestination
from cargoship.errors import OutputError
from cargoship.events import ignore
from cargoship.images.copying import copy
from cargoship.oci.archive import write_archive
from cargoship.oci.layout import write_layout
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference
from cargoship.plan import Output, OutputKind, Plan, Selection
from cargoship.records.folder import record_folder
from cargoship.records.model import CacheUse
from cargoship.shipping import BuildResult, BuiltImage
from support import results
from support.build_records import build_record
from support.obedient import Recorder


class Builder(Recorder):
    """A pipeline that has built already."""

    def __init__(self, result: BuildResult) -> None:
        self._result = result

    def plan(self, selection: Selection, context: Context) -> Plan:
        del selection, context
        return self._result.plan

    def build(self, selection: Selection, context: Context) -> BuildResult:
        del selection, context
        return self._result

    def copy(
        self, source: str, target: str, context: Context, *, platforms: Sequence[str], referrers: bool
    ) -> Published | None:
        return copy(source, target, context, platforms=platforms, referrers=referrers)

    def pack(
        self, selection: Selection, binaries: Mapping[Platform, tuple[Path, ...]], context: Context
    ) -> BuildResult:
        del selection, binaries, context
        return self._result


@dataclass(frozen=True)
class Ended:
    code: int
    stdout: str
    stderr: str


def run(result: BuildResult, *argv: str, cwd: Path) -> Ended:
    stdout, stderr = io.StringIO(), io.StringIO()
    code = main(argv or ("build",), World({}, cwd, stdout, stderr, operations=Builder(result)))
    return Ended(code, stdout.getvalue(), stderr.getvalue())


def test_standard_output_is_one_reference_for_each_image_and_repository(tmp_path: Path) -> None:
    names = ("ghcr.io/me/{name}:1", "ghcr.io/me/{name}:2", "localhost:5000/{name}:1")
    built = results.result(results.plan(tmp_path, "one", "two", references=names, push=True))
    one, two = (image.index.digest for image in built.images)
    assert run(built, cwd=tmp_path).stdout.splitlines() == [
        f"ghcr.io/me/one@{one}",
        f"localhost:5000/one@{one}",
        f"ghcr.io/me/two@{two}",
        f"localhost:5000/two@{two}",
    ]


@pytest.mark.parametrize(("references", "name"), [((), "web:latest"), (("ghcr.io/me/{name}:1",), "ghcr.io/me/web:1")])
def test_what_is_loaded_goes_by_its_name_in_the_engine(references: tuple[str, ...], name: str, tmp_path: Path) -> None:
    built = results.result(results.plan(tmp_path, "web", references=references, load=True))
    ended = run(built, cwd=tmp_path)
    assert (ended.code, ended.stdout) == (0, f"{name}\n")
    assert f"      Loaded {name}\n" in ended.stderr


@pytest.mark.parametrize("references", [(), ("ghcr.io/me/{name}:1",)])
def test_a_name_that_exists_nowhere_is_not_printed_and_not_recorded(
    references: tuple[str, ...], tmp_path: Path
) -> None:
    built = results.result(results.plan(tmp_path, "web", references=references))
    ended = run(built, "build", "--metadata-file=m.json", "--image-refs=refs", cwd=tmp_path)
    written = f"oci:{tmp_path}/target/cargoship/web@{built.images[0].index.digest}\n"
    assert ended.stdout == written
    assert (tmp_path / "refs").read_text() == written.replace("\n", "\tchanged\n")
    assert "web is in target/cargoship/web; go on with one of\n" in ended.stderr
    assert "Published" not in ended.stderr
    document = json.loads((tmp_path / "m.json").read_text())
    assert document["images"][0]["reference"] + "\n" == written
    assert document["image.name"] == "web"
    assert "ghcr.io" not in (tmp_path / "m.json").read_text()


# what holds no image that another command could take
_NO_IMAGE = {OutputKind.ROOTFS, OutputKind.WASM}


@pytest.mark.parametrize("kind", OutputKind)
def test_what_was_written_goes_by_its_file(kind: OutputKind, tmp_path: Path) -> None:
    output = Output(kind, tmp_path / "out")
    built = results.result(results.plan(tmp_path, "web", outputs=(output,)))
    digest = "" if kind in _NO_IMAGE else f"@{built.images[0].index.digest}"
    if kind is OutputKind.OCI:
        write_layout(output.path, built.images[0].index, names=())
    else:
        write_archive(output.path, built.images[0].index, names=(), native=Platform("linux", "amd64"))
    ended = run(built, cwd=tmp_path)
    assert ended.stdout == f"{output}{digest}\n"
    if kind not in _NO_IMAGE:
        # what is printed is what the other verbs take
        shown = main(["inspect", ended.stdout.strip()], World({}, tmp_path, io.StringIO(), io.StringIO()))
        assert shown == 0


def test_the_summary_says_what_was_made_and_where_it_went(tmp_path: Path) -> None:
    built = results.result(results.plan(tmp_path, "web", references=("ghcr.io/me/{name}:1",), push=True))
    size_bytes = [image.size_bytes for image in built.images[0].index.children]
    assert run(built, cwd=tmp_path).stderr.splitlines() == [
        f"       Image web sha256:{built.images[0].index.digest.short}",
        f"             linux/amd64  {words.size(size_bytes[0]):>8}  1 layer",
        f"             linux/arm64  {words.size(size_bytes[1]):>8}  1 layer",
        "      Pushed ghcr.io/me/web (1)",
        "             3 blobs pushed (1.0 kB), 1 mounted, 2 already there",
        "    Finished 1 image in 12s",
    ]
    assert run(built, "build", "-q", cwd=tmp_path).stderr == ""


def test_records_are_whole_and_have_buildx_names(tmp_path: Path) -> None:
    names = ("ghcr.io/me/{name}:1", "ghcr.io/me/{name}:2")
    built = results.result(results.plan(tmp_path, "web", references=names, push=True))
    ended = run(built, "build", "--metadata-file", "m.json", "--image-refs=refs", cwd=tmp_path)
    assert ended.code == 0
    assert (tmp_path / "refs").read_text() == ended.stdout.replace("\n", "\tchanged\n")
    document = json.loads((tmp_path / "m.json").read_text())
    digest = str(built.images[0].index.digest)
    assert document["containerimage.digest"] == digest
    assert document["image.name"] == "ghcr.io/me/web:1,ghcr.io/me/web:2"
    assert document["seconds"] == {"metadata": 0.1, "compile": 12.346, "total": 12.5}
    (image,) = document["images"]
    assert image["containerimage.descriptor"] == {
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "digest": digest,
        "size": built.images[0].index.descriptor.size_bytes,
    }
    assert [each["platform"] for each in image["platforms"]] == ["linux/amd64", "linux/arm64"]
    assert image["published"][0]["tags"] == ["1", "2"]
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((tmp_path / "m.json").stat().st_mode) == 0o666 & ~mask
    assert {path.name for path in tmp_path.iterdir()} == {"m.json", "refs", "blobs"}


def test_the_time_of_each_of_several_workspaces_is_told(tmp_path: Path) -> None:
    """`build --timings one two` told of the first alone."""
    built = {}
    for name in ("one", "two"):
        made = results.plan(tmp_path / name, name)
        record_folder(made.target_dir).keep(build_record(project=name, cache=CacheUse(recalled=True)))
        built[made.root] = replace(results.result(made), target_dirs=(made.target_dir,))

    class Two(Builder):
        def by_workspace(self, selection: Selection, context: Context) -> tuple[Selection, ...]:
            del context
            return tuple(replace(selection, path=root) for root in built)

        def plan(self, selection: Selection, context: Context) -> Plan:
            del context
            return built[selection.path].plan

        def build_each(self, selections: Sequence[Selection], context: Context) -> tuple[BuildResult, ...]:
            del context
            return tuple(built[each.path] for each in selections)

    stderr = io.StringIO()
    world = World({}, tmp_path, io.StringIO(), stderr, operations=Two(built[tmp_path / "one"]))
    assert main(["build", "--timings", "one", "two"], world) == 0, stderr.getvalue()
    timed = stderr.getvalue().partition("       Timed ")[2].splitlines()
    assert [timed[0], timed[2].split()] == ["one", ["Timed", "two"]]
    assert stderr.getvalue().count("the whole build came from the cache") == 2


def test_a_copy_to_a_file_leaves_no_empty_line(tmp_path: Path) -> None:
    made = results.result(results.plan(tmp_path, "web"))
    write_layout(tmp_path / "from", made.images[0].index, names=[])
    ended = run(made, "copy", f"oci:{tmp_path / 'from'}", f"oci-archive:{tmp_path / 'to.tar'}", cwd=tmp_path)
    assert (ended.code, ended.stdout) == (0, "")
    assert "" not in ended.stderr.splitlines()


def test_several_images_have_no_digest_at_the_top(tmp_path: Path) -> None:
    built = results.result(results.plan(tmp_path, "one", "two"))
    run(built, "build", "--metadata-file", "m.json", cwd=tmp_path)
    document = json.loads((tmp_path / "m.json").read_text())
    assert set(document) == {"images", "revision", "seconds", "source"}
    assert [image["name"] for image in document["images"]] == ["one", "two"]


def test_the_records_say_which_images_have_changed(tmp_path: Path) -> None:
    """With `{git.short}` in the tag every image had a new name, and nobody knew which of twelve to roll out."""
    built = results.result(results.plan(tmp_path, "one", "two", references=("ghcr.io/me/{name}:1",), push=True))
    one, two = built.images
    same = replace(two, changed=False, delta_bytes=0, published=(replace(two.published[0], changed=False),))
    run(replace(built, images=(one, same)), "build", "--metadata-file=m.json", "--image-refs=refs", cwd=tmp_path)
    assert (tmp_path / "refs").read_text() == f"{one.reference}\tchanged\n{two.reference}\tunchanged\n"
    reported = json.loads((tmp_path / "m.json").read_text())["images"]
    assert [(each["name"], each["changed"], each["delta_bytes"]) for each in reported] == [
        ("one", True, None), ("two", False, 0),
    ]  # fmt: skip


def test_a_record_can_go_to_a_device_which_stays_one(tmp_path: Path) -> None:
    built = results.result(results.plan(tmp_path, "web"))
    assert run(built, "build", "--metadata-file", "/dev/null", cwd=tmp_path).code == 0
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_the_last_json_line_is_the_record(tmp_path: Path) -> None:
    built = results.result(results.plan(tmp_path, "web"))
    ended = run(built, "build", "--progress=json", "--metadata-file=m.json", cwd=tmp_path)
    line = json.loads(ended.stderr)
    assert line.pop("event") == "result"
    assert line == json.loads((tmp_path / "m.json").read_text())


@pytest.mark.parametrize("kind", [kind for kind in OutputKind if kind not in _NO_IMAGE])
@pytest.mark.parametrize("references", [(), ("ghcr.io/me/{name}:1", "ghcr.io/me/{name}:latest")])
def test_the_commands_that_take_an_image_on(kind: OutputKind, references: tuple[str, ...], tmp_path: Path) -> None:
    output = Output(kind, tmp_path / "out put")
    built = results.result(results.plan(tmp_path, "web", references=references, outputs=(output,)))
    image, names = built.images[0], built.plan.images[0].references
    if kind is OutputKind.OCI:
        write_layout(output.path, image.index, names=names)
    else:
        write_archive(output.path, image.index, names=names, native=Platform("linux", "amd64"))
    local, remote, tag = ("ghcr.io/me/web:1", "ghcr.io/me/web:1", ":1") if names else ("web:latest", None, "")
    remote = remote or "registry.example.com/web"
    made = f"cargoship copy {kind.value}:'out put'{tag} docker-archive:web.tar:{local}"
    copied = [
        f"docker:   {made} && docker load -i web.tar",
        f"podman:   {made} && podman load -i web.tar",
        f"copy:     cargoship copy {kind.value}:'out put'{tag} {remote}",
    ]
    directly = [
        "docker:   docker load -i 'out put'",
        "podman:   podman load -i 'out put'",
        f"copy:     cargoship copy docker-archive:'out put'{tag} {remote}",
    ]
    shown = [line.strip() for line in run(built, cwd=tmp_path).stderr.splitlines()][-4:]
    title = "web is in out put; go on with one of"
    assert shown == [title, *(directly if kind is OutputKind.DOCKER_ARCHIVE else copied)]


@pytest.mark.parametrize(
    ("references", "source", "name"),
    [
        ((), "oci:'out put'", "registry.example.com/web:wasm"),
        (("ghcr.io/me/{name}:1",), "oci:'out put':1", "ghcr.io/me/web:1-wasm"),
    ],
)
def test_an_artifact_is_taken_on_under_a_name_of_its_own(
    references: tuple[str, ...], source: str, name: str, tmp_path: Path
) -> None:
    output = Output(OutputKind.WASM, tmp_path / "out put")
    built = results.result(results.plan(tmp_path, "web", references=references, outputs=(output,)))
    assert run(built, cwd=tmp_path).stderr.splitlines()[-1].strip() == f"copy:     cargoship copy {source} {name}"


def test_files_are_taken_on_by_a_dockerfile(tmp_path: Path) -> None:
    built = results.result(results.plan(tmp_path, "web", outputs=(Output(OutputKind.ROOTFS, tmp_path / "out put"),)))
    assert run(built, cwd=tmp_path).stderr.splitlines()[-2:] == [
        "web is in out put; go on with one of",
        "  Dockerfile: COPY 'out put'/$TARGETPLATFORM/ /",
    ]


def test_what_to_do_with_a_layout_of_our_own_is_said_in_our_own_verbs(tmp_path: Path) -> None:
    built = results.result(results.plan(tmp_path, "web"))
    names = (Reference.parse("web:latest"),)
    OwnLayoutDestination(built.images[0].outputs[0].path, names, Platform("linux", "amd64"), ignore).publish(
        built.images[0].index
    )
    reported = [line.strip() for line in run(built, cwd=tmp_path).stderr.splitlines()][-5:]
    assert reported == [
        "web is in target/cargoship/web; go on with one of",
        "run:      cargoship run",
        "load:     cargoship build --load",
        "push:     cargoship build --push -t registry.example.com/web",
        "copy:     cargoship copy oci:target/cargoship/web registry.example.com/web",
    ]
    assert max(map(len, reported)) <= 80
    elsewhere = run(built, "build", tmp_path.name, cwd=tmp_path.parent).stderr
    assert f"cargoship run --project {tmp_path.name}\n" in elsewhere
    assert f"cargoship build --load {tmp_path.name}\n" in elsewhere


def test_many_images_are_a_table_and_one_line_of_advice(tmp_path: Path) -> None:
    """Twelve images were 36 lines, and 48 lines of advice."""
    names = [f"service-{number}" for number in range(12)]
    built = results.result(results.plan(tmp_path, *names))
    images = [replace(each, changed=number < 2, delta_bytes=(None, 2048, 0)[min(number, 2)], seconds=0.25)
              for number, each in enumerate(built.images)]  # fmt: skip
    reported = run(replace(built, images=tuple(images)), cwd=tmp_path).stderr.splitlines()
    assert [line.split() for line in reported[:4]] == [
        ["image", "changed", "size", "delta", "seconds"],
        ["service-0", "changed", *_size(images[0]), "new", "0.2"],
        ["service-1", "changed", *_size(images[1]), "+2.0", "kB", "0.2"],
        ["service-2", "unchanged", *_size(images[2]), "0", "0.2"],
    ]
    advice = "publish them with: cargoship build --push -t registry.example.com/{name}, "
    advice += "or one of them with: cargoship copy oci:FOLDER REF"
    assert reported[13:] == [
        "     Written to target/cargoship: 2 changed, 10 unchanged",
        "    Finished 12 images in 12s",
        advice,
    ]


def _size(image: BuiltImage) -> list[str]:
    return words.size(sum(each.size_bytes for each in image.index.children)).split()


def test_an_entry_is_distinguished_from_others_in_the_same_layout(tmp_path: Path) -> None:
    output = Output(OutputKind.OCI, tmp_path / "out")
    built = results.result(results.plan(tmp_path, "one", "two", references=("ghcr.io/me/{name}:1",), outputs=(output,)))
    for image, planned in zip(built.images, built.plan.images, strict=True):
        write_layout(output.path, image.index, names=planned.references)
    stderr = run(built, cwd=tmp_path).stderr
    assert "cargoship copy oci:out:1 ghcr.io/me/one:1\n" in stderr
    assert "cargoship copy oci:out:ghcr.io/me/two:1 ghcr.io/me/two:1\n" in stderr


def test_nothing_more_is_said_of_what_has_been_pushed_or_loaded(tmp_path: Path) -> None:
    for push, load in ((True, False), (False, True)):
        made = results.plan(tmp_path, "web", references=("ghcr.io/me/{name}:1",), push=push, load=load)
        assert "skopeo" not in run(results.result(made), cwd=tmp_path).stderr


def test_a_plan_is_a_result(tmp_path: Path) -> None:
    built = results.result(results.plan(tmp_path, "web", references=("ghcr.io/me/{name}:1",)))
    text = run(built, "plan", cwd=tmp_path)
    assert text.stderr == ""
    assert text.stdout == run(built, "build", "--dry-run", cwd=tmp_path).stdout
    assert "  platforms    linux/amd64, linux/arm64\n" in text.stdout
    assert "  names        ghcr.io/me/web:1\n" in text.stdout
    document = json.loads(run(built, "plan", "--json", cwd=tmp_path).stdout)
    assert document["images"][0]["references"] == ["ghcr.io/me/web:1"]


def test_a_result_has_colours_only_where_they_were_asked_for(tmp_path: Path) -> None:
    built = results.result(results.plan(tmp_path, "web"))

    def shown(*argv: str, **env: str) -> bool:
        stdout = io.StringIO()
        main(["plan", *argv], World(env, tmp_path, stdout, io.StringIO(), operations=Builder(built)))
        return "\x1b" in stdout.getvalue()

    assert not shown(CARGO_TERM_COLOR="always")
    assert shown(CLICOLOR_FORCE="1")
    assert shown("--color=always")


def test_records_are_refused_before_the_build(tmp_path: Path) -> None:
    class Never(Builder):
        def build(self, selection: Selection, context: Context) -> BuildResult:
            del selection, context
            raise AssertionError("built")

    stderr = io.StringIO()
    pipeline = Never(results.result(results.plan(tmp_path, "web")))
    code = main(["build", "--image-refs", "a/b"], World({}, tmp_path, io.StringIO(), stderr, operations=pipeline))
    assert code == OutputError.exit_code
