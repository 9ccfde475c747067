//! Labels of workers: what a worker says of itself, and what an environment asks of it.

use std::collections::BTreeMap;

use crate::limits;

/// Names with a value each, such as `gpu` with `true` or `region` with `eu`.
pub type Labels = BTreeMap<String, String>;

/// Something wrong with labels as written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidLabels(String);

/// Checks that they can be kept: at most [`limits::WORKER_LABELS`], each name and value 1 to
/// [`limits::WORKER_LABEL_CHARS`] of the characters that need no quoting anywhere.
pub fn check_labels(labels: &Labels) -> Result<(), InvalidLabels> {
    if labels.len() > limits::WORKER_LABELS {
        let most = limits::WORKER_LABELS;
        return Err(InvalidLabels(format!("has more than {most} entries")));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    for (name, value) in labels {
        for text in [name, value] {
            let usable = (1..=limits::WORKER_LABEL_CHARS).contains(&text.len())
                && text.chars().all(plain)
                && text.starts_with(|c: char| c.is_ascii_alphanumeric());
            if !usable {
                return Err(InvalidLabels(format!(
                    "`{}={}` is not a label: name and value have 1 to {} letters, digits, `.`, `_`, `-` and `/`, \
                     and begin with a letter or a digit",
                    name.escape_debug(),
                    value.escape_debug(),
                    limits::WORKER_LABEL_CHARS
                )));
            }
        }
    }
    Ok(())
}

/// Whether somebody with the labels `has` has all of `wanted`.
pub fn has_all(has: &Labels, wanted: &Labels) -> bool {
    wanted
        .iter()
        .all(|(name, value)| has.get(name) == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn a_label_is_plain_and_short() {
        let long = "x".repeat(63);
        for good in [
            vec![],
            vec![("gpu", "true")],
            vec![("example.org/kind", "a-1_b.c"), ("Zone", "7")],
            vec![(long.as_str(), long.as_str())],
        ] {
            assert_eq!(check_labels(&labels(&good)), Ok(()));
        }
        let longer = "x".repeat(64);
        for (name, value) in [
            ("", "a"),
            ("a", ""),
            ("a b", "c"),
            ("a", "\u{1b}[2J"),
            ("ü", "a"),
            ("-a", "b"),
            ("a", "b=c"),
            (longer.as_str(), "a"),
        ] {
            let error = check_labels(&labels(&[(name, value)])).expect_err("not plain");
            assert!(!error.to_string().contains('\u{1b}'), "{error}");
        }
        let many = (0..33).map(|number| (format!("n{number}"), "1".to_owned()));
        assert!(check_labels(&many.collect()).is_err());
    }

    #[test]
    fn every_label_asked_for_must_be_there_with_its_value() {
        let has = labels(&[("gpu", "true"), ("region", "eu")]);
        assert!(has_all(&has, &Labels::new()));
        assert!(has_all(&has, &labels(&[("gpu", "true")])));
        assert!(has_all(&has, &has));
        assert!(!has_all(&has, &labels(&[("gpu", "false")])));
        assert!(!has_all(&has, &labels(&[("gpu", "true"), ("disk", "ssd")])));
        assert!(!has_all(&Labels::new(), &labels(&[("gpu", "true")])));
    }
}
