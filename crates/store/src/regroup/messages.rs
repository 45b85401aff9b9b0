//! Messages whose words vary, when a project is grouped again: those that nobody knows are held against the templates
//! that the project has learned, in the order in which they arrived, as they would be if they arrived now.
//!
//! A message that somebody's key leads to stays there, as in ingest; so regrouping twice changes nothing.

use engine::grouping::templates::FreeText;
use serde_json::{Value, json};
use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;

use super::step::Held;
use crate::StoreError;
use crate::ingest::NewKey;
use crate::ingest::learned::{self, Unplaced};

/// What the plan keeps of the text of a message.
pub(super) fn to_json(text: &FreeText) -> Value {
    json!({ "key": hex::encode(text.key), "bucket": hex::encode(text.bucket), "template": text.template })
}

fn from_json(json: &Value) -> Option<FreeText> {
    let bytes = |name: &str| {
        let mut bytes = [0; 16];
        hex::decode_to_slice(json.get(name)?.as_str()?, &mut bytes).ok()?;
        Some(bytes)
    };
    let template = json.get("template")?.as_str()?.to_owned();
    Some(FreeText { key: bytes("key")?, bucket: bytes("bucket")?, template })
}

struct Row {
    issue_id: i64,
    hash: Vec<u8>,
    keys: Json<Vec<Value>>,
    free_text: Value,
    first_at: OffsetDateTime,
}

/// A message of the plan, and the key that is made of its text.
struct Message {
    row: Row,
    text: FreeText,
    key: NewKey,
}

impl Message {
    fn read(row: Row) -> Option<Self> {
        let text = from_json(&row.free_text)?;
        let hash = hex::encode(text.key);
        let own = row.keys.iter().find(|key| key.get("hash").and_then(Value::as_str) == Some(&hash))?;
        let key = NewKey {
            hash: text.key,
            // Not stored: the row has the variant already.
            variant: "",
            explanation: own.get("explanation").map_or_else(|| "{}".to_owned(), Value::to_string),
            owns: true,
            text: None,
        };
        Some(Self { row, text, key })
    }
}

/// Adds the key of the founder to every message of the plan that fits a template.
pub(super) async fn learn(tx: &mut PgConnection, held: &Held) -> Result<(), StoreError> {
    let messages: Vec<Message> = unplaced(tx, held).await?.into_iter().filter_map(Message::read).collect();
    let wanted: Vec<Unplaced<'_>> = messages
        .iter()
        .map(|one| Unplaced { project_id: held.project_id, key: &one.key, text: &one.text, at: one.row.first_at })
        .collect();
    let learned = learned::place(tx, &wanted).await?;
    let mut changed = Vec::new();
    for Message { mut row, text, .. } in messages {
        let Some(alias) = learned.of_key(held.project_id, text.key) else { continue };
        let hash = hex::encode(text.key);
        let mut variant = Value::Null;
        for key in row.keys.iter_mut().filter(|key| key.get("hash").and_then(Value::as_str) == Some(&hash)) {
            variant = key["variant"].clone();
            key["explanation"] = serde_json::from_str(&alias.own.explanation).unwrap_or_else(|_| json!({}));
        }
        let founder = hex::encode(alias.founder.hash);
        row.keys.push(json!({ "hash": founder, "variant": variant, "owns": true, "explanation": {} }));
        changed.push(row);
    }
    save(tx, held, &changed).await
}

/// Messages none of whose keys has an owner, in the order in which they arrived.
async fn unplaced(tx: &mut PgConnection, held: &Held) -> Result<Vec<Row>, StoreError> {
    Ok(sqlx::query_as!(
        Row,
        r#"select t.issue_id, t.hash, t.keys as "keys: Json<Vec<Value>>", t.free_text as "free_text!",
             coalesce(t.first_at, 'epoch') as "first_at!"
         from regrouping_targets t
         where t.project_id = $1 and t.regrouping_id = $2 and t.free_text is not null
             and not exists (
                 select 1
                 from jsonb_array_elements(t.keys) as k
                 join issue_hashes h on h.project_id = $1 and h.hash = decode(k ->> 'hash', 'hex')
             )
         order by t.first_at, t.hash, t.issue_id"#,
        held.project_id.get(),
        held.id.get(),
    )
    .fetch_all(tx)
    .await?)
}

async fn save(tx: &mut PgConnection, held: &Held, changed: &[Row]) -> Result<(), StoreError> {
    let issues: Vec<i64> = changed.iter().map(|row| row.issue_id).collect();
    let hashes: Vec<&[u8]> = changed.iter().map(|row| row.hash.as_slice()).collect();
    let keys: Vec<String> = changed.iter().map(|row| json!(row.keys.0).to_string()).collect();
    sqlx::query!(
        "update regrouping_targets t
         set keys = n.keys::jsonb
         from unnest($3::bigint[], $4::bytea[], $5::text[]) as n (issue_id, hash, keys)
         where t.project_id = $1 and t.regrouping_id = $2 and t.issue_id = n.issue_id and t.hash = n.hash",
        held.project_id.get(),
        held.id.get(),
        &issues,
        &hashes as &[&[u8]],
        &keys,
    )
    .execute(tx)
    .await?;
    Ok(())
}
