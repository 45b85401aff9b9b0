// Alert rules: made, tried, changed and deleted by mouse, by keyboard and without script; in both themes and on a phone.
import { signIn } from "./pages.js";
import { assert, pictures } from "./look.js";

export const checks = [
  ["a rule is made, tried and deleted, and the deletion undone", async ({ page, server, problems }) => {
    await signIn(page, server);
    await page.goto(`${server.url}/alerts`);
    await page.click("text=New rule");
    await page.selectOption("select[name=project]", "shop");
    await page.check("input[name=kind][value=frequent]");
    await page.check("input[name=level][value=fatal]");
    await page.fill("textarea[name=environments]", "production");
    await page.check("input[name=latest]");
    await page.click("text=Save");
    await page.waitForSelector("text=Choose at least one place where it goes.");
    assert((await page.inputValue("textarea[name=environments]")) === "production", "what was typed is gone");
    await page.check("input[name=to] >> nth=0");
    await page.uncheck("input[name=level][value=fatal]");
    await page.uncheck("input[name=latest]");
    await page.fill("textarea[name=environments]", "");
    await page.click("text=What would it have sent last week?");
    await page.waitForSelector("#found h2");
    assert((await page.innerText("#found")).includes("signals."), "the preview says nothing");
    await pictures(page, "rules-tried");
    await page.click("button:has-text('Save')");
    await page.waitForSelector("text=Saved. It holds for what happens from now on.");
    await page.click("text=Delete");
    await page.waitForSelector("#toast:has-text('Rule deleted')");
    assert((await page.locator("#rules li").count()) === 1, "the rule is still there");
    await page.keyboard.press("u");
    await page.waitForSelector("#toast:has-text('The rule is back')");
    assert((await page.locator("#rules li").count()) === 2, "the rule is not back");
    await pictures(page, "rules-list");
    await page.goto(`${server.url}/alerts/1`);
    await pictures(page, "rules-destination");
    assert(!problems.some((problem) => !problem.includes("422")), `the browser's console complains: ${problems}`);
  }],

  ["a rule is switched off by keyboard", async ({ page, server }) => {
    await signIn(page, server);
    await page.goto(`${server.url}/alerts`);
    await page.focus("#rules li:last-child a");
    await page.keyboard.press("Enter");
    await page.waitForSelector("text=It is on.");
    await page.focus("button[value=disable]");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#toast:has-text('Rule switched off')");
    assert((await page.innerText("#rules li:last-child")).includes("Off"), "it is still on");
    await page.keyboard.press("u");
    await page.waitForSelector("#toast:has-text('Rule switched on')");
  }],

  ["without script a rule is changed, too", async ({ page, context, server }) => {
    await signIn(page, server);
    const plain = await context.browser().newContext({ javaScriptEnabled: false, storageState: await context.storageState() });
    const still = await plain.newPage();
    await still.goto(`${server.url}/alerts`);
    await still.click("#rules li:last-child a");
    await still.fill("input[name=name]", "Without script");
    await still.click("button:has-text('Save')");
    await still.waitForSelector("h1:has-text('Without script')");
    await still.click("text=Delete");
    await still.click("#undo");
    await still.waitForSelector("#rules li:has-text('Without script')");
    await plain.close();
  }],
];
