// An OpenID Connect provider for the tests; started by tests/auth/oidc.py, which says what it is.
//
// Whoever signs in is made up from the name they type: `alice` is Alice Tester with a verified
// alice@example.org; `unverified-…` has an address nobody checked, `nomail-…` none, `noname-…` no
// names.
import { createServer } from "node:http";
import Provider from "oidc-provider";

const given = JSON.parse(process.argv[2]);

// What started this holds the other end: when it goes away, however it does, so does this.
process.stdin.resume().on("end", () => process.exit()).on("error", () => process.exit());

const capital = (word) => word.charAt(0).toUpperCase() + word.slice(1);

function claimsOf(login) {
  const claims = { sub: login };
  if (!login.startsWith("nomail")) {
    claims.email = `${login}@example.org`;
    claims.email_verified = !login.startsWith("unverified");
  }
  if (!login.startsWith("noname")) {
    claims.given_name = capital(login);
    claims.family_name = "Tester";
    claims.name = `${claims.given_name} Tester`;
  }
  return claims;
}

function providerAt(issuer) {
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: given.client_id,
        client_secret: given.client_secret,
        redirect_uris: given.redirect_uris,
        post_logout_redirect_uris: given.post_logout_redirect_uris,
        response_types: ["code"],
        grant_types: ["authorization_code"],
        token_endpoint_auth_method: "client_secret_basic",
        ...(given.logout_uri && {
          backchannel_logout_uri: given.logout_uri,
          backchannel_logout_session_required: true,
        }),
      },
    ],
    claims: {
      openid: ["sub"],
      email: ["email", "email_verified"],
      profile: ["name", "given_name", "family_name"],
    },
    findAccount: (_, login) => ({ accountId: login, claims: () => claimsOf(login) }),
    features: { backchannelLogout: { enabled: true }, devInteractions: { enabled: true } },
    pkce: { required: () => true },
    cookies: { keys: ["only for tests"] },
    clientBasedCORS: () => false,
    // Its own fetch refuses loopback addresses, where the tests' server listens.
    fetch: (url, { dispatcher, ...options }) =>
      globalThis.fetch(url, { ...options, signal: AbortSignal.timeout(3000) }),
  });
  for (const event of ["server_error", "authorization.error", "grant.error", "backchannel.error"]) {
    provider.on(event, (_, error) =>
      console.error(event, error.message, error.error_description ?? ""),
    );
  }
  return provider;
}

const server = createServer();
server.listen(given.port, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  server.on("request", providerAt(issuer).callback());
  console.log(JSON.stringify({ issuer }));
});
