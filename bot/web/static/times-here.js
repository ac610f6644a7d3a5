// Times on every page that has no script of its own for them, also where it is renewed.
import { localize } from "./times.js";

localize();
setInterval(localize, 20000);
new MutationObserver(() => localize()).observe(document.body, { childList: true, subtree: true });
