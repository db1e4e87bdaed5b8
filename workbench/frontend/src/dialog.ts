// What Python asks (confirm); invisible until then.
import baseCss from "./base.css";
import { addStyle, dress, make } from "./dom";
import { ask } from "./messages";
import { openRpc } from "./rpc";
import type { Context } from "./wire";

interface Question {
  id: string;
  title: string;
  text: string;
  agree: string;
  refuse: string;
  danger: boolean;
}

export default {
  render({ model, el }: Context): () => void {
    addStyle("wb-base-style", baseCss);
    dress(el, "wb-messages");
    const rpc = openRpc(model);
    rpc.listen((message) => {
      if (message.t === "ask") void put(message as unknown as Question);
    });
    const put = async ({ id, title, text, agree, refuse, danger }: Question) => {
      const answer = await ask(el, title, [text ? make("p", {}, text) : ""], [
        { label: refuse, value: "refuse" },
        { label: agree, value: "agree", style: danger ? "danger" : "primary" },
      ]);
      await rpc.call("answer", { id, answer });
    };
    return () => rpc.close();
  },
};
