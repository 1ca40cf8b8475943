"""`cargoship resolve` with real cargo and a real registry: everything but the compilation."""

from __future__ import annotations

from pathlib import Path

import pytest

from cargoship.testing import InMemoryRegistry
from cargoship.testing.auth import BasicAuth, TokenAuth
from support.programs import RunCargoship
from support.projects import project

pytestmark = pytest.mark.tools


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return project(tmp_path / "app", manifest='[package.metadata.cargoship]\ntags = ["localhost:1/{name}"]\n')


def check(run_cargoship: RunCargoship, where: Path, *words: str, code: int, said: str, hint: str = "") -> None:
    done = run_cargoship("resolve", *words, cwd=where, check=False)
    assert (done.returncode, done.stdout) == (code, "")
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, done.stderr
    assert said in errors[0]
    assert hint in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "said", "hint"),
    [
        ((), 2, "there is nothing to resolve", "-f -"),
        (("-f", "gone.yaml"), 2, "there is no file gone.yaml", ""),
        (
            ("-f", "typo.yaml"),
            25,
            "typo.yaml:2:10: no binary or package is called ap; did you mean",
            "cargoship://app/app",
        ),
        (("-f", "broken.yaml"), 24, "broken.yaml:2:2: this is no YAML", ""),
        (("-f", "cycle.yaml"), 24, "cycle.yaml:1:8: *a is inside of &a", ""),
        (("-f", "good.yaml", "-l", "a b"), 2, "the selector 'a b' cannot be read", "tier!=cache"),
        (("-f", "good.yaml", "--format", "xml"), 2, "'xml' is no format", "formats: auto, yaml, json, text"),
        (("-f", "good.yaml", "-o", "no/folder/x"), 60, "there is no folder", ""),
        (("-f", "good.yaml", "--project", "elsewhere"), 10, "good.yaml:1:8: there is no project", "--project"),
        (("-f", "good.yaml", "--require-clean"), 18, "git knows no commit here", ""),
        # the registry does not answer, and nothing is compiled for it
        (("-f", "good.yaml"), 51, "localhost:1", ""),
    ],
)
def test_what_is_refused(
    run_cargoship: RunCargoship, app: Path, tmp_path: Path, words: tuple[str, ...], code: int, said: str, hint: str
) -> None:
    (tmp_path / "elsewhere").mkdir()
    for name, text in {
        "good.yaml": "image: cargoship://app\n",
        "typo.yaml": "- x\n- image: cargoship://ap\n",
        "broken.yaml": "a: [1\nb: 2\n",
        "cycle.yaml": "&a [x, *a]\n",
    }.items():
        (tmp_path / name).write_text(text)
    project_words = () if "--project" in words else ("--project", str(app))
    check(run_cargoship, tmp_path, *words, *project_words, code=code, said=said, hint=hint)
    assert not list(app.glob("target/**/release"))


def test_files_for_one_place_are_refused_before_anything_is_built(run_cargoship: RunCargoship, app: Path) -> None:
    """It was said once the images were pushed."""
    for name in ("a", "b"):
        (app / name).mkdir()
        (app / name / "web.yaml").write_text("image: cargoship://app\n")
    check(run_cargoship, app, "-f", "a/web.yaml", "-f", "b/web.yaml", "-o", "out/", code=2, said="to one place")
    assert not (app / "out").exists()


def test_a_document_without_references_needs_no_project(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    text = b"a: 1\r\n# end"
    (tmp_path / "a.yaml").write_bytes(text)
    done = run_cargoship("resolve", "-f", "a.yaml", "-o", "out/", cwd=tmp_path)
    assert (tmp_path / "out" / "a.yaml").read_bytes() == text
    assert "there is nothing to resolve in a.yaml" in done.stderr


@pytest.mark.parametrize(
    ("auth", "code"),
    [(BasicAuth("me", "secret"), 52), (TokenAuth("me", "secret", anonymous=frozenset({"pull"})), 52)],
    ids=["basic", "pull-only"],
)
def test_a_registry_that_does_not_let_anybody_push_costs_no_compilation(
    run_cargoship: RunCargoship, app: Path, tmp_path: Path, auth: BasicAuth | TokenAuth, code: int
) -> None:
    (tmp_path / "k.yaml").write_text("image: cargoship://app\n")
    before = (tmp_path / "k.yaml").read_bytes()
    with InMemoryRegistry(auth=auth) as registry:
        words = ("resolve", "-f", "k.yaml", "-o", "k.yaml", "--project", str(app), "-t", f"{registry.host}/{{name}}")
        done = run_cargoship(*words, cwd=tmp_path, check=False)
        assert registry.host in done.stderr
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert (tmp_path / "k.yaml").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app", "k.yaml"]
    assert not list(app.glob("target/**/release"))


def test_what_would_be_applied_is_listed_and_nothing_is_done(run_cargoship: RunCargoship, app: Path) -> None:
    (app / "k8s.yaml").write_text("kind: Pod\nimage: cargoship://app\n")
    # localhost:1 is no registry, and there is no kubectl
    done = run_cargoship("apply", "-f", "k8s.yaml", "--dry-run", cwd=app, env={"PATH": "/usr/bin:/bin"})
    assert done.stdout == "app: linux/amd64,linux/arm64 -> localhost:1/app:latest\n"


@pytest.mark.parametrize("verb", ["create", "delete"])
def test_nothing_to_hand_over_is_refused(run_cargoship: RunCargoship, app: Path, verb: str) -> None:
    done = run_cargoship(verb, cwd=app, check=False)
    assert (done.returncode, f"there is nothing to {verb}" in done.stderr) == (2, True)


def test_what_is_deleted_is_handed_over_as_it_is(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    """It needs no project, no registry and no compiler: `kubectl delete` goes by names."""
    document = "kind: Pod\nspec: {containers: [{image: cargoship://gone}]} # here\n"
    (tmp_path / "a.yaml").write_text(document)
    kubectl = tmp_path / "bin" / "kubectl"
    kubectl.parent.mkdir()
    kubectl.write_text('#!/bin/sh\necho "$@"; cat; exit "$CODE"\n')
    kubectl.chmod(0o755)
    env = {"PATH": f"{kubectl.parent}:/usr/bin:/bin", "CODE": "0"}
    done = run_cargoship("delete", "-f", "a.yaml", "--", "--wait=false", cwd=tmp_path, env=env)
    assert done.stdout == "delete -f - --wait=false\n" + document
    failed = run_cargoship("delete", "-f", "a.yaml", cwd=tmp_path, env={**env, "CODE": "3"}, check=False)
    assert failed.returncode == 3
    assert "kubectl delete -f " in failed.stderr
    assert "pushed" not in failed.stderr


def test_documents_are_deleted_from_the_cluster_that_got_them(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    """`apply --cluster` put them there, while kubectl's own configuration named another."""
    (tmp_path / "a.yaml").write_text("kind: Pod\n")
    kubectl = tmp_path / "bin" / "kubectl"
    kubectl.parent.mkdir()
    kubectl.write_text('#!/bin/sh\necho "$@"\n')
    kubectl.chmod(0o755)
    env = {"PATH": f"{kubectl.parent}:/usr/bin:/bin"}
    words = ("delete", "-f", "a.yaml", "--cluster", "k3d:dev")
    assert run_cargoship(*words, cwd=tmp_path, env=env).stdout == "delete -f - --context k3d-dev\n"
    chosen = run_cargoship(*words, "--", "--context", "prod", cwd=tmp_path, env=env)
    assert chosen.stdout == "delete -f - --context prod\n"
    refused = run_cargoship(*words, "--cluster", "kind", cwd=tmp_path, env=env, check=False)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "documents go to one cluster" in refused.stderr


def test_a_program_that_runs_here_goes_to_no_cluster(run_cargoship: RunCargoship, app: Path) -> None:
    done = run_cargoship("watch", "--cluster", "kind", cwd=app, check=False)
    assert (done.returncode, done.stderr) == (2, "error: --cluster is for documents\nhint: name them with -f\n")
