//! Identifiers and points in time, in the forms AWS writes them.

use jiff::{Timestamp, tz::TimeZone};

/// A random (version 4) UUID in its usual lower-case form.
pub(crate) fn uuid() -> String {
    let mut bytes: [u8; 16] = rand::random();
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let text = hex::encode(bytes);
    format!(
        "{}-{}-{}-{}-{}",
        &text[..8],
        &text[8..12],
        &text[12..16],
        &text[16..20],
        &text[20..]
    )
}

/// A random token of 32 hexadecimal digits, for addresses nobody should guess.
pub(crate) fn token() -> String {
    hex::encode(rand::random::<[u8; 16]>())
}

/// The wall clock. The stand-ins play services that read their own.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the clock the stand-in services read"
)]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// Now, in seconds since 1970 with milliseconds: how AWS JSON 1.1 writes a
/// timestamp.
#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds since 1970 fit in 53 bits"
)]
pub(crate) fn now_epoch() -> f64 {
    now().as_millisecond() as f64 / 1000.0
}

/// The same point in time the way CodeBuild's events write it:
/// `Sep 1, 2017 4:12:29 PM`, in UTC.
pub(crate) fn event_time(epoch_seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole milliseconds by construction"
    )]
    let millis = (epoch_seconds * 1000.0).round() as i64;
    Timestamp::from_millisecond(millis)
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .to_zoned(TimeZone::UTC)
        .strftime("%b %-d, %Y %-I:%M:%S %p")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_of_version_four() {
        let id = uuid();
        assert_eq!(id.len(), 36);
        assert_eq!(&id[14..15], "4");
        assert!("89ab".contains(&id[19..20]));
    }

    #[test]
    fn event_times_are_written_as_in_the_codebuild_user_guide() {
        assert_eq!(event_time(1_504_282_349.0), "Sep 1, 2017 4:12:29 PM");
    }
}
