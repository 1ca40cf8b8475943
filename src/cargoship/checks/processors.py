"""Whether every processor of a platform has what a program needs, as far as the program says so itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from cargoship.checks.finding import Code, Finding, Severity, error
from cargoship.elf.facts import ElfFacts
from cargoship.oci.platform import Platform, promised_arm, promised_level


def check_processor(facts: ElfFacts, path: str, platform: Platform) -> Iterator[Finding]:
    """Refuse a program that says that it needs more than its platform promises."""
    beyond = _beyond(facts, platform)
    if beyond is not None:
        yield error(
            Code.PROCESSOR_BEYOND,
            f"{path} ({platform}) needs a processor of {beyond.needed}, and {platform} promises {beyond.promised}",
            f"compile it for {beyond.promised}: look at {beyond.flags}",
        )


def check_library_processors(
    libraries: Iterable[tuple[str, ElfFacts]], said: str, platform: Platform
) -> Iterator[Finding]:
    """Warn of libraries that need more: bases of some distributions are for newer processors than they say."""
    found = [(beyond, path) for path, facts in libraries if (beyond := _beyond(facts, platform)) is not None]
    if found:
        beyond, path = max(found, key=lambda each: each[0].number)
        yield Finding(
            Severity.WARNING,
            Code.PROCESSOR_BEYOND,
            f"{said} loads {path}, which needs a processor of {beyond.needed}: it does not start on those of "
            f"{beyond.promised}, which {platform} has too",
            "choose a base that is for them, if the image is to start on them",
        )


class _Beyond(Struct, frozen=True):
    """What a file needs and its platform does not promise, in words; `number` sets files apart."""

    number: int
    needed: str
    promised: str
    flags: str


def _beyond(facts: ElfFacts, platform: Platform) -> _Beyond | None:
    level, version = promised_level(platform), promised_arm(platform)
    if level is not None and facts.x86_level is not None and facts.x86_level > level:
        flags = "-march, -C target-cpu and -z"
        return _Beyond(facts.x86_level, level_name(facts.x86_level), level_name(level), flags)
    if version is not None and facts.arm_version is not None and facts.arm_version > version:
        flags = (
            "its target, -march, -mcpu and -C target-cpu; if it chooses its code at run time, as OpenSSL does, "
            "--no-verify publishes it"
        )
        return _Beyond(facts.arm_version, f"ARMv{facts.arm_version}", f"ARMv{version}", flags)
    return None


def level_name(level: int) -> str:
    """What compilers call a level."""
    return "x86-64" if level == 1 else f"x86-64-v{level}"
