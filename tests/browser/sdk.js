// @sentry/browser on a page of Firefinch's own origin, and on a page of another one.
import { createServer } from "node:http";
import { build } from "esbuild";
import { assert, pictures } from "./look.js";

const bundled = await build({
  entryPoints: ["tests/clients/browser/app.js"],
  bundle: true,
  write: false,
  format: "iife",
  target: "es2022",
});
const script = bundled.outputFiles[0].text;

function pageOf(server, release) {
  const shop = JSON.stringify({ dsn: server.dsn, release });
  return `<!doctype html><html lang="en"><title>Shop</title><main><h1>Shop</h1><button>Check out</button></main>
    <script nonce="1">window.shop = ${shop}</script><script src="/shop/app.js"></script>`;
}

// Clicks, and waits until the SDK has had its answer.
async function checkOut(page) {
  const answer = page.waitForResponse((response) => /\/api\/\d+\/envelope\//.test(response.url()) && response.request().method() === "POST" && isEvent(response.request()));
  await page.click("button");
  const response = await answer;
  if (response.status() !== 200) throw new Error(`${response.status()}: ${await response.text()}`);
}

function isEvent(request) {
  return (request.postDataBuffer() ?? "").toString().includes('"exception"');
}

// As strict as a page can be that lets the SDK send.
function policyOf(server) {
  return `default-src 'none'; script-src 'self' 'nonce-1' ${server.url}; connect-src ${server.url}; form-action 'none'`;
}

// Asks the person what happened; the page counts what the SDK calls, and the keys that it gets to see.
async function ask(page, options) {
  await page.evaluate((options) => {
    window.seen ??= { closed: 0, keys: 0 };
    document.onkeydown = () => window.seen.keys += 1;
    return new Promise((onLoad, onError) => window.shop.ask({ ...options, onLoad, onError, onClose: () => window.seen.closed += 1 }));
  }, options);
}

async function tellWhatHappened({ page, until, problems }) {
  const closed = (times) => until(`the SDK to hear that it was closed ${times} times`, () => page.evaluate((times) => window.seen.closed === times, times));
  const focused = () => page.evaluate(() => document.querySelector("[data-firefinch-report-dialog]").shadowRoot.activeElement?.id);
  const dialog = page.getByRole("dialog", { name: "Oh <b>no</b>" });
  await page.focus("button");
  await ask(page, { title: "Oh <b>no</b>", user: { name: "Ada", email: "ada" } });
  await dialog.waitFor();
  await pictures(page, "report-dialog");
  assert(await focused() === "comments", "the field that is to be filled in has not the focus");
  // A second error takes nothing away.
  await page.keyboard.type("I paid, & it br");
  await ask(page, { title: "Another" });
  await page.keyboard.type("oke.");
  await dialog.getByRole("button", { name: "Send" }).click();
  await dialog.getByText("Please look at the marked fields.").waitFor();
  assert(await focused() === "email", "the field that is wrong has not the focus");
  await dialog.getByLabel("Email").fill("ada@example.org");
  await dialog.getByRole("button", { name: "Send" }).click();
  await page.getByRole("status").getByText("Thank you.").waitFor();
  await page.keyboard.press("Enter");
  // Both who asked hear of it.
  await closed(2);
  assert(await page.evaluate(() => document.activeElement.tagName) === "BUTTON", "the focus is not where it was");
  assert(await page.evaluate(() => window.seen.keys) === 0, "the page saw keys of the dialog");
  await ask(page, { title: "Oh <b>no</b>" });
  await page.keyboard.press("Escape");
  await closed(3);
  const refused = problems.filter((problem) => /policy/i.test(problem));
  assert(refused.length === 0, refused.join("\n"));
}

export const checks = [
  ["an error on a page of the same origin arrives", async ({ page, server }) => {
    // The page is answered here; what it posts goes to the server itself.
    await page.route("**/shop/*", (route) =>
      route.request().url().endsWith(".js")
        ? route.fulfill({ contentType: "text/javascript", body: script })
        : route.fulfill({ contentType: "text/html", body: pageOf(server, "same-origin@1") }),
    );
    await page.goto(`${server.url}/shop/`);
    await checkOut(page);
  }],

  ["an error on a page of another origin arrives, and what a person says about it", async (t) => {
    const { page, server } = t;
    const shop = createServer((request, response) => {
      const isScript = request.url.endsWith(".js");
      response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
      response.setHeader("content-security-policy", policyOf(server));
      response.end(isScript ? script : pageOf(server, "cross-origin@1"));
    });
    await new Promise((resolve) => shop.listen(0, "127.0.0.1", resolve));
    try {
      await page.goto(`http://127.0.0.1:${shop.address().port}/shop/`);
      await checkOut(page);
      await tellWhatHappened(t);
    } finally {
      shop.closeAllConnections();
      shop.close();
    }
  }],
];
