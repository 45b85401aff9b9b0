// A project with many stored events: rules, merging, splitting, regrouping and undoing, with what each shows meanwhile.
import { signIn } from "./pages.js";

function assert(holds, what) {
  if (!holds) throw new Error(what);
}

// A change of this size may take longer than a page is usually waited for.
const PATIENCE = { timeout: 120_000 };

async function changed(page, kind) {
  await page.waitForSelector(`#changes li:first-child[data-state=done]:has-text("${kind}")`, PATIENCE);
}

async function timed(what, work) {
  const started = Date.now();
  await work();
  console.log(`${what}: ${Date.now() - started} ms`);
}

export const checks = [
  ["rules: mistakes have their place, a preview changes nothing, saving and regrouping does, and undo brings all back",
    async ({ page, server, tell, problems }) => {
      await signIn(page, server);
      await page.goto(`${server.url}/projects/shop/rules`);
      await page.fill("[name=fingerprint]", "# things\nmessage:\"basket *\" -> a,, b");
      await page.click("button[value=save]");
      await page.waitForSelector("#fingerprint-problems >> text=line 2, column 25");
      assert((await page.inputValue("[name=fingerprint]")).startsWith("# things\n"), "what was typed is still there");
      problems.length = 0;

      await page.fill("[name=fingerprint]", server.rules);
      await timed("preview", async () => {
        await page.click("button[value=try]");
        await page.waitForSelector("#found >> text=2 issues would be one");
      });
      await tell("nothing changed");
      await page.focus("button[value=save]");
      await page.keyboard.press("Enter");
      await page.waitForSelector("text=Saved.");
      await page.click("text=Group the stored events again");

      await timed("regroup", async () => {
        await page.click("#regroup");
        await page.waitForSelector("#changes[data-again] progress");
        await page.waitForSelector("text=events looked at");
        await changed(page, "Regrouping");
      });
      await tell("regrouped");
      assert(await page.locator("text=Can be undone until").count() === 1, "it says until when");
      await timed("regroup undone", async () => {
        await page.click("#changes li:first-child button");
        await page.waitForSelector("#changes[data-again] progress");
        await changed(page, "Regrouping undone");
      });
      await tell("nothing changed");
      assert(problems.length === 0, `the browser's console complains: ${problems.join()}`);
    }],

  ["issues are merged in the list, split and brought back on their page, and the counters follow",
    async ({ page, server, tell, problems }) => {
      await signIn(page, server);
      await page.goto(`${server.url}/issues?query=lost&range=24h`);
      const ways = page.locator("#rows [data-issue] .choose");
      assert((await ways.count()) === 10, `${await ways.count()} issues are lost`);
      for (const box of await ways.all()) await box.check();
      await timed("merge", async () => {
        await page.click("#bulk-merge");
        await page.waitForSelector("#toast:has-text('merged')");
        await page.goto(`${server.url}/projects/shop/regroupings`);
        await changed(page, "Merge");
      });
      await tell("merged");
      await page.click("#changes li:first-child a");
      const count = async () => Number((await page.getAttribute("b[data-live=events]", "title") ?? await page.textContent("b[data-live=events]")).replace(/\D/g, ""));
      assert((await count()) === server.events / 2, `the issue counts ${await count()}`);

      // The second: the last may be the key of a rule, which no event has.
      await page.locator("#why .why-choose input").nth(1).check();
      await timed("split", async () => {
        await page.click("#split-off");
        await page.waitForSelector("#toast");
        await page.waitForSelector("#changes:not([data-again]) >> text=An issue was split off this one", PATIENCE);
      });
      await tell("split");
      await page.reload();
      assert((await count()) === server.events / 20 * 9, `the issue counts ${await count()}`);
      await timed("split undone", async () => {
        await page.click("#changes .regrouping:has-text('split off') button");
        await page.waitForSelector("#changes:not([data-again]) >> text=and undone", PATIENCE);
      });
      await timed("merge undone", async () => {
        await page.click("#changes .regrouping:has-text('9 issues were merged') button");
        await page.waitForSelector("#changes:not([data-again]) >> text=A merge was undone", PATIENCE);
      });
      await tell("nothing changed");
      assert(problems.length === 0, `the browser's console complains: ${problems.join()}`);
    }],
];
