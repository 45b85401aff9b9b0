//! One HTTP exchange as data: what is asked, what was answered, and what the answer means.
//!
//! Renderers make requests and read answers here; the connection is the worker's. Both may hold
//! secrets (a token in a path, a key in a header), so `Debug` shows neither.

use time::Duration;

use super::text;

/// Of an answer only its start is read: an id of what was made, or an error for people. Discord sends the
/// whole message back, whose text may have 6000 characters of up to 12 bytes each in JSON.
pub const ANSWER_BYTES_MAX: usize = 128 * 1024;

/// Characters of an answer's body that are shown.
const BODY_CHARS: usize = 200;

/// How a request asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Makes something.
    Post,
    /// Changes part of something.
    Patch,
}

/// A request, complete but for the connection.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// How it asks.
    pub method: Method,
    /// Where, with its secrets.
    pub url: String,
    /// Names and values beside those of the client itself.
    pub headers: Vec<(String, String)>,
    /// The body, JSON in all cases but templates.
    pub body: String,
}

impl Request {
    /// A POST of JSON.
    #[must_use]
    pub fn post(url: impl Into<String>, body: String) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Self { method: Method::Post, url: url.into(), headers, body }
    }

    /// With one more header.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// The start of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status code.
    pub status: u16,
    /// Code and words: `503 Service Unavailable`.
    pub title: String,
    /// How long it asks us to wait.
    pub retry_after: Option<Duration>,
    /// The start of its body.
    pub body: String,
}

/// What an answer means for the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It was taken.
    Taken {
        /// What the receiver calls it, so that it can be changed later; where it says so.
        reference: Option<String>,
    },
    /// Not now.
    Later {
        /// How long to wait at least, where the answer says so.
        asked: Option<Duration>,
    },
    /// What it was to change or to answer is not there any more: to be sent anew.
    Gone,
    /// The same request would get the same answer.
    Never,
}

impl Answer {
    /// The answer in one line for people: status and the start of the body.
    #[must_use]
    pub fn line(&self) -> String {
        let body = text::one_line(&self.body, BODY_CHARS);
        let hint =
            if self.is_redirect() { " (redirects are not followed: enter the address that it leads to)" } else { "" };
        match body.as_str() {
            "" => format!("HTTP {}{hint}", self.title),
            body => format!("HTTP {}: {body}{hint}", self.title),
        }
    }

    /// What it means by its status alone. 408, 425 and 429 say 'not now', as does every 5xx; every other
    /// code says that this request will never do, and so does a redirect, which is not followed.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        match self.status {
            200..=299 => Verdict::Taken { reference: None },
            408 | 425 | 429 | 500.. => Verdict::Later { asked: self.retry_after },
            _ => Verdict::Never,
        }
    }

    /// Its body as JSON; `Null` when it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    const fn is_redirect(&self) -> bool {
        matches!(self.status, 300..=399)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, title: &str, body: &str) -> Answer {
        Answer { status, title: title.to_owned(), retry_after: Some(Duration::seconds(9)), body: body.to_owned() }
    }

    #[test]
    fn a_status_says_what_becomes_of_the_message() {
        let taken = Verdict::Taken { reference: None };
        let later = Verdict::Later { asked: Some(Duration::seconds(9)) };
        for (status, verdict) in [
            (200, &taken),
            (204, &taken),
            (302, &Verdict::Never),
            (400, &Verdict::Never),
            (404, &Verdict::Never),
            (410, &Verdict::Never),
            (408, &later),
            (425, &later),
            (429, &later),
            (500, &later),
            (503, &later),
        ] {
            assert_eq!(answer(status, "", "").verdict(), *verdict, "{status}");
        }
    }

    #[test]
    fn an_answer_is_one_short_line() {
        assert_eq!(answer(200, "200 OK", "ok\r\n").line(), "HTTP 200 OK: ok");
        assert_eq!(answer(410, "410 Gone", "").line(), "HTTP 410 Gone");
        assert!(answer(302, "302 Found", "").line().contains("redirects are not followed: enter the address"));
        assert!(answer(500, "500 Oh", &"x".repeat(9000)).line().chars().count() < 230);
    }

    #[test]
    fn nothing_secret_is_printed() {
        let request = Request::post("https://hooks.example/secret", "{}".to_owned()).with("authorization", "secret");
        assert!(!format!("{request:?}").contains("secret"));
    }
}
