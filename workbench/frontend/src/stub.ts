// A widget's own `_esm` travels with every widget at every visit, so it is only this: it loads the
// real bundle as a static file of our page or of JupyterLab. Where there is none (VS Code,
// Colab), the kernel sends the bundle. Python fills in the two names, see widgets/assets.py.
import type { Context, Model } from "./wire";

interface Bundle {
  default: { render(context: Context): unknown };
}

const bundle = "@bundle@";
const version = "@version@";
const loaded = ((globalThis as { workbenchBundles?: Record<string, Promise<Bundle>> }).workbenchBundles ??= {});

function root(): string | undefined {
  const page = JSON.parse(document.getElementById("jupyter-config-data")?.textContent || "{}") as Record<string, string>;
  const lab = page["fullLabextensionsUrl"];
  return page["workbenchStaticUrl"] ?? (lab && `${lab}/workbench-assets/static/${version}`);
}

function sent(model: Model): Promise<string> {
  return new Promise((done) => {
    const received = (message: { t: string; text: string }) => {
      if (message.t !== "source") return;
      model.off("msg:custom", received);
      done(message.text);
    };
    model.on("msg:custom", received);
    model.send({ t: "source" });
  });
}

async function fromKernel(model: Model): Promise<Bundle> {
  const url = URL.createObjectURL(new Blob([await sent(model)], { type: "text/javascript" }));
  return (await import(url)) as Bundle;
}

async function load(model: Model): Promise<Bundle> {
  const from = root();
  if (!from) return fromKernel(model);
  try {
    return (await import(new URL(`${from}/${bundle}.js`, document.baseURI).href)) as Bundle;
  } catch {
    return fromKernel(model);
  }
}

export default {
  async render(context: Context): Promise<unknown> {
    return (await (loaded[bundle + version] ??= load(context.model))).default.render(context);
  },
};
