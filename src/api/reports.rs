//! What a person says about an event, sent by whoever holds a token: a support desk, or an application without an SDK.
//!
//! The same path takes it with a client key; that is the ingest endpoints' (`docs/PROTOCOL.md`). Who may is decided here, by the
//! token; what may come in, and what of it is hidden, is decided there, which [`Reports`] leads to.

use std::fmt;
use std::sync::Arc;

use actix_web::HttpResponse;
use bytes::Bytes;
use engine::feedback;
use engine::ids::{EventId, ProjectId};
use futures_util::future::LocalBoxFuture;
use store::feedback::Feedback;

use super::attachments::said;
use super::call::{Answer, Call, json};
use super::error::ApiError;

type Take = dyn Fn(ProjectId, Bytes) -> LocalBoxFuture<'static, Result<(), HttpResponse>> + Send + Sync;

/// Takes the body of a report for a project, or answers why not.
#[derive(Clone)]
pub struct Reports(Arc<Take>);

impl Reports {
    /// `take` returns when the report is durable.
    pub fn new(
        take: impl Fn(ProjectId, Bytes) -> LocalBoxFuture<'static, Result<(), HttpResponse>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(take))
    }
}

impl fmt::Debug for Reports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reports")
    }
}

/// `POST /projects/{org}/{project}/user-feedback/`
pub(super) async fn create(call: Call) -> Answer {
    let project = call.project().await?;
    let report = feedback::user_report(call.bytes()).map_err(ApiError::BadRequest)?;
    if let Err(refusal) = (call.api().reports.0)(project.id, Bytes::copy_from_slice(call.bytes())).await {
        return Ok(refusal);
    }
    let event_id = EventId(report.id);
    let stored = store::feedback::of_event(&call.api().pool, project.id, event_id).await?;
    // In the spool it is as durable, and has no row yet.
    let stored = stored.into_iter().find(|stored| stored.id == report.id).unwrap_or(Feedback {
        id: report.id,
        form: report.form,
        event_id: Some(event_id),
        issue_id: None,
        received_at: call.now,
        name: report.name,
        email: report.email,
        message: report.message,
        url: report.url,
    });
    json(said(&stored))
}
