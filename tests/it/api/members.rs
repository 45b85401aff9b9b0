//! Who is here and who sees a project, as calls are told.

use engine::access::{ProjectRole, Reach, Role, SCOPES};
use engine::ids::ProjectId;
use serde_json::json;

use super::Served;

#[tokio::test]
async fn people_and_teams_are_listed() {
    let served = Served::start().await;
    let db = &served.database;
    db.user("ana@example.org", Role::Guest, "a long password").await;
    db.user("ben@example.org", Role::Viewer, "a long password").await;
    db.member("ana@example.org", &served.shop, Some(ProjectRole::Member)).await;
    db.project("vault").await;
    sqlx::query("insert into teams (slug, name, created_at) values ('ops', 'Ops', now())")
        .execute(&db.pool)
        .await
        .unwrap();
    let roles = async |path: &str| {
        let found = served.json(path).await;
        let role = |one: &serde_json::Value| json!([one["email"], one["role"], one["projectRole"]]);
        found.as_array().unwrap().iter().map(role).collect::<Vec<_>>()
    };
    let org = "/api/0/organizations/acme";
    assert_eq!(
        roles(&format!("{org}/members/")).await,
        [json!(["ana@example.org", "guest", null]), json!(["ben@example.org", "viewer", null])]
    );
    assert_eq!(
        roles("/api/0/projects/acme/shop/members/").await,
        [json!(["ana@example.org", "guest", "member"]), json!(["ben@example.org", "viewer", "viewer"])]
    );
    assert_eq!(roles("/api/0/projects/acme/vault/members/").await, [json!(["ben@example.org", "viewer", "viewer"])]);
    let teams = served.json(&format!("{org}/teams/")).await;
    assert_eq!((&teams[0]["slug"], &teams[0]["memberCount"]), (&json!("ops"), &json!(0)));
    // A token of one project sees its members, and nothing of the instance.
    let reach = Reach::Projects(vec![ProjectId(served.shop.id)]);
    let http = served.stranger.with_token(&db.token_for(&reach, &SCOPES.map(|(scope, _)| scope)).await);
    assert_eq!(http.get("/api/0/projects/acme/shop/members/").await.status, 200);
    assert_eq!(http.get(&format!("{org}/members/")).await.status, 403);
    assert_eq!(http.get(&format!("{org}/teams/")).await.status, 403);
    assert_eq!(http.get("/api/0/projects/acme/vault/members/").await.status, 404);
}
