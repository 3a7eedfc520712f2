"""Which weights a result was measured on, so that a result of other weights is recognised as old."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sanetune.gate.identity import hash_file, hub_commit

SUFFIXES = (".safetensors", ".json", ".jinja", ".model", ".txt", ".py")
"""Files of a model's folder that can change what it answers."""


@dataclass(frozen=True, slots=True)
class FileStamp:
    """One file as it was.

    Attributes:
        name: Its name in the folder.
        hash: Of its content.
        size: In bytes.
        modified: When it was last written, in nanoseconds, as text.
    """

    name: str
    hash: str
    size: int
    modified: str

    @classmethod
    def of(cls, path: Path) -> FileStamp:
        """Read a file.

        Raises:
            OSError: It cannot be read.
        """
        found = path.stat()
        return cls(path.name, str(hash_file(path)["hash"]), found.st_size, str(found.st_mtime_ns))

    def still(self, path: Path) -> bool:
        """Whether ``path`` has the same content; it is read only where its time of writing is another."""
        try:
            found = path.stat()
            if found.st_size != self.size:
                return False
            return str(found.st_mtime_ns) == self.modified or hash_file(path)["hash"] == self.hash
        except OSError:
            return False


@dataclass(frozen=True, slots=True)
class WeightsStamp:
    """The files of a model, or its commit on the Hub.

    Attributes:
        name: Folder or id.
        commit: On the Hub; "": it is a folder, or the Hub did not say.
        files: Those of a folder, by name.
    """

    name: str
    commit: str = ""
    files: tuple[FileStamp, ...] = ()

    @classmethod
    def of(cls, name: str, revision: str | None = None) -> WeightsStamp:
        """Return the stamp of a model as it is now.

        Args:
            name: Folder or id on the Hub.
            revision: Of the Hub.

        Raises:
            OSError: A file cannot be read.
        """
        folder = Path(name)
        if folder.is_dir():
            return cls(name, "", tuple(FileStamp.of(path) for path in _files(folder)))
        return cls(name, str(hub_commit(name, revision, "model").get("commit") or ""))

    def still(self, name: str, revision: str | None = None) -> bool:
        """Whether the model ``name`` has these weights; a folder that was moved with its files is the same model.

        The Hub is not asked: there a pinned commit counts, else the id.
        """
        folder = Path(name)
        if not folder.is_dir():
            pinned = revision if revision and len(revision) == 40 else ""
            return name == self.name and (not pinned or not self.commit or pinned == self.commit)
        paths = {path.name: path for path in _files(folder)}
        stamps = {one.name: one for one in self.files}
        return bool(stamps) and paths.keys() == stamps.keys() and all(stamps[at].still(paths[at]) for at in paths)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES and path.is_file())
