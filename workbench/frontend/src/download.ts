// A button that saves a file which the kernel has: asked for in pieces, put together here.
import baseCss from "./base.css";
import { addStyle, dress, icon, make } from "./dom";
import { openRpc } from "./rpc";
import { bytesOf } from "./sizes";
import { unturned } from "./values";
import type { Context } from "./wire";

const DOWN = "M8 2.8v7.7M4.8 7.3 8 10.5l3.2-3.2M3 10.5v2.7h10v-2.7";
const BLOB_BYTES = 16 * 2 ** 20; // a browser may keep blobs on disk, loose bytes it cannot
const KEPT_MS = 60_000;

export default {
  render({ model, el }: Context): () => void {
    addStyle("wb-base-style", baseCss);
    dress(el, "wb-download");
    const rpc = openRpc(model);
    const name = model.get<string>("name");
    const total = model.get<number>("size");
    const words = make("span", {}, unturned(model.get<string>("label") || `Download ${name}`));
    const said = make("span", { class: "wb-help", role: "status" });
    let stopped = false;

    const fetched = async (): Promise<Blob> => {
      const blobs: Blob[] = [];
      let loose: ArrayBuffer[] = [];
      let here = 0;
      let waiting = 0;
      while (here < total && !stopped) {
        const piece = await rpc.call<DataView<ArrayBuffer>>("piece", { offset: here });
        if (!piece.byteLength) throw new Error(`${name} has become shorter. Make it again.`);
        loose.push(piece.buffer);
        here += piece.byteLength;
        waiting += piece.byteLength;
        if (waiting >= BLOB_BYTES) {
          blobs.push(new Blob(loose));
          loose = [];
          waiting = 0;
        }
        if (total > BLOB_BYTES) said.textContent = `${Math.floor((100 * here) / total)} %`;
      }
      return new Blob([...blobs, ...loose], { type: "application/octet-stream" });
    };

    const save = async () => {
      button.disabled = true;
      said.textContent = "";
      try {
        const url = URL.createObjectURL(await fetched());
        if (!stopped) make("a", { href: url, download: name }).click();
        setTimeout(() => URL.revokeObjectURL(url), KEPT_MS);
        said.textContent = "Saved by your browser.";
      } catch (why) {
        said.textContent = (why as Error).message;
      }
      button.disabled = false;
    };

    const kind = model.get<boolean>("primary") ? "wb-button wb-primary" : "wb-button";
    const button = make("button", { type: "button", class: kind, "data-testid": "download", click: () => void save() }, icon(DOWN), words);
    el.append(make("div", { class: "wb-saving" }, button, make("span", { class: "wb-help" }, bytesOf(total)), said));
    return () => {
      stopped = true;
      rpc.close();
    };
  },
};
