"""Generated Dockerfiles, built by real engines: what comes out, and what BuildKit keeps."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cargoship.platforms import TABLE
from support.buildx import BUILDER, Buildx, EngineInContainer, Log, OwnEngine, builder_context, engine_in_container
from support.cooking import cargo
from support.private_sources import TOKEN, PrivateSources, private_server
from support.programs import REPOSITORY, RunCargoship, program, run
from support.projects import project
from support.registry import free_port

pytestmark = pytest.mark.e2e

IMAGE = "cargoship-test/tiny"
PLATFORMS = ("linux/amd64", "linux/arm64")
# every setting that an instruction of a Dockerfile could take in another way than it is meant
MANIFEST = r"""
description = 'Says "hello" for $5'

[dependencies]
itoa = "1"
guarded = { version = "0.1", registry = "mine" }

[build-dependencies]
cc = "1"

[package.metadata.cargoship]
env = { GREETING = 'it costs $5 "each" \ #1', EMPTY = "" }
expose = [8080, "53/udp"]
labels = { "com.example.team" = "a 'b' $HOME", "odd key" = "x" }
args = ["a b", "$HOME"]
workdir = "/work"
volumes = ["/state"]
stop-signal = "SIGINT"
healthcheck = { http = "/a?b=$HOME'", port = 8080, interval = "1m30s", timeout = "500ms", retries = 3 }
include = ["data/** -> /srv/data/", { from = "run.sh", to = "/srv/run.sh", mode = "0750", owner = "nonroot" }]
"""
FILES = {
    "build.rs": 'fn main() { cc::Build::new().file("src/twice.c").compile("twice"); }\n',
    "src/twice.c": "int twice(int n) { return 2 * n; }\n",
    "src/main.rs": """
extern "C" { fn twice(n: i32) -> i32; }
fn main() {
    let n = unsafe { twice(21) };
    println!("{} {} {}", itoa::Buffer::new().format(n), std::env::consts::ARCH, env!("CARGO_PKG_VERSION"));
    println!("{}", guarded::word());
    println!("{}", std::env::var("GREETING").unwrap());
    println!("{:?} {:?}", std::env::args().skip(1).collect::<Vec<_>>(), std::env::current_dir().unwrap());
    println!("{}", std::fs::read_to_string("/srv/data/deep/x.txt").unwrap());
    std::fs::write("/state/written", "by nonroot").unwrap();
}
""",
    # Debian's Rust takes no notice of it
    "rust-toolchain.toml": '[toolchain]\nchannel = "1.96.0" # as a person writes it\n',
    "data/deep/x.txt": "from a file",
    "run.sh": "#!/bin/sh\n",
}


def said(architecture: str, version: str = "1.2.3") -> str:
    greeting = r'it costs $5 "each" \ #1'
    return f'42 {architecture} {version}\nguarded\n{greeting}\n["a b", "$HOME"] "/work"\nfrom a file\n'


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateSources]:
    """A registry on loopback that wants a token."""
    with private_server(tmp_path_factory.mktemp("private")) as server:
        yield server


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of somebody who has the token, as `cargo login` leaves it."""
    folder = tmp_path_factory.mktemp("cargo")
    (folder / "credentials.toml").write_text(f'[registries.mine]\ntoken = "{TOKEN}"\n')
    return {"CARGO_HOME": str(folder)}


def given(engine: Buildx, home: dict[str, str]) -> tuple[str, str]:
    """The options that give an engine the token, as the comment at the top of the file has them."""
    return "--secret", f"id=cargo,src={engine.file(Path(home['CARGO_HOME']) / 'credentials.toml')}"


@pytest.fixture(scope="module")
def tiny(
    run_cargoship: RunCargoship,
    wheel: Path,
    private: PrivateSources,
    home: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A project with a C file, a crate of a private registry, and a Dockerfile that installs this cargoship."""
    config = (
        f'[registry]\nglobal-credential-providers = ["cargo:token"]\n[registries.mine]\nindex = "{private.index}"\n'
    )
    files = {**FILES, ".cargo/config.toml": config}
    folder = project(tmp_path_factory.mktemp("tiny") / "tiny", name="tiny", manifest=MANIFEST, files=files)
    (folder / "dist").mkdir()
    shutil.copy(wheel, folder / "dist")
    cargo("generate-lockfile", cwd=folder, env=home)
    write_dockerfile(run_cargoship, folder, home)
    return folder


def write_dockerfile(run_cargoship: RunCargoship, folder: Path, home: dict[str, str], *arguments: str) -> None:
    source = next((folder / "dist").iterdir()).relative_to(folder)
    words = ("dockerfile", "--write", "--builder", BUILDER, "--cargoship", str(source), *arguments)
    run_cargoship(*words, cwd=folder, env=home)


@pytest.fixture(scope="module")
def builder(run_cargoship: RunCargoship, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build context of the image to compile in."""
    # other tests have built the standard libraries for musl, or else it is done here
    run_cargoship("doctor", "--fix")
    return builder_context(tmp_path_factory.mktemp("builder") / "builder")


@dataclass(frozen=True)
class First:
    """The first build of a project by an engine."""

    engine: EngineInContainer
    project: Path
    log: Log
    home: dict[str, str]
    given: tuple[str, ...]


@pytest.fixture(scope="module")
def first(builder: Path, tiny: Path, home: dict[str, str]) -> Iterator[First]:
    """The project, built for both platforms by one `docker buildx build`."""
    with engine_in_container() as engine:
        engine.load("cargoship-test/rust:1")
        engine.build(builder, "-t", BUILDER)
        secret = given(engine, home)
        log = engine.build(tiny, *secret, f"--platform={','.join(PLATFORMS)}", "-t", IMAGE)
        yield First(engine, tiny, log, home, secret)


def changed(first: First, tmp_path: Path, old: str, new: str) -> tuple[Log, Path]:
    """Build the project with another manifest."""
    folder = tmp_path / "tiny"
    shutil.copytree(first.project, folder)
    manifest = folder / "Cargo.toml"
    assert old in manifest.read_text()
    manifest.write_text(manifest.read_text().replace(old, new))
    cargo("generate-lockfile", cwd=folder, env=first.home)
    return first.engine.build(
        folder, *first.given, f"--platform={','.join(PLATFORMS)}", "-t", "cargoship-test/changed"
    ), folder


def test_one_build_makes_both_platforms_and_both_run(first: First) -> None:
    assert first.engine.output(IMAGE, "linux/amd64") == said("x86_64")
    assert first.engine.output(IMAGE, "linux/arm64") == said("aarch64")
    assert first.engine.output(IMAGE, "linux/arm64", "other").splitlines()[3] == '["other"] "/work"'


def test_the_token_is_where_cargo_runs_and_nowhere_afterwards(
    first: First, private: PrivateSources, tmp_path: Path
) -> None:
    assert "/crates/guarded" in private.served
    assert TOKEN not in first.log.text
    text = (first.project / "Dockerfile").read_text()
    assert "docker buildx build --secret id=cargo,src=$HOME/.cargo/credentials.toml --platform" in text
    # all that the last stage takes files from, and all that is kept between builds
    folders = "/usr/local/cargo /src /out /root /tmp"
    look = f"\nFROM build AS look\nRUN grep -rsl '{TOKEN}' {folders} > /found; test ! -s /found\n"
    (tmp_path / "look.Dockerfile").write_text(text + look)
    at = first.engine.file(tmp_path / "look.Dockerfile")
    words = ("-f", at, "--target=look", "--output=type=cacheonly", f"--platform={PLATFORMS[0]}")
    log = first.engine.build(first.project, *words)
    assert log.was_kept("build")
    assert not log.was_kept("look")


def test_the_probe_asks_on_both_platforms(first: First) -> None:
    """Nothing listens, which it says in a line."""
    for platform in PLATFORMS:
        check = first.engine.config(IMAGE)["Healthcheck"]["Test"]
        words = ("run", "--rm", "--network=host", f"--platform={platform}", f"--entrypoint={check[1]}", IMAGE)
        done = first.engine.docker(*words, *check[2:5], str(free_port()), *check[6:], check=False)
        assert done.returncode == 1
        assert "Connection refused" in done.stdout


def test_everything_is_compiled_once_where_nothing_is_emulated(first: First) -> None:
    for stage in ("tools", "planner", "dependencies", "build"):
        assert first.log.steps(stage), stage
        # one step for both platforms, and it is the machine's
        assert re.search(rf"\[linux/arm64 {stage} ", first.log.text) is None
    assert all("RUN" not in words for words in first.log.steps("runtime"))


def test_a_version_bump_reuses_the_dependencies(first: First, run_cargoship: RunCargoship, tmp_path: Path) -> None:
    log, folder = changed(first, tmp_path, 'version = "1.2.3"', 'version = "1.3.0"')
    assert log.was_kept("tools")
    assert not log.was_kept("planner")
    assert log.was_kept("dependencies")
    assert not log.was_kept("build")
    assert "0 fresh" not in "".join(re.findall(r"Compiled .*", log.text))
    for platform, architecture in zip(PLATFORMS, ("x86_64", "aarch64"), strict=True):
        assert first.engine.output("cargoship-test/changed", platform) == said(architecture, "1.3.0")
    run_cargoship("dockerfile", "--check", cwd=folder, env=first.home)


def test_an_added_dependency_is_all_that_is_compiled(first: First, tmp_path: Path) -> None:
    log, _ = changed(first, tmp_path, "[dependencies]\n", '[dependencies]\ncfg-if = "1"\n')
    assert log.was_kept("tools")
    assert not log.was_kept("dependencies")
    # the units of the layer that is made again come from the mount, and the new one's are added: one for each platform
    assert numbers(r"Restored (\d+) of", log) == numbers(r"Kept (\d+) units", first.log)
    assert numbers(r"Kept (\d+) units", log) == len(PLATFORMS)
    assert numbers(r"Cooked \d+ units, (\d+) fresh", first.log) == 0
    assert numbers(r"Cooked \d+ units, (\d+) fresh", log) == numbers(r"Restored (\d+) of", log)


def numbers(pattern: str, log: Log) -> int:
    """What cargoship said when it cooked, which comes before it builds."""
    return int(re.findall(pattern, log.text)[0])


def test_nothing_changed_keeps_everything(first: First) -> None:
    # nothing that runs wants the token, which is not given
    log = first.engine.build(first.project, f"--platform={','.join(PLATFORMS)}", "-t", IMAGE)
    for stage in ("tools", "planner", "dependencies", "build", "runtime"):
        assert log.was_kept(stage), stage


def test_buildkit_calls_every_platform_as_we_do(first: First, tmp_path: Path) -> None:
    """The last stage takes /out/$TARGETPLATFORM: it must be the folder's name for arm/v7 too, and for all others."""
    names = [str(row.platform) for row in TABLE]
    folder = tmp_path / "names"
    for name in names:
        (folder / "out" / name).mkdir(parents=True)
        (folder / "out" / name / "name").write_text(name)
    last = ("FROM scratch", "ARG TARGETPLATFORM", "COPY --from=build /out/$TARGETPLATFORM/ /")
    text = dockerfile_lines(first.project)
    assert all(line in text for line in last)
    (folder / "Dockerfile").write_text("\n".join(["FROM scratch AS build", "COPY out /out", *last]) + "\n")
    spelled = ",".join([*names, "linux/arm64/v8"])
    log = first.engine.build(folder, f"--platform={spelled}", "--output=type=local,dest=/names")
    for name in names:
        found = run("docker", "exec", first.engine.name, "cat", f"/names/{name.replace('/', '_')}/name", check=False)
        assert found.stdout == name, log.text


def dockerfile_lines(folder: Path) -> list[str]:
    return [line.removesuffix(" AS runtime") for line in (folder / "Dockerfile").read_text().splitlines()]


def test_it_is_the_image_that_cargoship_build_makes(first: First, run_cargoship: RunCargoship, tmp_path: Path) -> None:
    archive = tmp_path / "ours.tar"
    run_cargoship(
        "build", first.project, f"--platform={PLATFORMS[0]}", "-t", "cargoship-test/ours",
        "-o", f"docker-archive:{archive}", env=first.home,
    )  # fmt: skip
    engine = first.engine
    run("docker", "cp", archive, f"{engine.name}:/ours.tar")
    engine.docker("load", "-q", "-i", "/ours.tar")
    theirs, ours = engine.config(IMAGE), engine.config("cargoship-test/ours")
    for key in ("created", "version", "revision"):
        ours["Labels"].pop(f"org.opencontainers.image.{key}", None)
    reported = (
        "User",
        "Env",
        "Entrypoint",
        "Cmd",
        "ExposedPorts",
        "Volumes",
        "WorkingDir",
        "StopSignal",
        "Healthcheck",
        "Labels",
    )
    assert {key: theirs.get(key) for key in reported} == {key: ours.get(key) for key in reported}
    assert listing(engine, IMAGE) == listing(engine, "cargoship-test/ours")


def listing(engine: EngineInContainer, image: str) -> dict[str, tuple[bytes, int, int, int]]:
    """Kind, rights and owner of everything in an image; the engine's own mount points are left out."""
    container = engine.docker("create", "--network=host", image).stdout.strip()
    words = [program("docker"), "exec", engine.name, "docker", "export", container]
    exported = subprocess.run(words, capture_output=True, check=True).stdout
    engine.docker("rm", "-v", container)
    with tarfile.open(fileobj=io.BytesIO(exported)) as tar:
        own = {"dev", "proc", "sys", ".dockerenv", "etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/mtab"}
        return {
            each.name.rstrip("/"): (each.type, each.mode, each.uid, each.gid)
            for each in tar
            if each.name.rstrip("/") not in own and not each.name.startswith(("dev/", "proc/", "sys/"))
        }


def test_a_dockerfile_of_ones_own_stands_on_an_image_with_cargoship(first: First, tmp_path: Path) -> None:
    """The dozen lines of docs/dockerfile.md; the stage of tools has what cargoship's own image has."""
    ship = "cargoship-test/ship:1"
    # as it was built above, and not compressed for a registry that it is not pushed to
    stored = f"--output=type=image,name=docker.io/{ship},compression=uncompressed,unpack=true"
    log = first.engine.build(first.project, "--target=tools", f"--platform={PLATFORMS[0]}", stored)
    assert log.was_kept("tools")
    written = (REPOSITORY / "docs" / "dockerfile.md").read_text().partition("## A Dockerfile of your own")[2]
    text = written.partition("```dockerfile\n")[2].partition("```")[0].replace("/app/NAME", "/app/own")
    app = project(
        tmp_path / "own",
        name="own",
        manifest='[dependencies]\nitoa = "1"\n',
        files={
            "src/main.rs": 'fn main() { println!("{} own", itoa::Buffer::new().format(42)); }\n',
            "Dockerfile": text,
        },
    )
    cargo("generate-lockfile", cwd=app)
    arguments = (f"--platform={','.join(PLATFORMS)}", "--build-arg", f"CARGOSHIP={ship}")
    first.engine.build(app, *arguments, "-t", "cargoship-test/own")
    for platform in PLATFORMS:
        assert first.engine.output("cargoship-test/own", platform) == "42 own\n"
    # code alone: what cook has made stays
    (app / "src/main.rs").write_text('fn main() { println!("{} again", itoa::Buffer::new().format(42)); }\n')
    log = first.engine.build(app, *arguments, "-t", "cargoship-test/own")
    assert any("recipe cook" in words and kept for words, kept in log.steps("build").items())
    assert first.engine.output("cargoship-test/own", PLATFORMS[1]) == "42 again\n"


def test_the_machines_own_engine_builds_one_platform(
    builder: Path, tiny: Path, home: dict[str, str], run_cargoship: RunCargoship, tmp_path: Path
) -> None:
    engine = OwnEngine()
    folder = tmp_path / "native"
    shutil.copytree(tiny, folder)
    # the engine may hold what an earlier run of this test built, to the byte
    with (folder / "src/main.rs").open("a") as source:
        source.write(f"// {uuid.uuid4()}\n")
    write_dockerfile(run_cargoship, folder, home, "--variant", "native")
    engine.build(builder, "-t", BUILDER)
    log = engine.build(folder, *given(engine, home), "-t", IMAGE)
    assert not log.was_kept("build")
    assert engine.output(IMAGE, "linux/amd64") == said("x86_64")
