// Brings the styles of forms made of plain ipywidgets; shows nothing itself.
import baseCss from "./base.css";
import { addStyle } from "./dom";
import formCss from "./form.css";
import type { Context } from "./wire";

export default {
  render({ el }: Context): void {
    addStyle("wb-base-style", baseCss);
    addStyle("wb-form-style", formCss);
    el.hidden = true;
  },
};
