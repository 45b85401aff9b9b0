//! How each SDK is given a DSN. To add a platform, add an entry; the page makes a tab of it.

/// Setup of one SDK. `{dsn}` stands where the DSN goes.
#[derive(Debug)]
pub(super) struct Snippet {
    /// In the address, and a project's platform.
    pub id: &'static str,
    /// On its tab.
    pub name: &'static str,
    template: &'static str,
}

impl Snippet {
    /// The code with a DSN in it.
    #[must_use]
    pub(super) fn code(&self, dsn: &str) -> String {
        self.template.replace("{dsn}", dsn)
    }
}

/// The snippet of a platform, or the first.
#[must_use]
pub(super) fn named(id: &str) -> &'static Snippet {
    SNIPPETS.iter().find(|snippet| snippet.id == id).unwrap_or(&SNIPPETS[0])
}

/// Every snippet, in the order of the tabs.
pub(super) static SNIPPETS: [Snippet; 12] = [
    Snippet {
        id: "node",
        name: "Node.js",
        template: "$ npm install @sentry/node\n\nimport * as Sentry from '@sentry/node';\n\nSentry.init({\n  dsn: '{dsn}',\n  release: 'shop@1.0.0',\n  environment: 'production',\n});",
    },
    Snippet {
        id: "javascript",
        name: "Browser",
        template: "$ npm install @sentry/browser\n\nimport * as Sentry from '@sentry/browser';\n\nSentry.init({\n  dsn: '{dsn}',\n  release: 'shop@1.0.0',\n  environment: 'production',\n});",
    },
    Snippet {
        id: "python",
        name: "Python",
        template: "$ pip install sentry-sdk\n\nimport sentry_sdk\n\nsentry_sdk.init(\n    dsn=\"{dsn}\",\n    release=\"shop@1.0.0\",\n    environment=\"production\",\n)",
    },
    Snippet {
        id: "go",
        name: "Go",
        template: "$ go get github.com/getsentry/sentry-go\n\nimport \"github.com/getsentry/sentry-go\"\n\nerr := sentry.Init(sentry.ClientOptions{\n\tDsn:         \"{dsn}\",\n\tRelease:     \"shop@1.0.0\",\n\tEnvironment: \"production\",\n})\ndefer sentry.Flush(2 * time.Second)",
    },
    Snippet {
        id: "java",
        name: "Java",
        template: "// build.gradle: implementation 'io.sentry:sentry:8.+'\n\nimport io.sentry.Sentry;\n\nSentry.init(options -> {\n  options.setDsn(\"{dsn}\");\n  options.setRelease(\"shop@1.0.0\");\n  options.setEnvironment(\"production\");\n});",
    },
    Snippet {
        id: "kotlin",
        name: "Kotlin",
        template: "// build.gradle.kts: implementation(\"io.sentry:sentry:8.+\")\n\nimport io.sentry.Sentry\n\nSentry.init { options ->\n  options.dsn = \"{dsn}\"\n  options.release = \"shop@1.0.0\"\n  options.environment = \"production\"\n}",
    },
    Snippet {
        id: "cocoa",
        name: "Swift",
        template: "import Sentry\n\nSentrySDK.start { options in\n    options.dsn = \"{dsn}\"\n    options.releaseName = \"shop@1.0.0\"\n    options.environment = \"production\"\n}",
    },
    Snippet {
        id: "php",
        name: "PHP",
        template: "$ composer require sentry/sentry\n\n\\Sentry\\init([\n    'dsn' => '{dsn}',\n    'release' => 'shop@1.0.0',\n    'environment' => 'production',\n]);",
    },
    Snippet {
        id: "ruby",
        name: "Ruby",
        template: "$ bundle add sentry-ruby\n\nSentry.init do |config|\n  config.dsn = '{dsn}'\n  config.release = 'shop@1.0.0'\n  config.environment = 'production'\nend",
    },
    Snippet {
        id: "csharp",
        name: ".NET",
        template: "$ dotnet add package Sentry\n\nSentrySdk.Init(options =>\n{\n    options.Dsn = \"{dsn}\";\n    options.Release = \"shop@1.0.0\";\n    options.Environment = \"production\";\n});",
    },
    Snippet {
        id: "rust",
        name: "Rust",
        template: "$ cargo add sentry\n\nlet _guard = sentry::init((\"{dsn}\", sentry::ClientOptions {\n    release: Some(\"shop@1.0.0\".into()),\n    environment: Some(\"production\".into()),\n    ..Default::default()\n}));",
    },
    Snippet {
        id: "cli",
        name: "Shell",
        template: "$ export SENTRY_DSN='{dsn}'\n$ sentry-cli send-event -m 'Hello from the shell'",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_snippet_has_its_place_for_the_dsn() {
        for snippet in &SNIPPETS {
            assert!(snippet.code("http://k@h/1").contains("http://k@h/1"), "{}", snippet.id);
            assert_eq!(named(snippet.id).name, snippet.name);
        }
        assert_eq!(named("fortran").id, "node");
    }
}
