// Every page with something on it, in both themes and at both sizes: pictures to look at, and no page that is wider than its
// screen, complains in the console, or is hard to use for somebody. A new page gets a line in `PAGES`.
import { pictures } from "./look.js";
import { post } from "./live.js";
import { signIn } from "./pages.js";
import { world } from "./releases.js";
import { byKeyboard, withoutScript } from "./walk.js";

// What an event can carry, with text that is long, hostile, and written from right to left.
const RICH = {
  release: "shop@2.2.0",
  environment: "production",
  level: "fatal",
  transaction: "/basket/{id}/checkout",
  server_name: "web-3.eu.example.com",
  user: { id: "4711", email: "ada@example.org", username: "<b>ada</b>" },
  tags: { plan: "gold", browser: "Firefox 140", note: "<script>alert(1)</script>", city: "\u05d9\u05e8\u05d5\u05e9\u05dc\u05d9\u05dd" },
  request: {
    url: "https://shop.example.com/basket/17/checkout?coupon=%3Cimg%20src=x%3E&page=2", method: "POST",
    headers: [["User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"], ["Accept", "*/*"]],
    data: { basket: 17, items: [1, 2, 3] },
  },
  contexts: { runtime: { name: "CPython", version: "3.13.1" }, os: { name: "Linux", version: "6.1" } },
  extra: { attempt: 3, payload: "x".repeat(400) },
  breadcrumbs: { values: [
    { timestamp: Date.now() / 1000 - 9, category: "http", type: "http", data: { url: "https://pay.example/charge", method: "POST", status_code: 502 } },
    { timestamp: Date.now() / 1000 - 4, category: "ui.click", message: "button#pay <i>now</i>", level: "info" },
    { timestamp: Date.now() / 1000 - 1, category: "log", message: "charging failed, trying again", level: "warning" },
  ] },
  exception: { values: [
    { type: "ConnectionError", value: "pay.example: 502 after 30.2 s", stacktrace: { frames: [
      { function: "send", filename: "requests/adapters.py", module: "requests.adapters", lineno: 501, in_app: false },
    ] } },
    { type: "CheckoutError", value: `basket 17 cannot be charged \u202egnp.exe ${"and why ".repeat(40)}`, mechanism: { type: "wsgi", handled: false },
      stacktrace: { frames: [
        { function: "dispatch", filename: "django/core/handlers/base.py", lineno: 197, in_app: false },
        { function: "checkout", filename: "shop/till.py", lineno: 41, in_app: true,
          pre_context: ["def checkout(basket):", "    total = basket.total()"], context_line: "    return charge(basket, total)", post_context: ["", "def refund(basket):"],
          vars: { basket: "<Basket 17>", total: "12.50", token: "[Filtered]" } },
        { function: "charge", filename: "shop/pay.py", lineno: 12, in_app: true,
          pre_context: ["def charge(basket, total):"], context_line: "    raise CheckoutError(basket)", post_context: ["    return None"] },
      ] } },
  ] },
};

// Name of the picture, address, and the role that looks when it is not the administrator.
const PAGES = [
  ["issues", "/issues"],
  ["issues-none", "/issues?query=is%3Aresolved+nothing"],
  ["issues-misspelt", "/issues?query=level%3Aeror"],
  ["issue", "/issues/ISSUE"],
  ["issue-split", "/issues/ISSUE?range=24h&by=release"],
  ["issue-feedback", "/issues/ISSUE/feedback"],
  ["issue-oldest", "/issues/ISSUE/events/oldest"],
  ["issue-events", "/issues/ISSUE/events"],
  ["issue-events-misspelt", "/issues/ISSUE/events?query=is%3Anew"],
  ["issue-tag", "/issues/ISSUE/tags/note"],
  ["live", "/live"],
  ["live-watch", "/live?project=shop&environment=production"],
  ["wall", "/wall"],
  ["releases-list", "/releases"],
  ["release", "/projects/shop/releases/shop%402.2.0"],
  ["alerts", "/alerts"],
  ["deliveries", "/alerts/deliveries"],
  ["rule-new", "/alerts/rules/new"],
  ["destination-new", "/alerts/new"],
  ["destination-new-mail", "/alerts/new?kind=mail"],
  ["me-notifications", "/me/notifications"],
  ["me-sessions", "/me/sessions"],
  ["me-sign-in", "/me/sign-in"],
  ["projects", "/projects"],
  ["project-new", "/projects/new"],
  ["project-start", "/projects/shop"],
  ["project-feedback", "/projects/shop/feedback"],
  ["project-settings", "/projects/shop/settings"],
  ["project-sources", "/projects/shop/code"],
  ["project-owners", "/projects/shop/owners"],
  ["project-privacy", "/projects/shop/privacy"],
  ["project-keys", "/projects/shop/keys"],
  ["project-filters", "/projects/shop/filters"],
  ["filters", "/filters"],
  ["project-limits", "/projects/shop/limits"],
  ["limits", "/limits"],
  ["privacy", "/privacy"],
  ["person", "/privacy/person"],
  ["project-rules", "/projects/shop/rules"],
  ["project-regroupings", "/projects/shop/regroupings"],
  ["project-members", "/projects/shop/members"],
  ["project-tokens", "/projects/shop/tokens"],
  ["tokens", "/tokens?preset=read-only"],
  ["people", "/people"],
  ["people-sign-in", "/people/sign-in"],
  ["audit", "/audit"],
  ["system", "/system"],
  ["not-found", "/nothing/here"],
];

async function issue(server) {
  const query = `${server.url}/api/0/projects/default/shop/issues/?query=CheckoutError`;
  const response = await fetch(query, { headers: { authorization: `Bearer ${server.token}` } });
  return (await response.json())[0].id;
}

// A picture, a log, and what somebody says, with the newest event of the issue.
async function companions(server, id) {
  const headers = { authorization: `Bearer ${server.token}` };
  const [event] = await (await fetch(`${server.url}/api/0/issues/${id}/events/`, { headers })).json();
  const item = (header, payload) => [JSON.stringify({ ...header, length: payload.length }), "\n", payload, "\n"];
  const picture = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==", "base64");
  const log = Buffer.from("12:00:01 till 3 opened\n12:00:09 charge refused\n".repeat(20));
  const said = Buffer.from(JSON.stringify({ event_id: event.eventID, name: "Ada", email: "ada@example.org", comments: "I wanted to pay and it said no.\nTwice." }));
  const body = Buffer.concat([
    JSON.stringify({ event_id: event.eventID }), "\n",
    ...item({ type: "attachment", filename: "screenshot.png", content_type: "image/png" }, picture),
    ...item({ type: "attachment", filename: "till.log", content_type: "text/plain" }, log),
    ...item({ type: "attachment", filename: "core.bin" }, log),
    ...item({ type: "user_report" }, said),
  ].map((part) => Buffer.from(part)));
  const dsn = new URL(server.dsn);
  const response = await fetch(`${dsn.origin}/api${dsn.pathname}/envelope/?sentry_key=${dsn.username}`, { method: "POST", body });
  if (response.status !== 200) throw new Error(await response.text());
  const files = await (await fetch(`${server.url}/api/0/projects/default/shop/events/${event.eventID}/attachments/`, { headers })).json();
  return files.find((file) => file.name === "till.log").id;
}

async function assign(server, id) {
  const headers = { authorization: `Bearer ${server.token}`, "content-type": "application/json" };
  const body = JSON.stringify({ assignedTo: server.email });
  const response = await fetch(`${server.url}/api/0/issues/${id}/`, { method: "PUT", headers, body });
  if (!response.ok) throw new Error(await response.text());
}

async function owners(page, server) {
  await page.goto(`${server.url}/projects/shop/owners`);
  await page.fill("textarea[name=rules]", `path:shop/* ${server.email}\n*.js @somebody-else`);
  await page.click("button[value=save]");
  await page.waitForSelector("[role=status]");
}

export const checks = [
  ["the door looks as it should", async ({ page, server }) => {
    await page.goto(`${server.url}/sign-in`);
    await pictures(page, "gallery-sign-in");
  }],

  ["every page looks as it should, and can be walked by keyboard and without script", async ({ page, context, server, problems }) => {
    await world(server);
    await post(server, "CheckoutError", RICH);
    await post(server, "CheckoutError", { ...RICH, user: { id: "4712" } });
    const id = await issue(server);
    await assign(server, id);
    const file = await companions(server, id);
    await signIn(page, server);
    await owners(page, server);
    const faults = [];
    const told = (name, found) => faults.push(...found.map((fault) => `${name}: ${fault}`));
    const plain = await context.browser().newContext({ javaScriptEnabled: false, storageState: await context.storageState() });
    const bare = await plain.newPage();
    for (const [name, path] of [...PAGES, ["attachment", `/projects/shop/attachments/${file}`]]) {
      const address = `${server.url}${path.replace("ISSUE", id)}`;
      await page.goto(address);
      await page.waitForSelector("main");
      await pictures(page, `gallery-${name}`).catch((error) => faults.push(error.message));
      told(name, await byKeyboard(page));
      await bare.goto(address);
      told(`${name} without script`, await withoutScript(bare));
    }
    await plain.close();
    // The page that does not exist says so to the browser, too.
    const complaints = problems.filter((problem) => !problem.includes("404"));
    if (complaints.length) faults.push(...complaints);
    if (faults.length) throw new Error(faults.join("\n"));
  }],
];
