//! `firefinch doctor`: looks at everything that can be wrong, and says what to do about it.
//!
//! It changes nothing. The checks are in `checkup`.

use serde_json::json;

use super::output::Output;
use super::public_url;
use crate::checkup::{Finding, Verdict, checks};
use crate::config::Config;
use crate::database::Database;
use crate::error::Failure;
use crate::oidc::Provider;
use crate::workers::notify;

/// A finding as a line of the terminal.
fn line(finding: &Finding) -> String {
    let verdict = match finding.verdict {
        Verdict::Ok => "OK  ",
        Verdict::Warn => "WARN",
        Verdict::Fail => "FAIL",
    };
    format!("{verdict}  {}: {}", finding.check, finding.text)
}

pub(super) async fn run(config: &Config, output: Output) -> Result<(), Failure> {
    let findings = examine(config).await;
    let failed = findings.iter().filter(|finding| finding.verdict == Verdict::Fail).count();
    let lines: Vec<String> = findings.iter().map(line).collect();
    output.answer(&json!({"ok": failed == 0, "checks": findings}), &lines.join("\n"))?;
    match failed {
        0 => Ok(()),
        failed => Err(anyhow::anyhow!("{failed} of {} checks failed", findings.len()).into()),
    }
}

async fn examine(config: &Config) -> Vec<Finding> {
    let mut findings = checks::config(config, &public_url(config));
    findings.extend(checks::data_dir(config));
    let (server, runnable) = checks::embedded_server(config);
    findings.extend(server);
    if runnable {
        findings.extend(database(config).await);
    }
    findings.extend(mail(config).await);
    findings.push(single_sign_on(config).await);
    findings
}

async fn database(config: &Config) -> Vec<Finding> {
    let database = match Database::open_for_command(config).await {
        Ok(database) => database,
        Err(error) => return vec![Finding::fail("database", format!("{error:#}"))],
    };
    let mut findings = checks::database(config, &database.pool).await;
    if let Err(error) = database.close().await {
        findings.push(Finding::warn("database", format!("it does not close: {error:#}")));
    }
    findings
}

/// Asks the provider of identities who it is.
async fn single_sign_on(config: &Config) -> Finding {
    const CHECK: &str = "single sign-on";
    let Some(provider) = Provider::new(config, &public_url(config)) else {
        return Finding::ok(
            CHECK,
            "no provider of identities is set (oidc_issuer): people sign in with passwords and passkeys",
        );
    };
    let issuer = &provider.settings.issuer;
    match provider.probe().await {
        Ok(()) => Finding::ok(CHECK, format!("{issuer} answers as an OpenID Connect provider")),
        Err(trouble) => Finding::fail(
            CHECK,
            format!(
                "nobody can sign in through {issuer}: {trouble}; oidc_issuer has to be exactly as the provider calls \
                 itself, and to be reached from here without a redirect"
            ),
        ),
    }
}

/// Talks to the mail server, which no page does.
async fn mail(config: &Config) -> Vec<Finding> {
    const CHECK: &str = "mail";
    let Some(url) = &config.smtp_url else {
        return vec![Finding::ok(CHECK, "no mail server is set (smtp_url): nobody gets mail")];
    };
    vec![match notify::probe_smtp(url.expose()).await {
        Ok(()) => Finding::ok(CHECK, "the mail server takes our connection"),
        Err(error) => Finding::fail(
            CHECK,
            format!(
                "the mail server does not take our connection ({error:#}): check host, port, TLS and password in smtp_url"
            ),
        ),
    }]
}
