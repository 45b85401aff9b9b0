// A release goes out: bugs in the old one, a fix and a new bug in the new one, and a tab that somebody left open.
import { mkdir } from "node:fs/promises";
import { build } from "esbuild";
import { signIn } from "./pages.js";

const bundled = await build({
  entryPoints: ["tests/clients/browser/shop.js"],
  bundle: true,
  write: false,
  format: "iife",
  target: "es2022",
});
const script = bundled.outputFiles[0].text;

// A tab of the shop, as it was when this release was served.
async function tab(context, server, release) {
  const page = await context.newPage();
  const shop = JSON.stringify({ dsn: server.dsn, release });
  const body = `<!doctype html><title>Shop</title><body><script>window.shop = ${shop}</script><script src="/shop/app.js"></script>`;
  await page.route("**/shop/*", (route) =>
    route.request().url().endsWith(".js")
      ? route.fulfill({ contentType: "text/javascript", body: script })
      : route.fulfill({ contentType: "text/html", body }),
  );
  await page.goto(`${server.url}/shop/`);
  return page;
}

async function breaks(page, bug) {
  const isEvent = (request) => (request.postDataBuffer() ?? "").toString().includes('"exception"');
  const answer = page.waitForResponse((response) => /\/envelope\//.test(response.url()) && isEvent(response.request()));
  await page.click(`#${bug}`);
  const response = await answer;
  if (response.status() !== 200) throw new Error(`${response.status()}: ${await response.text()}`);
}

async function picture(page, name) {
  await mkdir("target/browser", { recursive: true });
  await page.screenshot({ path: `target/browser/rehearsal-${name}.png`, fullPage: true });
}

async function shows(page, texts) {
  const text = await page.innerText("main");
  for (const part of texts) if (!text.includes(part)) throw new Error(`no ${part} in ${text}`);
}

export const checks = [
  ["a release goes out, and its pages tell how it fares", async ({ page, context, server, tell, problems }) => {
    const old = await tab(context, server, "shop@1.0.0");
    for (const bug of ["charge", "cart", "greet"]) await breaks(old, bug);
    await tell("deploy");
    await breaks(await tab(context, server, "shop@1.1.0"), "stock");
    await breaks(old, "charge");
    const { fixed } = JSON.parse(await tell("judge"));

    await signIn(page, server);
    await page.goto(`${server.url}/projects/shop/releases/shop@1.1.0`);
    await shows(page, ["EvalError: less than nothing in stock", "RangeError: the card has no number", "Charge by number",
      "WATCH", "1 new issue in shop@1.1.0", "production"]);
    await picture(page, "release");
    await page.goto(`${server.url}/issues/${fixed}`);
    await shows(page, ["Resolved in shop@1.1.0", "shop@1.0.0 is older than the fix in shop@1.1.0"]);
    await picture(page, "issue");
    await page.goto(`${server.url}/releases?project=shop`);
    await shows(page, ["shop@1.1.0", "shop@1.0.0"]);
    await picture(page, "releases");
    if (problems.length > 0) throw new Error(problems.join("\n"));
  }],
];
