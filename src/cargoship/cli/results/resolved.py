"""What is told of documents that were resolved: the images that would be built for them, or were."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cargoship.cli.results.outcome import add_job_summary, document
from cargoship.cli.results.summary import summary
from cargoship.cli.session import CliSession

if TYPE_CHECKING:
    from cargoship.deploy.resolve import Prepared, Resolved


def tell_prepared(session: CliSession, prepared: Prepared) -> None:
    """What would be built and pushed, on standard output: a line for each image."""
    for _, plan in prepared.plans.values():
        platforms = ",".join(map(str, plan.platforms))
        for image in plan.images:
            names = ", ".join(str(each) for each in image.references) or image.name
            session.result(f"{image.name}: {platforms} -> {names}")


def tell_built(session: CliSession, resolved: Resolved) -> None:
    """What was built and pushed, on standard error; for programs, the records of the builds."""
    for result in resolved.results:
        add_job_summary(session, result)
        if session.json_progress:
            session.tell_result(document(result))
        else:
            session.say(summary(result, session.world.cwd, session.paint()))
