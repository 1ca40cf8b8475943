"""What a workflow has to know of a project, whatever host it is for."""

from __future__ import annotations

import enum
import itertools
import json
import re
import shlex
from collections.abc import Sequence
from pathlib import PurePosixPath

from msgspec import Struct

from cargoship.errors import UsageError
from cargoship.oci.reference import Reference
from cargoship.plan import Plan
from cargoship.suggest import did_you_mean

_PLAIN = re.compile(r"[A-Za-z./][A-Za-z0-9_./@+=~-]*(?:://[A-Za-z0-9_./@+=~-]+)?")
_KEY_VARIABLE = re.compile(r"env://([A-Za-z_][A-Za-z0-9_]*)")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_WORDS_OF_YAML = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null"})
TAGS = ("{git.short}", "{branch?}", "{git.tag?}", "{latest}")
"""What images are tagged with where the settings say nothing: the commit always, the rest where there is one."""
_PLACEHOLDER = re.compile(r"\{[^{}]*\}")
HEAD = "Builds the images for every platform and pushes them. Written by `cargoship init`; it is yours now."


class Matrix(enum.Enum):
    """What each of several jobs builds."""

    PLATFORM = "platform"
    PACKAGE = "package"

    @classmethod
    def parse(cls, text: str) -> Matrix:
        """Parse a name; raises UsageError."""
        known = [each.value for each in cls]
        if text not in known:
            raise UsageError(f"{text!r} is no matrix{did_you_mean(text, known)}", hint="platform or package")
        return cls(text)


class Job(Struct, frozen=True):
    """One job of a matrix: a key that every host takes for a name, and what it builds."""

    key: str
    arguments: str


class Workflow(Struct, frozen=True):
    """A pipeline that builds and pushes a project's images."""

    source: str
    """What pip installs for cargoship: `cargoship==1.2.3`, a URL, or a file's path in the repository."""
    folder: PurePosixPath
    """The project in the repository."""
    branch: str
    several: bool
    """Whether there is more than one image."""
    own_tags: bool
    """Whether the settings say where images go."""
    jobs: tuple[Job, ...] = ()
    """Of a matrix; none: one job builds everything."""
    registries: tuple[str, ...] = ()
    """Hosts that the tags of the settings name."""
    rust: str | None = None
    """The exact version to compile with; None: nobody knows, and the newest is taken."""
    toolchain_file: bool = False
    """Whether the project has a rust-toolchain file, which says the version to rustup."""
    sign: str | None = None
    """Who signs what is pushed, as the settings have it."""

    def installation(self, checkout: str) -> str:
        """What pip is given, in double quotes of a shell that knows where the checkout is."""
        if self.is_file:
            return f"{checkout}/$CARGOSHIP_SOURCE" + ("[sign]" if self.is_keyless else "")
        return "$CARGOSHIP_SOURCE"

    @property
    def is_keyless(self) -> bool:
        """Whether the job's own identity signs, for which a host has to be asked for a token."""
        return self.sign == "keyless"

    @property
    def key_variable(self) -> str | None:
        """The variable that has the key that signs, if there is one."""
        found = _KEY_VARIABLE.fullmatch(self.sign or "")
        return found[1] if found else None

    @property
    def merge_options(self) -> list[str]:
        """The options by which what is merged gets its signature: a merge reads no settings."""
        return [] if self.sign is None else [f"--sign {shlex.quote(self.sign)}"]

    @property
    def is_file(self) -> bool:
        """Whether cargoship is a wheel in the repository."""
        return self.source.endswith(".whl") and "://" not in self.source

    @property
    def source_lines(self) -> list[str]:
        """The variable that says where cargoship comes from."""
        comment = [] if self.is_file else [
            "  # from PyPI, or what else pip takes; a wheel in the repository: cargoship init --cargoship FILE"
        ]  # fmt: skip
        return [*comment, f"  CARGOSHIP_SOURCE: {scalar(self._requirement)}"]

    @property
    def _requirement(self) -> str:
        """What pip takes, with what it takes to sign without a key."""
        if not self.is_keyless or self.is_file:
            return self.source
        if "://" in self.source:
            return f"cargoship[sign] @ {self.source}"
        return self.source.replace("cargoship", "cargoship[sign]", 1)

    @property
    def in_root(self) -> bool:
        """Whether the project is the repository."""
        return self.folder == PurePosixPath()

    def tags(self, image: str) -> list[str]:
        """The options that name images, for a shell that knows the repository as `image`; none: the settings do."""
        if self.own_tags:
            return []
        if self.jobs:
            return [f'-t "{image}{self.suffix}"']
        return [f'-t "{image}{self.suffix}:{tag}"' for tag in TAGS]

    @property
    def suffix(self) -> str:
        """What keeps several images apart."""
        return "/{name}" if self.several else ""

    @property
    def merged_tags(self) -> list[str]:
        """The options that name what the jobs of a matrix have pushed."""
        return [f"-t '{{repository}}:{tag}'" for tag in TAGS]


def scalar(text: str) -> str:
    """A text as YAML has it: as it is, or in quotes where it would be something else."""
    plain = _PLAIN.fullmatch(text) is not None and text.lower() not in _WORDS_OF_YAML
    return text if plain else json.dumps(text)


def _checked(text: str, what: str) -> str:
    """A name of somebody's; raises UsageError for one that a host would take for more than a name."""
    if "${{" in text or not text.isprintable():
        raise UsageError(
            f"{what} {text!r} cannot be written into a workflow: the host would take a part of it for an instruction",
            hint="give it another name",
        )
    return text


def variable_name(host: str, what: str) -> str:
    """What a secret or variable for a registry is called; neither host takes names of any other characters."""
    name = re.sub(r"[^A-Z0-9]", "_", host.upper())
    # GitHub keeps names with GITHUB_ for itself, and takes none with a digit in front
    return f"{'REGISTRY_' if name[:1].isdigit() or name.startswith('GITHUB_') else ''}{name}_{what}"


def trusting(host: str, authority: str) -> list[str]:
    """Lines of a shell that let `host` be trusted by the authority in a variable: a file, or its text."""
    folder = f'"$HOME/.config/containers/certs.d/{host}"'
    return [
        f'if [ -n "${authority}" ]; then',
        f"  mkdir -p {folder}",
        f'  {{ cat "${authority}" 2>/dev/null || printf %s "${authority}"; }} > {folder}/ca.crt',
        "fi",
    ]


def logging_in(host: str, username: str, password: str, label: str) -> list[str]:
    """Lines of a shell that log in to `host`, with what variables have; `label` is what the password is called."""
    return [
        f'if [ -n "${password}" ]; then',
        f'  printf %s "${password}" | cargoship login {host} --username "${username}" --password-stdin',
        "else",
        f'  echo "{label} is not set: {host} is used without a login" >&2',
        "fi",
    ]


def workflow_of(
    plan: Plan,
    matrix: Matrix | None,
    *,
    source: str,
    folder: PurePosixPath,
    branch: str,
    rust: str | None = None,
    toolchain_file: bool = False,
) -> Workflow:
    """The workflow of a project; raises UsageError where a matrix would have one job."""
    jobs = () if matrix is None else _jobs(plan, matrix)
    if matrix is not None and len(jobs) < 2:  # noqa: PLR2004 - a matrix has several jobs
        raise UsageError(f"there is one {matrix.value} alone, and nothing to spread", hint="leave --matrix out")
    return Workflow(
        source=_checked(source, "the source"),
        folder=PurePosixPath(_checked(str(folder), "the folder")),
        branch=_checked(branch, "the branch"),
        several=len(plan.images) > 1,
        own_tags=all(image.settings.tags for image in plan.images),
        jobs=jobs,
        registries=_registries(plan),
        rust=rust,
        toolchain_file=toolchain_file,
        sign=None if plan.sign is None else _checked(plan.sign, "what signs"),
    )


def _registries(plan: Plan) -> tuple[str, ...]:
    """Where the settings let images go, also by tags that are left out here."""
    tags = [_PLACEHOLDER.sub("x", tag) for image in plan.images for tag in image.settings.tags]
    return tuple(dict.fromkeys(Reference.parse(tag).registry for tag in tags))


def _jobs(plan: Plan, matrix: Matrix) -> tuple[Job, ...]:
    match matrix:
        case Matrix.PLATFORM:
            names = [str(platform) for platform in plan.platforms]
            keys = [name.removeprefix("linux/").replace("/", "-") for name in names]
            return _paired(matrix, keys, [f"--platform {name}" for name in names])
        case Matrix.PACKAGE:
            packages = list(dict.fromkeys(image.package.name for image in plan.images))
            return _paired(matrix, packages, [f"--package {name}" for name in packages])


def _paired(matrix: Matrix, names: Sequence[str], arguments: Sequence[str]) -> tuple[Job, ...]:
    return tuple(Job(key, words) for key, words in zip(job_keys(matrix, names), arguments, strict=True))


def job_keys(matrix: Matrix, names: Sequence[str]) -> list[str]:
    """A key for each name: an identifier for GitHub's expressions, no word of YAML, and no other's in any case.

    https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idoutputs
    """
    found: list[str] = []
    taken: set[str] = set()
    for name in names:
        key = name
        if _IDENTIFIER.fullmatch(name) is None or name.lower() in _WORDS_OF_YAML:
            key = f"{matrix.value}-{re.sub(r'[^A-Za-z0-9_-]', '_', name)}"
        # GitHub finds outputs without regard to case
        several = (each for number in itertools.count(1) if (each := f"{key}-{number}" if number > 1 else key))
        key = next(each for each in several if each.lower() not in taken)
        taken.add(key.lower())
        found.append(key)
    return found


def folded(command: str, options: Sequence[str], indent: int) -> list[str]:
    """Lines of a shell command, with an option on each after the first."""
    lines = [command, *(f"  {option}" for option in options)]
    return [" " * indent + line + (" \\" if line is not lines[-1] else "") for line in lines]
