//! Sends webhooks: one signed POST per message (`docs/webhooks.md`).

use engine::alert::exchange::Request;
use engine::alert::template::Template;
use engine::alert::{Message, webhook};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use store::notifications::WebhookTarget;
use time::OffsetDateTime;

use super::attempt::Attempt;
use super::outgoing::Outgoing;

/// A new secret from the system's random source.
#[must_use]
pub fn new_secret() -> String {
    webhook::secret(&rand::random())
}

pub(super) async fn send(
    outgoing: &Outgoing,
    target: &WebhookTarget,
    message: &Message,
    now: OffsetDateTime,
) -> Attempt {
    match body(target, message) {
        Ok(body) => post(outgoing, target, &message.head().id, body, now).await,
        Err(error) => Attempt::dead(format!("cannot write the body: {error}")),
    }
}

/// The usual body, or what its template makes of that.
fn body(target: &WebhookTarget, message: &Message) -> Result<String, String> {
    let body = webhook::body(message).map_err(|error| error.to_string())?;
    let Some(template) = &target.template else { return Ok(body) };
    let template = Template::parse(template).map_err(|problem| format!("the template: {problem}"))?;
    let fields = serde_json::from_str(&body).map_err(|error| error.to_string())?;
    template.render(&fields)
}

async fn post(outgoing: &Outgoing, target: &WebhookTarget, id: &str, body: String, now: OffsetDateTime) -> Attempt {
    let timestamp = now.unix_timestamp();
    let Some(signature) = sign(&target.secret, id, timestamp, &body) else {
        return Attempt::dead("the secret of the webhook is not one: whsec_ and 24 to 64 bytes in base64");
    };
    let mut request = Request::post(&target.url, body)
        .with("webhook-id", id)
        .with("webhook-timestamp", timestamp.to_string())
        .with("webhook-signature", signature);
    for (name, value) in &target.headers {
        request = request.with(name, value);
    }
    match outgoing.exchange(request, now).await {
        Ok(answer) => Attempt::of(&answer, &answer.verdict()),
        Err(failed) => failed,
    }
}

/// The signature header; `None` when the secret is not one.
fn sign(secret: &str, id: &str, timestamp: i64, body: &str) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&webhook::key(secret)?).ok()?;
    mac.update(webhook::signed_text(id, timestamp, body).as_bytes());
    Some(webhook::signature_header(&mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_the_standard() {
        // Key: 32 times 7. Computed with Python: hmac.new(b"\x07" * 32, b"dlv_7.1795356134.{}", "sha256").
        let secret = webhook::secret(&[7; 32]);
        let signature = sign(&secret, "dlv_7", 1_795_356_134, "{}").unwrap();
        assert_eq!(signature, "v1,ea7bu0baiUA5thGHaGNh3vYvUZATyGB1W2mqCbeidGM=");
        assert_eq!(sign("whsec_", "dlv_7", 1, "{}"), None);
    }
}
