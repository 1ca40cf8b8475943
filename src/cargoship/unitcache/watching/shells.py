"""What a shell looks at for the sake of its commands, as their text says: variables, the clock, random numbers. Pure.

A shell reads all variables when it starts, and some look at the clock and the machine's name, whether the commands have
a use for that or not. Commands name what they use (POSIX, Shell Command Language, section 2.6; bash(1), EXPANSION).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

SHELLS = frozenset({"dash", "bash", "sh"})
IMPLIED = frozenset({"ENV", "CDPATH", "PS4", "POSIXLY_CORRECT"})
"""Variables that a shell uses though no command names them; what it finds by PATH is seen."""
IMPLIED_IN_BASH = frozenset(
    {"BASH_ENV", "BASHOPTS", "SHELLOPTS", "BASH_COMPAT", "GLOBIGNORE", "EXECIGNORE", "TMOUT", "FUNCNEST"}
    | {"LANG", "LC_ALL", "LC_COLLATE", "LC_CTYPE", "LC_MESSAGES", "LC_NUMERIC"}
)
_UNCLEAR = re.compile(
    r"\b(?:eval|source|compgen|declare|typeset|let|mapfile|readarray|coproc)\b"
    # the commands of another file, after `command`, an assignment or anything else: a word that is a dot
    r"|(?:^|[\s;&|({`!])[\"'\\]?\.[\"']?[ \t]"
    # what prints all variables
    r"|\b(?:set|export|readonly)[ \t]*(?:$|[;&|)>`}]|-p)|\blocal[ \t]+-"
    # names that are put together, and numbers that may be names
    r"|\$\{!|\$\{\w+@|\(\(|\$\[|-v\b|\[\[[^\n]*-(?:eq|ne|lt|le|gt|ge)\b|\$\{\w+\[|\$\{\w+:[ \t]*[\w($]",
    re.MULTILINE,
)
_BEFORE_A_COMMAND = (
    r"(?:^|[;&|({`!]|\b(?:then|do|else|elif|if|while|until|time|command|builtin)\b)[ \t]*"
    r"(?:\w+=(?:[^\s\"']|'[^']*'|\"(?:[^\"\\]|\\.)*\")*[ \t]+)*\"?"
)
_COMMAND_BY_NAME = re.compile(_BEFORE_A_COMMAND + r"(?:\$\{?[A-Za-z_]|\$\(|`[^\s`])", re.MULTILINE)
"""A command whose name is what a variable or another command says: it may be `eval` or `source`."""
_COMMAND_BY_NUMBER = re.compile(_BEFORE_A_COMMAND + r"\$\{?[@*\d]", re.MULTILINE)
_SETS_NUMBERS = re.compile(r"\bset[ \t]+(?![^\n;&|]*\$\{?[@1])[^\n]*--|\balias\b")
_HERE = re.compile(r"<<-?[ \t]*[\"']?(\w+)[\"']?[^\n]*\n(?:(?!\$\(|`).)*?^[ \t]*\1$", re.MULTILINE | re.DOTALL)
"""Here-documents in which no commands are."""
_WHOLE = re.compile(r"\\.|'[^']*'|\"(?:[^\"\\]|\\.)*\"")
"""Strings that end in their line, and characters that stand for themselves."""
_OPENS = re.compile(r"[\"'`]")
_HOME = re.compile(r"~|\bcd\b")
_USED = re.compile(r"\$\{?#?([A-Za-z_]\w*)")
_WORD = re.compile(r"\b[A-Za-z_]\w*")
_CLOCK = re.compile(r"EPOCH|SECONDS|%[-\d]*\(")
_TELLING = {
    "C": _CLOCK,
    "t": _CLOCK,
    "R": re.compile(r"RANDOM"),
    "H": re.compile(r"HOSTNAME|MACHTYPE|\\[hH]"),
    "P": re.compile(r"UID|USER|GROUPS|~|\\u"),
}


def variables_used(texts: Iterable[str], *, bash: bool) -> frozenset[str] | None:
    """The names of all variables that commands may use; None where that cannot be told.

    With `bash`, also what that shell uses for itself, and variables in which it is given functions of others.
    """
    found = set(IMPLIED | (IMPLIED_IN_BASH if bash else frozenset()))
    for text in texts:
        plain = _commands(text)
        if _UNCLEAR.search(plain) or _COMMAND_BY_NAME.search(_HERE.sub("", plain)):
            return None
        # what a wrapper is given begins with the compiler
        if _COMMAND_BY_NUMBER.search(plain) and _SETS_NUMBERS.search(plain):
            return None
        words = set(_WORD.findall(plain))
        # without a dollar sign: where a shell takes a word for a name
        found |= set(_USED.findall(plain)) | {word for word in words if word.upper() == word and len(word) > 1}
        if _HOME.search(plain):
            found.add("HOME")
        if bash:
            found |= {f"BASH_FUNC_{word}%%" for word in words}
    return frozenset(found)


def uses(kind: str, texts: Iterable[str]) -> bool:
    """Whether commands use the clock ("C", "t"), random numbers ("R"), the machine's name ("H") or the user's ("P")."""
    return any(_TELLING[kind].search(_commands(text)) for text in texts)


def _commands(text: str) -> str:
    """The text without lines of comments.

    In a string or a here-document such a line is none, and a shell puts variables into it: after anything that may be
    the begin of one all lines stay.
    """
    kept = []
    may_be_open = False
    # a shell knows no other end of a line
    for line in text.split("\n"):
        if may_be_open or not line.lstrip(" \t").startswith("#"):
            kept.append(line)
            rest = _WHOLE.sub("", line)
            may_be_open = may_be_open or "<<" in line or line.endswith("\\") or _OPENS.search(rest) is not None
    return "\n".join(kept)
