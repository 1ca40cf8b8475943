"""What to write in place of options that were written wrongly: without a value, with one, misspelt, another tool's."""

from __future__ import annotations

import itertools
import re

import click

from cargoship.cli.failing.strangers import STRANGE_OPTIONS, in_place_of, in_place_of_target
from cargoship.errors import PlatformUnknown, UsageError
from cargoship.suggest import nearest_word

_REFERENCE = re.compile(
    r"(localhost|[\w-]+(\.[\w-]+)+)(:\d+)?/[\w./-]+(:[\w.-]+|@sha256:\w+)?|[\w.-]+(/[\w.-]+)*:[\w.-]+"
)
# what a hint begins with; not every command has it
_FIRST_OPTION = re.compile(r"write (--?[a-z][a-z-]*)")
_EXTRA = re.compile(r"Got unexpected extra arguments? \((\S+).*\)")
_TRIPLE = re.compile(r"\w+-\w+-(linux|darwin|windows|android)(-\w+(\.\d+\.\d+)?)?")


def corrected(error: click.UsageError) -> tuple[str, str | None] | None:
    """What is wrong with an option, and what to write; None for what is no option's fault."""
    command = None if error.ctx is None else error.ctx.command
    match error:
        case click.NoSuchOption(option_name=name):
            return _unknown(name, error.ctx)
        case click.BadOptionUsage(option_name=name):
            found = [each for each in ([] if command is None else command.params) if name in each.opts]
            for option in found:
                if isinstance(option, click.Option) and option.is_flag:
                    return f"{name} takes no value", f"write {name} alone"
                return f"{name} needs a value", _how_to_write(name, option)
        case click.BadParameter(param=click.Option(type=click.IntRange(min=int(least))) as option):
            # click's own words are of ranges, and name the option twice
            name, (given, *_) = max(option.opts, key=len), error.message.partition(" is not")
            return f"{name}: {given} is not a whole number of at least {least}", _how_to_write(name, option)
        case click.UsageError(message=words) if (extra := _EXTRA.match(words)) is not None:
            names = [each for option in ([] if command is None else command.params) for each in option.opts]
            return (words[0].lower() + words[1:], f"write -f {extra[1]}") if "--filename" in names else None
        case _:
            pass
    return None


def _unknown(name: str, ctx: click.Context | None) -> tuple[str, str | None]:
    """What to write in place of an option that the command does not have."""
    found = [] if ctx is None else ctx.command.params
    names = [each for option in found for each in option.opts]
    if name in STRANGE_OPTIONS:
        hint = in_place_of(name, _given(name, ctx))
        first = _FIRST_OPTION.match(hint)
        if first is None or first[1] in names:
            return f"no such option {name}", hint
        formats = [each.type for each in found if "--format" in each.opts]
        if name == "--json" and any(isinstance(each, click.Choice) and "json" in each.choices for each in formats):
            return f"no such option {name}", "write --format json"
    if name == "--manifest-path" and "--project" in names:
        return f"no such option {name}", f"write --project {_given(name, ctx) or 'FOLDER'}"
    if name == "--manifest-path" and any("PATH" in (each.metavar or "") for each in found):
        return f"no such option {name}", "name the project's folder, or its Cargo.toml, as an argument"
    close = nearest_word(name, [each for each in names if each.startswith("--")])
    return f"no such option {name}" + (f"; did you mean {close}?" if close else ""), None


def _given(name: str, ctx: click.Context | None) -> str | None:
    """The value that an option without a meaning here was written with: after a `=`, or as the next word."""
    words = list(getattr(None if ctx is None else ctx.obj, "words", ()))
    for word, following in itertools.zip_longest(words, words[1:], fillvalue=""):
        if word.startswith(f"{name}="):
            return word.removeprefix(f"{name}=") or None
        if word == name:
            return None if following.startswith("-") else following or None
    return None


def check_values(ctx: click.Context) -> None:
    """Refuse what was meant as an option and became the value of one, and values of nothing; raises UsageError."""
    names = {name for each in ctx.command.params if isinstance(each, click.Option) for name in each.opts}
    for option in ctx.command.params:
        if not isinstance(option, click.Option) or option.is_flag or option.count:
            continue
        value = ctx.params.get(option.name or "")
        for text in value if isinstance(value, tuple) else (value,):
            shown = max(option.opts, key=len)
            # a program that is started by the way has options of its own
            if text in names and option.name != "smoke":
                raise UsageError(f"{shown} needs a value, and {text} is an option", hint=_how_to_write(shown, option))
            if option.name == "platforms" and isinstance(text, str) and not text.strip(", "):
                raise UsageError(f"{shown} names nothing", hint=_how_to_write(shown, option))
            if option.name == "platforms" and isinstance(text, str):
                _refuse_triples(text)


def _refuse_triples(platforms: str) -> None:
    """Raise PlatformUnknown for one of Rust's targets where a platform is wanted."""
    for each in (one.strip() for one in platforms.split(",")):
        if _TRIPLE.fullmatch(each):
            raise PlatformUnknown(f"{each} is a target of Rust, and no platform", hint=in_place_of_target(each))


def check_project(text: str) -> None:
    """Refuse an image's name where a folder is wanted, of a path that is not there; raises UsageError."""
    if _REFERENCE.fullmatch(text):
        raise UsageError(f"there is no folder {text}", hint=f"where it is to be the image's name, write -t {text}")


def _how_to_write(name: str, option: click.Parameter) -> str:
    """Such as `write --tag REFERENCE`, and what that is."""
    if isinstance(option.type, click.Choice):
        return f"write {name} with one of {', '.join(option.type.choices)}"
    help_ = option.help if isinstance(option, click.Option) else None
    about = re.sub(r" *\[default.*|; may be repeated.*", "", help_ or "")
    return f"write {name} {option.metavar or 'VALUE'}: {about[:1].lower() + about[1:].rstrip('.')}"
