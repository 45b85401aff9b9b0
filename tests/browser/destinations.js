// Destinations: made, tried, changed, stopped, deleted and put back, by mouse, by keyboard and without script; in both
// themes and on a phone.
import { assert, pictures } from "./look.js";
import { signIn } from "./pages.js";

export const checks = [
  ["a webhook is made and tried by mouse, and shows what the other end says", async ({ page, server, problems }) => {
    await signIn(page, server);
    await page.goto(`${server.url}/alerts`);
    await page.click("text=New destination");
    await pictures(page, "destinations-kinds");
    await page.click(".alert-list a:has-text('Webhook')");
    await page.fill("input[name=url]", server.hook);
    await page.fill("input[name=name]", "Deploy bot");
    await pictures(page, "destinations-webhook");
    await page.click("text=Make it");
    await page.waitForSelector("#secret");
    assert((await page.innerText("#secret")).startsWith("whsec_"), "no secret is shown");
    await page.click("text=Go on");
    await page.click("button:has-text('Send a test')");
    await page.waitForSelector("#answers");
    assert((await page.innerText("#answers")).includes("HTTP 503 Service Unavailable: out of order"), "no real answer");
    assert((await page.innerText(".page-head .state")) === "Fails", "it does not say that it fails");
    await pictures(page, "destinations-answer");
    await page.click("button:has-text('Send a test')");
    await page.waitForSelector("#answers .state:text-is('Taken')");
    await page.goto(`${server.url}/alerts`);
    await pictures(page, "destinations-list");
    assert(problems.length === 0, "the browser's console complains");
  }],

  ["by keyboard a chat is made, stopped and started again, deleted and put back", async ({ page, server, until }) => {
    await signIn(page, server);
    await page.goto(`${server.url}/alerts/new?kind=slack`);
    await pictures(page, "destinations-slack");
    await page.focus("input[name=token]");
    await page.keyboard.type("xoxb-1");
    await page.keyboard.press("Tab");
    await page.keyboard.type("#errors");
    await page.keyboard.press("Enter");
    await page.waitForSelector("h1:has-text('Slack #errors')");
    const one = page.url();
    for (const [button, says] of [["stop", "Destination stopped"], ["delete", "Destination deleted"]]) {
      await page.goto(one);
      await page.focus(`button[value=${button}]`);
      await page.keyboard.press("Enter");
      await page.waitForSelector(`#toast:has-text('${says}')`);
      await page.keyboard.press("u");
      await page.waitForSelector("#toast:has-text('Undone')");
      await page.goto(one);
      await until("it to be on again", async () => (await page.locator("button[value=stop]").count()) === 1);
    }
    await page.goto(`${one}/edit`);
    assert((await page.inputValue("input[name=token]")) === "", "the secret is in the form");
    await pictures(page, "destinations-edit");
  }],

  ["without script all of it works, too", async ({ page, context, server }) => {
    await signIn(page, server);
    const plain = await context.browser().newContext({ javaScriptEnabled: false, storageState: await context.storageState() });
    const still = await plain.newPage();
    await still.goto(`${server.url}/alerts/new?kind=mail`);
    await still.click("text=Make it");
    await still.waitForSelector("[role=alert]:has-text('needs an address')");
    await still.fill("textarea[name=to]", "ada@shop.example\nbo@shop.example");
    await still.click("text=Make it");
    await still.waitForSelector("h1:has-text('Mail to ada@shop.example, bo@shop.example')");
    await still.click("button:has-text('Send a test')");
    await still.waitForSelector("#answers:has-text('no mail server is configured')");
    await still.click("text=Edit");
    await still.check("input[name=members]");
    await still.click("text=Save");
    await still.waitForSelector("h1:has-text('everybody who sees the project')");
    await still.click("button:has-text('Delete')");
    await still.waitForSelector("#toast:has-text('Destination deleted')");
    await still.click("#toast button");
    await still.waitForSelector("text=bo@shop.example");
    await plain.close();
  }],
];
