"""Completion in shells: how bash, zsh and fish ask, and how they are answered. `offers` has the answers.

click resolves which parameter is meant. The scripts are ours, for click's leave bash's way of taking `oci:x` and `a=b`
apart to chance, and cut values at their first comma in fish. Each hands over the line up to the cursor, in COMP_LINE.
Sources: bash, "Programmable Completion"; zshcompsys(1) and zshcompwid(1); fish, complete(1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from click.shell_completion import CompletionItem, ShellComplete, split_arg_string

if TYPE_CHECKING:
    import click

    from cargoship.cli.session import CliSession

_BREAKS = ":="


class _Completion(ShellComplete):
    """What the shells have in common."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the one at the cursor, and what there is of that."""
        line = self._env("COMP_LINE")
        words = split_arg_string(line)
        last = words.pop() if words and not line[-1:].isspace() else ""
        return words[1:], last

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        """As click has it, and `--option=VALUE` as the one word that it is."""
        found = super().get_completions(args, incomplete)
        name, equals, _ = incomplete.partition("=")
        if not equals or not name.startswith("-"):
            return found
        return [CompletionItem(name + equals + each.value, type=each.type, help=each.help) for each in found]

    def format_completion(self, item: CompletionItem[str]) -> str:
        """A line: the kind, the value, and what it means."""
        help_ = " ".join((item.help or "").split())
        return f"{item.type}\t{item.value}\t{help_}"

    def _env(self, name: str) -> str:
        session: CliSession = self.ctx_args["obj"]
        return session.world.env.get(name, "")


class Bash(_Completion):
    """A value that holds `:` or `=` is several words for bash, of which it replaces the last."""

    name: ClassVar[str] = "bash"
    source_template: ClassVar[str] = """\
%(complete_func)s() {
    local kind value help
    COMPREPLY=()
    while IFS=$'\\t' read -r kind value help; do
        case $kind in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            open) compopt -o nospace; COMPREPLY+=("$value") ;;
            plain) COMPREPLY+=("$value") ;;
        esac
    done < <(COMP_LINE=${COMP_LINE:0:COMP_POINT} COMP_WORDBREAKS=$COMP_WORDBREAKS %(complete_var)s=bash_complete "$1")
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        """What bash puts in place of the last of its words."""
        breaks = [each for each in _BREAKS if each in self._env("COMP_WORDBREAKS")]
        kept = max((incomplete.rfind(each) + 1 for each in breaks), default=0)
        found = super().get_completions(args, incomplete)
        return [CompletionItem(each.value[kept:], type=each.type) for each in found]


class Zsh(_Completion):
    """Values with what they mean beside them."""

    name: ClassVar[str] = "zsh"
    source_template: ClassVar[str] = """\
#compdef %(prog_name)s
%(complete_func)s() {
    local typed="${(j: :)words[1,CURRENT-1]} $PREFIX" line kind value help
    local -a closed closed_shown open open_shown
    for line in "${(@f)$(COMP_LINE=$typed %(complete_var)s=zsh_complete ${words[1]})}"; do
        kind=${line%%%%$'\\t'*} line=${line#*$'\\t'}
        value=${line%%%%$'\\t'*} help=${line#*$'\\t'}
        case $kind in
            dir) [[ $PREFIX != --*=* ]] || compset -P '*='; _path_files -/ ;;
            file) [[ $PREFIX != --*=* ]] || compset -P '*='; _path_files ;;
            open) open+=("$value") open_shown+=("$value${help:+  -- $help}") ;;
            plain) closed+=("$value") closed_shown+=("$value${help:+  -- $help}") ;;
        esac
    done
    (( $#open )) && compadd -V unsorted -S '' -l -d open_shown -a open
    (( $#closed )) && compadd -V unsorted -l -d closed_shown -a closed
    return 0
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    compdef %(complete_func)s %(prog_name)s
fi
"""


class Fish(_Completion):
    """fish sets no space after a value that ends in `/`, `:`, `=` and their like."""

    name: ClassVar[str] = "fish"
    source_template: ClassVar[str] = """\
function %(complete_func)s
    set -l typed (commandline -cp | string collect)
    set -l words (commandline -opc)
    set -l option (string match -r '^--[^=]*=' -- (commandline -ct))
    set -l path (string replace -- "$option" '' (commandline -ct))
    COMP_LINE=$typed %(complete_var)s=fish_complete $words[1] | while read -l -d \\t kind value help
        switch $kind
            case dir
                __fish_complete_directories $path | string replace -r '^' "$option"
            case file
                __fish_complete_path $path | string replace -r '^' "$option"
            case open plain
                printf '%%s\\t%%s\\n' $value $help
        end
    end
end
complete --command %(prog_name)s --no-files --keep-order --arguments '(%(complete_func)s)'
"""


_SHELLS = {shell.name: shell for shell in (Bash, Zsh, Fish)}


def complete(commands: click.Group, variable: str, session: CliSession) -> int:
    """Write what a variable asks for: a shell's script, or what may stand at the cursor. 1 for an unknown shell."""
    name, _, what = session.world.env[variable].partition("_")
    shell = _SHELLS.get(name)
    if shell is None or what not in {"source", "complete"}:
        return 1
    asked = shell(commands, {"obj": session}, "cargoship", variable)
    session.world.stdout.write(asked.source() if what == "source" else asked.complete() + "\n")
    return 0
