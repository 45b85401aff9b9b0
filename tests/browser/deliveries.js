// What was told to whom: the list with its filters by keyboard, the message behind a row, the block on the page of an
// issue; in both themes, on a phone, and without script.
import { mkdir } from "node:fs/promises";
import { post } from "./live.js";
import { signIn } from "./pages.js";

function assert(holds, what) {
  if (!holds) throw new Error(what);
}

async function pictures(page, name) {
  await mkdir("target/browser", { recursive: true });
  await page.emulateMedia({ reducedMotion: "reduce" });
  for (const [width, height, form] of [[1280, 800, ""], [390, 844, "-phone"]]) {
    await page.setViewportSize({ width, height });
    for (const theme of ["light", "dark"]) {
      await page.evaluate((theme) => (document.documentElement.dataset.theme = theme), theme);
      await page.screenshot({ path: `target/browser/deliveries-${name}${form}-${theme}.png`, fullPage: true });
    }
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert(wide <= width, `${name} is ${wide} wide on a screen of ${width}`);
  }
  await page.setViewportSize({ width: 1280, height: 800 });
}

export const checks = [
  ["the list is filtered by keyboard, and a row leads to its message and its issue", async ({ page, server, tell, problems }) => {
    await post(server, "CartError");
    await tell("fill");
    await signIn(page, server);
    await page.goto(`${server.url}/alerts`);
    await page.click("text=All deliveries");
    await page.waitForSelector(".told-list li");
    assert((await page.locator(".told-list li").count()) === 8, "not every delivery is there");
    await pictures(page, "all");
    await page.focus("input[name=issue]");
    await page.keyboard.type("shop-1");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    await page.keyboard.type("Given");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.waitForURL(/state=dead/);
    assert((await page.locator(".told-list li").count()) === 1, "the filter does nothing");
    await page.click("text=Clear");
    await page.click("text=message 901");
    await page.waitForSelector("h1:has-text('Message 901')");
    await pictures(page, "message");
    await page.goto(`${server.url}/alerts/deliveries?issue=SHOP-99`);
    await page.waitForSelector("text=There is no issue SHOP-99");
    await pictures(page, "nothing");
    await page.goto(`${server.url}/issues/shop-1`);
    await page.waitForSelector("#told .told-list li");
    await pictures(page, "issue");
    assert(problems.length === 0, "the browser's console complains");
  }],

  ["without script the filter works, too", async ({ page, context, server }) => {
    await signIn(page, server);
    const plain = await context.browser().newContext({ javaScriptEnabled: false, storageState: await context.storageState() });
    const still = await plain.newPage();
    await still.goto(`${server.url}/alerts/deliveries`);
    await still.selectOption("select[name=state]", "held");
    await still.click("button:has-text('Show')");
    await still.waitForURL(/state=held/);
    assert((await still.innerText(".told-list")).includes("held until"), "nothing is held");
    await plain.close();
  }],
];
