//! Values on the command line.

use gatewright_domain::{CommitSha, PipelineId};
use std::path::PathBuf;
use std::time::Duration;

/// A time such as `90s`, `30m`, `2h` or `1d`.
///
/// # Errors
/// When it is none.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let seconds = gatewright_domain::text::duration(text);
    let seconds = seconds.ok_or("it must be a number and s, m, h or d, such as 30m")?;
    Ok(Duration::from_secs(seconds))
}

/// A full commit id.
///
/// # Errors
/// When it is none.
pub(super) fn parse_commit(text: &str) -> Result<String, String> {
    let commit: CommitSha = text.parse().map_err(|error| format!("{error}"))?;
    Ok(commit.into())
}

/// A pipeline's id.
///
/// # Errors
/// When it is none.
pub(super) fn parse_id(text: &str) -> Result<String, String> {
    let id: PipelineId = text.parse().map_err(|error| format!("{error}"))?;
    Ok(id.into())
}

/// `REPO=DIR`.
///
/// # Errors
/// When it is none.
pub(super) fn parse_source(text: &str) -> Result<(String, PathBuf), String> {
    match text.rsplit_once('=') {
        Some((repository, folder)) if !repository.is_empty() && !folder.is_empty() => {
            Ok((repository.to_owned(), PathBuf::from(folder)))
        }
        _ => Err("it must be REPO=DIR, such as https://github.com/example/shop=../shop".to_owned()),
    }
}

/// `NAME=VALUE`, as CloudWatch tells metrics of one name apart.
///
/// # Errors
/// When it is none.
pub(super) fn parse_dimension(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err("it must be NAME=VALUE, such as Service=preview".to_owned()),
    }
}

/// A number that can be measured.
///
/// # Errors
/// When it is none.
pub(super) fn parse_number(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| "it must be a number, such as 0.5".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dimension_and_a_number_are_what_cloudwatch_takes() {
        let read = parse_dimension("Url=/a?b=1");
        assert_eq!(read, Ok(("Url".to_owned(), "/a?b=1".to_owned())));
        assert!(parse_dimension("only").is_err() && parse_dimension("=x").is_err());
        assert_eq!(parse_number("0.5"), Ok(0.5));
        assert!(parse_number("NaN").is_err() && parse_number("1 %").is_err());
    }

    #[test]
    fn times_have_a_unit() {
        for (text, seconds) in [("90s", 90), ("30m", 1_800), ("2h", 7_200), ("1d", 86_400)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)));
        }
        for bad in ["", "30", "m", "-1m", "1.5h", "3µ", "99999999999999999999d"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_source_is_a_repository_and_a_folder() {
        let read = parse_source("https://example.com/a?x=1=../a");
        let expected = (
            "https://example.com/a?x=1".to_owned(),
            PathBuf::from("../a"),
        );
        assert_eq!(read, Ok(expected));
        assert!(parse_source("only").is_err() && parse_source("=x").is_err());
    }
}
