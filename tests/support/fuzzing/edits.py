"""What can happen to a file, to a folder's list, and to a variable."""

from __future__ import annotations

import os
from pathlib import Path

from support.fuzzing.site import Edit, Site, remove, rewrite

HALF = 0.5
_LONG_S = 400_000_000


class _File:
    """A file that edits change; each does something also where another one has removed it."""

    def __init__(self, site: Site, path: Path) -> None:
        self._site = site
        self._path = path
        self._first = path.read_text() if path.is_file() else site.word()

    def content(self) -> str:
        rewrite(self._path, self._site.word())
        return f"other content in {self._path.name}"

    def kept_time(self) -> str:
        rewrite(self._path, self._site.word(), time=True)
        return f"other content in {self._path.name}, kept time and size"

    def other_time(self) -> str:
        moved_s = self._site.chance.choice((-_LONG_S, _LONG_S, 90))
        rewrite(self._path, self._site.word(), moved_s=moved_s)
        return f"other content in {self._path.name}, of {'the past' if moved_s < 0 else 'the future'}"

    def touched(self) -> str:
        if not self._path.is_file():
            return self.content()
        os.utime(self._path)
        return f"{self._path.name} is touched"

    def back(self) -> str:
        rewrite(self._path, self._first, time=self._site.chance.random() < HALF)
        return f"{self._path.name} as it was at first"

    def longer(self) -> str:
        rewrite(self._path, self._site.word() * self._site.chance.randint(2, 9))
        return f"a longer {self._path.name}"

    def mode(self) -> str:
        if not self._path.is_file():
            return self.content()
        self._path.chmod(self._path.stat().st_mode ^ 0o100)
        return f"{self._path.name} can be started, or no more"

    def gone(self) -> str:
        if not os.path.lexists(self._path):
            return self.content()
        remove(self._path)
        return f"{self._path.name} is removed"

    def folder(self) -> str:
        remove(self._path)
        self._path.mkdir()
        return f"{self._path.name} becomes a folder"

    def relinked(self) -> str:
        other = self._path.with_name(self._path.name + self._site.word())
        other.write_text(self._site.chance.choice((self._first, self._site.word())))
        remove(self._path)
        self._path.symlink_to(other.name)
        return f"{self._path.name} becomes a link"

    def dangling(self) -> str:
        remove(self._path)
        self._path.symlink_to(self._site.word())
        return f"{self._path.name} becomes a link to nothing"


class _Folder:
    """A folder that edits change, with a file in it."""

    def __init__(self, site: Site, folder: Path) -> None:
        self._site = site
        self._folder = folder
        self._elsewhere = folder.with_name(f"{folder.name}-elsewhere")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "first.txt").write_text(site.word())

    def added(self) -> str:
        if not self._folder.is_dir():
            return self.there()
        (self._folder / f"{self._site.word()}.txt").write_text(self._site.word())
        return f"a file more in {self._folder.name}"

    def moved(self) -> str:
        entries = sorted(self._folder.iterdir()) if self._folder.is_dir() else []
        if not entries:
            return self.added()
        self._site.chance.choice(entries).rename(self._folder / self._site.word())
        return f"a file of {self._folder.name} is renamed"

    def removed(self) -> str:
        files = self._files("*")
        if not files:
            return self.added()
        self._site.chance.choice(files).unlink()
        return f"a file less in {self._folder.name}"

    def below(self) -> str:
        if not self._folder.is_dir():
            return self.there()
        inner = self._folder / self._site.word()
        inner.mkdir()
        if self._site.chance.random() < HALF:
            (inner / "inner.txt").write_text(self._site.word())
        return f"a folder more in {self._folder.name}"

    def content(self) -> str:
        files = self._files("**/*")
        if not files:
            return self.added()
        rewrite(self._site.chance.choice(files), self._site.word(), time=self._site.chance.random() < HALF)
        return f"other content in a file of {self._folder.name}"

    def there(self) -> str:
        remove(self._folder)
        if self._elsewhere.is_dir():
            self._elsewhere.rename(self._folder)
        else:
            self._folder.mkdir()
        return f"the folder {self._folder.name} is there again"

    def away(self) -> str:
        if not self._folder.is_dir():
            return self.there()
        remove(self._elsewhere)
        self._folder.rename(self._elsewhere)
        if self._site.chance.random() < HALF:
            self._folder.symlink_to(self._elsewhere.name)
            return f"the folder {self._folder.name} becomes a link"
        return f"the folder {self._folder.name} is renamed"

    def _files(self, pattern: str) -> list[Path]:
        return [each for each in sorted(self._folder.glob(pattern)) if each.is_file()]


def changing(site: Site, path: Path) -> list[Edit]:
    """Everything that can happen to a file."""
    file = _File(site, path)
    often = [file.content, file.kept_time, file.gone]
    seldom = [file.other_time, file.touched, file.back, file.longer, file.mode]
    return [*often, *often, *seldom, file.folder, file.relinked, file.dangling]


def listed(site: Site, folder: Path) -> list[Edit]:
    """Everything that can happen to a folder's list."""
    each = _Folder(site, folder)
    return [each.added, each.moved, each.removed, each.below, each.content, each.away, each.there]


def setting(site: Site, name: str) -> Edit:
    def edit() -> str:
        if site.env.pop(name, None) is not None and site.chance.random() < 0.3:
            return f"{name} is unset"
        site.env[name] = site.word()
        return f"{name} is set"

    return edit
