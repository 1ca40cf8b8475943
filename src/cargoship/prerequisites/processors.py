"""Flags of rustc that name a processor: whether it exists, and what they ask for that not all of a platform have.

rustc itself says which processors it knows (--print target-cpus) and which features flags mean (--print cfg).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from cargoship.cargo.target_flags import counting_flags
from cargoship.checks.processors import level_name
from cargoship.context import Context
from cargoship.errors import UsageError
from cargoship.events import Level, Note
from cargoship.oci.platform import Platform, promised_level
from cargoship.plan import Plan
from cargoship.plan.native import flags_of_profiles
from cargoship.platforms import PlatformSpec
from cargoship.process import Command
from cargoship.suggest import did_you_mean, listed
from cargoship.toolchain.locate import Foreseen, Toolchain

_FLAG = re.compile(r"(?:^|[\s\x1f])-C[\s\x1f]*target-(cpu|feature)=([^\s\x1f]+)")
_FEATURE = re.compile(r'target_feature="([^"]+)"')
_SHOWN = 6
# as the x86-64 psABI has them, in rustc's names; each level has those before it too
_LEVELS = {
    2: {"cmpxchg16b", "popcnt", "sse3", "sse4.1", "sse4.2", "ssse3"},
    3: {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "lzcnt", "movbe", "xsave"},
    4: {"avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl"},
}


class RustTargets(Struct, frozen=True):
    """What is compiled for, and the rustc that does; it says nothing of what they lack."""

    rustc: Path
    pairs: tuple[tuple[str, PlatformSpec], ...]
    """Triples, with their platforms."""

    @classmethod
    def of(cls, found: Toolchain | Foreseen) -> RustTargets:
        """Those of a toolchain that is there, or that would be taken."""
        pairs = found.pairs if isinstance(found, Foreseen) else [(each.triple, each.row) for each in found.targets]
        return cls(found.rust.compiler, tuple(pairs))


class _Target(Struct, frozen=True):
    triple: str
    row: PlatformSpec

    @property
    def platform(self) -> Platform:
        return self.row.platform


class _Asked(Struct, frozen=True):
    """What one place asks of the processors."""

    where: str
    cpu: str | None
    flags: tuple[str, ...]


def check_processors(plan: Plan, rust: RustTargets, context: Context, env: Mapping[str, str]) -> None:
    """Hold what flags ask for against what each platform promises.

    Raises UsageError for a processor that rustc knows for none of the targets, with those that exist, and for one of a
    level that the platform does not promise, unless the settings allow the native one: the image is for known machines
    then. What else programs would need more is a warning.
    """
    for asked, targets in _asked(plan, rust, env):
        known = {target.triple: _known(target, asked, rust, context) for target in targets}
        if asked.cpu is not None and not any(known.values()):
            raise _unknown(asked.cpu, asked.where, targets, rust, context)
        for target in targets:
            if known[target.triple]:
                _check(asked, target, plan, rust, context)


def _check(asked: _Asked, target: _Target, plan: Plan, rust: RustTargets, context: Context) -> None:
    own = () if target.row.processor is None else (f"-Ctarget-cpu={target.row.processor}",)
    promised = _features(target, own, rust, context)
    more = _features(target, asked.flags, rust, context) - promised
    level = _level(more, target.platform)
    allowed = all(image.settings.native_cpu for image in plan.images)
    if asked.cpu is not None and level is not None and not allowed:
        raise _refused(asked, target.platform, level)
    # what is compiled for a variant has that processor, whatever else flags name
    taken = _features(target, (*asked.flags, *own), rust, context) - promised
    if taken:
        context.emit(Note(_beyond(asked, target.platform, taken), Level.WARNING))
    elif more:
        text = f"{asked.where} names {asked.cpu}, but {target.platform} is compiled for {target.row.processor}"
        context.emit(Note(text, Level.WARNING))


def _asked(plan: Plan, rust: RustTargets, env: Mapping[str, str]) -> Iterator[tuple[_Asked, tuple[_Target, ...]]]:
    """What counts, with the targets for which it does: cargo takes flags for a target from one place alone."""
    places: dict[tuple[str, str], dict[Platform, _Target]] = {}
    for target in (_Target(*each) for each in rust.pairs if not each[1].is_wasm):
        for place, text in (*counting_flags(plan.cargo, target.triple, env), *flags_of_profiles(plan, env)):
            places.setdefault((place, text), {})[target.platform] = target
    for (where, text), targets in places.items():
        found = _FLAG.findall(text)
        cpu = next((value for kind, value in reversed(found) if kind == "cpu"), None)
        if found and cpu != "native" and "\0" not in text:
            # native is a matter of its own: see plan.native
            yield (
                _Asked(where, cpu, tuple(f"-Ctarget-{kind}={value}" for kind, value in found)),
                tuple(targets.values()),
            )


def _known(target: _Target, asked: _Asked, rust: RustTargets, context: Context) -> bool:
    return asked.cpu is None or asked.cpu in _processors(target, rust, context)


def _unknown(cpu: str, where: str, targets: Sequence[_Target], rust: RustTargets, context: Context) -> UsageError:
    every = {target.platform: _processors(target, rust, context) for target in targets}
    names = [name for found in every.values() for name in found]
    lists = "\n".join(f"  {platform}: {', '.join(found)}" for platform, found in every.items())
    return UsageError(
        f"{where} names the processor {cpu!r}, which rustc does not know{did_you_mean(cpu, names)}",
        hint="name one of these",
        details=lists,
    )


def _processors(target: _Target, rust: RustTargets, context: Context) -> list[str]:
    said = _ask(("--print", "target-cpus", "--target", target.triple), rust, context)
    names = [line.split()[0] for line in said.splitlines() if line.startswith("    ") and line.strip()]
    return [name for name in names if name not in {"native", "-"}]


def _features(target: _Target, flags: Sequence[str], rust: RustTargets, context: Context) -> frozenset[str]:
    said = _ask(("--print", "cfg", "--target", target.triple, *flags), rust, context)
    return frozenset(_FEATURE.findall(said))


def _ask(words: Sequence[str], rust: RustTargets, context: Context) -> str:
    """What rustc prints; nothing where it refuses flags, for then the build says why."""
    # in the root: a toolchain file of the project has had its say
    command = Command((str(rust.rustc), *words), cwd=Path("/"), env=context.env)
    done = context.runner.run(command, timeout_s=60)
    return done.text if done.code == 0 else ""


def _level(features: frozenset[str], platform: Platform) -> int | None:
    """The level of x86-64 that is needed for some of the features; None where that is no matter of levels."""
    if platform.architecture != "amd64":
        return None
    return next((level for level, own in reversed(_LEVELS.items()) if features & own), None)


def _refused(asked: _Asked, platform: Platform, level: int) -> UsageError:
    variant = f"linux/amd64/v{level}"
    of = "" if asked.cpu == level_name(level) else f", which is one of {level_name(level)}"
    return UsageError(
        f"{asked.where} compiles for the processor {asked.cpu}{of}, and "
        f"{platform} promises {level_name(promised_level(platform) or 1)}: elsewhere the program ends with SIGILL",
        hint=f"leave the flag out and build --platform linux/amd64,{variant}: runtimes take what a machine can run; "
        "native-cpu = true allows it, for machines that you know",
    )


def _beyond(asked: _Asked, platform: Platform, more: frozenset[str]) -> str:
    named = listed(more, _SHOWN)
    level = _level(more, platform)
    of = "" if level is None else f" (those of {level_name(level)})"
    return (
        f"{asked.where} compiles for processors with {named}{of}, which not all of {platform} have: "
        "there the program ends with SIGILL"
        + ("" if level is None else f"; the platform of those is linux/amd64/v{level}")
    )
