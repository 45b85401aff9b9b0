//! Single sign-on by OpenID Connect: where a browser is sent, and who comes back.
//!
//! Owns the protocol, by the crate `openidconnect`: discovery, the authorisation code with PKCE, and every check of the
//! identity token. Knows nothing of accounts; `store::people::identities` decides who that is here. The provider is named by
//! the operator, so it may be on a private address; but it is followed nowhere, and what it answers is bounded. It is asked
//! anew each time: people sign in seldom, and keys that were changed meanwhile are no trouble so.

use std::collections::HashMap;
use std::time::Duration;

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreClientAuthMethod, CoreErrorResponseType,
    CoreGenderClaim, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreRevocableToken,
    CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AccessTokenHash, AdditionalClaims, AuthType, AuthorizationCode, Client, ClientId, ClientSecret, CsrfToken,
    EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, IdTokenFields,
    IssuerUrl, LogoutRequest, Nonce, OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, PostLogoutRedirectUrl,
    ProviderMetadataWithLogout, RedirectUrl, RequestTokenError, Scope, StandardErrorResponse, StandardTokenResponse,
    SubjectIdentifier, TokenResponse, UserInfoClaims,
};
use reqwest::redirect;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use subtle::ConstantTimeEq;

use crate::config::{Config, Oidc};

/// A provider that needs longer keeps people at a blank page.
const EXCHANGE_MAX: Duration = Duration::from_secs(10);
/// Documents, key sets and tokens are some kilobytes; a token with hundreds of groups is some dozens.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Groups of one person that are looked at.
const GROUPS_MAX: usize = 1000;
/// Where the provider sends people back to, below our address.
pub(crate) const CALLBACK: &str = "/sign-in/provider/callback";

/// Whatever else a provider says of a person.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Extra(HashMap<String, Value>);

impl AdditionalClaims for Extra {}

type Fields = IdTokenFields<
    Extra,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;
type Tokens = StandardTokenResponse<Fields, CoreTokenType>;
type Known = Client<
    Extra,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Signatures by keys that the provider publishes; those by a shared secret would be forged by whoever knows that.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// The provider of this instance.
pub(crate) struct Provider {
    /// What the operator wrote.
    pub(crate) settings: Oidc,
    base_url: String,
    client: Result<reqwest::Client, String>,
}

/// A way in that has begun: where the browser goes, and what it has to bring back.
pub(crate) struct Departure {
    /// At the provider.
    pub(crate) url: String,
    /// Stays here.
    pub(crate) memory: Memory,
}

/// What an answer has to fit.
#[derive(Serialize, Deserialize)]
pub(crate) struct Memory {
    state: String,
    nonce: String,
    verifier: String,
}

impl Memory {
    /// Whether an answer is that to our question.
    pub(crate) fn is_of(&self, state: &str) -> bool {
        self.state.as_bytes().ct_eq(state.as_bytes()).into()
    }
}

/// Who came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    /// The provider, as it calls itself.
    pub(crate) issuer: String,
    /// The provider's name for them, which does not change.
    pub(crate) subject: String,
    /// Their address, where it says one.
    pub(crate) email: Option<String>,
    /// Whether it knows that the address is theirs.
    pub(crate) is_verified: bool,
    /// What they are called; may be empty.
    pub(crate) name: String,
    /// Their groups.
    pub(crate) groups: Vec<String>,
}

/// Why nobody came back. The text is for the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The provider does not answer, or not as one.
    #[error("the provider does not answer as it should: {0}")]
    Unreachable(String),
    /// It does not take the code: used, late, or for somebody else.
    #[error("the provider does not take the code: {0}")]
    Refused(String),
    /// Its token is not one for us and now.
    #[error("the token of the provider is not right: {0}")]
    Token(String),
}

/// Why an exchange failed.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("{0}")]
    Client(String),
    #[error("{}", chain(.0))]
    Http(#[from] reqwest::Error),
    #[error("the answer is longer than {ANSWER_BYTES_MAX} bytes")]
    TooLong,
    #[error("{0}")]
    Malformed(#[from] openidconnect::http::Error),
}

impl Provider {
    /// The one of the settings, if there is one. `base_url` is ours.
    pub(crate) fn new(config: &Config, base_url: &str) -> Option<Self> {
        let settings = config.oidc.clone()?;
        crate::install_crypto();
        let client = reqwest::Client::builder()
            .user_agent(concat!("Firefinch/", env!("CARGO_PKG_VERSION")))
            // Where a provider leads is not what the operator named.
            .redirect(redirect::Policy::none())
            .no_proxy()
            .timeout(EXCHANGE_MAX)
            .build()
            .map_err(|error| chain(&error));
        Some(Self { settings, base_url: base_url.trim_end_matches('/').to_owned(), client })
    }

    /// Where to send a browser.
    pub(crate) async fn depart(&self) -> Result<Departure, Trouble> {
        let (client, _) = self.discover().await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let request =
            client.authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random);
        let scopes = self.settings.scopes.iter().map(|scope| Scope::new(scope.clone()));
        let (url, state, nonce) = request.add_scopes(scopes).set_pkce_challenge(challenge).url();
        let memory =
            Memory { state: state.into_secret(), nonce: nonce.secret().clone(), verifier: verifier.into_secret() };
        Ok(Departure { url: url.into(), memory })
    }

    /// Who comes back with a code.
    pub(crate) async fn arrive(&self, code: &str, memory: Memory) -> Result<Person, Trouble> {
        let (client, _) = self.discover().await?;
        let http = |request: HttpRequest| self.exchange(request);
        let request = client.exchange_code(AuthorizationCode::new(code.to_owned()));
        let request = request.map_err(|error| Trouble::Unreachable(error.to_string()))?;
        let request = request.set_pkce_verifier(PkceCodeVerifier::new(memory.verifier));
        let tokens = request.request_async(&http).await.map_err(|error| match error {
            RequestTokenError::ServerResponse(said) => Trouble::Refused(said.to_string()),
            RequestTokenError::Request(failed) => Trouble::Unreachable(failed.to_string()),
            other => Trouble::Unreachable(chain(&other)),
        })?;
        let token = tokens.id_token().ok_or_else(|| Trouble::Token("there is none".to_owned()))?;
        let verifier = client.id_token_verifier().set_allowed_algs(ALGORITHMS);
        let wrong = |error: &dyn std::error::Error| Trouble::Token(chain(error));
        let claims = token.claims(&verifier, &Nonce::new(memory.nonce)).map_err(|error| wrong(&error))?;
        if let Some(expected) = claims.access_token_hash() {
            let algorithm = token.signing_alg().map_err(|error| wrong(&error))?;
            let key = token.signing_key(&verifier).map_err(|error| wrong(&error))?;
            let found = AccessTokenHash::from_token(tokens.access_token(), algorithm, key);
            if found.map_err(|error| wrong(&error))? != *expected {
                return Err(Trouble::Token("it belongs to another access token".to_owned()));
            }
        }
        let mut person = Person {
            issuer: self.settings.issuer.clone(),
            subject: claims.subject().to_string(),
            email: claims.email().map(|email| email.to_string()),
            is_verified: claims.email_verified() == Some(true),
            name: claims.name().and_then(|name| name.get(None)).map_or_else(String::new, |name| name.to_string()),
            groups: Vec::new(),
        };
        let groups = claims.additional_claims().0.get(&self.settings.groups_claim).cloned();
        let more = self.ask_more(&client, &tokens, &person, groups.is_some()).await?;
        person.take(groups.as_ref(), more.as_ref(), &self.settings.groups_claim);
        Ok(person)
    }

    /// What the token does not say; providers keep tokens short.
    async fn ask_more(
        &self,
        client: &Known,
        tokens: &Tokens,
        person: &Person,
        has_groups: bool,
    ) -> Result<Option<UserInfoClaims<Extra, CoreGenderClaim>>, Trouble> {
        if person.email.is_some() && has_groups {
            return Ok(None);
        }
        let subject = SubjectIdentifier::new(person.subject.clone());
        // A provider need not have the endpoint.
        let Ok(request) = client.user_info(tokens.access_token().clone(), Some(subject)) else { return Ok(None) };
        let http = |request: HttpRequest| self.exchange(request);
        let more = request.request_async(&http).await;
        more.map(Some).map_err(|error| Trouble::Unreachable(chain(&error)))
    }

    /// Where somebody signs out of the provider, if it offers that.
    pub(crate) async fn leave(&self) -> Result<Option<String>, Trouble> {
        let (_, end) = self.discover().await?;
        let back = PostLogoutRedirectUrl::new(format!("{}/sign-in", self.base_url));
        let back = back.map_err(|error| Trouble::Unreachable(error.to_string()))?;
        Ok(end.map(|end| {
            let request = LogoutRequest::from(end).set_client_id(ClientId::new(self.settings.client_id.clone()));
            request.set_post_logout_redirect_uri(back).http_get_url().into()
        }))
    }

    /// Whether the provider answers as one; for people who look for what is wrong.
    pub(crate) async fn probe(&self) -> Result<(), Trouble> {
        self.discover().await.map(drop)
    }

    async fn discover(&self) -> Result<(Known, Option<openidconnect::EndSessionUrl>), Trouble> {
        let away = |error: &dyn std::error::Error| Trouble::Unreachable(chain(error));
        let issuer = IssuerUrl::new(self.settings.issuer.clone()).map_err(|error| away(&error))?;
        let http = |request: HttpRequest| self.exchange(request);
        let found = ProviderMetadataWithLogout::discover_async(issuer, &http).await.map_err(|error| away(&error))?;
        let end = found.additional_metadata().end_session_endpoint.clone();
        let ways = found.token_endpoint_auth_methods_supported().cloned().unwrap_or_default();
        let secret = self.settings.client_secret.as_ref().map(|secret| ClientSecret::new(secret.expose().to_owned()));
        let back = RedirectUrl::new(format!("{}{CALLBACK}", self.base_url)).map_err(|error| away(&error))?;
        let client = Known::from_provider_metadata(found, ClientId::new(self.settings.client_id.clone()), secret);
        // Every provider has to take it in the header, and some do not.
        let in_body = ways.contains(&CoreClientAuthMethod::ClientSecretPost)
            && !ways.contains(&CoreClientAuthMethod::ClientSecretBasic);
        let way = if in_body { AuthType::RequestBody } else { AuthType::BasicAuth };
        Ok((client.set_redirect_uri(back).set_auth_type(way), end))
    }

    /// One exchange with the provider.
    async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, Failed> {
        let client = self.client.as_ref().map_err(|cause| Failed::Client(cause.clone()))?;
        let (parts, body) = request.into_parts();
        let request = client.request(parts.method, parts.uri.to_string()).headers(parts.headers).body(body);
        let mut response = request.send().await?;
        let mut answer = openidconnect::http::Response::builder().status(response.status());
        for (name, value) in response.headers() {
            answer = answer.header(name, value);
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(Failed::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(answer.body(body)?)
    }
}

impl Person {
    /// Takes what the token left out from what was asked after it.
    fn take(&mut self, groups: Option<&Value>, more: Option<&UserInfoClaims<Extra, CoreGenderClaim>>, claim: &str) {
        let mut groups = groups;
        if let Some(more) = more {
            if self.email.is_none() {
                self.email = more.email().map(|email| email.to_string());
                self.is_verified = more.email_verified() == Some(true);
            }
            if let Some(name) = more.name().and_then(|name| name.get(None)).filter(|_| self.name.is_empty()) {
                self.name = name.to_string();
            }
            groups = groups.or_else(|| more.additional_claims().0.get(claim));
        }
        self.groups = groups.map(read_groups).unwrap_or_default();
    }
}

/// A list of names, or one name; providers do either.
fn read_groups(value: &Value) -> Vec<String> {
    match value {
        Value::String(one) => vec![one.clone()],
        Value::Array(all) => all.iter().take(GROUPS_MAX).filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.dedup();
    texts.join(": ")
}
