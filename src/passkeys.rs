//! Passkeys (WebAuthn): which address they belong to, what a browser is asked, and whether its answer is right.
//!
//! Owns the protocol, by the crate `webauthn-rs`; nothing is kept here. What a question leaves for its answer, and what is
//! known of a passkey, pass as JSON through the database. Every answer proves that the person was there (user verification),
//! so a passkey is both factors at once.

use std::time::Duration;

use serde_json::{Value, json};
use url::Url;
use webauthn_rs::prelude::{
    CreationChallengeResponse, DiscoverableAuthentication, DiscoverableKey, Passkey, PasskeyRegistration,
    PublicKeyCredential, RegisterPublicKeyCredential, RequestChallengeResponse, Uuid, Webauthn, WebauthnBuilder,
    WebauthnError,
};

/// How long a browser waits for somebody to touch something; the question is remembered for longer.
const PATIENCE: Duration = Duration::from_secs(300);
/// An answer of a browser, with whatever an authenticator attests: some kilobytes.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What the address of this server makes of passkeys.
pub(crate) struct Passkeys(Webauthn);

/// A question to a browser, and what is needed to judge the answer.
pub(crate) struct Question {
    /// For `navigator.credentials`.
    pub(crate) options: Value,
    /// Stays here.
    pub(crate) state: Value,
}

/// Why an answer is not right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The signature counter has not moved on: there may be a copy of the passkey.
    Copied,
    /// Anything else.
    Wrong,
}

/// A passkey that was just made.
pub(crate) struct Made {
    /// Under which it is found again.
    pub(crate) id: Vec<u8>,
    /// What is kept of it.
    pub(crate) credential: Value,
}

impl Passkeys {
    /// For the server at `base_url`; `None` where browsers have no passkeys: they belong to a name, and come over TLS
    /// or from the machine itself.
    pub(crate) fn new(base_url: &str) -> Option<Self> {
        let url = Url::parse(base_url).ok()?;
        let name = url.domain()?;
        let is_local = name == "localhost" || name.ends_with(".localhost");
        if url.scheme() != "https" && !is_local {
            return None;
        }
        let builder = WebauthnBuilder::new(name, &url).ok()?;
        builder.rp_name("Firefinch").timeout(PATIENCE).build().ok().map(Self)
    }

    /// Asks for a new passkey of a person, other than those that they have.
    pub(crate) fn ask_for_new(
        &self,
        handle: Uuid,
        (email, name): (&str, &str),
        known: Vec<Vec<u8>>,
    ) -> Result<Question, WebauthnError> {
        let (asked, state): (CreationChallengeResponse, PasskeyRegistration) =
            self.0.start_passkey_registration(handle, email, name, Some(known))?;
        let mut options = json(&asked)?;
        // The crate leaves it to the authenticator whether a passkey is found without a name; ours have to be.
        options["publicKey"]["authenticatorSelection"]["residentKey"] = json!("required");
        options["publicKey"]["authenticatorSelection"]["requireResidentKey"] = json!(true);
        Ok(Question { options, state: json(&state)? })
    }

    /// Judges what the browser made.
    pub(crate) fn accept_new(&self, answer: &str, state: Value) -> Result<Made, Refusal> {
        let state: PasskeyRegistration = serde_json::from_value(state).map_err(|_| Refusal::Wrong)?;
        let answer: RegisterPublicKeyCredential = read(answer)?;
        let passkey = self.0.finish_passkey_registration(&answer, &state).map_err(Refusal::from)?;
        let credential = json(&passkey).map_err(|_| Refusal::Wrong)?;
        Ok(Made { id: passkey.cred_id().to_vec(), credential })
    }

    /// Asks who is there.
    pub(crate) fn ask_who(&self) -> Result<Question, WebauthnError> {
        let (asked, state): (RequestChallengeResponse, DiscoverableAuthentication) =
            self.0.start_discoverable_authentication()?;
        let mut options = json(&asked)?;
        // Asked by a button, not by the completion of a field.
        if let Some(options) = options.as_object_mut() {
            options.remove("mediation");
        }
        Ok(Question { options, state: json(&state)? })
    }

    /// Whose passkey answers, as the browser says: the handle of the person, and the id of the passkey.
    pub(crate) fn named(&self, answer: &str) -> Result<(Uuid, Vec<u8>), Refusal> {
        let answer: PublicKeyCredential = read(answer)?;
        let (handle, id) = self.0.identify_discoverable_authentication(&answer).map_err(Refusal::from)?;
        Ok((handle, id.to_vec()))
    }

    /// Judges the answer by what is kept of the passkey; what is kept of it from now on.
    pub(crate) fn accept(&self, answer: &str, state: Value, credential: Value) -> Result<Value, Refusal> {
        let state: DiscoverableAuthentication = serde_json::from_value(state).map_err(|_| Refusal::Wrong)?;
        let mut passkey: Passkey = serde_json::from_value(credential).map_err(|_| Refusal::Wrong)?;
        let answer: PublicKeyCredential = read(answer)?;
        let key = DiscoverableKey::from(&passkey);
        let result = self.0.finish_discoverable_authentication_v2(&answer, state, &key).map_err(Refusal::from)?;
        if !result.user_verified() {
            return Err(Refusal::Wrong);
        }
        passkey.update_credential(&result);
        json(&passkey).map_err(|_| Refusal::Wrong)
    }
}

impl From<WebauthnError> for Refusal {
    fn from(error: WebauthnError) -> Self {
        tracing::debug!(%error, "an answer of a passkey is not right");
        match error {
            WebauthnError::CredentialPossibleCompromise => Self::Copied,
            _ => Self::Wrong,
        }
    }
}

/// The handle of a person: their number, which tells nobody anything.
pub(crate) fn handle(user: engine::ids::UserId) -> Uuid {
    Uuid::from_u64_pair(0, user.get().unsigned_abs())
}

fn json<T: serde::Serialize>(value: &T) -> Result<Value, WebauthnError> {
    serde_json::to_value(value).map_err(WebauthnError::ParseJSONFailure)
}

fn read<T: serde::de::DeserializeOwned>(answer: &str) -> Result<T, Refusal> {
    if answer.len() > ANSWER_BYTES_MAX {
        return Err(Refusal::Wrong);
    }
    serde_json::from_str(answer).map_err(|_| Refusal::Wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passkeys_want_a_name_and_a_safe_way_to_it() {
        for url in [
            "https://errors.example.org",
            "https://e.example.org:8443/finch",
            "http://localhost:9000",
            "http://a.localhost",
        ] {
            assert!(Passkeys::new(url).is_some(), "{url}");
        }
        for url in ["http://errors.example.org", "http://127.0.0.1:9000", "https://10.0.0.1", "https://[::1]", "x"] {
            assert!(Passkeys::new(url).is_none(), "{url}");
        }
    }

    #[test]
    fn browsers_are_asked_for_one_that_they_find_and_that_verifies_its_person() {
        let passkeys = Passkeys::new("http://localhost:9000").unwrap();
        let asked = passkeys.ask_for_new(handle(engine::ids::UserId(7)), ("a@x.org", "A"), vec![vec![1; 16]]).unwrap();
        let selection = &asked.options["publicKey"]["authenticatorSelection"];
        assert_eq!(
            (&selection["residentKey"], &selection["userVerification"]),
            (&json!("required"), &json!("required"))
        );
        assert_eq!(asked.options["publicKey"]["excludeCredentials"].as_array().unwrap().len(), 1);
        let who = passkeys.ask_who().unwrap();
        assert_eq!(who.options["publicKey"]["userVerification"], "required");
        assert_eq!(who.options["publicKey"]["rpId"], "localhost");
        assert_ne!(
            who.options["publicKey"]["challenge"],
            passkeys.ask_who().unwrap().options["publicKey"]["challenge"]
        );
    }

    #[test]
    fn nonsense_is_refused() {
        let passkeys = Passkeys::new("http://localhost:9000").unwrap();
        let (new, who) =
            (passkeys.ask_for_new(Uuid::nil(), ("a", "A"), Vec::new()).unwrap(), passkeys.ask_who().unwrap());
        let long = format!("\"{}\"", "x".repeat(ANSWER_BYTES_MAX));
        for answer in ["", "{}", "null", "[1]", &long, r#"{"id":"a","rawId":"AA","type":"public-key","response":{}}"#] {
            assert!(passkeys.accept_new(answer, new.state.clone()).is_err());
            assert!(passkeys.named(answer).is_err());
            assert!(passkeys.accept(answer, who.state.clone(), json!({})).is_err());
        }
    }
}
