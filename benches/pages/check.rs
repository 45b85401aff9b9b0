//! Holds the filled database against what ingest writes: the same columns, and every counter equal to what is counted.

use crate::fill::{self, Size};
use crate::recount;
use crate::server::Server;
use crate::visit::Browser;

/// Tables of which rows are compared, and what tells those that ingest wrote itself.
const COMPARED: [(&str, &str); 3] = [
    ("events", "received_at > (select at from mark)"),
    ("issues", "first_seen > (select at from mark)"),
    ("issue_hashes", "created_at > (select at from mark)"),
];

pub(crate) async fn check(server: &Server, browser: &Browser, size: Size) {
    server.execute("create table mark as select now() as at").await;
    fill::freshen(server, 2_000, size.issues).await;
    for (table, is_own) in COMPARED {
        let kinds = |condition: String| {
            format!(
                "select distinct array(select key from jsonb_each(to_jsonb(t)) where value <> 'null' order by key)
                 from {table} t where {condition}"
            )
        };
        // What a state or a person adds is nothing that ingest writes of a new issue.
        let unlike = format!(
            "select array(select unnest(columns) except select unnest(array['assigned_user_id', 'state_details'])) from ({}) as made (columns)
             except
             select array(select unnest(columns) except select unnest(array['assigned_user_id', 'state_details'])) from ({}) as written (columns)",
            kinds(format!("not ({is_own})")),
            kinds(is_own.to_owned())
        );
        recount::assert_no_rows(&server.pool, &unlike).await;
    }
    recount::assert_no_duplicates(&server.pool).await;
    recount::assert_counters_agree(&server.pool).await;
    pages(server, browser).await;
    println!("checked: {} events, every counter agrees", server.stored_events().await);
}

/// The figures of pages are what is stored.
async fn pages(server: &Server, browser: &Browser) {
    let sql = "select issue_id, count(*) from events group by 1 order by 2 desc, 1 limit 5";
    let loudest: Vec<(i64, i64)> = sqlx::query_as(sql).fetch_all(&server.pool).await.unwrap();
    for (issue, events) in loudest {
        let page = browser.text(&format!("/issues/{issue}")).await;
        let told = format!("data-live=\"events\" title=\"{}\"", thousands(events));
        assert!(page.contains(&told), "the page of issue {issue} must tell of {told}");
    }
}

fn thousands(number: i64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
