"""Our built JavaScript and styles under addresses that change with their content."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from pathlib import Path

from tornado.web import HTTPError, RequestHandler

_SMALLEST_GZIPPED_BYTES = 500
_YEAR_SECONDS = 365 * 24 * 3600


class Assets:
    """The files of one folder, by a version that is the hash of all of them."""

    def __init__(self, folder: Path) -> None:
        self._files = {
            path.relative_to(folder).as_posix(): path
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.suffix != ".gz"
        }
        digest = hashlib.sha256()
        for name, path in self._files.items():
            digest.update(f"{name}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
        self.version = digest.hexdigest()[:12]
        self._loaded: dict[str, tuple[bytes, bytes | None]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def load(self, name: str) -> tuple[bytes, bytes | None]:
        """Return a file's bytes, and those bytes gzipped where that is worth it.

        Only files found at the start are served, so a name cannot lead out of the folder.
        """
        if name not in self._loaded:
            path = self._files[name]
            plain = path.read_bytes()
            packed = path.with_name(path.name + ".gz")
            if packed.is_file():
                zipped: bytes | None = packed.read_bytes()
            elif len(plain) >= _SMALLEST_GZIPPED_BYTES:
                zipped = gzip.compress(plain, 9, mtime=0)
            else:
                zipped = None
            self._loaded[name] = (plain, zipped)
        return self._loaded[name]


class AssetHandler(RequestHandler):
    """Serves assets, for ever cacheable. They are the program, not data: no sign-in needed."""

    def initialize(self, assets: Assets) -> None:
        self.assets = assets

    def set_default_headers(self) -> None:
        """Set what holds for files and errors alike: opened by itself, none does anything."""
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")

    def get(self, name: str) -> None:
        if name not in self.assets:
            raise HTTPError(404)
        plain, zipped = self.assets.load(name)
        kind = "text/javascript" if name.endswith(".js") else mimetypes.guess_type(name)[0]
        self.set_header("Content-Type", kind or "application/octet-stream")
        self.set_header("Cache-Control", f"public, max-age={_YEAR_SECONDS}, immutable")
        self.set_header("Vary", "Accept-Encoding")
        if zipped is not None and "gzip" in self.request.headers.get("Accept-Encoding", ""):
            self.set_header("Content-Encoding", "gzip")
            self.finish(zipped)
        else:
            self.finish(plain)

    head = get

    def compute_etag(self) -> None:
        """No ETag: the address is the version."""
