"""How much is measured."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from bench import filling
from bench.serving import Instance, Running, serving

PENDING = 60_000
PENDING_A_SECOND = 1500  # more than are confirmed


@dataclass(frozen=True)
class Plan:
    """How many rounds of how many seconds, on how many signatures, where filled databases are kept,
    and how many web processes serve (0: as many as `letter serve` has by itself)."""

    rounds: int
    seconds: float
    signatures: int
    cache: Path
    processes: int = 0

    @property
    def pending(self) -> int:
        """How many signatures wait to be confirmed, so that a measurement has enough of them."""
        kept = PENDING if self.signatures > PENDING else 0  # mostly the same, so that one filled file serves many calls
        return max(kept, int(self.rounds * self.seconds * PENDING_A_SECOND))

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Give a new folder, on the same disk as the cache, that is gone afterwards."""
        self.cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="run-", dir=self.cache) as folder:
            yield Path(folder)

    @contextmanager
    def instance(
        self, environ: Mapping[str, str] = MappingProxyType({}), *, signatures: int = 0, pending: int = 0
    ) -> Iterator[Instance]:
        """Give a filled instance on SQLite that is gone afterwards."""
        with self.folder() as folder:
            many = signatures or self.signatures
            yield filling.filled(self.cache, folder / "instance", many, pending or self.pending, environ)

    def serving(self, instance: Instance, *arguments: str) -> AbstractContextManager[Running]:
        """Give `letter serve` on an instance."""
        more = ["--processes", str(self.processes)] * bool(self.processes)
        return serving(instance, *arguments, *more)
