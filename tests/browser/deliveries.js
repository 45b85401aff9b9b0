// What was told to whom: the list with its filters by keyboard, the message behind a row, the block on the page of an
// issue; in both themes, on a phone, and without script.
import { post } from "./live.js";
import { signIn } from "./pages.js";
import { assert, pictures } from "./look.js";

export const checks = [
  ["the list is filtered by keyboard, and a row leads to its message and its issue", async ({ page, server, tell, problems }) => {
    await post(server, "CartError");
    await tell("fill");
    await signIn(page, server);
    await page.goto(`${server.url}/alerts`);
    await page.click("text=All deliveries");
    await page.waitForSelector(".told-list li");
    assert((await page.locator(".told-list li").count()) === 8, "not every delivery is there");
    await pictures(page, "deliveries-all");
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
    await pictures(page, "deliveries-message");
    await page.goto(`${server.url}/alerts/deliveries?issue=SHOP-99`);
    await page.waitForSelector("text=There is no issue SHOP-99");
    await pictures(page, "deliveries-nothing");
    await page.goto(`${server.url}/issues/shop-1`);
    await page.waitForSelector("#told .told-list li");
    await pictures(page, "deliveries-issue");
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
