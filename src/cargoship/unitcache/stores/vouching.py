"""Stores opened so that only what somebody trusted has signed is taken, and what is saved is signed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from cargoship.context import Context
from cargoship.errors import CacheUnavailable
from cargoship.events import Level, Note
from cargoship.settings.cache import CacheOptions
from cargoship.unitcache.stores.store import LocalStore, Store
from cargoship.unitcache.stores.trust import THIS_MACHINE, TrustedSigners, machine_signer, open_saver, open_trust
from cargoship.unitcache.stores.trusted import TrustedFolder, TrustedStore

if TYPE_CHECKING:
    from cargoship.signing.signer import Signer


class Vouching(Struct, frozen=True):
    """Who is trusted in this run, and who signs."""

    trust: TrustedSigners
    signer: Signer | None
    context: Context

    @classmethod
    def of(cls, options: CacheOptions, context: Context, *, saves: bool) -> Vouching:
        """What options say; with `saves` something may be written that others read. Raises SigningFailed."""
        trust = open_trust(options.trust, env=context.env, cwd=context.cwd)
        signer = None
        if saves and options.sign is not None:
            signer = open_saver(options.sign, env=context.env, cwd=context.cwd)
        elif saves:
            why = "units are saved without a signature: others that ask for one compile them"
            context.emit(Note(f"{why} (cache-sign)", Level.VERBOSE))
        if signer is not None and signer.key is not None:
            trust = trust.with_key(str(options.sign), signer.key.public)
        return cls(trust, signer, context)

    def folder(self, store: LocalStore, *, shared: bool) -> LocalStore:
        """The folder of this machine, in which the machine's own key counts too.

        With `shared` others read it, so who signs for them signs there. Otherwise an identity does not: each of its
        signatures is in a public log for ever.
        """
        try:
            own = machine_signer(self.context.cache_dir, make=store.writable)
        except CacheUnavailable as error:
            self.context.emit(Note(f"{error.message}; units of this machine are not taken", Level.WARNING))
            own = None
        trust = self.trust if own is None else self.trust.with_key(THIS_MACHINE, own.key.public)
        signs = self.signer is not None and (shared or self.signer.key is not None)
        keyed = self.signer if signs else own
        return TrustedFolder(store, trust, keyed, self._say)

    def store(self, store: Store) -> Store:
        """A store that is far away."""
        return TrustedStore(store, self.trust, self.signer, self._say)

    def _say(self, text: str) -> None:
        self.context.emit(Note(text))
