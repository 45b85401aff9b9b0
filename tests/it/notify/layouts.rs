//! What mails look like: every form of message as it is laid out, kept under `tests/fixtures/mail/forms`.
//!
//! `FIREFINCH_SNAPSHOTS=write cargo test --test it notify::layouts` writes them anew; open the HTML ones in a browser,
//! light and dark, 640 and 390 wide, before committing what changed.

use engine::alert::link::Key;
use engine::alert::samples;
use engine::ids::DestinationId;
use firefinch::workers::notify::{Layout, Recipient, lay_out_mail};
use time::macros::datetime;

use super::assert_snapshot;

fn laid_out() -> Vec<(&'static str, Layout)> {
    let to = Recipient {
        address: "oncall@shop.example",
        destination_id: DestinationId(3),
        destination: "On call",
        key: &Key::new([7; 32]),
    };
    let now = datetime!(2026-11-22 16:44:20 UTC);
    samples::all().into_iter().map(|(name, message)| (name, lay_out_mail(&to, &message, now).unwrap())).collect()
}

#[test]
fn every_form_looks_as_it_was_looked_at() {
    let all = laid_out();
    assert!(all.len() > 15, "{}", all.len());
    for (name, mail) in &all {
        assert_snapshot(&format!("mail/forms/{name}.txt"), &format!("Subject: {}\n\n{}\n", mail.subject, mail.plain));
        assert_snapshot(&format!("mail/forms/{name}.html"), &mail.html);
    }
    // None is kept that is not made any more.
    let kept = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/mail/forms")).unwrap();
    assert_eq!(kept.count(), 2 * all.len());
}

#[test]
fn nothing_is_fetched_and_nothing_of_a_stranger_is_markup() {
    for (name, mail) in laid_out() {
        let html = &mail.html;
        for word in ["<img", "<script", "<link", "url(", "@import", "<!channel>", "<b>\n", "<iframe"] {
            assert!(!html.contains(word), "{name}: {word}");
        }
        for (_, address) in html.match_indices("href=\"").map(|(at, _)| (at, &html[at + 6..])) {
            assert!(address.starts_with("https://errors.example"), "{name}: {}", &address[..40]);
        }
        for text in [html, &mail.plain, &mail.subject] {
            assert!(!text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{name}");
        }
        assert!(html.len() < 30_000 && mail.plain.len() < 6_000, "{name}: {} and {}", html.len(), mail.plain.len());
        assert!(!mail.plain.contains("\n\n\n"), "{name}: a gap in {}", mail.plain);
        // Programs for text wrap at will, but no line is wider than a mail may be.
        assert!(mail.plain.lines().all(|line| line.chars().count() <= 600), "{name}");
    }
}
