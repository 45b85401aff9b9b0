// The first minute of a new installation: the link, a password, a first error.
import { post } from "./live.js";

export const checks = [
  ["the printed link makes the first administrator, who sees the first error", async ({ page, server, problems }) => {
    await page.goto(server.setup_url);
    await page.fill("input[name=email]", server.email);
    await page.fill("input[name=password]", server.password);
    await page.click("form button");
    await page.waitForURL((url) => !url.pathname.startsWith("/setup"));
    await page.goto(`${server.url}/live`);
    await post(server, "FirstError");
    await page.click("[data-lane=new] [data-issue] a:has-text('FirstError')");
    await page.waitForSelector("text=basket 17 has no total");
    await page.waitForSelector("text=shop/till.py");
    if (problems.length) throw new Error("the browser's console complains");
  }],

  ["the link works only once", async ({ page, server }) => {
    const response = await page.goto(server.setup_url);
    if (response.status() < 400 && (await page.$("input[name=password]"))) throw new Error("it works again");
  }],
];
