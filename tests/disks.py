"""A small disk that can be full or read-only: a tmpfs where mounting is allowed, else limits and modes do."""

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

BYTES = 3 * 1024 * 1024
PIECE = b"\0" * 4096


class Disk:
    """A folder whose disk can be filled and protected."""

    def __init__(self, folder: Path, *, is_mounted: bool) -> None:
        self.folder, self.is_mounted = folder, is_mounted

    def fill(self) -> None:
        """Leave not a byte free; without a disk of its own, let no file grow beyond the shortest log there is."""
        if not self.is_mounted:
            size = min(file.stat().st_size for file in self.folder.glob("*.sqlite3*") if file.stat().st_size)
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
            return
        with suppress(OSError), (self.folder / "ballast").open("wb", buffering=0) as ballast:
            while ballast.write(PIECE):
                pass

    def free(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        (self.folder / "ballast").unlink(missing_ok=True)

    def protect(self) -> None:
        """Let nothing be written any more, as after a fault of the disk. Files that are open for writing prevent it."""
        if self.is_mounted:
            self._remount("ro")
        else:
            for path in (*self.folder.iterdir(), self.folder):
                path.chmod(0o500 if path.is_dir() else 0o400)

    def release(self) -> None:
        if self.is_mounted:
            self._remount("rw")
        else:
            for path in (self.folder, *self.folder.iterdir()):
                path.chmod(0o700 if path.is_dir() else 0o600)

    def _remount(self, how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", str(self.folder)], check=True)


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    """A disk of three megabytes at `folder`, until the end of the block."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={BYTES},mode=0700", "tmpfs", str(folder)]
    is_mounted = os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0
    disk = Disk(folder, is_mounted=is_mounted)
    try:
        yield disk
    finally:
        disk.free()
        if is_mounted:
            subprocess.run(["umount", "-l", str(folder)], check=False)
