"""An image for several platforms, made by jobs that share nothing but a registry."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.engine import Engine
from support.programs import RunCargoship, run
from support.projects import project
from support.pushing import client_of
from support.registry import RunningRegistry
from support.shipped import PLATFORMS, target_folder

pytestmark = pytest.mark.e2e


def test_each_job_pushes_by_digest_and_the_last_one_merges(
    run_cargoship: RunCargoship, docker_registry: RunningRegistry, engine: Engine, tmp_path: Path
) -> None:
    app = project(
        tmp_path / "app", manifest=f'[package.metadata.cargoship]\ntags = ["{docker_registry.host}/jobs:1"]\n'
    )
    parts = []
    for platform in PLATFORMS:
        done = run_cargoship("build", app, "--platform", platform, "--push-by-digest", env=target_folder("musl"))
        parts.append(done.stdout.strip())
        assert "jobs (by digest)" in done.stderr
    with client_of(docker_registry.host) as client:
        # but the lists of what refers to an image: this registry has no other place for them
        assert [tag for tag in client.tags("jobs") if not tag.startswith("sha256-")] == []
    reference = docker_registry.reference("jobs")
    merged = run_cargoship("merge", "-t", reference, *parts).stdout.strip()
    shown = run("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{merged}").stdout
    found = json.loads(shown)["manifests"]
    assert [each["platform"]["architecture"] for each in found] == ["amd64", "arm64"]
    # removed at once: this engine keeps one platform of a digest at a time
    for name, platform in ((reference, "linux/amd64"), (merged, "linux/arm64")):
        assert engine.output(engine.pull(name, platform), platform) == "hello\n"
        engine.remove(name)
