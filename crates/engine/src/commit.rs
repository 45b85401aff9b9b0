//! Commits of a release: what their messages say that they fix, and whether one of them is why an issue is there.
//!
//! Owns the reading of messages (`fixes`) and of changed files (`suspects`). It must not know how commits
//! came to us.

pub mod fixes;
pub mod suspects;

use time::OffsetDateTime;

/// One commit as a tool sent it, within the bounds of `limits`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Name of its repository.
    pub repository: String,
    /// Its hash.
    pub sha: String,
    /// Who wrote it.
    pub author_name: Option<String>,
    /// Address of who wrote it.
    pub author_email: Option<String>,
    /// Its whole message; none where only the hash is known.
    pub message: Option<String>,
    /// When it was made.
    pub at: Option<OffsetDateTime>,
    /// What it changed.
    pub files: Vec<ChangedFile>,
    /// Issues that its message says it fixes.
    pub fixes: Vec<fixes::Reference>,
}

/// A file that a commit changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedFile {
    /// Path from the root of the repository.
    pub path: String,
    /// How.
    pub change: FileChange,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileChange {
    /// It is new.
    Added,
    /// It has another content.
    Modified,
    /// It is gone.
    Deleted,
}

impl FileChange {
    /// The letter of version control.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "A",
            Self::Modified => "M",
            Self::Deleted => "D",
        }
    }

    /// Reads the letter.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "A" => Some(Self::Added),
            "M" => Some(Self::Modified),
            "D" => Some(Self::Deleted),
            _ => None,
        }
    }
}

impl Commit {
    /// The first line of its message.
    #[must_use]
    pub fn summary(&self) -> &str {
        summary(self.message.as_deref().unwrap_or_default())
    }
}

/// The first line of a message that says something.
#[must_use]
pub fn summary(message: &str) -> &str {
    message.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default()
}
