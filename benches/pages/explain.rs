//! The plans that PostgreSQL really used, from `auto_explain` in the log of the embedded server.

use std::collections::HashMap;

use crate::server::Server;

/// Statements printed of each kind.
const PRINTED: usize = 10;
/// Pages of each kind whose statements are explained.
pub(crate) const VISITS: usize = 6;

/// From now on every statement of new connections is explained; the old connections are ended.
pub(crate) async fn begin(server: &Server) {
    for setting in [
        "session_preload_libraries = 'auto_explain'",
        "auto_explain.log_min_duration = 0",
        "auto_explain.log_analyze = on",
        "auto_explain.log_buffers = on",
        "auto_explain.log_timing = off",
    ] {
        // Settings of a library that is not loaded are known once it is.
        server.execute("load 'auto_explain'").await;
        server.execute(&format!("alter system set {setting}")).await;
    }
    server.execute("select pg_reload_conf()").await;
    server
        .execute("select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()")
        .await;
}

#[derive(Default)]
struct Statement {
    times_ms: Vec<f64>,
    slowest: (f64, String),
}

/// Prints the statements that ran most often, and those that took longest at their worst.
pub(crate) fn print(server: &Server) {
    let mut statements: HashMap<String, Statement> = HashMap::new();
    for entry in server.log().split("LOG:  duration: ").skip(1) {
        let Some((duration, rest)) = entry.split_once(" ms  plan:\n") else { continue };
        // Lines of one entry begin with a tab.
        let lines: Vec<&str> = rest.lines().take_while(|line| line.starts_with('\t')).map(|line| &line[1..]).collect();
        let plan_from = lines.iter().position(|line| line.contains("(cost=")).unwrap_or(lines.len());
        let words: Vec<&str> = lines[..plan_from].iter().flat_map(|line| line.split_whitespace()).skip(2).collect();
        let (text, time) = (words.join(" "), duration.parse().unwrap_or(0.0));
        let statement = statements.entry(text).or_default();
        statement.times_ms.push(time);
        if time >= statement.slowest.0 {
            statement.slowest = (time, lines[plan_from..].join("\n"));
        }
    }
    let mut statements: Vec<(String, Statement)> = statements.into_iter().collect();
    statements.sort_by_key(|(_, statement)| std::cmp::Reverse(statement.times_ms.len()));
    print_first("ran most often", &statements);
    statements.sort_by(|one, other| other.1.slowest.0.total_cmp(&one.1.slowest.0));
    print_first("took longest", &statements);
}

fn print_first(what: &str, statements: &[(String, Statement)]) {
    for (text, statement) in statements.iter().take(PRINTED) {
        let mean = statement.times_ms.iter().sum::<f64>() / statement.times_ms.len() as f64;
        println!(
            "\n{what}: {} times, {mean:.2} ms each\n{text:.400}\n{:.6000}",
            statement.times_ms.len(),
            statement.slowest.1
        );
    }
}
