//! The platforms that this version knows (protocol, section 5).

/// The known platform of that name, or `other`.
#[must_use]
pub fn platform(text: &str) -> &'static str {
    const KNOWN: [&str; 27] = [
        "javascript",
        "python",
        "node",
        "java",
        "php",
        "ruby",
        "go",
        "csharp",
        "native",
        "cocoa",
        "dart",
        "rust",
        "c",
        "elixir",
        "as3",
        "cfml",
        "clojure",
        "crystal",
        "gdscript",
        "groovy",
        "haskell",
        "kotlin",
        "objc",
        "perl",
        "powershell",
        "swift",
        "nintendo-switch",
    ];
    KNOWN.into_iter().find(|known| *known == text).unwrap_or("other")
}
