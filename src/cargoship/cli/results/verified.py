"""What was found in an image, as text or JSON. Nothing in an image, which is anybody's, reaches a terminal as it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cargoship.cli.render import words
from cargoship.printable import printable

if TYPE_CHECKING:
    from cargoship.checks.finding import Finding
    from cargoship.cli.paint import Paint
    from cargoship.images.verification import Checked, Examination, ImagePrograms, Program

_KEY_COLUMNS = 11


def verification_text(examination: Examination, paint: Paint) -> str:
    """An image for people: each platform, and what is wrong with it."""
    blocks = [f"{paint.strong(printable(examination.target))} {examination.digest}"]
    blocks += ["\n".join(_checked(image, paint)) for image in examination.images]
    for each in examination.missing:
        about = "" if each.platform is None else f" ({each.platform})"
        blocks.append(printable(f"  note: {each.digest}{about} is not there, though the index names it"))
    return "\n".join(blocks)


def _checked(image: Checked, paint: Paint) -> Iterator[str]:
    said = paint.strong("can start") if image.ok else paint.bad("cannot start")
    yield f"  {printable(str(image.platform))} {said}"
    for finding in image.findings:
        word = finding.severity.value
        yield f"    {paint.bad(word) if word == 'error' else word}: {printable(finding.text)}"
        if finding.hint is not None:
            yield f"    {paint.strong('hint')}: {printable(finding.hint)}"


def verification_document(examination: Examination) -> dict[str, object]:
    """The same for programs."""
    return {
        "target": examination.target,
        "digest": str(examination.digest),
        "ok": examination.ok,
        "images": [
            {
                "platform": str(image.platform),
                "digest": str(image.digest),
                "ok": image.ok,
                "findings": [_finding(finding) for finding in image.findings],
            }
            for image in examination.images
        ],
        "missing": [str(each.digest) for each in examination.missing],
    }


def _finding(finding: Finding) -> dict[str, object]:
    return {
        "severity": finding.severity.value,
        "code": finding.code.value,
        "text": finding.text,
        "hint": finding.hint,
    }


def programs_text(images: tuple[ImagePrograms, ...], paint: Paint) -> str:
    """The programs of images for people."""
    blocks = []
    for image in images:
        head = [] if image.platform is None else [f"{paint.strong(printable(str(image.platform)))} {image.digest}"]
        blocks.append("\n".join([*head, *(line for program in image.programs for line in _program(program, paint))]))
    return "\n\n".join(blocks)


def _program(program: Program, paint: Paint) -> Iterator[str]:
    facts = program.facts
    yield f"  {paint.strong(printable(program.path))} {words.size(program.size_bytes)}"
    order = "little" if facts.little_endian else "big"
    hardening = (
        f"{'PIE' if facts.pie else 'no PIE'}, RELRO {facts.relro.value}, {'NX' if facts.nx else 'executable stack'}"
    )
    rows = [
        ("machine", f"{facts.machine.removeprefix('EM_')}, {facts.bits} bits, {order} endian"),
        ("linked", facts.form),
        ("loader", facts.interpreter or ""),
        ("rpath", ":".join(facts.rpath)),
        ("runpath", ":".join(facts.runpath)),
        ("hardening", hardening),
        *(("needs", name) for name in facts.needed),
        *(("versions", f"{each.library}: {', '.join(each.names)}") for each in facts.requires),
        *(("loads", f"{name} => {path or 'not found'}") for name, path in program.libraries),
    ]
    yield from (f"    {paint.dim(key.ljust(_KEY_COLUMNS))} {printable(value)}" for key, value in rows if value)


def programs_document(target: str, images: tuple[ImagePrograms, ...]) -> dict[str, object]:
    """The same for programs."""
    return {
        "target": target,
        "images": [
            {
                "platform": None if image.platform is None else str(image.platform),
                "digest": None if image.digest is None else str(image.digest),
                "programs": [_program_record(program) for program in image.programs],
            }
            for image in images
        ],
    }


def _program_record(program: Program) -> dict[str, object]:
    facts = program.facts
    return {
        "path": program.path,
        "size_bytes": program.size_bytes,
        "machine": facts.machine.removeprefix("EM_"),
        "bits": facts.bits,
        "endian": "little" if facts.little_endian else "big",
        "form": facts.form,
        "interpreter": facts.interpreter,
        "needed": list(facts.needed),
        "soname": facts.soname,
        "rpath": list(facts.rpath),
        "runpath": list(facts.runpath),
        "requires": {each.library: list(each.names) for each in facts.requires},
        "pie": facts.pie,
        "relro": facts.relro.value,
        "nx": facts.nx,
        "finds_certificates": facts.finds_certificates,
        "libraries": dict(program.libraries),
    }
