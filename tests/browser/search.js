// Finding and choosing issues: completion, orders, kept views, a choice that stays over pages, and comments.
import { assert, pictures } from "./look.js";
import { post } from "./live.js";
import { signIn } from "./pages.js";

export const checks = [
  ["keys and values are completed by keyboard", async ({ page, server, problems }) => {
    await post(server, "GoldError", { tags: { plan: "very gold" }, release: "shop@2.1" });
    await post(server, "FreeError", { tags: { plan: "free" }, release: "shop@2.1" });
    await signIn(page, server);
    await page.goto(`${server.url}/issues?query=`);
    await page.click("#query");
    await page.keyboard.type("pla");
    await page.waitForSelector("#completions li:has-text('plan:')");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#completions li:has-text('very gold')");
    await pictures(page, "search-completion");
    await page.click("#query");
    await page.keyboard.type("gold");
    await page.waitForSelector("#completions li:has-text('very gold')");
    await page.keyboard.press("ArrowDown");
    assert((await page.getAttribute("#query", "aria-activedescendant")) === "completion-0", "the choice is not told");
    await page.keyboard.press("Tab");
    assert((await page.inputValue("#query")) === 'plan:"very gold" ', await page.inputValue("#query"));
    await page.keyboard.press("Enter");
    await page.waitForURL(/query=plan/);
    assert((await page.locator("#rows [data-issue]").count()) === 1, "the search finds something else");
    await page.click("#query");
    await page.keyboard.type("is");
    await page.waitForSelector("#completions:not([hidden])");
    await page.keyboard.press("Escape");
    await page.waitForSelector("#completions", { state: "hidden" });
    assert(await page.evaluate(() => document.activeElement.id === "query"), "Escape closes the list alone");
    assert(problems.length === 0, `the console complains: ${problems}`);
  }],

  ["a view is kept, shown and forgotten", async ({ page, server }) => {
    await signIn(page, server);
    await page.goto(`${server.url}/issues?query=plan:free`);
    await page.click(".sort-menu summary");
    await page.click(".sort-menu a:has-text('Most users')");
    await page.waitForURL(/sort=users/);
    await page.click("#save-view summary");
    await page.fill("#save-view input[name=name]", "Free ones");
    await page.click("#save-view button[value=save]");
    await page.waitForSelector(".views a[aria-current]:has-text('Free ones')");
    await page.click("#save-view summary");
    await pictures(page, "search-views");
    await page.click("#save-view button[value=remove]");
    await page.waitForFunction(() => !document.querySelector(".views a[data-view]"));
  }],

  ["what is chosen stays so on the next page, and is changed with it", async ({ page, server, until }) => {
    for (let n = 0; n < 27; n += 1) await post(server, `Many${String.fromCharCode(65 + n)}Error`);
    await signIn(page, server);
    await page.goto(`${server.url}/issues?query=Many`);
    await page.waitForSelector("#stream[data-state=open]");
    await page.locator("#rows .choose").first().check();
    await page.click("a[rel=next]");
    await page.waitForURL(/after=/);
    await page.waitForSelector("#chosen:has-text('1 chosen, 1 on other pages')");
    await page.locator("#rows .choose").first().check();
    await page.waitForSelector("#chosen:has-text('2 chosen, 1 on other pages')");
    await pictures(page, "search-chosen");
    await page.click("#bulk-resolve");
    await page.waitForSelector("#toast:has-text('2 issues resolved')");
    await page.click("#undo");
    await page.waitForSelector("#toast:has-text('2 issues put back')");
    await page.goto(`${server.url}/issues?query=Many`);
    await until("nothing to be chosen", async () => (await page.locator("#list.has-chosen").count()) === 0);
    await page.locator("#rows .choose").first().check();
    await page.click("#unchoose");
    assert((await page.locator("#rows .choose:checked").count()) === 0, "something is still chosen");
  }],

  ["a comment is said and taken away without leaving the page", async ({ page, server, problems }) => {
    await post(server, "SaidError");
    await signIn(page, server);
    await page.goto(`${server.url}/issues?query=SaidError`);
    await page.click("#rows .row-title");
    await page.waitForURL(/\/issues\/\d+$/);
    await page.waitForSelector("#stream[data-state=open]");
    await page.evaluate(() => { window.same = true; });
    await page.fill("#comment", "Rolled back, e and all.");
    await page.click("button[value=comment]");
    await page.waitForSelector(".comment:has-text('Rolled back')");
    await pictures(page, "search-comment");
    await page.click("#activity li button[value=remove]");
    await page.waitForFunction(() => !document.querySelector(".comment"));
    assert(await page.evaluate(() => window.same), "the page was loaded again");
    assert(problems.length === 0, `the console complains: ${problems}`);
  }],
];
