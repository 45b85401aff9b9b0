// Signing in, as a person does it.

export async function signIn(page, server) {
  await page.goto(`${server.url}/sign-in`);
  await page.fill("input[name=email]", server.email);
  await page.fill("input[name=password]", server.password);
  await page.click("form[action='/sign-in'] button");
  await page.waitForURL((url) => !url.pathname.startsWith("/sign-in"));
}

export const checks = [
  ["a stranger is sent to the door", async ({ page, server }) => {
    await page.goto(`${server.url}/issues`);
    if (new URL(page.url()).pathname !== "/sign-in") throw new Error("the issues were shown");
  }],

  ["a wrong password is refused with a sentence", async ({ page, server }) => {
    await page.goto(`${server.url}/sign-in`);
    await page.fill("input[name=email]", server.email);
    await page.fill("input[name=password]", "not the password");
    await page.click("form[action='/sign-in'] button");
    await page.waitForSelector("[role=alert]");
  }],

  ["the right password leads inside, and nothing complains", async ({ page, server, problems }) => {
    await signIn(page, server);
    for (const path of ["/issues", "/live", "/projects"]) {
      const response = await page.goto(`${server.url}${path}`);
      if (response.status() !== 200) throw new Error(`${path}: ${response.status()}`);
    }
    if (problems.length) throw new Error("the browser's console complains");
  }],
];
