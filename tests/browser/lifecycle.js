// What a person does to an issue: every way to resolve, ignore, remove and take back, by mouse, by keyboard and
// without script, each with the state and the sentence that it leaves.
import { mkdir } from "node:fs/promises";
import { post } from "./live.js";
import { signIn } from "./pages.js";

const RELEASES = ["shop@1.0.0", "shop@1.1.0", "shop@1.2.0"];

function assert(holds, what) {
  if (!holds) throw new Error(what);
}

// A fresh issue, last seen in the newest release; its page is open.
async function issue(page, server, type, size) {
  for (const release of RELEASES) await post(server, type, { release });
  if (size) await page.setViewportSize(size);
  await page.goto(`${server.url}/issues?query=${type}`);
  await page.click("#rows .row-title");
  await page.waitForURL(/\/issues\/\d+$/);
  await page.waitForSelector("h1");
}

// Waits for the state in the head and the newest sentence of the activity.
async function stands(page, flag, sentence, toast) {
  if (flag) await page.waitForSelector(`#issue-head .flag-${flag}`);
  else await page.waitForSelector("#resolve, .dock .btn-first:has-text('Resolve')");
  const newest = page.locator("#activity li").first();
  await newest.filter({ hasText: sentence }).waitFor().catch(async () => {
    throw new Error(`the activity says ${await newest.innerText()} and not ${sentence}`);
  });
  if (toast) await page.waitForSelector(`#toast:has-text("${toast}")`);
}

async function picture(page, name) {
  await mkdir("target/browser", { recursive: true });
  await page.screenshot({ path: `target/browser/lifecycle-${name}.png` });
}

async function pictures(page, name) {
  await page.emulateMedia({ reducedMotion: "reduce" });
  for (const theme of ["light", "dark"]) {
    await page.evaluate((theme) => (document.documentElement.dataset.theme = theme), theme);
    await picture(page, `${name}-${theme}`);
  }
}

const fill = (fields) => async (menu) => {
  for (const [name, value] of Object.entries(fields)) {
    const field = menu.locator(`[name=${name}]`);
    if (name === "of") await field.selectOption(value);
    else await field.fill(value);
  }
};

// The page has been open for long: what it said of the time until 7:00 when it was loaded is over.
const grownOld = (menu) => menu.locator("[data-until]").evaluate((button) => (button.value = "ignore:60"));

// Menu, what is pressed in it after what is filled in, and what is then true.
const WAYS = [
  ["resolve", "resolve:next", null, "resolved", /Resolved in the release after shop@1\.2\.0/, "resolved in the next release"],
  ["resolve", "resolve:current", null, "resolved", "Resolved in shop@1.2.0.", "resolved in the current release"],
  ["resolve", "resolve:in:shop@1.1.0", null, "resolved", "Resolved in shop@1.1.0.", "resolved in the named release"],
  ["resolve", "resolve:named", fill({ release: "shop@1.0.0" }), "resolved", "Resolved in shop@1.0.0.", "resolved in the named"],
  ["resolve", "resolve:commit", fill({ commit: "A41C9E2F" }), "resolved", "Resolved by commit a41c9e2f, which is in no release yet.", "resolved by a commit"],
  ["ignore", "[data-until]", grownOld, "ignored", /Ignored until \d{4}-\d\d-\d\dT\d\d:00:0\dZ/, "ignored for a time"],
  ["ignore", "ignore:3600", null, "ignored", /Ignored until \d{4}-/, "ignored for a time"],
  ["ignore", "[data-key='2']", null, "ignored", /Ignored until \d{4}-/, "ignored for a time"],
  ["ignore", "ignore:604800", null, "ignored", /Ignored until \d{4}-/, "ignored for a time"],
  ["ignore", "ignore:events:100", null, "ignored", "Ignored until 100 more events.", "ignored until it happens more often"],
  ["ignore", "ignore:users:50", null, "ignored", "Ignored until 50 more users.", "ignored until more users meet it"],
  ["ignore", "ignore:escalating", null, "ignored", "Ignored until it escalates.", "ignored until it escalates"],
  ["ignore", "ignore", null, "ignored", "Ignored for good.", "ignored for good"],
  ["ignore", "ignore:more", fill({ count: "7", of: "users", minutes: "30" }), "ignored", "Ignored until 7 users within 30 minutes.", "ignored until more users meet it"],
  ["ignore", "ignore:more", fill({ count: "9", minutes: "" }), "ignored", "Ignored until 9 more events.", "ignored until it happens more often"],
];
const button = (value) => (value.startsWith("[") ? value : `[value="${value}"]`);

// Presses `target` as a keyboard does: Tab or arrows lead to it, Enter presses it.
async function walkTo(page, target, key) {
  for (let steps = 0; steps < 40; steps += 1) {
    if (await target.evaluate((element) => element === document.activeElement)) return;
    await page.keyboard.press(key);
  }
  throw new Error(`${key} does not lead to ${target}`);
}

export const checks = [
  ["every way to resolve and to ignore, by mouse", async ({ page, server, problems }) => {
    await signIn(page, server);
    await issue(page, server, "PlainResolveError");
    await page.click("#resolve");
    await stands(page, "resolved", "Resolved.", "1 issue resolved");
    for (const [at, [menu, value, prepare, flag, sentence, toast]] of WAYS.entries()) {
      await issue(page, server, `Mouse${at}Error`);
      const ways = page.locator(`#${menu}-ways`);
      await ways.locator("summary").click();
      if (prepare) await prepare(ways);
      await ways.locator(button(value)).click();
      await stands(page, flag, sentence, `1 issue ${toast}`);
      await page.click("#undo");
      await stands(page, null, "Marked as wrong", "1 issue put back");
    }
    assert(problems.length === 0, problems.join("\n"));
  }],

  ["a menu stays open when the page is fetched again, which it is once more when the menu closes", async ({ page, server, problems }) => {
    await signIn(page, server);
    await issue(page, server, "BusyError");
    const ways = page.locator("#ignore-ways");
    await ways.locator("summary").click();
    await ways.locator("[name=count]").fill("41");
    await page.evaluate(() => {
      document.getElementById("issue-head").dataset.old = "yes";
      return window.firefinch.refetch();
    });
    assert(await ways.evaluate((menu) => menu.open), "the menu closed under the pointer");
    assert((await ways.locator("[name=count]").inputValue()) === "41", "what was typed is gone");
    await ways.evaluate((menu) => (menu.open = false));
    await page.waitForFunction(() => !document.getElementById("issue-head").dataset.old);
    assert(problems.length === 0, problems.join("\n"));
  }],

  ["the menus by keyboard alone", async ({ page, server, problems }) => {
    await signIn(page, server);
    await issue(page, server, "KeyboardError");
    const resolve = page.locator("#resolve-ways");
    await page.locator("#resolve").focus();
    await walkTo(page, resolve.locator("summary"), "Tab");
    await page.keyboard.press("Enter");
    await walkTo(page, resolve.locator("[value='resolve:current']"), "ArrowDown");
    await page.keyboard.press("Escape");
    assert(!(await resolve.evaluate((menu) => menu.open)), "Escape does not close the menu");
    await page.keyboard.press("Enter");
    await walkTo(page, resolve.locator("[name=commit]"), "ArrowUp");
    await page.keyboard.type("1a2b3c4");
    await page.keyboard.press("Enter");
    await stands(page, "resolved", "Resolved by commit 1a2b3c4");
    await page.waitForFunction(() => document.activeElement.id === "reopen");
    await page.keyboard.press("u");
    await stands(page, null, "Marked as wrong", "put back");
    await page.keyboard.press("i");
    await stands(page, "ignored", /Ignored until \d{4}-/, "ignored for a time");
    await page.keyboard.press("e");
    await stands(page, null, "No longer ignored.", "1 issue reopened");
    await page.keyboard.press("u");
    await stands(page, "ignored", "Marked as wrong", "put back");
    await page.keyboard.press("e");
    await stands(page, null, "No longer ignored.");
    await walkTo(page, page.locator("#ignore-ways summary"), "Tab");
    await page.keyboard.press("Enter");
    await page.keyboard.press("1");
    await stands(page, "ignored", /Ignored until \d{4}-/);
    await walkTo(page, page.locator("#activity li button").first(), "Tab");
    await page.keyboard.press("Enter");
    await stands(page, null, "Marked as wrong");
    assert(problems.length === 0, problems.join("\n"));
  }],

  ["an undo gives back what stood before, and a wrong regression can be said to be wrong", async ({ page, server }) => {
    await signIn(page, server);
    await issue(page, server, "WrongError");
    await page.click("#ignore-ways summary");
    await page.click("#ignore-ways [value='ignore:events:100']");
    await stands(page, "ignored", "Ignored until 100 more events.");
    await page.click("#reopen");
    await stands(page, null, "No longer ignored.", "reopened");
    await page.click("#undo");
    await stands(page, "ignored", "It is ignored again", "put back");
    await page.click("#reopen");
    await stands(page, null, "No longer ignored.");
    await page.click("#resolve");
    await stands(page, "resolved", "Resolved.");
    await post(server, "WrongError", { release: "shop@1.2.0" });
    await stands(page, "regressed", "Came back in shop@1.2.0 after it was resolved.");
    await pictures(page, "regressed");
    await page.click("#why-regressed button");
    await stands(page, "resolved", "Marked as wrong");
    assert(await page.locator("#activity s").first().isVisible(), "what was wrong is not struck out");
  }],

  ["discard and delete ask first", async ({ page, server, until, problems }) => {
    await signIn(page, server);
    await issue(page, server, "DiscardError");
    await page.click("#more-ways summary");
    await page.click("#more-ways a:has-text('Discard')");
    await page.waitForSelector(".question:has-text('Later events of it are dropped')");
    await page.click(".question a");
    await page.waitForURL(/\/issues\/\d+$/);
    await stands(page, null, "Seen for the first time");
    await page.click("#more-ways summary");
    await page.click("#more-ways a:has-text('Discard')");
    await page.click(".question button");
    await stands(page, "ignored", "Discarded", "1 issue discarded");
    assert((await page.locator(".question").count()) === 0, "the question stays after its answer");
    assert(!page.url().includes("ask="), "a reload would ask again");
    await page.click("#undo");
    await stands(page, null, "Marked as wrong");

    await issue(page, server, "DeleteError");
    const url = page.url();
    await page.click("#more-ways summary");
    await page.click("#more-ways a:has-text('Delete')");
    await page.waitForSelector(".question:has-text('with its events (3)')");
    await picture(page, "delete");
    await page.click(".question button");
    await page.waitForURL(/\/issues\?project=shop/);
    await page.waitForSelector("#toast:has-text('1 issue deleted')");
    assert((await page.locator("#undo").count()) === 0, "an undo is offered for what cannot be undone");
    assert(problems.length === 0, problems.join("\n"));
    await until("the issue to be gone", async () => (await page.request.get(url)).status() === 404);
  }],

  ["all of it without script", async ({ page, context, server }) => {
    await signIn(page, server);
    const plain = await context.browser().newContext({ javaScriptEnabled: false });
    await plain.addCookies(await context.cookies());
    try {
      const bare = await plain.newPage();
      for (const [at, [menu, value, prepare, flag, sentence, toast]] of WAYS.entries()) {
        if (value === "[data-until]") continue; // The zone of the person is known to their browser alone.
        await issue(bare, server, `Bare${at}Error`);
        const ways = bare.locator(`#${menu}-ways`);
        await ways.locator("summary").click();
        if (prepare) await prepare(ways);
        await ways.locator(button(value)).click();
        await stands(bare, flag, sentence, `1 issue ${toast}`);
        await bare.click(at % 2 ? "#undo" : "#activity li button");
        await stands(bare, null, "Marked as wrong", "1 issue put back");
      }
      await issue(bare, server, "BareDeleteError");
      await bare.click("#more-ways summary");
      await bare.click("#more-ways a:has-text('Delete')");
      await bare.click(".question button");
      await bare.waitForSelector("#toast:has-text('1 issue deleted')");
    } finally {
      await plain.close();
    }
  }],

  ["what was mistyped is explained", async ({ page, server }) => {
    await signIn(page, server);
    await issue(page, server, "TypoError");
    await page.click("#resolve-ways summary");
    await page.fill("#resolve-ways [name=release]", "shop@9");
    await page.click("#resolve-ways [value='resolve:named']");
    await page.waitForSelector("text=The project has no release shop@9");
  }],

  ["the menus in both themes, and on a phone", async ({ page, server }) => {
    await signIn(page, server);
    await issue(page, server, "PictureError", { width: 1280, height: 800 });
    for (const menu of ["resolve", "ignore", "more"]) {
      await page.click(`#${menu}-ways summary`);
      await pictures(page, menu);
      await page.keyboard.press("Escape");
    }
    await page.setViewportSize({ width: 390, height: 844 });
    await page.reload();
    await page.click(".dock summary");
    await pictures(page, "phone-menu");
    const box = await page.locator(".dock .menu-list").boundingBox();
    assert(box.x >= 0 && box.x + box.width <= 390 && box.y >= 0, `the menu leaves the screen: ${JSON.stringify(box)}`);
    await page.click(".dock [value='ignore:escalating']");
    await stands(page, "ignored", "Ignored until it escalates.", "ignored until it escalates");
    await pictures(page, "phone-toast");
    const toast = await page.locator("#toast").boundingBox();
    const dock = await page.locator("#dock").boundingBox();
    assert(toast.y + toast.height <= dock.y, "the message lies over the actions");
  }],
];
