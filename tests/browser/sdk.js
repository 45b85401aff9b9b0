// @sentry/browser on a page of Firefinch's own origin, and on a page of another one.
import { createServer } from "node:http";
import { build } from "esbuild";

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
  return `<!doctype html><title>Shop</title><button>Check out</button>
    <script>window.shop = ${shop}</script><script src="/shop/app.js"></script>`;
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

  ["an error on a page of another origin arrives", async ({ page, server }) => {
    const shop = createServer((request, response) => {
      const isScript = request.url.endsWith(".js");
      response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
      response.end(isScript ? script : pageOf(server, "cross-origin@1"));
    });
    await new Promise((resolve) => shop.listen(0, "127.0.0.1", resolve));
    try {
      await page.goto(`http://127.0.0.1:${shop.address().port}/shop/`);
      await checkOut(page);
    } finally {
      shop.closeAllConnections();
      shop.close();
    }
  }],
];
