"""Whether every processor of a platform has what a program needs, as far as the program says so itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cargoship.checks.finding import Code, Finding, Severity, error
from cargoship.elf.facts import ElfFacts
from cargoship.oci.platform import Platform, promised_level


def check_processor(facts: ElfFacts, path: str, platform: Platform) -> Iterator[Finding]:
    """Refuse a program that says that it needs more than its platform promises."""
    level = promised_level(platform)
    if level is not None and facts.x86_level is not None and facts.x86_level > level:
        yield error(
            Code.PROCESSOR_BEYOND,
            f"{path} ({platform}) needs a processor of {level_name(facts.x86_level)}, and {platform} promises "
            f"{level_name(level)}",
            f"compile it for {level_name(level)}: look at -march, -C target-cpu and -z",
        )


def check_library_processors(
    libraries: Iterable[tuple[str, ElfFacts]], said: str, platform: Platform
) -> Iterator[Finding]:
    """Warn of libraries that need more: bases of some distributions are for newer processors than they say."""
    level = promised_level(platform)
    beyond = [
        (facts.x86_level, path)
        for path, facts in libraries
        if level is not None and facts.x86_level is not None and facts.x86_level > level
    ]
    if beyond and level is not None:
        highest, path = max(beyond)
        yield Finding(
            Severity.WARNING,
            Code.PROCESSOR_BEYOND,
            f"{said} loads {path}, which needs a processor of {level_name(highest)}: it does not start on those of "
            f"{level_name(level)}, which {platform} has too",
            "choose a base that is for them, if the image is to start on them",
        )


def level_name(level: int) -> str:
    """What compilers call a level."""
    return "x86-64" if level == 1 else f"x86-64-v{level}"
