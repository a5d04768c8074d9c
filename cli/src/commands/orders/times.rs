//! The times of a freeze, as written on the command line.

use crate::args::Freeze;
use crate::error::Failed;
use gatewright_domain::calendar::Times;
use gatewright_domain::{Timestamp, after};

/// The times that the flags say.
pub(super) fn of(args: &Freeze, now: Timestamp) -> Result<Times, Failed> {
    if let Some(every) = &args.every {
        return again(every, args.time_zone.as_deref().unwrap_or("UTC"));
    }
    if let Some(zone) = &args.time_zone {
        return Err(Failed::usage(format!("--time-zone {zone} belongs to --every alone")).help(
            "--for counts hours wherever you are; --from and --until say their own zone: 2026-12-24T18:00:00+05:30",
        ));
    }
    let from = match &args.from {
        Some(text) => moment("--from", text)?,
        None => now,
    };
    let until = match (&args.until, args.length) {
        (Some(text), _) => moment("--until", text)?,
        (None, Some(length)) => after(from, i64::try_from(length.as_secs()).unwrap_or(i64::MAX)),
        (None, None) => {
            return Err(Failed::usage("until when?").help(
                "--until 2026-12-24T18:00:00+05:30, --for 3d, or --every \"fri 16:00..mon 08:00\"",
            ));
        }
    };
    Ok(Times::Once { from, until })
}

fn moment(flag: &str, text: &str) -> Result<Timestamp, Failed> {
    text.parse().map_err(|_| {
        Failed::usage(format!("{flag} {text:?} is no time with a zone"))
            .help("write RFC 3339, such as 2026-12-24T18:00:00+05:30 or 2026-12-24T12:30:00Z")
    })
}

/// `fri 16:00..mon 08:00` or `12-20..01-05`.
fn again(text: &str, time_zone: &str) -> Result<Times, Failed> {
    let wrong = || {
        Failed::usage(format!("--every {text:?} does not read"))
            .help("each week: \"fri 16:00..mon 08:00\"; each year: \"12-20..01-05\"")
    };
    let (from, until) = text.split_once("..").ok_or_else(wrong)?;
    let (from, until) = (from.trim(), until.trim());
    let time_zone = time_zone.to_owned();
    match (from.split_once(' '), until.split_once(' ')) {
        (Some((from_day, from)), Some((until_day, until))) => Ok(Times::Weekly {
            from_day: from_day.to_lowercase(),
            from: from.trim().to_owned(),
            until_day: until_day.to_lowercase(),
            until: until.trim().to_owned(),
            time_zone,
        }),
        (None, None) => Ok(Times::Yearly {
            from: from.to_owned(),
            to: until.to_owned(),
            time_zone,
        }),
        (Some(_), None) | (None, Some(_)) => Err(wrong()),
    }
}
