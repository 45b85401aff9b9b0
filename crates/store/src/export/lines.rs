//! The lines of events and files, which both exports have.

use engine::ids::ProjectId;
use engine::payload;
use serde_json::{Value, json};
use sqlx::PgPool;
use time::Date;
use uuid::Uuid;

use crate::StoreError;

/// The last line.
pub(super) fn end(lines: u64) -> String {
    json!({ "type": "end", "lines": lines }).to_string()
}

/// Events with their payloads, in the order of their arrival. One that is gone meanwhile has no line.
pub(super) async fn of_events(
    pool: &PgPool,
    project_id: ProjectId,
    days: &[Date],
    ids: &[Uuid],
) -> Result<Vec<String>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query!(
        r#"select e.codec, e.payload, jsonb_build_object(
             'type', 'event', 'event_id', e.event_id, 'issue_id', e.issue_id, 'received_at', e.received_at,
             'occurred_at', e.occurred_at, 'level', e.level, 'platform', e.platform, 'title', e.title,
             'culprit', e.culprit, 'release', e.release, 'environment', e.environment, 'dist', e.dist,
             'transaction', e.transaction, 'server_name', e.server_name, 'trace_id', e.trace_id,
             'user', e.user_key, 'client_ip', e.client_ip, 'tags', e.tags
         ) as "line!"
         from events e
         where e.project_id = $1 and e.day = any($2) and e.event_id = any($3)
         order by e.day, e.received_at, e.event_id"#,
        project_id.get(),
        days,
        ids,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| with_payload(&row.line, row.codec, &row.payload)).collect())
}

/// A file, with its content.
pub(super) async fn of_file(
    pool: &PgPool,
    project_id: ProjectId,
    day: Date,
    id: Uuid,
) -> Result<Option<String>, StoreError> {
    let line = sqlx::query_scalar!(
        r#"select jsonb_build_object(
             'type', 'file', 'id', id, 'event_id', event_id, 'issue_id', issue_id, 'received_at', received_at,
             'name', name, 'content_type', content_type, 'kind', kind, 'bytes', bytes,
             'content_base64', translate(encode(content, 'base64'), E'\n', '')
         ) as "line!"
         from attachments
         where project_id = $1 and day = $2 and id = $3"#,
        project_id.get(),
        day,
        id,
    );
    Ok(line.fetch_optional(pool).await?.map(|line| line.to_string()))
}

/// The line of an event with its payload, as stored. What cannot be read, or was not kept, is null.
fn with_payload(line: &Value, codec: i16, payload: &[u8]) -> String {
    let payload = payload::decode(codec, payload).ok().filter(|text| !text.is_empty());
    // Between the parts of JSON a line may end; within a text it never does.
    let payload = payload.map_or_else(|| "null".to_owned(), |text| text.replace(['\n', '\r'], " "));
    let mut text = line.to_string();
    text.pop();
    text.push_str(",\"payload\":");
    text.push_str(&payload);
    text.push('}');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_payload_and_is_one_line() {
        let text = with_payload(&json!({"type": "event"}), 0, b"{\n\"a\": 1.10}\r\n");
        assert_eq!(text, "{\"type\":\"event\",\"payload\":{ \"a\": 1.10}  }");
        assert_eq!(with_payload(&json!({"type": "event"}), 99, b"x"), "{\"type\":\"event\",\"payload\":null}");
    }
}
