"""What is released: wheel and sdist as indexes want them; the workflow, the action, the component and the image."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_string
from pathlib import Path
from typing import Any

import pytest
import yaml

from cargoship.cli.documenting.manual import manual_pages
from cargoship.version import __version__
from support.programs import REPOSITORY, run

pytestmark = pytest.mark.tools

RELEASE = REPOSITORY / ".github" / "workflows" / "release.yml"
ACTION = REPOSITORY / "action.yml"
COMPONENT = REPOSITORY / "templates" / "image.yml"
VENV = Path(sys.executable).parent
PINNED = re.compile(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheel and sdist, as scripts/dist makes them."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, REPOSITORY)
    return folder


def only(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


@pytest.mark.parametrize(
    ("judge", "pattern"),
    [
        (("twine", "check", "--strict"), "*"),
        (("check-wheel-contents",), "*.whl"),
        (("pyroma", "--min", "10"), "*.tar.gz"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else None,
)
def test_judges_of_packages_have_nothing_to_say(dist: Path, judge: tuple[str, ...], pattern: str) -> None:
    run(VENV / judge[0], *judge[1:], *sorted(dist.glob(pattern)))


def test_the_long_description_leads_everywhere_from_an_index(dist: Path) -> None:
    with zipfile.ZipFile(only(dist, "*.whl")) as wheel:
        text = wheel.read(f"cargoship-{__version__}.dist-info/METADATA").decode()
    metadata = message_from_string(text)
    links = re.findall(r"\]\(([^)]+)\)", str(metadata.get_payload()))
    assert links
    assert all(link.startswith(("https://", "#")) for link in links)
    urls = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["urls"]
    ours = [link for link in links if link.startswith(urls["Source"])]
    assert ours
    for link in ours:
        path = link.removeprefix(f"{urls['Source']}/blob/v{__version__}/").partition("#")[0]
        assert (REPOSITORY / path).exists(), link
    reported = {name for name, _, _ in (each.partition(", ") for each in metadata.get_all("Project-URL", []))}
    assert reported == set(urls)


def places_looked_at() -> set[str]:
    listed = re.search(r"PLACES = \(([^)]*)\)", (REPOSITORY / "scripts/addresses.py").read_text())
    assert listed is not None
    return set(re.findall('"([^"]+)"', listed[1]))


@pytest.mark.parametrize(
    ("place", "before", "after", "here", "said"),
    [
        ("mkdocs.yml", "github.io", "github.io", "", None),
        ("mkdocs.yml", "github.io", "github.io", "OWN", None),
        ("mkdocs.yml", "github.io", "github.io", "somebody/else", "this is somebody/else, and Source"),
        ("docs/ci.md", "uses: ", "uses: x-", "", "docs/ci.md:"),
        ("mkdocs.yml", "https://github.com/", "https://github.com/x-", "", "mkdocs.yml:4: "),
        ("pyproject.toml", 'Source = "https://github.com/', 'Source = "https://github.com/x-', "", "pyproject.toml:"),
    ],
)
def test_a_release_with_the_address_of_another_repository(
    tmp_path: Path, place: str, before: str, after: str, here: str, said: str | None
) -> None:
    for name in ("scripts/addresses.py", *places_looked_at()):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((REPOSITORY / name).read_bytes())
    text = (tmp_path / place).read_text()
    assert before in text
    (tmp_path / place).write_text(text.replace(before, after))
    source = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["urls"]["Source"]
    own = source.removeprefix("https://github.com/")
    env = {"GITHUB_REPOSITORY": here.replace("OWN", own)} if here else {}
    words: list[str | Path] = [sys.executable, tmp_path / "scripts/addresses.py"]
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == (0 if said is None else 1)
    assert (said or "") in done.stderr


def test_every_place_with_the_address_is_looked_at() -> None:
    own = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["urls"]["Source"].split("/")[3]
    found = run("git", "grep", "-l", "--fixed-strings", f"{own}", "--", ":!CHANGELOG.md", cwd=REPOSITORY).stdout.split()
    assert set(found) == places_looked_at()


def test_manual_pages_come_along(dist: Path) -> None:
    with zipfile.ZipFile(only(dist, "*.whl")) as wheel:
        names = {Path(name).name for name in wheel.namelist() if "/share/man/man1/" in name}
    assert names == set(manual_pages())
    assert {"cargoship.1", "cargoship-build.1", "cargoship-recipe-cook.1"} <= names
    with tarfile.open(only(dist, "*.tar.gz")) as sdist:
        assert f"cargoship-{__version__}/man/cargoship.1" in sdist.getnames()


def test_the_hosts_take_workflow_and_action() -> None:
    judge = VENV / "check-jsonschema"
    run(judge, "--builtin-schema", "vendor.github-workflows", RELEASE)
    run(judge, "--builtin-schema", "vendor.github-actions", ACTION)


@pytest.mark.parametrize("path", [RELEASE, ACTION], ids=lambda path: path.stem)
def test_actions_are_pinned_and_strangers_words_stay_values(path: Path) -> None:
    text = path.read_text()
    used = re.findall(r"uses: (.*)", text)
    assert used
    assert all(PINNED.fullmatch(each) for each in used)
    document = yaml.safe_load(text)
    jobs = document["jobs"].values() if "jobs" in document else [document["runs"]]
    assert not any("${{" in step.get("run", "") for job in jobs for step in job["steps"])


def test_each_job_of_a_matrix_saves_a_cache_and_begins_with_its_own() -> None:
    """Of jobs that save under one key all but the first lose what they have compiled."""
    (cache,) = [step["with"] for step in yaml.safe_load(ACTION.read_text())["runs"]["steps"] if "uses" in step]
    assert "${{ github.job }}-${{ strategy.job-index }}-" in cache["key"]
    # GitHub takes the first that something begins with
    prefixes = cache["restore-keys"].split("\n")[:-1]
    assert all(cache["key"].startswith(each) for each in prefixes)
    assert prefixes[0] == cache["key"].removesuffix("${{ github.run_id }}")
    assert [*map(len, prefixes)] == sorted(map(len, prefixes), reverse=True)


def test_each_job_of_a_release_may_do_one_thing() -> None:
    workflow = yaml.safe_load(RELEASE.read_text())
    assert workflow["permissions"] == {}
    writes = {
        name: {right for right, kind in job["permissions"].items() if kind == "write"}
        for name, job in workflow["jobs"].items()
    }
    assert writes == {
        "build": set(),
        "attest": {"id-token", "attestations"},
        "pypi": {"id-token"},
        "github": {"contents"},
        "image": {"packages"},
    }
    assert workflow["jobs"]["pypi"]["environment"]["name"] == "pypi"
    assert "secrets." not in RELEASE.read_text()
    assert all(job["timeout-minutes"] <= 30 for job in workflow["jobs"].values())


def test_another_architectures_image_is_built_where_its_programs_run() -> None:
    steps = yaml.safe_load(RELEASE.read_text())["jobs"]["image"]["steps"]
    scripts = [step.get("run", "") for step in steps]
    (emulator,) = [index for index, script in enumerate(scripts) if "qemu-user-static" in script]
    (build,) = [index for index, script in enumerate(scripts) if "--platform linux/amd64,linux/arm64" in script]
    assert emulator < build


def step_of_the_action(
    name: str, folder: Path, programs: dict[str, str], **env: str
) -> subprocess.CompletedProcess[str]:
    """Run one step as a runner does; `programs` are scripts that stand in for those on PATH."""
    (script,) = [step["run"] for step in yaml.safe_load(ACTION.read_text())["runs"]["steps"] if step["name"] == name]
    (folder / "bin").mkdir()
    for program in ("bash", "mktemp", "xargs", "printf", "cut", "wc", "sed", "mkdir", "ln"):
        found = shutil.which(program)
        assert found is not None
        (folder / "bin" / program).symlink_to(found)
    for program, text in programs.items():
        (folder / "bin" / program).write_text(f"#!/bin/sh\n{text}\n")
        (folder / "bin" / program).chmod(0o755)
    files = {name: str(folder / name.lower()) for name in ("GITHUB_PATH", "GITHUB_OUTPUT")}
    whole = {"PATH": f"{folder}/bin", "RUNNER_TEMP": str(folder), "GITHUB_ACTION_PATH": "/action", **files, **env}
    words = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    return subprocess.run(words, cwd=folder, env=whole, capture_output=True, text=True, check=False)


def test_a_runner_without_pipx_gets_an_environment_and_no_other_python(tmp_path: Path) -> None:
    made = """test "$1 $2" = "-m venv" && /bin/mkdir -p "$3/bin"
printf '#!/bin/sh\\necho pip $*\\n' > "$3/bin/pip" && /bin/chmod 755 "$3/bin/pip"
"""
    done = step_of_the_action("Install cargoship", tmp_path, {"python3": made}, SOURCE="")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "pip install --quiet /action\n"
    path = Path((tmp_path / "github_path").read_text().strip())
    assert {each.name for each in path.iterdir()} == {"cargoship", "cargo-ship"}
    assert (path / "cargoship").readlink() == Path("../bin/cargoship")


def test_what_pipx_installs_is_found_by_later_steps(tmp_path: Path) -> None:
    pipx = 'case $1 in environment) echo /where/pipx/puts ;; *) echo "$*" ;; esac'
    done = step_of_the_action("Install cargoship", tmp_path, {"pipx": pipx}, SOURCE="dist/x.whl")
    assert done.stdout == "install --force dist/x.whl\n"
    assert (tmp_path / "github_path").read_text() == "/where/pipx/puts\n"


@pytest.mark.parametrize(
    ("name", "env", "said"),
    [
        ("Build", {"PUSH": "yes"}, "push is true or false, not 'yes'"),
        ("Build", {"ARGUMENTS": "-o 'oci:two words"}, "arguments cannot be read: -o 'oci:two words"),
        ("Log in", {"PASSWORD": "secret", "REGISTRY": ""}, "say which with registry"),
    ],
)
def test_an_input_that_means_nothing_is_no_silence(name: str, env: dict[str, str], said: str, tmp_path: Path) -> None:
    inputs = {"PROJECT": ".", "PUSH": "true", "CACHE": "actions", "TAGS": "", "ARGUMENTS": "", "PLATFORMS": ""}
    done = step_of_the_action(name, tmp_path, {"cargoship": "exit 99"}, **{**inputs, "RUST_VERSION": "", **env})
    assert done.returncode == 2
    assert said in done.stdout
    assert "secret" not in done.stdout


def test_words_tags_and_rust_reach_the_build(tmp_path: Path) -> None:
    env = {
        "PROJECT": ".", "PUSH": "true", "CACHE": "none", "TAGS": "r.io/a:1, r.io/a:2\nr.io/a:3", "PLATFORMS": "",
        "ARGUMENTS": "--label 'a=b c'\n--workspace", "RUST_VERSION": "1.96.0",
    }  # fmt: skip
    cargoship = 'echo "$RUSTUP_TOOLCHAIN" >&2; for word; do echo "$word" >&2; done; echo r.io/a@sha256:12'
    done = step_of_the_action("Build", tmp_path, {"cargoship": cargoship}, **env)
    assert done.returncode == 0, done.stderr
    rust, *words = done.stderr.splitlines()
    assert rust == "1.96.0"
    assert words[4:] == [
        "-t", "r.io/a:1", "-t", "r.io/a:2", "-t", "r.io/a:3", "--push", "--no-cache", "--label", "a=b c", "--workspace",
    ]  # fmt: skip
    assert "digest=sha256:12\n" in (tmp_path / "github_output").read_text()


def component(**inputs: str) -> dict[str, Any]:
    """The pipeline that the component is with some inputs, as GitLab fills them in."""
    head, body = COMPONENT.read_text().split("\n---\n")
    spec = yaml.safe_load(head)["spec"]["inputs"]
    assert all("default" in each and "description" in each for each in spec.values())
    values = {name: inputs.get(name, each["default"]) for name, each in spec.items()}
    filled = re.sub(r"\$\[\[ inputs\.(\w+) \]\]", lambda match: str(values[match[1]]), body)
    made: dict[str, Any] = yaml.safe_load(filled)
    return made


def test_gitlab_takes_the_component(tmp_path: Path) -> None:
    pipeline = tmp_path / ".gitlab-ci.yml"
    pipeline.write_text(yaml.safe_dump(component(job="web", stage="test")))
    run(VENV / "check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", pipeline)
    assert component(job="web")["web"]["stage"] == "build"
    # without rules of its own a job is not in pipelines of merge requests
    assert component()["ship"]["rules"] == [{"if": '$CI_PIPELINE_SOURCE != "merge_request_event"'}]
    assert f"cargoship=={__version__}" in COMPONENT.read_text(), "the component installs its own version"


def test_the_component_builds_what_its_inputs_say(tmp_path: Path) -> None:
    script = component(tags='-t "$CI_REGISTRY_IMAGE:x"', arguments="--workspace", cache="$CI_REGISTRY_IMAGE/units")
    (tmp_path / "bin").mkdir()
    for name in ("apt-get", "pipx", "cargoship"):
        # what is not read would break the pipe of the password
        (tmp_path / "bin" / name).write_text(
            f'#!/bin/sh\nprintf "%s\\n" "{name} $*" >> "{tmp_path}/said"\ncat >/dev/null\n'
        )
        (tmp_path / "bin" / name).chmod(0o755)
    env = {
        "PATH": f"{tmp_path}/bin:/usr/bin:/bin", "HOME": str(tmp_path), "CI_REGISTRY": "r.example.com",
        "CI_REGISTRY_IMAGE": "r.example.com/me/app", "CI_REGISTRY_USER": "me", "CI_REGISTRY_PASSWORD": "secret",
        "CI_PIPELINE_SOURCE": "push", "CI_PROJECT_ID": "1", "CI_PROJECT_DIR": str(tmp_path),
    }  # fmt: skip
    words = ["bash", "-eo", "pipefail", "-c", "\n".join(script["ship"]["script"])]
    subprocess.run(words, env=env, check=True, stdin=subprocess.DEVNULL)
    said = (tmp_path / "said").read_text()
    assert "secret" not in said
    assert said.splitlines()[-1] == (
        "cargoship build . --push -t r.example.com/me/app:x --platform linux/amd64,linux/arm64"
        " --cache-from registry:r.example.com/me/app/units --cache-to registry:r.example.com/me/app/units"
        " --workspace"
    )


def test_slimming_removes_other_systems_alone(tmp_path: Path) -> None:
    slim = tmp_path / "lib" / "python3.11" / "site-packages" / "ziglang"
    slim.parent.mkdir(parents=True)
    zig = importlib.util.find_spec("ziglang")
    assert zig is not None
    assert zig.origin is not None
    # names are enough, and quick
    subprocess.run(["cp", "-r", "--attributes-only", Path(zig.origin).parent, slim], check=True)
    libc = slim / "lib" / "libc"
    before = {path.name for folder in (libc, libc / "include") for path in folder.iterdir()}
    run("sh", REPOSITORY / "image" / "slim", tmp_path)
    after = {path.name for folder in (libc, libc / "include") for path in folder.iterdir()}
    assert {"musl", "glibc", "generic-musl", "generic-glibc", "any-linux-any"} <= after
    assert {"mingw", "any-windows-any", "any-darwin-any", "freebsd"} <= before - after
    assert not any("linux" in name for name in before - after)
