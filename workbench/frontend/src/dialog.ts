// What Python asks (confirm) and says (toast); invisible until then.
import baseCss from "./base.css";
import { addStyle, dress, make } from "./dom";
import { ask, compare, toast } from "./messages";
import { openRpc } from "./rpc";
import type { Context } from "./wire";

interface Question {
  id: string;
  title: string;
  text: string;
  agree: string;
  refuse: string;
  danger: boolean;
  compared: { title: string; mine: string; theirs: string }[];
}

export default {
  render({ model, el }: Context): () => void {
    addStyle("wb-base-style", baseCss);
    dress(el, "wb-messages");
    const rpc = openRpc(model);
    rpc.listen((message) => {
      if (message.t === "toast") {
        const { text, bad, action, id } = message as unknown as { text: string; bad: boolean; action: string; id: string };
        toast(el, text, { bad, ...(action ? { action: { label: action, run: () => void rpc.call("answer", { id, answer: "agree" }) } } : {}) });
      }
      if (message.t === "ask") void put(message as unknown as Question);
    });
    const put = async ({ id, title, text, agree, refuse, danger, compared }: Question) => {
      const answer = await ask(el, title, [text ? make("p", {}, text) : "", ...compared.map((c) => compare(c.title, c.mine, c.theirs))], [
        { label: refuse, value: "refuse" },
        { label: agree, value: "agree", style: danger ? "danger" : "primary" },
      ]);
      await rpc.call("answer", { id, answer });
    };
    return () => rpc.close();
  },
};
