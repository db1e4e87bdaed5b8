// Bundles every entry below into one ES module that needs nothing else: styles are inside as
// text, so a bundle works from a URL, and from a blob where no URL can be had.
import { build } from "esbuild";
import { copyFile, mkdir, readdir, rm } from "node:fs/promises";
import { existsSync } from "node:fs";

const widgets = "../widgets/static";
const page = "../server/static";

const common = {
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  charset: "utf8",
  legalComments: "eof",
  logLevel: "warning",
};

// Servers may be reading these folders: files are replaced, and only strangers are removed.
async function tidy(folder, made) {
  await mkdir(folder, { recursive: true });
  for (const name of await readdir(folder)) if (!made.includes(name)) await rm(`${folder}/${name}`);
}

const bundles = ["grid", "picker", "dialog", "outline", "style", "content", "keys", "palette", "prose", "upload", "download", "stub"];
await build({
  ...common,
  entryPoints: bundles.map((name) => `src/${name}.ts`),
  outdir: widgets,
  loader: { ".css": "text" },
});
await copyFile("node_modules/ag-grid-community/LICENSE.txt", `${widgets}/ag-grid-LICENSE.txt`);
await tidy(widgets, [...bundles.map((name) => `${name}.js`), "ag-grid-LICENSE.txt"]);

// The page belongs to the server: its styles are a file of their own beside it.
if (existsSync("src/page.ts")) {
  await build({
    ...common,
    entryPoints: ["src/page.ts"],
    outdir: page,
    loader: { ".woff2": "dataurl", ".eot": "dataurl", ".woff": "dataurl", ".ttf": "dataurl", ".svg": "dataurl" },
  });
}
await tidy(page, existsSync("src/page.ts") ? ["page.js", "page.css"] : []);
