"""Signing without a key, end to end: a job's token, stand-ins for Fulcio and Rekor, Sigstore's own library."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.elf_files import elf_file
from support.programs import RunCargoship
from support.projects import project
from support.registry import RunningRegistry
from support.sigstore_services import GITHUB, GITLAB, SigstoreServices, sigstore_services

pytestmark = pytest.mark.tools

_PIPELINE = "https://gitlab.com/me/app//.gitlab-ci.yml@refs/heads/main"


@pytest.fixture
def services() -> Iterator[SigstoreServices]:
    with sigstore_services() as running:
        yield running


@pytest.fixture
def trusting(services: SigstoreServices, tmp_path: Path) -> dict[str, str]:
    """The environment of a machine that goes by these services."""
    return {"CARGOSHIP_TRUST_CONFIG": str(services.trust_config(tmp_path))}


@pytest.fixture
def packing(tmp_path: Path) -> tuple[str | Path, ...]:
    """What packs an image for two platforms."""
    options: list[str | Path] = []
    for platform, machine in (("linux/amd64", "EM_X86_64"), ("linux/arm64", "EM_AARCH64")):
        path = tmp_path / platform.replace("/", "-")
        path.write_bytes(elf_file(machine))
        options += ["--binary", f"{platform}={path}"]
    return ("pack", project(tmp_path / "app"), *options)


def test_a_job_on_github_signs_and_only_its_identity_is_accepted(
    run_cargoship: RunCargoship,
    docker_registry: RunningRegistry,
    services: SigstoreServices,
    trusting: dict[str, str],
    packing: tuple[str | Path, ...],
    tmp_path: Path,
) -> None:
    reference = docker_registry.reference("keyless", "github")
    job = {**trusting, **services.on_github()}
    done = run_cargoship(*packing, "-t", reference, "--push", "--sign", "keyless", env=job)
    # one certificate for all: the index, two images, and what is attached to each
    assert services.certified == [services.job]
    assert len(services.entries) >= 3
    token = services.token(services.job, GITHUB).partition(".")[0]
    assert token not in done.stdout + done.stderr
    assert job["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] not in done.stdout + done.stderr

    def verify(identity: str, issuer: str, env: dict[str, str]) -> tuple[int, str]:
        words = ("verify", "--identity", identity, "--issuer", issuer, "--require", "provenance", reference)
        ended = run_cargoship(*words, env=env, check=False)
        assert "Traceback" not in ended.stderr
        return ended.returncode, ended.stdout + ended.stderr

    code, said = verify(services.job, GITHUB, trusting)
    assert code == 0, said
    # the SBOMs as scanners find them are no statements; the statements about them are signed
    assert said.count("not signed") == said.count("application/vnd.cyclonedx+json not signed") == 3
    other = services.job.replace("image.yml", "other.yml")
    code, said = verify(other, GITHUB, trusting)
    assert code == 41
    assert "SANs do not match" in said
    assert verify(services.job, GITLAB, trusting)[0] == 41
    # a machine that goes by other roots believes nothing of it
    with sigstore_services() as strangers:
        folder = tmp_path / "strangers"
        folder.mkdir()
        code, said = verify(services.job, GITHUB, {"CARGOSHIP_TRUST_CONFIG": str(strangers.trust_config(folder))})
    assert code == 41
    assert "certificate" in said


def test_a_job_on_gitlab_has_its_token_in_a_variable(
    run_cargoship: RunCargoship,
    docker_registry: RunningRegistry,
    services: SigstoreServices,
    trusting: dict[str, str],
    packing: tuple[str | Path, ...],
) -> None:
    # the same image is signed by another identity already: that is not this one's signature
    reference = docker_registry.reference("keyless-gitlab", "1")
    run_cargoship(*packing, "-t", reference, "--push", "--sign", "keyless", env={**trusting, **services.on_github()})
    job = {**trusting, "GITLAB_CI": "true", "SIGSTORE_ID_TOKEN": services.token(_PIPELINE, GITLAB)}
    run_cargoship(*packing, "-t", reference, "--push", "--sign", "keyless", env=job)
    words = ("verify", "--identity", _PIPELINE, "--issuer", GITLAB, "--json", reference)
    said = json.loads(run_cargoship(*words, env=trusting).stdout)["signatures"]
    noted = len(services.entries)
    # a second time nothing is signed that is signed by this identity
    run_cargoship(*packing, "-t", reference, "--push", "--sign", "keyless", env=job)
    assert len(services.entries) == noted
    assert said["ok"]
    assert [each["signed"] for each in said["subjects"]] == [True, True, True]


@pytest.mark.parametrize("refuses", ["fulcio", "rekor"])
def test_what_a_service_refuses_publishes_nothing(
    run_cargoship: RunCargoship,
    docker_registry: RunningRegistry,
    services: SigstoreServices,
    trusting: dict[str, str],
    packing: tuple[str | Path, ...],
    refuses: str,
) -> None:
    services.refuses = refuses
    reference = docker_registry.reference(f"keyless-{refuses}", "1")
    job = {**trusting, **services.on_github()}
    failed = run_cargoship(*packing, "-t", reference, "--push", "--sign", "keyless", env=job, check=False)
    assert failed.returncode == 42
    assert "trust-config.json" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert run_cargoship("inspect", reference, check=False).returncode != 0


def test_what_is_no_identity_is_refused_before_anything_is_asked(
    run_cargoship: RunCargoship,
    docker_registry: RunningRegistry,
    services: SigstoreServices,
    trusting: dict[str, str],
    packing: tuple[str | Path, ...],
    tmp_path: Path,
) -> None:
    reference = docker_registry.reference("keyless", "none")

    def refused(env: dict[str, str]) -> str:
        failed = run_cargoship(*packing, "-t", reference, "--push", "--sign", "keyless", env=env, check=False)
        assert failed.returncode == 42
        assert "Traceback" not in failed.stderr
        return failed.stderr

    token = services.token(_PIPELINE, GITLAB, audience="somebody else")
    assert token not in refused({**trusting, "SIGSTORE_ID_TOKEN": token})
    expired = services.token(_PIPELINE, GITLAB, lifetime_s=-60)
    assert expired not in refused({**trusting, "SIGSTORE_ID_TOKEN": expired})
    # a job whose workflow lacks `permissions: id-token: write`
    assert "id-token: write" in refused({**trusting, "GITHUB_ACTIONS": "true"})
    good = {"SIGSTORE_ID_TOKEN": services.token(_PIPELINE, GITLAB)}
    assert "nowhere.json" in refused({**good, "CARGOSHIP_TRUST_CONFIG": str(tmp_path / "nowhere.json")})
    (tmp_path / "other.json").write_text('{"mediaType": "application/json"}')
    assert "no trust configuration" in refused({**good, "CARGOSHIP_TRUST_CONFIG": str(tmp_path / "other.json")})
    assert not services.certified


def test_units_that_an_identity_has_signed_are_taken_by_who_trusts_it(
    run_cargoship: RunCargoship, services: SigstoreServices, trusting: dict[str, str], tmp_path: Path
) -> None:
    app = project(tmp_path / "app", files={"src/main.rs": 'fn main() { println!("built"); }\n'})
    cache = f"dir:{tmp_path / 'shared'}"

    def build(machine: str, *words: str | Path, env: dict[str, str], check: bool = True) -> str:
        around = {
            **env,
            "CARGOSHIP_CACHE_DIR": str(tmp_path / machine),
            "CARGO_TARGET_DIR": str(tmp_path / machine / "out"),
        }
        done = run_cargoship("cargo", *words, "-v", "--", "build", "--release", cwd=app, env=around, check=check)
        assert "Traceback" not in done.stderr
        return done.stderr

    trust = ("--cache-trust", f"{services.job} by {GITHUB}")
    job = {**trusting, **services.on_github()}
    build("job", "--cache-to", f"{cache}?trusted=true", "--cache-sign", "keyless", *trust, env=job)
    assert "Restored" in build("reader", "--cache-from", cache, *trust, env=trusting)
    other = ("--cache-trust", f"https://github.com/me/other/.github/workflows/image.yml@refs/heads/main by {GITHUB}")
    stranger = build("stranger", "--cache-from", cache, *other, env=trusting)
    assert "Restored" not in stranger
    assert "of no identity that is trusted" in stranger
    # who signed what is in the cache, for people and for programs
    listed = run_cargoship("cache", "signers", cache, *trust, env=trusting).stdout
    assert services.job in listed
    said = json.loads(run_cargoship("cache", "signers", cache, *trust, "--json", env=trusting).stdout)
    (signer,) = said["signers"]
    assert (signer["signer"], signer["trusted"], len(signer["units"])) == (services.job, True, said["units"])
    assert said["unsigned"] == []
    # without anybody who is trusted it is the signature's own word
    (signer,) = json.loads(run_cargoship("cache", "signers", cache, "--json", env=trusting).stdout)["signers"]
    assert (signer["signer"], signer["trusted"]) == (f"{services.job} by {GITHUB}", False)
