// A passkey from its making to its end, with the authenticator that Chromium plays.
import { signIn } from "./pages.js";
import { assert, pictures } from "./look.js";

async function signOut(page, server) {
  await page.goto(`${server.url}/issues`);
  await page.click(".person-menu summary");
  await page.click("text=Sign out");
  await page.waitForURL(/\/sign-in/);
}

export const checks = [
  ["a passkey is made, lets in alone and after the password, and is removed", async ({ page, context, server, problems }) => {
    const device = await context.newCDPSession(page);
    await device.send("WebAuthn.enable");
    const { authenticatorId } = await device.send("WebAuthn.addVirtualAuthenticator", { options: {
      protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true,
      automaticPresenceSimulation: true,
    } });
    await signIn(page, server);
    await page.goto(`${server.url}/me/sign-in`);
    await page.click("text=Set up an app");
    await page.waitForSelector(".qr");
    await pictures(page, "sign-in-app");
    await page.goto(`${server.url}/me/sign-in`);
    await page.fill("#passkeys input[name=name]", "This laptop");
    await page.click("text=Add a passkey");
    await page.waitForSelector("#kept");
    assert((await page.locator(".recovery li").count()) === 10, "there are no recovery codes");
    await pictures(page, "sign-in-codes");

    await signOut(page, server);
    await page.goto(`${server.url}/sign-in?next=%2Falerts`);
    await pictures(page, "sign-in-passkey");
    await page.click("text=Sign in with a passkey");
    await page.waitForURL(/\/alerts/);

    // A copy of it begins to count where the copy was made.
    const { credentials: [credential] } = await device.send("WebAuthn.getCredentials", { authenticatorId });
    const { credentialId } = credential;
    const count = async (signCount) => {
      await device.send("WebAuthn.removeCredential", { authenticatorId, credentialId });
      await device.send("WebAuthn.addCredential", { authenticatorId, credential: { ...credential, signCount } });
    };
    await signOut(page, server);
    await count(0);
    await page.click("text=Sign in with a passkey");
    await page.waitForSelector("text=there may be a copy of it");
    await count(1000);

    await page.fill("input[name=email]", server.email);
    await page.fill("input[name=password]", server.password);
    await page.click("button:text-is('Sign in')");
    await page.waitForURL(/\/sign-in\/second/);
    await pictures(page, "sign-in-second");
    await page.click("text=Sign in with a passkey");
    await page.waitForURL(/\/issues/);

    await page.goto(`${server.url}/me/sign-in`);
    await pictures(page, "sign-in-page");
    await page.click("#passkeys .more summary");
    await page.fill("#passkeys .more input[name=password]", server.password);
    await page.click("#passkeys button[value=remove]");
    await page.waitForSelector("text=Saved.");
    await signOut(page, server);
    await signIn(page, server);
    const wrong = problems.filter((problem) => !problem.includes("422"));
    assert(wrong.length === 0, `the browser's console complains: ${wrong.join("\n")}`);
  }],
];
