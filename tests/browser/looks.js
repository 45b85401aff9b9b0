// What an issue's page offers to those who go on: links to sources, a link for a stranger, the list of its events.
import { assert, pictures } from "./look.js";
import { post } from "./live.js";
import { signIn } from "./pages.js";

const SOURCE = {
  pre_context: ["def charge(basket, card=None):", '    """Takes the money."""', "    # cards may be gone by now"],
  context_line: "    return gateway.pay(card.number, total=basket.total * 100, note='basket')",
  post_context: ["", "class Till:", "    limit = 7"],
};

const EVENT = {
  release: "shop@2.1",
  tags: { plan: "gold", region: "eu" },
  request: { method: "POST", url: "https://shop.example/pay?token=t0psecret", headers: { Accept: "*/*", Authorization: "Bearer t0psecret" } },
  breadcrumbs: { values: [{ category: "http", message: "GET /basket 200", timestamp: 1 }] },
  exception: { values: [{ type: "LookError", value: "basket 17 has no total", stacktrace: { frames: [
    { function: "serve", filename: "lib/serve.py", lineno: 3, in_app: false },
    { function: "charge", filename: "shop/till.py", lineno: 88, colno: 24, in_app: true, vars: { card: null, basket: { id: 17 } }, ...SOURCE },
  ] } }] },
};

async function openIssue(page, server, type) {
  await page.goto(`${server.url}/issues?query=${type}`);
  await page.click("#rows .row-title");
  await page.waitForURL(/\/issues\/\d+$/);
}

export const checks = [
  ["frames lead to their sources once a mapping is saved", async ({ page, server, problems }) => {
    await post(server, "LookError", EVENT);
    await signIn(page, server);
    await page.goto(`${server.url}/projects/shop/code`);
    await page.waitForSelector("#code-preview:has-text('No mapping fits.')");
    await page.fill("input[name=repository]", "https://git.example/shop/blob/{commit}/{path}#L{line}");
    await page.fill("input[name=editor]", "vscode://file/home/me/{path}:{line}");
    await page.click("button[value=try]");
    await page.waitForSelector("#code-preview a[href='vscode://file/home/me/shop/till.py:88']");
    await pictures(page, "looks-code");
    await page.fill("input[name=editor]", "javascript://x/{path}");
    await page.click("button[value=save]");
    await page.waitForSelector("#code-problem:has-text('begins with one of')");
    assert(problems.splice(0).length === 1, "only the refusal is told to the console");
    await page.fill("input[name=editor]", "vscode://file/home/me/{path}:{line}");
    await page.click("button[value=save]");
    await page.waitForSelector("[role=status]:has-text('Saved')");
    await openIssue(page, server, "LookError");
    await page.waitForSelector(".failing .frame-links a[href='https://git.example/shop/blob/HEAD/shop/till.py#L88']");
    assert((await page.locator(".failing .source .k").first().textContent()) === "def", "keywords are told apart");
    await pictures(page, "looks-issue");
    assert(problems.length === 0, "the browser's console complains");
  }],

  ["a link shows the issue to a stranger until it is taken back", async ({ page, context, server, problems }) => {
    await post(server, "ShareError", { ...EVENT, exception: { values: [{ ...EVENT.exception.values[0], type: "ShareError" }] } });
    await signIn(page, server);
    await openIssue(page, server, "ShareError");
    await page.click("#shares button[value=share]");
    const link = await page.inputValue("#shared-link");
    await pictures(page, "looks-made");
    const elsewhere = await context.browser().newContext();
    try {
      const stranger = await elsewhere.newPage();
      await stranger.goto(link);
      await stranger.waitForSelector(".failing .hit");
      const text = await stranger.textContent("body");
      assert(text.includes("ShareError") && !text.includes("t0psecret"), "a secret is told");
      assert((await stranger.locator("form").count()) === 0, "something can be changed");
      await pictures(stranger, "looks-share");
      await page.goto(`${server.url}/issues`);
      await openIssue(page, server, "ShareError");
      await page.click("#shares button[value=revoke]");
      await page.waitForFunction(() => !document.querySelector("#shares button[value=revoke]"));
      assert((await stranger.goto(link)).status() === 410, "the link still works");
    } finally {
      await elsewhere.close();
    }
    assert(problems.length === 0, "the browser's console complains");
  }],

  ["a value of a tag leads to the events that have it", async ({ page, server }) => {
    await post(server, "ListError", { tags: { plan: "gold" } });
    await post(server, "ListError", { tags: { plan: "free" } });
    await signIn(page, server);
    await openIssue(page, server, "ListError");
    await page.click(".tag-list a.key:has-text('plan')");
    await page.waitForURL(/\/tags\/plan$/);
    await pictures(page, "looks-tag");
    await page.click(".values a:has-text('gold')");
    await page.waitForSelector("#events li");
    assert((await page.locator("#events li").count()) === 1, "other events are listed, too");
    await page.goto(page.url().split("?")[0]);
    await pictures(page, "looks-events");
    await page.keyboard.press("/");
    await page.keyboard.type("plan:free");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#events li >> text=ListError");
    await page.click("#events .event-id");
    await page.waitForURL(/\/events\/[0-9a-f]{32}$/);
  }],
];
