// An ordinary day: issues by keyboard, rows that wait, a project's first event, no script, a phone,
// and text from outside that wants to be code.
import { post } from "./live.js";
import { assert, pictures } from "./look.js";
import { signIn } from "./pages.js";

async function inList(page, server) {
  await signIn(page, server);
  await page.goto(`${server.url}/issues`);
  await page.waitForSelector("#stream[data-state=open]");
}

export const checks = [
  ["issues are chosen, resolved, brought back and opened by keyboard alone", async ({ page, server, problems }) => {
    await post(server, "FirstKeyError");
    await post(server, "SecondKeyError");
    await inList(page, server);
    await page.keyboard.press("j");
    await page.keyboard.press("x");
    await page.keyboard.press("j");
    await page.keyboard.press("x");
    await page.waitForSelector("#chosen:has-text('2 chosen')");
    await page.keyboard.press("e");
    await page.waitForSelector("#toast:has-text('2 issues resolved')");
    assert((await page.locator("#rows [data-issue]").count()) === 0, "resolved issues are still in the list");
    await page.keyboard.press("u");
    await page.waitForSelector("#toast:has-text('2 issues put back')");
    await page.waitForSelector("#rows [data-issue]");
    await page.keyboard.press("j");
    const type = await page.textContent(".at-cursor .type");
    await page.keyboard.press("o");
    await page.waitForURL(/\/issues\/\d+$/);
    assert((await page.textContent("h1")).includes(type), "another issue was opened");
    await page.keyboard.press("e");
    await page.waitForSelector(".flag-resolved");
    await page.keyboard.press("e");
    await page.waitForSelector("#resolve");
    await page.keyboard.press("?");
    await page.waitForSelector("dialog[open]");
    await page.keyboard.press("Escape");
    await page.keyboard.press("g");
    await page.keyboard.press("l");
    await page.waitForURL(/\/live$/);
    assert(problems.length === 0, "the browser's console complains");
  }],

  ["issues are assigned by keyboard, without script, and other pages hear of it", async ({ page, context, server, problems }) => {
    await post(server, "OwnedError");
    await signIn(page, server);
    const other = await context.newPage();
    await other.goto(`${server.url}/issues?query=OwnedError`);
    await other.waitForSelector("#stream[data-state=open]");
    await page.goto(`${server.url}/issues?query=OwnedError`);
    await page.keyboard.press("j");
    await page.keyboard.press("a");
    await page.waitForSelector("#bulk-assign-ways[open] button:focus");
    await page.keyboard.press("1");
    await page.waitForSelector("#toast:has-text('1 issue assigned to you')");
    await page.waitForSelector(".row > .row-who [aria-label$='has it']");
    await other.waitForSelector(".row > .row-who [aria-label$='has it']");
    await other.click("#rows .row-title");
    await other.waitForSelector("#assign .who");
    await other.waitForSelector("#stream[data-state=open]");
    await page.keyboard.press("u");
    await page.waitForSelector("#toast:has-text('1 issue put back')");
    await other.waitForSelector("#assign:has-text('Assign')");
    await other.keyboard.press("a");
    await other.keyboard.press("Enter");
    await other.waitForSelector("#activity:has-text('Took it.')");
    const plain = await context.browser().newContext({ javaScriptEnabled: false });
    await plain.addCookies(await context.cookies());
    try {
      const bare = await plain.newPage();
      await bare.goto(`${server.url}/issues?query=assigned:me`);
      await bare.click("#rows .choose");
      await bare.click("#bulk-assign");
      await bare.click("#bulk-assign-ways button[value='assign:none']");
      await bare.waitForSelector("#toast:has-text('1 issue assigned to nobody')");
    } finally {
      await plain.close();
    }
    await other.close();
    assert(problems.length === 0, "the browser's console complains");
  }],

  ["rows wait while the keyboard is in the list, and come when asked", async ({ page, server }) => {
    await post(server, "StandingError");
    await inList(page, server);
    await page.keyboard.press("j");
    const before = await page.locator("#rows [data-issue]").count();
    await post(server, "WaitingError");
    await page.waitForSelector("#pill:has-text('1 new')");
    assert((await page.locator("#rows [data-issue]").count()) === before, "a row came in under the cursor");
    await page.keyboard.press(".");
    await page.waitForSelector("#rows >> text=WaitingError");
    assert(await page.locator("#pill").isHidden(), "the pill stays");
  }],

  ["the page of a new project turns into the issue with its first event", async ({ page, server }) => {
    await signIn(page, server);
    await page.goto(`${server.url}/projects/new`);
    await page.fill("input[name=name]", "Back Office");
    await page.click("main form button");
    await page.waitForSelector("[data-waiting]");
    await page.waitForSelector("#stream:has-text('Listening')");
    await post({ ...server, dsn: await page.inputValue("#dsn") }, "VeryFirstError");
    await page.waitForURL(/\/issues\/\d+$/);
    assert((await page.textContent("h1")).includes("VeryFirstError"), "another issue is shown");
  }],

  ["everything works without script", async ({ page, context, server }) => {
    await post(server, "PlainError");
    await signIn(page, server);
    const plain = await context.browser().newContext({ javaScriptEnabled: false });
    await plain.addCookies(await context.cookies());
    try {
      const bare = await plain.newPage();
      await bare.goto(`${server.url}/issues?query=PlainError`);
      await bare.click("#rows .choose");
      await bare.click("#bulk-resolve");
      await bare.waitForSelector("#toast:has-text('1 issue resolved')");
      await bare.click("#undo");
      await bare.waitForSelector("#rows >> text=PlainError");
      await bare.click("#rows .row-title");
      await bare.waitForSelector(".failing .hit, .failing");
      await bare.click("button[value=dark]:visible");
      await bare.waitForSelector("html[data-theme=dark]");
    } finally {
      await plain.close();
    }
  }],

  ["a part of the histogram is drawn over, and its address shows it", async ({ page, server, problems }) => {
    await post(server, "DrawnError");
    await signIn(page, server);
    await page.goto(`${server.url}/issues?query=DrawnError`);
    await page.click("#rows .row-title");
    const plot = await page.locator("#histogram > svg").first().boundingBox();
    await page.mouse.move(plot.x + plot.width / 2, plot.y + 20);
    await page.mouse.down();
    await page.mouse.move(plot.x + plot.width - 2, plot.y + 20, { steps: 4 });
    await page.mouse.up();
    await page.waitForURL(/from=\d+&until=\d+/);
    await page.waitForSelector("#histogram-large");
    assert((await page.locator(".histogram-large tbody td").first().textContent()) === "1", "the event is not in it");
    assert(problems.length === 0, `the console complains: ${problems}`);
  }],

  ["issues are chosen by touch, whole rows", async ({ browser, server }) => {
    const context = await browser.newContext({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
    const page = await context.newPage();
    await post(server, "TouchedError");
    await signIn(page, server);
    await page.goto(`${server.url}/issues?query=TouchedError`);
    await page.tap(".choosing");
    const title = await page.locator("#rows .row .type").boundingBox();
    await page.touchscreen.tap(title.x + 4, title.y + 4);
    await page.waitForSelector("#chosen:has-text('1 chosen')");
    await pictures(page, "phone-chosen");
    await page.tap("#bulk-resolve");
    await page.waitForSelector("#toast:has-text('resolved')");
    await post(server, "TappedError");
    await page.goto(`${server.url}/live`);
    await page.tap("[data-lane=new] >> text=TappedError");
    await page.waitForSelector("[data-issue-page]");
    await page.goBack();
    // Once it was asked for, a tap chooses a row instead of opening it, and the acts are where the thumb is.
    await page.tap(".choosing");
    const row = page.locator("[data-lane=new] [data-issue]", { hasText: "TappedError" });
    const box = await row.boundingBox();
    await page.touchscreen.tap(box.x + 40, box.y + 16);
    await page.waitForSelector("#chosen:has-text('1 chosen')", { state: "attached" });
    await pictures(page, "live-phone-chosen");
    const act = await page.locator("#bulk-assign").boundingBox();
    assert(act.height >= 44 && act.y + act.height <= 844, `the act is ${act.height} high, at ${act.y}`);
    await page.tap("#bulk-assign");
    await row.locator(".whose:has-text('has it')").waitFor();
    await context.close();
  }],

  ["on a phone the failing line is on the first screen and nothing is wider than it", async ({ page, server }) => {
    await post(server, "PhoneError");
    await signIn(page, server);
    await page.setViewportSize({ width: 390, height: 844 });
    for (const path of ["/issues", "/live", "/projects", "/projects/shop"]) {
      await page.goto(`${server.url}${path}`);
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      assert(width <= 390, `${path} is ${width} wide`);
    }
    await page.goto(`${server.url}/issues?query=PhoneError`);
    await page.click("#rows .row-title");
    await page.waitForURL(/\/issues\/\d+$/);
    const box = await page.locator(".failing").first().boundingBox();
    assert(box.y + 20 < 844 - 60, `the failing frame begins at ${box.y}`);
    assert(await page.locator(".dock").isVisible(), "the actions are not at hand");
  }],

  ["text that wants to be code stays text", async ({ page, server, problems }) => {
    const evil = `<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>`;
    await signIn(page, server);
    await page.goto(`${server.url}/live`);
    await page.waitForSelector("#stream[data-state=open]");
    await post(server, evil);
    await page.waitForSelector("[data-lane=new] [data-issue] >> text=onerror");
    await page.click("[data-lane=new] [data-issue] a:has-text('onerror')");
    await page.waitForSelector("h1:has-text('onerror')");
    await page.goto(`${server.url}/issues`);
    await page.waitForSelector("#rows >> text=onerror");
    assert(!(await page.evaluate(() => window.hacked)), "it ran");
    assert(problems.length === 0, "the content policy had to step in");
  }],
];
