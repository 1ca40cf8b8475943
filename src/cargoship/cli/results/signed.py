"""Who has signed an image and what is attached to it, as text or JSON. Nothing of it reaches a terminal as it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cargoship.printable import printable

if TYPE_CHECKING:
    from cargoship.cli.paint import Paint
    from cargoship.images.signatures import JudgedDocument, SignatureReport, SignedSubject


def signatures_text(report: SignatureReport, paint: Paint) -> str:
    """For people: what was named, then each image in it, with what is attached."""
    lines = [paint.strong(printable(report.target))]
    whole = report.subjects[0]
    for each in report.subjects:
        lines += _subject(each, whole, paint)
    lines += [paint.bad(f"  there is no {name} that is signed") for name in report.missing]
    return "\n".join(lines)


def _subject(subject: SignedSubject, whole: SignedSubject, paint: Paint) -> Iterator[str]:
    name = "" if subject.platform is None else f"{printable(str(subject.platform))} "
    if subject.is_signed:
        said = paint.strong("signed")
    elif subject is not whole and whole.is_signed:
        said = "in the signed index"
    else:
        said = paint.bad("not signed")
    yield f"  {name}{subject.digest} {said}"
    for each in subject.documents:
        why = f": {each.why}" if each.why else ""
        yield f"    {printable(each.what)} {each.verdict.value}{printable(why)}"


def signatures_document(report: SignatureReport) -> dict[str, object]:
    """For programs."""
    return {
        "ok": report.ok,
        "missing": list(report.missing),
        "subjects": [
            {
                "platform": None if each.platform is None else str(each.platform),
                "digest": str(each.digest),
                "signed": each.is_signed,
                "documents": [_document(one) for one in each.documents],
            }
            for each in report.subjects
        ],
    }


def _document(one: JudgedDocument) -> dict[str, object]:
    return {
        "manifest": str(one.manifest),
        "what": one.what,
        "verdict": one.verdict.name.lower(),
        "why": one.why or None,
    }
