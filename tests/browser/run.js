// Runs the checks of one file in headless Chromium and prints one line for each.
//
//   FIREFINCH='{"url": …}' node tests/browser/run.js pages
//
// runs tests/browser/pages.js, which exports `checks`: an array of [name, async (t) => …]. A check
// fails by throwing. `t` holds
//   browser   for a context of other make: a phone, say
//   page      a fresh page in a browser context of its own
//   server    what the Rust side passed in the FIREFINCH variable (url, dsn, email, password, …)
//   tell(s)   sends one line to the Rust side and gives its answer (to restart the server, say)
//   until(what, f)  polls f until it gives something true, or fails naming what was awaited
// Exit code 0 when every check passed. The picture of a failed page is in target/browser/.
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createInterface } from "node:readline";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const DEADLINE_MS = 15_000;

const name = process.argv[2];
const server = JSON.parse(process.env.FIREFINCH ?? "{}");
const { checks } = await import(`./${name}.js`);

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
async function tell(command) {
  console.log(`> ${command}`);
  return (await answers.next()).value;
}

async function until(what, condition) {
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`waited ${DEADLINE_MS} ms in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function runCheck(browser, title, check) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  context.setDefaultTimeout(DEADLINE_MS);
  const page = await context.newPage();
  const problems = [];
  page.on("pageerror", (error) => problems.push(`page error: ${error.stack}`));
  page.on("console", (message) => message.type() === "error" && problems.push(`console: ${message.text()}`));
  try {
    await check({ page, context, browser, server, tell, until, problems });
    console.log(`ok ${title}`);
    return true;
  } catch (error) {
    const picture = `target/browser/${name}-${title.replace(/\W+/g, "-")}.png`;
    await mkdir("target/browser", { recursive: true });
    await page.screenshot({ path: picture }).catch(() => {});
    console.log(`FAILED ${title} (${page.url()}, ${picture})\n${error.stack}\n${problems.join("\n")}`);
    return false;
  } finally {
    await context.close();
  }
}

// Flags: no sandbox, as root cannot have one; and nothing that looks up hosts of its own accord.
const profile = await mkdtemp(join(tmpdir(), "firefinch-browser-"));
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  headless: true,
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    `--disk-cache-dir=${profile}`,
  ],
});
let failed = 0;
for (const [title, check] of checks) if (!(await runCheck(browser, title, check))) failed += 1;
await browser.close();
await rm(profile, { recursive: true, force: true });
console.log(`${checks.length - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
