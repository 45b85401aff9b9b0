// An OpenID Connect provider, for the tests of signing in: `oidc-provider` with its own login pages, and a way to have it
// answer wrongly.
//
//   node tests/provider/provider.js
//
// prints the address under which it listens, which is its issuer. `POST /control` with JSON sets what it knows:
//   redirect_uri   of the one client, `firefinch` with the secret `its-secret`
//   accounts       what the provider says of each login name
//   fault          how the next identity token is wrong: a nonce, audience, expired, key; and `none`
import { createServer } from "node:http";
import { exportJWK, generateKeyPair, SignJWT, decodeJwt, decodeProtectedHeader } from "jose";
import { Provider } from "oidc-provider";

const { privateKey } = await generateKeyPair("RS256", { extractable: true });
const stranger = (await generateKeyPair("RS256", { extractable: true })).privateKey;
const jwk = { ...(await exportJWK(privateKey)), kid: "own", alg: "RS256", use: "sig" };

const known = { accounts: {}, fault: "none", redirect_uri: undefined };
let issuer;
let provider;

// What each fault does to a token that is right otherwise, signed anew.
async function spoiled(token, fault) {
  const claims = decodeJwt(token);
  const now = Math.floor(Date.now() / 1000);
  if (fault === "nonce") claims.nonce = "another nonce";
  if (fault === "audience") claims.aud = "another-client";
  if (fault === "expired") Object.assign(claims, { iat: now - 7200, exp: now - 3600 });
  const header = decodeProtectedHeader(token);
  return new SignJWT(claims).setProtectedHeader(header).sign(fault === "key" ? stranger : privateKey);
}

function make() {
  provider = new Provider(issuer, {
    clients: [{
      client_id: "firefinch", client_secret: "its-secret", redirect_uris: [known.redirect_uri],
      post_logout_redirect_uris: [known.redirect_uri.replace(/provider\/callback$/, "").replace(/\/$/, "")],
    }],
    jwks: { keys: [jwk] },
    cookies: { keys: ["a key of the tests"] },
    pkce: { required: () => true },
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"], groups: ["groups"] },
    scopes: ["openid", "email", "profile", "groups"],
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: known.accounts[id]?.sub ?? id, ...known.accounts[id] }),
    }),
  });
  provider.use(async (context, next) => {
    await next();
    if (context.path !== "/token" || known.fault === "none" || !context.body?.id_token) return;
    context.body = { ...context.body, id_token: await spoiled(context.body.id_token, known.fault) };
    known.fault = "none";
  });
}

async function control(request, response) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const wanted = JSON.parse(Buffer.concat(chunks).toString());
  Object.assign(known, wanted);
  if (wanted.redirect_uri) make();
  response.end("ok");
}

const server = createServer((request, response) => {
  if (request.url === "/control") return void control(request, response);
  provider.callback()(request, response);
});
server.listen(0, "127.0.0.1", () => {
  issuer = `http://127.0.0.1:${server.address().port}`;
  console.log(issuer);
});
// Ends with whoever started it.
process.stdin.resume().on("end", () => process.exit(0));
