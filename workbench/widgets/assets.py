"""Where the built front end lies, and the few lines that load it into a browser."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from workbench.errors import WorkbenchError

STATIC = Path(__file__).parent / "static"

# The `_esm` of a widget travels with it at every visit, so it is only this. The bundle is a
# static file: of our page, or of JupyterLab. Elsewhere (VS Code, Colab) the kernel sends it.
_STUB = """\
const name = "%(name)s", version = "%(version)s", loaded = (globalThis.workbenchModules ??= {});
const page = JSON.parse(document.getElementById("jupyter-config-data")?.textContent || "{}");
const lab = page.fullLabextensionsUrl && `${page.fullLabextensionsUrl}/workbench-assets/static/${version}`;
const root = page.workbenchStaticUrl || lab;
const sent = (model) => new Promise((done) => { const on = (m) => m.t === "source" && (model.off("msg:custom", on), done(m.text)); model.on("msg:custom", on); model.send({ t: "source" }); });
const blob = async (model) => import(URL.createObjectURL(new Blob([await sent(model)], { type: "text/javascript" })));
const load = (model) => root ? import(new URL(`${root}/${name}.js`, document.baseURI).href).catch(() => blob(model)) : blob(model);
export default { render: async (context) => (await (loaded[name + version] ??= load(context.model))).default.render(context) };
"""  # noqa: E501  (a line of JavaScript is not split for a Python limit)


@cache
def version() -> str:
    """Return the version of the built front end: a hash of its files."""
    try:
        return str(json.loads((STATIC / "build.json").read_text(encoding="utf-8"))["version"])
    except (OSError, ValueError, KeyError):
        raise WorkbenchError(
            "The front end of the widgets is not built. In a source checkout: python hatch_build.py"
        ) from None


def stub(bundle: str) -> str:
    """Return the module that loads `bundle` (such as "grid") wherever the widget is shown."""
    return _STUB % {"name": bundle, "version": version()}


def source(bundle: str) -> str:
    """Return the whole bundle, for a browser that cannot fetch it as a file."""
    return (STATIC / f"{bundle}.js").read_text(encoding="utf-8")
