// The package's own types, as a program uses them.
import { init, type Options, type Suanpan } from "../../src/wx";
import { init as initWeb } from "../../src/browser";

const options: Options = { host: "https://events.example.com", key: "k", automatic: { tap: false }, queueEvents: 200 };
const suanpan: Suanpan = init(options);
suanpan.track("purchase", { amount: 19.9 });
suanpan.login(17);
suanpan.identify({ openid: "o", unionid: undefined, other: "x" });
suanpan.incrementProfile({ orders: 1 });
suanpan.registerDynamic(() => ({ cart: 2 }));
suanpan.status().queued.toFixed();
initWeb(options).optOut();
// @ts-expect-error a key is needed
init({ host: "https://events.example.com" });
// @ts-expect-error there is no such automatic event
init({ ...options, automatic: { taps: false } });
