// The wall on a television: what it says, that it refreshes itself, says when it is cut off, and does not grow.
import { mkdir } from "node:fs/promises";
import { post } from "./live.js";
import { signIn } from "./pages.js";

function assert(holds, what) {
  if (!holds) throw new Error(what);
}

const minutesAgo = (minutes) => new Date(Date.now() - minutes * 60000).toISOString();

async function deploy(server, project, version, minutes) {
  const call = async (path, body) => {
    const response = await fetch(`${server.url}/api/0/projects/default/${project}/${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${server.token}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    assert(response.ok, `${path}: ${response.status} ${await response.clone().text()}`);
  };
  await call("releases/", { version });
  await call(`releases/${version}/deploys/`, {
    environment: "production", dateStarted: minutesAgo(minutes + 1), dateFinished: minutesAgo(minutes),
  });
}

// Somebody says that they are on it.
async function take(server, title) {
  const headers = { authorization: `Bearer ${server.token}`, "content-type": "application/json" };
  const list = `${server.url}/api/0/projects/default/shop-web/issues/?query=${title}`;
  const [issue] = await (await fetch(list, { headers })).json();
  const body = JSON.stringify({ assignedTo: "ana@example.org" });
  const response = await fetch(`${server.url}/api/0/issues/${issue.id}/`, { method: "PUT", headers, body });
  assert(response.ok, `${response.status} ${await response.text()}`);
}

async function onTelevision(page, server) {
  await page.setViewportSize({ width: 1920, height: 1080 });
  await page.emulateMedia({ reducedMotion: "reduce" });
  await signIn(page, server);
  await page.goto(`${server.url}/wall`);
  await page.waitForSelector("#wall");
}

async function picture(page, name) {
  await mkdir("target/browser", { recursive: true });
  await page.screenshot({ path: `target/browser/wall-${name}.png` });
}

async function assertNoScrolling(page) {
  const size = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.scrollHeight]);
  assert(size[0] <= 1920 && size[1] <= 1080, `the wall is ${size.join(" x ")}`);
  const cut = await page.evaluate(() => document.querySelector(".lists").getBoundingClientRect().bottom);
  // The shift against burn-in moves it by up to four.
  assert(cut <= 1085, `the lists end at ${cut}`);
  const small = await page.evaluate(() => [...document.querySelectorAll("#wall *")]
    .filter((element) => element.checkVisibility() && element.closest("svg") === null && !element.closest(".flag, .unseen"))
    .filter((element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
    .map((element) => [parseFloat(getComputedStyle(element).fontSize), element.textContent])
    .filter(([size]) => size < 23.9));
  assert(small.length === 0, `too small to read from five metres: ${JSON.stringify(small)}`);
}

export const checks = [
  ["a quiet morning", async ({ page, server, problems }) => {
    await onTelevision(page, server);
    await page.waitForSelector(".banner h1:has-text('All quiet')");
    assert((await page.locator(".project").count()) === 4, "four projects have a row");
    await page.waitForSelector("text=Nothing in the last five minutes");
    await page.waitForSelector("text=None was told of yet");
    await assertNoScrolling(page);
    await picture(page, "quiet");
    assert(problems.length === 0, problems.join("\n"));
  }],

  ["a firefight", async ({ page, server, tell, problems }) => {
    await deploy(server, "payments", "payments@1.18.3", 170);
    await deploy(server, "shop-api", "shop-api@2.31.0", 300);
    await deploy(server, "shop-web", "shop-web@4.7.1", 6);
    await tell("traffic");
    const production = (user) => ({ release: "shop-web@4.7.1", environment: "production", user: { id: String(user) } });
    for (let at = 0; at < 12; at += 1) await post(server, "TypeError", production(at));
    for (const type of ["ReadTimeout", "ChunkLoadError"]) {
      for (let at = 0; at < 4; at += 1) await post(server, type, production(at));
    }
    for (let at = 0; at < 3; at += 1) await post(server, `<b>${"Long".repeat(40)}</b>`, { release: "shop-web@4.7.1" });
    await onTelevision(page, server);
    await page.waitForSelector(".alarm h1:has-text('shop-web 4.7.1')");
    const row = page.locator("[data-project=shop-web]");
    // Sixty of the counters and the twenty that were posted, twelve being usual.
    const rate = Number(await row.locator(".rate").innerText());
    assert(rate >= 55 && rate <= 85, await row.innerText());
    assert((await row.locator(".ratio").innerText()).includes(`${(rate / 12).toFixed(1).slice(0, 1)}.`), await row.innerText());
    assert((await row.locator(".deploy-line").count()) === 1, "no line where it was deployed");
    assert((await page.locator("[data-project=shop-api] .grade-watch").count()) === 1, "shop-api is not to be watched");
    await page.waitForSelector(".rest:has-text('2 more projects')");
    await page.waitForSelector(".loud:has-text('TypeError')");
    await page.waitForSelector(".alarm .holder:has-text('Nobody has it')");
    await take(server, "TypeError");
    await page.waitForSelector(".alarm .holder:has-text('has it') >> text=ana");
    await page.waitForSelector(".shipped:has-text('shop-web 4.7.1') >> text=BAD");
    await assertNoScrolling(page);
    await picture(page, "firefight");
    assert(problems.length === 0, problems.join("\n"));
  }],

  ["it follows what happens, stays one element, and recovers from a cut", async ({ page, server, tell, until }) => {
    await page.clock.install();
    await onTelevision(page, server);
    await page.evaluate(() => (window.isTheSame = true));
    const size = () => page.evaluate(() => document.querySelectorAll("*").length);
    const before = await size();
    for (let at = 0; at < 30; at += 1) await post(server, "FreshlyLoudError");
    await page.waitForSelector(".loud:has-text('FreshlyLoudError')");
    assert(await page.evaluate(() => window.isTheSame), "the page was loaded anew");
    assert((await size()) <= before + 40, "the page grows");
    await tell("kill");
    await page.clock.fastForward(45000);
    await page.waitForSelector("body[data-stale]");
    await page.waitForSelector("#data-age:has-text('stale since')");
    const says = await page.evaluate(() => getComputedStyle(document.querySelector(".banner h1"), "::after").content);
    assert(says.includes("Cut off"), `the wall says ${says}`);
    assert(await page.locator(".banner h1 > *").first().isHidden(), "it says how it goes without knowing");
    await picture(page, "stale");
    await tell("restart");
    await until("the wall to be fresh again", async () => {
      await page.clock.fastForward(5000);
      return page.evaluate(() => !document.body.hasAttribute("data-stale"));
    });
  }],

  ["without script, and on a phone", async ({ page, context, server }) => {
    await onTelevision(page, server);
    const plain = await context.browser().newContext({ javaScriptEnabled: false, viewport: { width: 1920, height: 1080 } });
    await plain.addCookies(await context.cookies());
    try {
      const bare = await plain.newPage();
      await bare.goto(`${server.url}/wall`);
      await bare.waitForSelector(".clock:has-text('UTC')");
      assert((await bare.locator("noscript meta[http-equiv=refresh], meta[http-equiv=refresh]").count()) === 1, "it never refreshes");
      await picture(bare, "bare");
    } finally {
      await plain.close();
    }
    await page.setViewportSize({ width: 390, height: 844 });
    await picture(page, "phone");
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert(wide <= 390, `the wall is ${wide} wide on a phone`);
  }],
];
