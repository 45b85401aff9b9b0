// The first minute of a new installation: the link, a password, a first error.
import { post } from "./live.js";
import { assert, pictures } from "./look.js";

export const checks = [
  ["from the printed link to the first error on the screen in six clicks at most", async ({ page, server, problems }) => {
    await page.addInitScript(() => window.addEventListener("click", () => {
      sessionStorage.setItem("clicks", String(1 + Number(sessionStorage.getItem("clicks"))));
    }, true));
    await page.goto(server.setup_url);
    await pictures(page, "first-1-link");
    await page.fill("input[name=email]", server.email);
    await page.fill("input[name=password]", server.password);
    await page.click("form button");
    // The address of the first project, and a page that listens.
    await page.waitForURL(/\/projects\//);
    assert((await page.inputValue("#dsn")) === server.dsn, "another address is shown than the one that was printed");
    await page.waitForSelector("#stream[data-state=open]");
    await page.click(".tabs a:has-text('Node')");
    await page.waitForURL(/sdk=/);
    await page.waitForSelector("#stream[data-state=open]");
    await page.click("[data-copy]:has-text('Copy DSN')");
    await pictures(page, "first-2-address");
    await post(server, "FirstError");
    // It turns into the issue by itself.
    await page.waitForURL(/\/issues\/\d+/);
    await page.waitForSelector("text=basket 17 has no total");
    await page.waitForSelector("text=shop/till.py");
    await pictures(page, "first-3-error");
    const clicks = Number(await page.evaluate(() => sessionStorage.getItem("clicks")));
    assert(clicks >= 3 && clicks <= 6, `it takes ${clicks} clicks`);
    assert(problems.length === 0, `the browser's console complains: ${problems}`);
  }],

  ["the link works only once", async ({ page, server }) => {
    const response = await page.goto(server.setup_url);
    if (response.status() < 400 && (await page.$("input[name=password]"))) throw new Error("it works again");
  }],
];
