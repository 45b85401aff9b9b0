//! The dialog of `showReportDialog` (protocol, section 2.5): the script that shows it, and the form that it posts.
//!
//! The script is `dialog/dialog.js` with what `engine::dialog` read from the address; pages of other sites run it. It knows no
//! address of this server: it posts to the one that it was loaded from.

use std::collections::BTreeMap;

use engine::auth::Dsn;
use engine::dialog::{Dialog, literal};
use engine::feedback::{self, Feedback, Flaws};
use engine::ids::EventId;
use serde::Serialize;
use url::form_urlencoded;

use super::reply::Refusal;

/// Parameters of an address that are looked at; the SDK sends twenty.
const PARAMETERS_MAX: usize = 100;

/// What the address of the dialog says.
pub(super) struct Asked(BTreeMap<String, String>);

impl Asked {
    pub(super) fn read(query: &str) -> Self {
        Self(fields(query.as_bytes()))
    }

    /// Whose dialog it is.
    pub(super) fn dsn(&self) -> Result<Dsn, Refusal> {
        const WANTED: &str = "dsn: the DSN of the project, https://KEY@HOST/PROJECT";
        self.0.get("dsn").and_then(|dsn| dsn.parse().ok()).ok_or(Refusal::Query(WANTED))
    }

    /// What it is about.
    pub(super) fn event_id(&self) -> Result<EventId, Refusal> {
        const WANTED: &str = "eventId: the id of an event, which has 32 hexadecimal digits";
        self.0.get("eventId").and_then(|id| EventId::parse(id)).ok_or(Refusal::Query(WANTED))
    }

    /// The script that shows it, for a browser whose languages are `accepted`.
    pub(super) fn script(&self, accepted: &str) -> Result<String, Refusal> {
        #[derive(Serialize)]
        struct Options {
            css: &'static str,
            #[serde(flatten)]
            dialog: Dialog,
        }
        let options = Options { css: include_str!("dialog/dialog.css"), dialog: Dialog::new(&self.0, accepted) };
        let options =
            serde_json::to_string(&options).map_err(|_| Refusal::Query("options: cannot be written as JSON"))?;
        // In a function of its own, so that the page gets no names of ours.
        let function = include_str!("dialog/dialog.js");
        Ok(format!(
            "(() => {{\n{function}\nshowReportDialog(document.currentScript.src, {});\n}})();\n",
            literal(&options)
        ))
    }
}

/// The report that a form says.
pub(super) fn report(event_id: EventId, body: &[u8]) -> Result<Feedback, Flaws> {
    let fields = fields(body);
    let field = |name: &str| fields.get(name).map_or("", String::as_str);
    feedback::form(event_id, field("name"), field("email"), field("comments"))
}

/// The first value of each name.
fn fields(encoded: &[u8]) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(encoded).take(PARAMETERS_MAX) {
        fields.entry(name.into_owned()).or_insert_with(|| value.into_owned());
    }
    fields
}
