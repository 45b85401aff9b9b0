//! The API document, tried on the API by schemathesis: values that the document allows and values that it does not, in every
//! parameter and body of every operation. Nothing is an error of the server.

use std::path::Path;

use time::Duration;
use tokio::process::Command;

use super::{Served, event};

/// Values that lead somewhere, so that more than the look-up of what is in the path is reached. Each operation is tried with
/// others first.
const THERE: &str = r#"
[parameters]
"path.org" = "acme"
"path.project" = "shop"
"path.issue" = "SHOP-1"
"path.version" = "shop@2.1"
"path.event" = "00000000000000000000000000000001"
"path.activity" = "1"
"path.destination" = "1"
"path.regrouping" = "1"
"path.deploy" = "1"
"#;

#[tokio::test]
async fn nothing_that_the_document_allows_or_forbids_is_an_error_of_the_server() {
    let served = Served::start().await;
    served.store(vec![event(&served.shop, 1, 1, Duration::ZERO), event(&served.shop, 2, 2, Duration::ZERO)]).await;
    let token = served.database.token(&engine::access::SCOPES.map(|(scope, _)| scope)).await;
    for (config, phases) in [("", "fuzzing"), (THERE, "coverage,fuzzing")] {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("schemathesis.toml"), config).unwrap();
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/python/.venv/bin/schemathesis");
        let run = Command::new(program)
            .current_dir(directory.path())
            .args(["run", &format!("{}/api/openapi.json", served.url)])
            .args(["--header", &format!("Authorization: Bearer {token}")])
            .args(["--checks", "not_a_server_error", "--phases", phases])
            .args(["--max-examples", "2", "--seed", "1", "--no-shrink"])
            .args(["--continue-on-failure", "--warnings", "off", "--suppress-health-check", "all"])
            .env("NO_COLOR", "1")
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        let told = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success(), "{told}\n{}", String::from_utf8_lossy(&run.stderr));
        // "12345 generated, 12345 passed"
        let generated = told.lines().find(|line| line.contains("generated")).unwrap_or_default();
        let cases: usize = generated.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or_default();
        assert!(cases >= firefinch::api::endpoints().len(), "{told}");
    }
}
