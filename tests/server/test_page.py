"""The dashboard page: what it sends, what its kernel gets, and what it says when it fails."""

from __future__ import annotations

import gzip
import os
import re
import sys
from pathlib import Path

import pytest

from workbench.server.kernels import inherited_environment

SCRIPT = "<script>alert(1)</script>"


def test_the_page_allows_no_foreign_script_frame_or_request(server):
    headers = server.signed_in().ask("/").headers
    policy = dict(rule.split(" ", 1) for rule in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'self'"
    assert re.fullmatch(r"'self' blob: 'nonce-[\w-]{16,}'", policy["script-src"])
    assert policy["img-src"] == "'self' data: blob:"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["object-src"] == "'none'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"


def test_no_page_but_the_dashboard_runs_scripts_that_were_made_in_it(server):
    visitor = server.signed_in()
    for path in ("/account", "/device", "/people", "/no/such/page"):
        policy = visitor.ask(path).headers["Content-Security-Policy"]
        assert re.search(r"script-src 'self' 'nonce-[\w-]{16,}';", policy), path


def test_every_page_has_a_nonce_of_its_own(server):
    visitor = server.visitor()
    policies = {visitor.ask("/sign-in").headers["Content-Security-Policy"] for _ in range(3)}
    assert len(policies) == 3


def test_messages_and_errors_have_the_same_policy(server):
    answer = server.visitor().ask("/no/such/page")
    assert answer.status == 404
    assert "There is no such page here." in answer.text
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


def test_the_page_carries_the_outputs_of_its_cells(server):
    page = server.signed_in().open_page()
    kinds = [kind for output in page.outputs for kind in output.get("data", {})]
    assert "application/vnd.jupyter.widget-view+json" in kinds
    assert page.text.rstrip().endswith("</html>")
    assert '<template id="complete">' in page.text


def test_the_query_of_the_address_reaches_the_kernel_without_a_token(server):
    environment = server.signed_in().open_page("/?world=Hamlet&page=scenes").printed["environment"]
    assert environment["QUERY_STRING"] == "world=Hamlet&page=scenes"


def test_a_kernel_sees_what_it_was_given_and_not_the_servers_environment(server):
    environment = server.signed_in().open_page().printed["environment"]
    assert environment["WORKBENCH_GIVEN"] == "to the kernel"
    assert environment["PATH"] == os.environ["PATH"]
    assert "WORKBENCH_SECRET" not in environment
    assert environment["IPYTHONDIR"] == str(server.home / "ipython")


def test_only_harmless_variables_are_inherited():
    source = {"PATH": "/bin", "LC_TIME": "C", "WORKBENCH_DATABASE_URL": "x", "PGPASSWORD": "x"}
    environment = inherited_environment({"A": "b"}, Path("/home/wb"), source)
    assert set(environment) == {"PATH", "LC_TIME", "IPYTHONDIR", "A"}


def test_a_kernel_runs_the_servers_own_python(server):
    assert server.signed_in().open_page().printed["python"] == sys.executable


@pytest.mark.parametrize("query", ["template=lab", "voila-template=lab", "theme=dark"])
def test_the_address_chooses_no_other_template(server, query: str):
    assert "Opening the workbench" in server.signed_in().open_page(f"/?{query}").text


def test_a_browser_that_asks_for_an_icon_unasked_is_answered(server):
    answer = server.visitor().ask("/favicon.ico")
    assert (answer.status, answer.body) == (204, b"")
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "/voila/files/page.ipynb",
        "/voila/static/voila.js",
        "/voila/render/page.ipynb",
        "/voila/query/00000000-0000-0000-0000-000000000000",
        "/api/kernels",
        "/api/kernels/00000000-0000-0000-0000-000000000000",
        "/api/contents",
        "/page.ipynb",
    ],
)
def test_nothing_else_of_voila_or_jupyter_is_served(server, path: str):
    assert server.signed_in().ask(path).status == 404


def test_static_files_are_small_and_kept_for_ever(server):
    page = server.visitor().ask("/sign-in").text
    script = re.search(r'src="(/static/p-[0-9a-f]{12}/page\.js)"', page)
    assert script is not None
    answer = server.visitor().ask(script.group(1), Accept_Encoding="gzip")
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Content-Type"] == "text/javascript"
    assert len(answer.body) < 300_000
    plain = server.visitor().ask(script.group(1))
    assert plain.body == gzip.decompress(answer.body)


@pytest.mark.parametrize("name", ["../app.py", "%2e%2e/app.py", "nothing.js", "", "/etc/passwd"])
def test_static_addresses_do_not_lead_out_of_their_folder(server, name: str):
    page = server.visitor().ask("/sign-in").text
    folder = re.search(r"/static/p-[0-9a-f]{12}/", page)
    assert folder is not None
    assert server.visitor().ask(folder.group(0) + name).status == 404


def test_what_an_output_widget_takes_is_not_shown_beside_it_too(start_server):
    cells = [
        """
        import ipywidgets
        taker = ipywidgets.Output()
        with taker:
            print("taken")
        print("left")
        """,
        "print([one['text'] for one in taker.outputs])",
    ]
    page = start_server(cells).signed_in().open_page()
    assert [one["text"] for one in page.outputs] == ["left\n", "['taken\\n']\n"]


def test_an_error_of_ours_is_shown_as_its_sentence(start_server):
    server = start_server(
        [
            "print('before')",
            "from workbench.errors import StoreUnavailable",
            f"raise StoreUnavailable('No answer {SCRIPT}')",
            "print('after')",
        ]
    )
    page = server.signed_in().open_page()
    assert "No answer &lt;script&gt;alert(1)&lt;/script&gt;" in page.text
    assert SCRIPT not in page.text
    assert [output["text"] for output in page.outputs] == ["before\n"]
    assert '<template id="complete">' in page.text


def test_another_error_is_a_plain_sentence_with_the_traceback_folded_away(start_server):
    page = start_server(["1 / 0"]).signed_in().open_page()
    sentence, _, details = page.text.partition("<details><summary>Details")
    assert "Something went wrong while the page was being built." in sentence
    assert "ZeroDivisionError" not in sentence
    assert "ZeroDivisionError" in details
    assert "\x1b[" not in details


def test_a_kernel_that_dies_while_the_page_is_made_ends_in_a_message(start_server):
    page = start_server(["import os\nos._exit(1)"]).signed_in().open_page()
    assert "The page could not be shown" in page.text
    assert '<template id="complete">' in page.text


def test_a_missing_notebook_ends_in_a_message(start_server, tmp_path: Path):
    server = start_server()
    (tmp_path / "page0.ipynb").unlink()
    page = server.signed_in().open_page()
    assert "The page could not be shown" in page.text


def test_warnings_go_to_the_log_and_not_to_the_page(start_server):
    server = start_server(["import warnings\nwarnings.warn('only for the log')"])
    page = server.signed_in().open_page()
    assert "only for the log" not in page.text
    assert "only for the log" in server.log
