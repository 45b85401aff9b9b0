// Releases as people look at them: deploys in every state, verdicts, issues, commits, numbers, and hostile names.
import { post } from "./live.js";
import { assert, pictures } from "./look.js";
import { signIn } from "./pages.js";

async function api(server, method, path, body) {
  const response = await fetch(`${server.url}/api/0/projects/default/shop/${path}`, {
    method,
    headers: { authorization: `Bearer ${server.token}`, "content-type": "application/json" },
    body: body && JSON.stringify(body),
  });
  assert(response.ok, `${path}: ${response.status} ${await response.clone().text()}`);
  return response.json();
}

const minutesAgo = (minutes) => new Date(Date.now() - minutes * 60000).toISOString();
const release = (server, version, more = {}) => api(server, "POST", "releases/", { version, ...more });
const deploy = (server, version, environment, more = {}) =>
  api(server, "POST", `releases/${encodeURIComponent(version)}/deploys/`, {
    environment, dateStarted: minutesAgo(20), dateFinished: minutesAgo(18), ...more });

// Visits of the application, added up as SDKs of servers send them.
async function sessions(server, version, exited, crashed) {
  const dsn = new URL(server.dsn);
  const body = { aggregates: [{ started: minutesAgo(10), exited, crashed }], attrs: { release: version, environment: "production" } };
  const response = await fetch(`${dsn.origin}/api${dsn.pathname}/envelope/?sentry_key=${dsn.username}`, {
    method: "POST",
    body: `{}\n{"type":"sessions"}\n${JSON.stringify(body)}\n`,
  });
  assert(response.status === 200, `${response.status}: ${await response.text()}`);
}

const production = (version, user) => ({ release: version, environment: "production", user: { id: String(user) } });

export async function world(server) {
  await post(server, "OldError", production("shop@1.0.0", 1));
  await deploy(server, "shop@1.0.0", "production", { dateStarted: minutesAgo(3000), dateFinished: minutesAgo(2990) });
  await release(server, "shop@2.0.0");
  await deploy(server, "shop@2.0.0", "production");
  for (const type of ["CartError", "TotalError", "StockError"]) {
    for (const user of [1, 2, 3]) await post(server, type, production("shop@2.0.0", user));
  }
  await release(server, "shop@2.1.0", { dateReleased: minutesAgo(30), ref: "v2.1.0", url: "https://ci.example/builds/211" });
  await deploy(server, "shop@2.1.0", "production");
  await sessions(server, "shop@2.1.0", 1180, 12);
  await sessions(server, "shop@1.0.0", 800, 8);
  const issues = await api(server, "GET", "issues/?query=OldError");
  const commit = (letter, message, path) => ({
    id: letter.repeat(40), repository: "acme/shop", message, author_name: "Ada", author_email: "ada@example.org",
    timestamp: minutesAgo(60), patch_set: [{ path, type: "M" }],
  });
  await release(server, "shop@2.2.0", {
    commits: [
      commit("a", `Charge by number\n\nFixes ${issues[0].shortId}`, "shop/till.py"),
      commit("b", `Say <b>why</b> ${"and why ".repeat(60)}`, "shop/why.py"),
    ],
  });
  const marked = [["eu", "bad", "Carts of <i>Basel</i> are empty"], ["us", "rolled_back", "as eu"], ["staging", "good", ""]];
  for (const [environment, state, reason] of marked) {
    const { id } = await deploy(server, "shop@2.2.0", environment);
    await api(server, "PUT", `releases/shop@2.2.0/deploys/${id}/`, { state, reason });
  }
  await deploy(server, "shop@2.2.0", "canary", { name: "Canary 7", state: "running", dateFinished: undefined });
  await deploy(server, "shop@2.2.0", "production", { name: "Build 220", url: "https://ci.example/220" });
  await sessions(server, "shop@2.2.0", 300, 1);
  await post(server, "FreshError", production("shop@2.2.0", 1));
  await post(server, "OldError", production("shop@2.2.0", 1));
}

const HOSTILE = `shop@3.0.0-${"extremely.long.".repeat(8)}<img src=x onerror="window.hacked=1">`;
const pageOf = (server, version) => `${server.url}/projects/shop/releases/${encodeURIComponent(version)}`;

async function shows(page, texts) {
  const text = await page.innerText("main");
  for (const part of texts) assert(text.includes(part), `no ${part} in ${text}`);
}

export const checks = [
  ["without a release the list says where releases come from", async ({ page, server }) => {
    await signIn(page, server);
    await page.goto(`${server.url}/releases`);
    await shows(page, ["No release yet", "sentry-cli releases new"]);
    await pictures(page, "releases-empty");
  }],

  ["each verdict, each state of a deploy, and what came with a release", async ({ page, server, problems }) => {
    await world(server);
    await signIn(page, server);
    await page.goto(pageOf(server, "shop@2.0.0"));
    await shows(page, ["BAD 3 new issues in shop@2.0.0 that 3 or more users met"]);
    await pictures(page, "releases-bad");
    await page.goto(pageOf(server, "shop@2.1.0"));
    await shows(page, ["GOOD", "99.0 % of 1192 sessions are crash-free", "Crash-free sessions", "99.0 %", "Adoption", "52 %"]);
    await pictures(page, "releases-good");
    await page.goto(pageOf(server, "shop@2.2.0"));
    await shows(page, ["WATCH 1 new issue in shop@2.2.0", "TOO EARLY", "Under way", "Bad", "Rolled back", "Good", "Done",
      "Carts of <i>Basel</i> are empty", "Charge by number", "Came back in it", "OldError", "FreshError", "Say <b>why</b>"]);
    await pictures(page, "releases-watch");
    await page.goto(`${server.url}/releases?project=shop`);
    await shows(page, ["shop@2.2.0", "shop@2.1.0", "shop@2.0.0", "shop@1.0.0", "By version"]);
    await pictures(page, "releases-list");
    assert(problems.length === 0, problems.join("\n"));
  }],

  ["a deploy is marked and the mark taken back, by mouse and by keyboard", async ({ page, server, problems }) => {
    await signIn(page, server);
    await page.goto(pageOf(server, "shop@2.1.0"));
    await page.click(".mark summary");
    await page.fill(".mark [name=reason]", "Nobody can pay");
    await page.keyboard.press("Enter");
    await page.click(".mark [value=bad]");
    await page.waitForSelector(".deploy-head .state.bad");
    await shows(page, ["BAD A person marked it bad.", "Nobody can pay", "bad according to"]);
    await page.locator(".mark summary").focus();
    await page.keyboard.press("Enter");
    for (let at = 0; at < 4; at += 1) await page.keyboard.press("Tab");
    assert(await page.locator(".mark [value=finished]").evaluate((element) => element === document.activeElement), "Tab leads elsewhere");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".deploy-head .state:has-text('Done')");
    await shows(page, ["GOOD"]);
    assert(problems.length === 0, problems.join("\n"));
  }],

  ["a release is archived and taken out again", async ({ page, server }) => {
    await signIn(page, server);
    await page.goto(pageOf(server, "shop@1.0.0"));
    await page.click("text=Archive");
    await page.waitForSelector("text=archived: left out of the list");
    await page.goto(`${server.url}/releases`);
    assert(!(await page.innerText("main")).includes("shop@1.0.0"), "an archived release is in the list");
    await page.click("text=Archived");
    await page.click("text=shop@1.0.0");
    await page.click("text=Take out of the archive");
    await page.waitForSelector("button:has-text('Archive')");
  }],

  ["names that are long and hostile stay text and inside of the page", async ({ page, server, problems }) => {
    await release(server, HOSTILE, { url: "javascript:window.hacked=1", ref: "r".repeat(200) });
    await deploy(server, HOSTILE, "production", { name: "n".repeat(200) });
    await release(server, "shop@9.9.9");
    await signIn(page, server);
    await page.goto(`${server.url}/releases`);
    await pictures(page, "releases-hostile-list");
    await page.goto(pageOf(server, HOSTILE));
    await pictures(page, "releases-hostile");
    assert(!(await page.evaluate(() => window.hacked)), "it ran");
    assert((await page.locator("a[href^='javascript']").count()) === 0, "a link would run it");
    await page.goto(pageOf(server, "shop@9.9.9"));
    await shows(page, ["No issue began in this release", "Not deployed", "No commits were sent"]);
    await pictures(page, "releases-nothing");
    assert(problems.length === 0, problems.join("\n"));
  }],

  ["all of it without script", async ({ page, context, server }) => {
    await signIn(page, server);
    const plain = await context.browser().newContext({ javaScriptEnabled: false });
    await plain.addCookies(await context.cookies());
    try {
      const bare = await plain.newPage();
      await bare.goto(pageOf(server, "shop@2.0.0"));
      await bare.click(".mark summary");
      await bare.click(".mark [value=rolled_back]");
      await bare.waitForSelector(".deploy-head .state:has-text('Rolled back')");
      await shows(bare, ["It was rolled back."]);
    } finally {
      await plain.close();
    }
  }],
];
