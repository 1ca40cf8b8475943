"""`cargoship cache stats`, `verify` and `gc`."""

from __future__ import annotations

import rich_click as click

from cargoship.cli.asking import options
from cargoship.cli.asking.caches import cache_argument, spec_of
from cargoship.errors import ContentInvalid

_DAYS = 30


@click.command()
@cache_argument
@options.json_option
@options.talk_options
@click.pass_context
def stats(ctx: click.Context, /, **_: object) -> None:
    """Tell what is in a cache: units, bytes, and what compiling them took.

    For this machine's own cache it also tells what else is in the same folder: standard libraries, compiler wrappers,
    base images.
    """
    from cargoship.caches import stats as stats_of
    from cargoship.cli.render import words
    from cargoship.cli.render.document import indented

    session = options.begin(ctx)
    with session.work() as context:
        found = stats_of(spec_of(ctx), context)
    if ctx.params["as_json"]:
        folders = [{"name": each.name, "entries": each.entries, "bytes": each.size} for each in found.folders]
        document = {
            "cache": found.cache,
            "units": found.units,
            "packs": found.packs,
            "plans": found.plans,
            "bytes": found.size,
            "live_bytes": found.live,
            "unpacked_bytes": found.unpacked,
            "seconds": found.seconds,
            "folders": folders,
        }
        session.result(indented(document))
        return
    live = f", of which {round(100 * found.live / found.size)}% is of use" if found.size else ""
    rows = [
        ("cache", found.cache),
        ("units", f"{found.units}, {words.size(found.unpacked)} when unpacked"),
        ("packs", f"{found.packs}, {words.size(found.size)}{live}"),
        ("plans", str(found.plans)),
        ("time", f"{found.seconds:.0f} s of compiling"),
        *((each.name, f"{each.entries}, {words.size(each.size)}") for each in found.folders),
    ]
    for name, text in rows:
        session.result(f"{name:<12}{text}")


@click.command()
@cache_argument
@click.option("--fix", is_flag=True, help="Forget damaged units: they are compiled and kept again.")
@options.json_option
@options.talk_options
@click.pass_context
def verify(ctx: click.Context, /, **_: object) -> None:
    """Read and unpack every unit of a cache, and say which are damaged.

    Damaged units are never used, with or without this command: they are compiled again.
    """
    from cargoship.caches import verify_units
    from cargoship.cli.render import words
    from cargoship.cli.render.document import indented

    session = options.begin(ctx)
    with session.work() as context:
        name, found, names = verify_units(spec_of(ctx), context, fix=ctx.params["fix"])
    damaged = [{"unit": names[key], "key": str(key), "reason": why} for key, why in sorted(found.damaged.items())]
    if ctx.params["as_json"]:
        session.result(indented({"cache": name, "units": found.units, "bytes": found.size, "damaged": damaged}))
    else:
        session.result(f"{words.count(found.units, 'unit')} whole, {words.size(found.size)} in {name}")
        for each in damaged:
            session.result(f"damaged: {each['unit']}: {each['reason']}")
    if damaged and not ctx.params["fix"]:
        raise ContentInvalid(
            f"damaged in {name}: {len(damaged)} of {words.count(found.units + len(damaged), 'unit')}",
            hint="they are not used; --fix forgets them",
        )


@click.command()
@cache_argument
@click.option("--max-size", metavar="SIZE", default="10GiB", show_default=True, help="What packs may have together.")
@click.option(
    "--keep-plans", type=click.IntRange(min=1), metavar="N", help="Keep only what the last N different builds used."
)
@click.option(
    "--days", type=click.IntRange(min=0), metavar="N", default=_DAYS, show_default=True,
    help="Remove standard libraries and compiler wrappers of this machine that were not used for so long.",
)  # fmt: skip
@options.json_option
@options.talk_options
@click.pass_context
def gc(ctx: click.Context, /, **_: object) -> None:
    """Bound a cache: remove the units that were not used for longest, and rewrite packs that are mostly of no use.

    Builds of other processes and machines may go on meanwhile; what they save stays.
    """
    from cargoship.caches import collect_garbage
    from cargoship.cli.render import words
    from cargoship.cli.render.document import indented
    from cargoship.settings.cache import size_of
    from cargoship.unitcache.care.collection import Rules

    session = options.begin(ctx)
    rules = Rules(size_of(ctx.params["max_size"]), ctx.params["keep_plans"])
    with session.work() as context:
        gone = collect_garbage(spec_of(ctx), context, rules, days=ctx.params["days"])
    done = gone.collected
    if ctx.params["as_json"]:
        document = {
            "units": done.units,
            "bytes": done.size,
            "units_removed": done.units_before - done.units,
            "bytes_removed": done.size_before - done.size,
            "packs_rewritten": done.rewritten,
            "other_bytes_removed": gone.freed,
        }
        session.result(indented(document))
        return
    session.result(
        f"{words.count(done.units, 'unit')} kept, {words.size(done.size)}; "
        f"{done.units_before - done.units} went, {words.size(max(done.size_before - done.size, 0))}"
    )
    if gone.freed:
        session.result(f"{words.size(gone.freed)} of standard libraries, wrappers and runtimes went")
