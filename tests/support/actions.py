"""What GitHub's and GitLab's runners do with a workflow's steps, as far as ours need it: each in a clean clone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.programs import distribution_rust

_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}")
_NAME = re.compile(r"'[^']*'|[a-z][\w.-]*")


@dataclass
class Machine:
    """A runner: its folders, the programs that stand in for those it would install, and the repository it clones."""

    root: Path
    repository: Path
    registry: str
    env: Mapping[str, str] = field(default_factory=dict)
    clones: int = 0
    said: str = ""
    """What the last job wrote."""
    summaries: str = ""
    """What jobs wrote in their summaries."""

    def __post_init__(self) -> None:
        self.bin = self.root / "bin"
        self.bin.mkdir(parents=True)
        for name in ("pipx", "apt-get"):
            # nothing is installed: the cargoship of the tests is on PATH
            (self.bin / name).write_text(f'#!/bin/sh\necho "{name} $*" >> "{self.root}/installed"\n')
            (self.bin / name).chmod(0o755)

    @property
    def cache(self) -> Path:
        """The folder of the job that runs now: nothing is kept on a machine from one to the next."""
        return self.root / f"cache-{self.clones}"

    def clone(self) -> Path:
        self.clones += 1
        self.cache.mkdir()
        # but for standard libraries, which take minutes; compiled units are what these tests are about
        shared = Path(os.environ["CARGOSHIP_CACHE_DIR"]) / "std"
        shared.mkdir(parents=True, exist_ok=True)
        (self.cache / "std").symlink_to(shared)
        folder = self.root / f"clone-{self.clones}"
        subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{self.repository}", folder], check=True)
        subprocess.run(["git", "checkout", "-q", "--detach"], cwd=folder, check=True)
        return folder

    def shell(self, script: str, folder: Path, env: Mapping[str, str]) -> None:
        whole = {
            **os.environ,
            **distribution_rust(),
            **self.env,
            **env,
            "PATH": f"{self.bin}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "DOCKER_CONFIG": str(self.root / "docker"),
            "CARGOSHIP_CACHE_DIR": str(self.cache),
        }
        # a function, which cargoship does not take for a rustup: Rust is the distribution's here
        stand_in = f'rustup() {{ echo "rustup $*" >> "{self.root}/installed"; }}\n'
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", stand_in + script],
            cwd=folder,
            env=whole,
            capture_output=True,
            text=True,
            check=False,
        )
        self.said += done.stdout + done.stderr
        if done.returncode:
            pytest.fail(f"{script}\nended with {done.returncode}\n{done.stdout}\n{done.stderr}")


def github(machine: Machine, path: str, event: Mapping[str, Any], env: Mapping[str, str]) -> None:
    """Run a workflow; `event` is the context `github`, with `event_name`, `token`, ..."""
    workflow = yaml.safe_load((machine.repository / path).read_text())
    done: dict[str, dict[str, str]] = {}
    assert workflow["permissions"] == {}
    common = {**workflow["env"], "REGISTRY": machine.registry, "GITHUB_ACTIONS": "true", **env}
    for name, job in workflow["jobs"].items():
        known = {"github": event, "needs": {each: {"outputs": outputs} for each, outputs in done.items()}}
        if "if" in job and not _evaluate(job["if"], known):
            continue
        assert job["permissions"]["contents"] == "read"
        done[name] = {}
        for one in job.get("strategy", {}).get("matrix", {}).get("include", [{}]):
            outputs = _github_job(machine, job, {**known, "matrix": one}, common)
            filled = {key: _filled(text, {"steps": outputs}) for key, text in job.get("outputs", {}).items()}
            done[name] |= {key: value for key, value in filled.items() if value}


def _github_job(
    machine: Machine, job: Mapping[str, Any], known: Mapping[str, Any], common: Mapping[str, str]
) -> dict[str, Any]:
    folder = machine.clone()
    files = {name: machine.root / name.lower() for name in ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    for path in files.values():
        path.write_text("")
    machine.said = ""
    own = {**common, **{name: str(path) for name, path in files.items()}, "GITHUB_WORKSPACE": str(folder)}
    steps: dict[str, Any] = {}
    where = folder / job.get("defaults", {}).get("run", {}).get("working-directory", ".")
    for step in job["steps"]:
        if "uses" in step:
            assert re.fullmatch(r"actions/checkout@[0-9a-f]{40}", step["uses"])
            continue
        extra = {key: _filled(str(value), known) for key, value in step.get("env", {}).items()}
        machine.shell(step["run"], where, {**own, **extra})
        own |= _pairs(files["GITHUB_ENV"].read_text())
        if "id" in step:
            steps[step["id"]] = {"outputs": _pairs(files["GITHUB_OUTPUT"].read_text())}
    machine.summaries += files["GITHUB_STEP_SUMMARY"].read_text()
    return steps


def action(machine: Machine, path: Path, inputs: Mapping[str, str], event: Mapping[str, Any]) -> dict[str, str]:
    """Run the steps of a composite action in a clean clone; what it gives."""
    document = yaml.safe_load(path.read_text())
    known: dict[str, Any] = {"github": event, "runner": {}}
    defaults = {name: _filled(each["default"], known) for name, each in document["inputs"].items()}
    assert not inputs.keys() - defaults.keys()
    known["inputs"] = {**defaults, **inputs}
    folder, outputs, path_file = machine.clone(), machine.root / "github_output", machine.root / "github_path"
    outputs.write_text("")
    path_file.write_text("")
    common = {
        "GITHUB_ACTION": "cargoship", "GITHUB_ACTION_PATH": str(path.parent), "GITHUB_OUTPUT": str(outputs),
        "GITHUB_PATH": str(path_file),
        "RUNNER_TEMP": str(machine.root), "GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(folder),
    }  # fmt: skip
    steps: dict[str, Any] = {}
    for step in document["runs"]["steps"]:
        if ("if" in step and not _evaluate(step["if"], known)) or "uses" in step:
            continue
        own = {key: _filled(str(value), known) for key, value in step.get("env", {}).items()}
        machine.shell(step["run"], folder, {**common, **own})
        if "id" in step:
            steps[step["id"]] = {"outputs": _pairs(outputs.read_text())}
    return {name: _filled(each["value"], {"steps": steps}) for name, each in document["outputs"].items()}


def _pairs(text: str) -> dict[str, str]:
    """NAME=VALUE, or NAME<<END and lines."""
    found: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        name, several, end = line.partition("<<")
        if several:
            found[name] = "\n".join(iter(lambda: next(lines), end))
        else:
            name, _, found[name] = line.partition("=")
    return found


def _filled(text: str, known: Mapping[str, Any]) -> str:
    return _EXPRESSION.sub(lambda match: str(_evaluate(match[1], known) or ""), text)


def _evaluate(expression: str, known: Mapping[str, Any]) -> Any:  # noqa: ANN401 - whatever the host gives
    names: list[object] = []

    def name(match: re.Match[str]) -> str:
        value: Any = known
        for part in [] if match[0].startswith("'") else match[0].split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        names.append(match[0].strip("'") if match[0].startswith("'") else value)
        return f" names[{len(names) - 1}] "

    python = _NAME.sub(name, expression).replace("&&", " and ").replace("||", " or ")
    python = re.sub(r"!(?!=)", " not ", python)
    return eval(python.strip(), {"names": names})  # noqa: S307 - our own workflows


def gitlab(machine: Machine, path: str, env: Mapping[str, str]) -> None:
    """Run a pipeline: every job of every stage, with the files that earlier ones left."""
    pipeline = yaml.safe_load((machine.repository / path).read_text())
    kept: dict[str, bytes] = {}
    jobs = {name: job for name, job in pipeline.items() if isinstance(job, dict) and "script" in job}
    for stage in pipeline["stages"]:
        for job in (each for each in jobs.values() if each["stage"] == stage):
            if "rules" in job and env.get("CI_PIPELINE_SOURCE") == "merge_request_event":
                continue
            for variables in job.get("parallel", {}).get("matrix", [{}]):
                folder = machine.clone()
                for name, data in kept.items():
                    (folder / name).write_bytes(data)
                machine.said = ""
                script = "\n".join([*pipeline["default"]["before_script"], *job["script"]])
                own = {**pipeline["variables"], **variables, **env, "CI_PROJECT_DIR": str(folder)}
                machine.shell(script, folder, own)
                for pattern in job.get("artifacts", {}).get("paths", []):
                    kept |= {file.name: file.read_bytes() for file in folder.glob(pattern)}
