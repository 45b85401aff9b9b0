//! The address that an SDK posts to.
//!
//! Owns its form only: `{scheme}://{public key}@{host}{path}/{project id}`.

use crate::ids::ProjectId;

/// Makes the DSN of a key. `base_url` is where this server is reached, with or without a path and a
/// trailing slash.
#[must_use]
pub fn format(base_url: &str, public_key: &str, project_id: ProjectId) -> String {
    let base_url = base_url.trim_end_matches('/');
    match base_url.split_once("://") {
        Some((scheme, rest)) => format!("{scheme}://{public_key}@{rest}/{project_id}"),
        None => format!("http://{public_key}@{base_url}/{project_id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_port_and_path() {
        let dsn = |base| format(base, "abc", ProjectId(7));
        assert_eq!(dsn("http://127.0.0.1:9000"), "http://abc@127.0.0.1:9000/7");
        assert_eq!(dsn("https://errors.example.org/finch/"), "https://abc@errors.example.org/finch/7");
        assert_eq!(dsn("errors.example.org"), "http://abc@errors.example.org/7");
    }
}
