//! How the values of each tag are spread over some events.
//!
//! Pure counting. The caller bounds the number of events: the newest ones of an issue say what people
//! ask ("which browser? which release?"), and a counter per tag and event would cost a write each.

use std::collections::HashMap;

use time::OffsetDateTime;

/// One key with its most frequent values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facet {
    /// Name of the tag.
    pub key: String,
    /// Events that have the tag.
    pub events: u64,
    /// Different values among them.
    pub values: u64,
    /// The most frequent values, most frequent first.
    pub top: Vec<FacetValue>,
}

/// One value of a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FacetValue {
    /// The value.
    pub value: String,
    /// Events that have it.
    pub events: u64,
    /// The oldest of them.
    pub first_seen: OffsetDateTime,
    /// The newest of them.
    pub last_seen: OffsetDateTime,
}

/// Counts the tags of events, each given as its time and its pairs; `values_max` values of each key are
/// told. Keys come in alphabetical order, equally frequent values too.
pub fn count<'a>(
    events: impl IntoIterator<Item = (OffsetDateTime, &'a [(&'a str, &'a str)])>,
    values_max: usize,
) -> Vec<Facet> {
    let mut counted: HashMap<&str, HashMap<&str, FacetValue>> = HashMap::new();
    for (at, pairs) in events {
        for (key, value) in pairs {
            let entry = counted.entry(key).or_default().entry(value).or_insert_with(|| FacetValue {
                value: (*value).to_owned(),
                events: 0,
                first_seen: at,
                last_seen: at,
            });
            entry.events += 1;
            entry.first_seen = entry.first_seen.min(at);
            entry.last_seen = entry.last_seen.max(at);
        }
    }
    let mut facets: Vec<Facet> = counted.into_iter().map(|(key, values)| facet(key, values, values_max)).collect();
    facets.sort_by(|a, b| a.key.cmp(&b.key));
    facets
}

fn facet(key: &str, values: HashMap<&str, FacetValue>, values_max: usize) -> Facet {
    let different = u64::try_from(values.len()).unwrap_or(u64::MAX);
    let mut top: Vec<FacetValue> = values.into_values().collect();
    let events = top.iter().map(|value| value.events).sum();
    top.sort_by(|a, b| b.events.cmp(&a.events).then_with(|| a.value.cmp(&b.value)));
    top.truncate(values_max);
    Facet { key: key.to_owned(), events, values: different, top }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn values_are_counted_and_the_frequent_ones_told() {
        let at = |second: u8| datetime!(2026-11-22 12:00 UTC).replace_second(second).unwrap();
        let events: [(OffsetDateTime, &[(&str, &str)]); 4] = [
            (at(4), &[("os", "Linux"), ("browser", "B")]),
            (at(3), &[("os", "Windows")]),
            (at(2), &[("os", "Linux")]),
            (at(1), &[("os", "Mac")]),
        ];
        let facets = count(events, 2);
        assert_eq!(facets.iter().map(|facet| facet.key.as_str()).collect::<Vec<_>>(), ["browser", "os"]);
        let os = &facets[1];
        assert_eq!((os.events, os.values), (4, 3));
        let linux = FacetValue { value: "Linux".into(), events: 2, first_seen: at(2), last_seen: at(4) };
        assert_eq!(os.top[0], linux);
        assert_eq!(os.top.iter().map(|value| value.value.as_str()).collect::<Vec<_>>(), ["Linux", "Mac"]);
        assert_eq!(count([], 2), []);
    }
}
