"""What the documentation tells to type: every command, setting, document and snippet, and where its links lead."""

from __future__ import annotations

import ast
import builtins
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from cargoship.cli.documenting.every_command import idle_session
from cargoship.settings.fields import BY_KEY

REPOSITORY = Path(__file__).parents[2]
ROOT_PAGES = sorted(REPOSITORY.glob("*.md"))
DOCS = sorted(path for path in (REPOSITORY / "docs").rglob("*.md") if "decisions" not in path.parts)
PAGES = [REPOSITORY / "README.md", *DOCS]
_BLOCK = re.compile(r"^( *)```([a-z]*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)")
_ENDS = {"&&", "||", ";", "|", "<", ">", "2>", "&", "..."}


def named(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def code_blocks(page: Path, *languages: str) -> list[str]:
    """Code blocks, without what they are indented by."""
    found = _BLOCK.findall(page.read_text(encoding="utf-8"))
    return [re.sub(f"(?m)^{indent}", "", text) for indent, language, text in found if language in languages]


def commands(page: Path) -> Iterator[list[str]]:
    """The words of each cargoship command, those in $(...) too."""
    for block in code_blocks(page, "", "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            for text in (line, *re.findall(r"\$\((cargoship [^)]*)\)", line)):
                found = re.match(r"\s*(?:[A-Z_]+=\S+ )*cargoship (.*)", text)
                if found:
                    words = shlex.split(found[1], comments=True)
                    yield words[: min((at for at, word in enumerate(words) if word in _ENDS), default=len(words))]


@pytest.mark.parametrize("page", [page for page in PAGES if any(commands(page))], ids=named)
def test_every_command_of_a_page_is_understood(page: Path) -> None:
    """As click reads it: options with the values that they take, and all arguments that are wanted."""
    for words in commands(page):
        ctx, rest = idle_session(), words
        while isinstance(ctx.command, click.Group) and rest and not rest[0].startswith("-"):
            name, command, rest = ctx.command.resolve_command(ctx, rest)
            assert command is not None, words
            if isinstance(command, click.Group):
                ctx = click.Context(command, info_name=name, parent=ctx)
                continue
            try:
                command.make_context(name, list(rest), parent=ctx)
            except click.exceptions.Exit:  # --help and --version
                pass
            except click.ClickException as error:
                pytest.fail(f"cargoship {' '.join(words)}: {error.format_message()}")
            break


@pytest.mark.parametrize("page", [page for page in PAGES if code_blocks(page, "toml")], ids=named)
def test_every_setting_of_a_page_is_taken(page: Path) -> None:
    for block in code_blocks(page, "toml"):
        document = tomllib.loads(block)
        tables = [document.get(kind, {}).get("metadata", {}).get("cargoship", {}) for kind in ("package", "workspace")]
        if document.keys().isdisjoint({"package", "workspace", "dependencies", "profile", "bin", "build", "rule"}):
            # settings alone
            tables.append(document)
        for table in tables:
            for key, value in table.items():
                assert key in BY_KEY, (key, block)
                BY_KEY[key].spec.kind.parse(value)


@pytest.mark.parametrize("page", [page for page in PAGES if code_blocks(page, "yaml")], ids=named)
def test_every_document_of_a_page_is_yaml(page: Path) -> None:
    for block in code_blocks(page, "yaml"):
        assert list(yaml.safe_load_all(block)), block


@pytest.mark.parametrize("page", [page for page in PAGES if code_blocks(page, "python")], ids=named)
def test_every_snippet_of_a_page_is_python(page: Path) -> None:
    for block in code_blocks(page, "python"):
        compile(block, named(page), "exec")


@pytest.mark.parametrize("page", [page for page in PAGES if code_blocks(page, "python")], ids=named)
def test_every_name_of_a_snippet_comes_from_that_page(page: Path) -> None:
    """From this snippet or one before it."""
    known = {*dir(builtins)}
    for block in code_blocks(page, "python"):
        nodes = list(ast.walk(ast.parse(block)))
        known |= {
            each.asname or each.name
            for node in nodes
            if isinstance(node, ast.ImportFrom | ast.Import)
            for each in node.names
        }
        known |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ExceptHandler) and node.name}
        known |= {node.arg for node in nodes if isinstance(node, ast.arg)}
        known |= {node.name for node in nodes if isinstance(node, ast.MatchAs) and node.name}
        known |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        used = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
        assert used <= known, (used - known, block)


def test_what_is_said_to_people_names_pages_of_the_site_and_no_files_of_the_sources() -> None:
    """Hints named docs/settings.md, which nobody has who has installed a wheel."""
    site = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["urls"]["Documentation"]
    for path in sorted((REPOSITORY / "src").rglob("*.py")):
        for text in said(ast.parse(path.read_text(encoding="utf-8"))):
            assert not re.search(r"docs/[\w-]+\.md", text), (named(path), text)
            for page in re.findall(re.escape(site) + r"([\w/-]*)", text):
                assert (REPOSITORY / "docs" / f"{page.strip('/') or 'index'}.md").is_file(), (named(path), text)


def said(tree: ast.Module) -> Iterator[str]:
    """Texts that are no docstrings."""
    described = {
        statement.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        for statement in node.body
        if isinstance(statement, ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in described:
            yield node.value


def slugs(page: Path) -> set[str]:
    """The anchors of a page, as GitHub and the site make them of headings."""
    text = _BLOCK.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ +(.*?) *#*$", text, re.MULTILINE)
    plain = [re.sub(r"\[([^]]*)\]\([^)]*\)|[`*]", r"\1", each) for each in headings]
    return {re.sub(r"[^\w\- ]", "", each.lower()).strip().replace(" ", "-") for each in plain}


@pytest.mark.parametrize("page", [*ROOT_PAGES, *DOCS], ids=named)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = _BLOCK.sub("", page.read_text(encoding="utf-8"))
    for place, anchor in _LINK.findall(text):
        if re.match(r"[a-z]+:", place):
            continue
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), place
        if anchor and target.suffix == ".md":
            assert anchor in slugs(target), f"{place}#{anchor}"
