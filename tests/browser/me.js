// What a person chose about their own mails: by mouse, by keyboard and without script; in both themes and on a phone.
import { signIn } from "./pages.js";
import { assert, pictures } from "./look.js";

const SHOP = "#kinds details:has(summary b:text-is('shop'))";

export const checks = [
  ["the menu leads to it, and quiet hours are kept", async ({ page, server, until, problems }) => {
    await signIn(page, server);
    await page.click(".person-menu summary");
    await page.click("text=Your notifications");
    const own = await page.evaluate(() => Intl.DateTimeFormat().resolvedOptions().timeZone);
    assert((await page.inputValue("select[name=zone]")) === own, "the zone is not that of the browser");
    await pictures(page, "me-first");
    await page.selectOption("select[name=zone]", "Europe/Berlin");
    await page.fill("input[name=from-0]", "22:00");
    await page.fill("input[name=to-0]", "07:00");
    await page.uncheck("input[name=day-0][value='6']");
    await page.check("input[name=through][value=trouble]");
    await page.click("text=Save quiet hours");
    await page.waitForSelector("text=Saved.");
    assert((await page.inputValue("input[name=from-0]")) === "22:00", "the hours are gone");
    assert((await page.inputValue("select[name=zone]")) === "Europe/Berlin", "the zone is gone");
    assert(!(await page.isChecked("input[name=day-0][value='6']")), "the days are gone");
    await page.fill("input[name=address]", "ada@home.example");
    await page.click("text=Send a link there");
    await until("the mail to fail", async () => {
      await page.goto(`${server.url}/me/notifications`);
      return (await page.innerText("#address")).includes("ada@home.example did not go: no mail server is configured");
    });
    await page.click(`${SHOP} summary`);
    await pictures(page, "me-chosen");
    assert(problems.length === 0, "the browser's console complains");
  }],

  ["kinds are chosen by keyboard", async ({ page, server }) => {
    await signIn(page, server);
    await page.goto(`${server.url}/me/notifications`);
    await page.focus(`${SHOP} summary`);
    await page.keyboard.press("Enter");
    await page.keyboard.press("Tab");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Space");
    await page.keyboard.press("Enter");
    await page.waitForSelector("text=Saved.");
    const words = await page.innerText(`${SHOP} summary`);
    assert(words.includes("No new issues"), `chosen: ${words}`);
  }],

  ["without script it works, too", async ({ page, context, server }) => {
    await signIn(page, server);
    const plain = await context.browser().newContext({ javaScriptEnabled: false, storageState: await context.storageState() });
    const still = await plain.newPage();
    await still.goto(`${server.url}/me/notifications`);
    await still.click("button:has-text('Remove')");
    await still.waitForSelector("text=Saved.");
    assert((await still.inputValue("input[name=from-0]")) === "", "the hours are still there");
    await still.click(`${SHOP} summary`);
    await still.check(`${SHOP} input[value=none]`);
    await still.click("text=Save for shop");
    await still.waitForSelector("#kinds summary:has-text('Nothing, stopped')");
    await plain.close();
  }],
];
