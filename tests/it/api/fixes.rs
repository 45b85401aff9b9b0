//! `Fixes SHOP-1` in the commits of a release: which issues it resolves, where, and how often.

use reqwest::Method;
use serde_json::{Value, json};
use time::Duration;

use super::{Served, event};

impl Served {
    /// Makes a release of these projects with one commit, as often as asked.
    async fn release(&self, version: &str, projects: &[&str], commits: &[(&str, &str)]) {
        let commits: Vec<Value> = commits
            .iter()
            .map(|(sha, message)| json!({"id": sha.repeat(40), "repository": "acme/shop", "message": message}))
            .collect();
        let body = json!({"version": version, "projects": projects, "commits": commits});
        let request = self.http.request(Method::POST, "/api/0/organizations/acme/releases/").json(&body);
        self.http.send(request).await.json();
    }

    /// `resolved shop@1.0`, and the newest sentence of the activity.
    async fn state(&self, issue: &str) -> (String, String) {
        let detail = self.json(&format!("/api/0/issues/{issue}/")).await;
        let status = detail["status"].as_str().unwrap();
        let release =
            detail["statusDetails"]["inRelease"].as_str().or(detail["statusDetails"]["inCommit"]["commit"].as_str());
        let sentence = detail["activity"][0]["data"]["reason"].as_str().unwrap().to_owned();
        (release.map_or_else(|| status.to_owned(), |release| format!("{status} {release}")), sentence)
    }

    async fn resolutions(&self) -> i64 {
        let query = "select count(*) from issue_activity where kind = 'resolved'";
        sqlx::query_scalar(query).fetch_one(&self.database.pool).await.unwrap()
    }
}

async fn with_issues(count: u8) -> Served {
    let served = Served::start().await;
    served.store((1..=count).map(|n| event(&served.shop, n.into(), n, Duration::ZERO)).collect()).await;
    served
}

#[tokio::test]
async fn a_commit_resolves_what_it_names_in_its_release_once() {
    let served = with_issues(4).await;
    let by_url =
        format!("Closes {}/issues/{}", served.url, served.json("/api/0/issues/SHOP-3/").await["id"].as_str().unwrap());
    let commits = [("a", "Fixes SHOP-1, shop-2 and NOPE-7\n"), ("b", by_url.as_str()), ("c", "See SHOP-4")];
    for _ in 0..2 {
        served.release("shop@3.0", &["shop"], &commits).await;
    }
    for issue in ["SHOP-1", "SHOP-2", "SHOP-3"] {
        let (state, sentence) = served.state(issue).await;
        assert_eq!(state, "resolved shop@3.0", "{issue}");
        assert!(sentence.starts_with("Resolved in shop@3.0 by commit "), "{sentence}");
    }
    assert_eq!((served.state("SHOP-4").await.0.as_str(), served.resolutions().await), ("unresolved", 3));

    // Reopened by a person: the same list again, or the next release with the same commit, changes nothing.
    let reopen = json!({"status": "unresolved"});
    served.http.put("/api/0/issues/SHOP-1/", &reopen).await.json();
    served.release("shop@3.0", &["shop"], &commits).await;
    served.release("shop@3.1", &["shop"], &commits).await;
    assert_eq!((served.state("SHOP-1").await.0.as_str(), served.resolutions().await), ("unresolved", 3));
    assert_eq!(served.state("SHOP-2").await.0, "resolved shop@3.0");
    // Another commit is another claim.
    served.release("shop@3.2", &["shop"], &[("d", "Really fixes SHOP-1")]).await;
    assert_eq!(served.state("SHOP-1").await.0, "resolved shop@3.2");
}

#[tokio::test]
async fn an_issue_of_another_project_waits_until_that_project_has_the_commit() {
    let served = with_issues(1).await;
    let api = served.database.project("api").await;
    served.store(vec![event(&api, 10, 10, Duration::ZERO)]).await;
    served.release("shop@3.0", &["shop"], &[("a", "Fixes SHOP-1 and API-1")]).await;
    assert_eq!(served.state("SHOP-1").await.0, "resolved shop@3.0");
    assert_eq!(served.state("API-1").await.0, format!("resolved {}", "a".repeat(40)));
    served.release("api@7", &["api"], &[("b", "Begin"), ("a", "Fixes SHOP-1 and API-1")]).await;
    assert_eq!(served.state("API-1").await.0, "resolved api@7");
    assert_eq!(served.state("SHOP-1").await.0, "resolved shop@3.0");

    // One release of both is one in each.
    served.store(vec![event(&api, 11, 11, Duration::ZERO)]).await;
    served.release("all@1", &["api", "shop"], &[("c", "Fixes API-2")]).await;
    assert_eq!(served.state("API-2").await.0, "resolved all@1");
}

#[tokio::test]
async fn an_issue_that_waits_for_a_commit_is_resolved_in_its_release() {
    let served = with_issues(1).await;
    let body = json!({"status": "resolved", "statusDetails": {"inCommit": {"commit": "e".repeat(40), "repository": "acme/shop"}}});
    served.http.put("/api/0/issues/SHOP-1/", &body).await.json();
    served.release("shop@3.0", &["shop"], &[("a", "Begin")]).await;
    assert_eq!(served.state("SHOP-1").await.0, format!("resolved {}", "e".repeat(40)));
    served.release("shop@3.1", &["shop"], &[("e", "Work")]).await;
    assert_eq!(served.state("SHOP-1").await.0, "resolved shop@3.1");

    // A commit that is released already, by the beginning of its hash.
    served.release("shop@3.2", &["shop"], &[("e", "Work"), ("f", "More")]).await;
    for (commit, release) in [("fffffff", "shop@3.2"), ("EEEEEEEEE", "shop@3.1")] {
        let body = json!({"status": "resolved", "statusDetails": {"inCommit": {"commit": commit}}});
        served.http.put("/api/0/issues/SHOP-1/", &body).await.json();
        assert_eq!(served.state("SHOP-1").await.0, format!("resolved {release}"));
    }
}

#[tokio::test]
async fn an_issue_that_was_merged_leads_to_the_one_that_it_is_part_of() {
    let served = with_issues(2).await;
    let merged = served.http.put("/api/0/projects/acme/shop/issues/?id=SHOP-1&id=SHOP-2", &json!({"merge": 1})).await;
    merged.json();
    served.release("shop@3.0", &["shop"], &[("a", "Fixes SHOP-1"), ("b", "Fixes SHOP-2")]).await;
    assert_eq!(served.state("SHOP-1").await.0, "resolved shop@3.0");
    assert_eq!(served.resolutions().await, 1);
}
