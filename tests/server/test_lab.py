"""Who may use a JupyterLab, and what its kernels hold."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.error import HTTPError

import psutil
import pytest

LAB = """
import sys
from pathlib import Path
from workbench.server.lab import serve_lab

sys.exit(serve_lab(
    home=Path(sys.argv[1]), root_dir=Path(sys.argv[1]), port=0,
    kernel_environment={"WORKBENCH_DATABASE_URL": "of-the-user"}, on_ready=lambda url: print(url, flush=True),
))
"""


class Lab:
    def __init__(self, folder: Path) -> None:
        secrets = {
            "WORKBENCH_DATABASE_URL": "of-the-owner",
            "WORKBENCH_OAUTH_GOOGLE_CLIENT_SECRET": "of-the-server",
            "WORKBENCH_TOKEN": "of-a-job",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-c", LAB, str(folder)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **secrets},
        )
        assert self.process.stdout is not None
        self.link = self.process.stdout.readline().strip()
        self.base, _, self.token = self.link.partition("/lab?token=")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(30) == 0
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory):
    started = Lab(tmp_path_factory.mktemp("lab"))
    yield started
    started.stop()


def browser() -> tuple[urllib.request.OpenerDirector, CookieJar]:
    jar = CookieJar()
    return urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar)), jar


def test_the_link_begins_a_session_by_an_opaque_cookie(lab):
    opened, jar = browser()
    with opened.open(lab.link) as answer:
        assert answer.status == 200
    (cookie,) = [one for one in jar if one.name.startswith("workbench-session-")]
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.get_nonstandard_attr("SameSite") == "Lax"
    assert cookie.value != lab.token
    with opened.open(f"{lab.base}/api/kernels") as answer:
        assert json.load(answer) == []


def test_jupyterlab_is_told_who_its_user_is_and_nothing_of_the_session(lab):
    opened, _ = browser()
    opened.open(lab.link).close()
    with opened.open(f"{lab.base}/api/me") as answer:
        told = json.load(answer)["identity"]
    assert told["name"] == "analyst@localhost"
    assert set(told) == {"username", "name", "display_name", "initials", "avatar_url", "color"}


@pytest.mark.parametrize("path", ["/api/kernels?token=guess", "/api/contents", "/api/terminals"])
def test_nobody_else_comes_in(lab, path):
    opened, _ = browser()
    with pytest.raises(HTTPError, match="403") as refused:
        opened.open(f"{lab.base}{path}")
    refused.value.close()


def test_the_page_that_asks_for_the_token_takes_it(lab):
    opened, jar = browser()
    with opened.open(f"{lab.base}/login") as answer:
        assert answer.status == 200
    (xsrf,) = [one.value for one in jar if one.name == "_xsrf"]
    form = f"_xsrf={xsrf}&password={lab.token}".encode()
    with opened.open(f"{lab.base}/login?next=/api/status", data=form) as answer:
        assert answer.status == 200
    assert [one for one in jar if one.name.startswith("workbench-session-")]


def test_a_session_that_was_signed_out_is_over_wherever_its_cookie_is(lab):
    opened, jar = browser()
    opened.open(lab.link).close()
    (cookie,) = [one for one in jar if one.name.startswith("workbench-session-")]
    opened.open(f"{lab.base}/logout").close()
    again = urllib.request.Request(
        f"{lab.base}/api/kernels", headers={"Cookie": f"{cookie.name}={cookie.value}"}
    )
    with pytest.raises(HTTPError, match="403") as refused:
        urllib.request.urlopen(again)
    refused.value.close()


def test_a_change_by_cookie_alone_needs_a_form_of_our_own(lab):
    opened, _ = browser()
    opened.open(lab.link).close()
    with pytest.raises(HTTPError, match="403") as refused:
        opened.open(urllib.request.Request(f"{lab.base}/api/kernels", data=b"{}", method="POST"))
    refused.value.close()


def test_kernels_hold_their_users_login_and_no_secret_of_the_server(lab):
    start = urllib.request.Request(
        f"{lab.base}/api/kernels",
        data=b"{}",
        method="POST",
        headers={"Authorization": f"token {lab.token}"},
    )
    urllib.request.urlopen(start).close()
    children = psutil.Process(lab.process.pid).children(recursive=True)
    (kernel,) = [child for child in children if "ipykernel_launcher" in " ".join(child.cmdline())]
    environment = kernel.environ()
    assert environment["WORKBENCH_DATABASE_URL"] == "of-the-user"
    given = " ".join(environment.values())
    for secret in ("of-the-owner", "of-the-server", "of-a-job", lab.token):
        assert secret not in given


def test_a_lab_ends_when_what_started_it_was_killed(tmp_path: Path, until):
    started = Lab(tmp_path)
    left = psutil.Process(started.process.pid).children(recursive=True)
    assert left
    started.process.kill()
    started.process.wait()
    until(lambda: not [one for one in left if one.is_running() and one.status() != "zombie"])
    assert started.process.stdout is not None
    started.process.stdout.close()
