// Merging, splitting and undoing by hand, with and without script, while another page looks on.
import { post } from "./live.js";
import { signIn } from "./pages.js";

function assert(holds, what) {
  if (!holds) throw new Error(what);
}

const rows = (page) => page.locator("#rows [data-issue]").count();

// Chooses the rows with these classes in the list.
async function choose(page, server, ...types) {
  await page.goto(`${server.url}/issues?query=${types[0].slice(0, 4)}`);
  for (const type of types) await page.check(`#rows [data-issue]:has-text("${type}") .choose`);
}

async function mergeSplitAndUndo({ page, server, until }, prefix) {
  const counts = (events) =>
    until(`the issue to count ${events} events`, async () =>
      (await page.textContent("b[data-live=events]")) === `${events}`);
  const [one, two] = [`${prefix}OneError`, `${prefix}TwoError`];
  await post(server, one);
  await post(server, one);
  await post(server, two);
  await choose(page, server, one, two);
  await page.click("#bulk-merge");
  await page.waitForSelector("#toast:has-text('Issues merged')");
  await until("the merged issue to leave the list", async () => (await rows(page)) === 1);
  await page.click("#rows .row-title");
  await page.waitForSelector("#why:has-text('1 issue was merged into this one')");
  await counts(3);

  await page.locator("#why .why-choose input").nth(1).check();
  await page.click("#split-off");
  await page.waitForSelector("#toast:has-text('Split off as an issue of its own')");
  await counts(2);
  await page.click("#undo");
  await page.waitForSelector("#toast:has-text('Undone')");
  await counts(3);

  await page.click("#why .regrouping:has-text('1 issue was merged into this one') button >> nth=-1");
  await page.waitForSelector("#toast:has-text('Undone')");
  await page.goto(`${server.url}/issues?query=${prefix}`);
  assert((await rows(page)) === 2, "both issues are back");
}

export const checks = [
  ["issues are merged, split and undone, and another page follows", async ({ page, context, server, problems, until }) => {
    await signIn(page, server);
    const other = await context.newPage();
    await post(server, "WatchedError");
    await post(server, "WatchedTooError");
    await other.goto(`${server.url}/issues?query=Watched`);
    await other.waitForSelector("#stream[data-state=open]");
    assert((await rows(other)) === 2, "the other page shows both");
    await choose(page, server, "WatchedError", "WatchedTooError");
    await page.click("#bulk-merge");
    await page.waitForSelector("#toast:has-text('Issues merged')");
    await until("the other page to follow", async () => (await rows(other)) === 1);
    await mergeSplitAndUndo({ page, server, until }, "Live");
    assert(problems.length === 0, `the browser's console complains: ${problems.join()}`);
  }],

  ["the same without script", async ({ page, context, server, until }) => {
    await signIn(page, server);
    const plain = await context.browser().newContext({ javaScriptEnabled: false });
    await plain.addCookies(await context.cookies());
    try {
      await mergeSplitAndUndo({ page: await plain.newPage(), server, until }, "Bare");
    } finally {
      await plain.close();
    }
  }],

  ["the stored events of a project are grouped again, and that is undone", async ({ page, server }) => {
    await signIn(page, server);
    await page.goto(`${server.url}/projects/shop/regroupings`);
    await page.click("#regroup");
    await page.waitForSelector("#toast:has-text('Project regrouped')");
    await page.click("#undo");
    await page.waitForSelector("#toast:has-text('Undone')");
    await page.setViewportSize({ width: 390, height: 844 });
    await page.reload();
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert(width <= 390, `the page is ${width} wide`);
  }],
];
