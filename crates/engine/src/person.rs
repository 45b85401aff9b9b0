//! A person whom events met, as somebody names them who asks for their data: by id, name, address of mail or of the network.
//!
//! `normalize` keeps the strongest of these as the key of an event's user (`id:…`, `username:…`, `email:…`, `ip:…`). The
//! others are its aliases: an event that names an id and an address has the key `id:…` and the alias `email:…`, so that who
//! asks with the address is found as well. Addresses of mail are compared without case.

use core::net::IpAddr;

use crate::limits::{EMAIL_CHARS_MAX, USER_FIELD_CHARS_MAX};
use crate::normalize::fields::cut;

/// What is known of somebody; at least one of these.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    /// The application's own id.
    pub id: Option<String>,
    /// Address of mail.
    pub email: Option<String>,
    /// Name of their account.
    pub username: Option<String>,
    /// Address in the network.
    pub ip_address: Option<IpAddr>,
}

impl Person {
    /// From what somebody typed.
    ///
    /// # Errors
    /// What is wrong, for who typed it.
    pub fn read(id: &str, email: &str, username: &str, ip_address: &str) -> Result<Self, String> {
        let text = |name: &str, text: &str, chars_max: usize| match text.trim() {
            "" => Ok(None),
            text if text.contains('\0') => Err(format!("the {name} is text without control characters")),
            text if text.chars().count() > chars_max => Err(format!("the {name} has {chars_max} characters at most")),
            text => Ok(Some(text.to_owned())),
        };
        let ip_address = match ip_address.trim() {
            "" => None,
            text => Some(text.parse().map_err(|_| format!("{text:.45} is no IP address"))?),
        };
        let person = Self {
            id: text("id", id, USER_FIELD_CHARS_MAX)?,
            email: text("e-mail address", email, EMAIL_CHARS_MAX)?,
            username: text("user name", username, USER_FIELD_CHARS_MAX)?,
            ip_address,
        };
        if person.email.as_deref().is_some_and(|email| !email.contains('@')) {
            return Err("an e-mail address has an @ in it".to_owned());
        }
        if person == Self::default() {
            return Err("say who: an id, an e-mail address, a user name or an IP address".to_owned());
        }
        Ok(person)
    }

    /// Keys and aliases of this person's events.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = Vec::new();
        keys.extend(self.id.as_deref().and_then(|id| key("id", id)));
        keys.extend(self.username.as_deref().and_then(|name| key("username", name)));
        // As typed, too: the key of an event keeps the case that its SDK sent.
        keys.extend(self.email.as_deref().and_then(|email| key("email", email)));
        keys.extend(self.email.as_deref().and_then(alias_of_email));
        keys.extend(self.ip_address.map(|address| format!("ip:{address}")));
        keys.sort_unstable();
        keys.dedup();
        keys
    }
}

/// The key of a user that is known by this; none for what is empty.
pub(crate) fn key(kind: &'static str, text: &str) -> Option<String> {
    let text = text.trim();
    let chars_max = if kind == "email" { EMAIL_CHARS_MAX } else { USER_FIELD_CHARS_MAX };
    let short = cut(text, chars_max);
    (!text.is_empty()).then(|| format!("{kind}:{}", short.as_deref().unwrap_or(text)))
}

/// An address of mail, as aliases have it.
#[must_use]
pub fn alias_of_email(email: &str) -> Option<String> {
    key("email", &email.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_read_as_events_name_them() {
        let person = Person::read(" 42 ", "Ada@Shop.example", "", "::1").unwrap();
        assert_eq!(person.keys(), ["email:Ada@Shop.example", "email:ada@shop.example", "id:42", "ip:::1"]);
        assert_eq!(Person::read("", "", "ada", "").unwrap().keys(), ["username:ada"]);
    }

    #[test]
    fn what_names_nobody_is_refused() {
        for (id, email, username, ip) in [
            ("", " ", "", ""),
            ("", "ada", "", ""),
            ("", "", "", "localhost"),
            ("a\0", "", "", ""),
            (&"x".repeat(129), "", "", ""),
        ] {
            assert!(Person::read(id, email, username, ip).is_err(), "{id} {email} {username} {ip}");
        }
    }
}
