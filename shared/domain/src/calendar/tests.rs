use super::*;
use crate::pipeline::Window;
use proptest::prelude::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn window(days: &[&str], from: &str, to: &str, zone: &str) -> Window {
    Window {
        days: days.iter().map(|day| (*day).to_owned()).collect(),
        from: from.to_owned(),
        to: to.to_owned(),
        time_zone: zone.to_owned(),
        rollbacks: false,
    }
}

fn weekly(from: (&str, &str), until: (&str, &str), zone: &str) -> Times {
    Times::Weekly {
        from_day: from.0.to_owned(),
        from: from.1.to_owned(),
        until_day: until.0.to_owned(),
        until: until.1.to_owned(),
        time_zone: zone.to_owned(),
    }
}

#[test]
fn a_window_opens_and_closes_by_the_clock_of_its_zone() {
    // Saturday, 22:00 to 02:00 in Kolkata is 16:30 to 20:30 UTC.
    let windows = [window(&["sat"], "22:00", "02:00", "Asia/Kolkata")];
    let before = opening(&windows, at("2026-11-21T16:29:59Z")).unwrap();
    assert_eq!(
        before,
        Opening::Closed {
            opens: at("2026-11-21T16:30:00Z")
        }
    );
    let open = Opening::Open {
        closes: at("2026-11-21T20:30:00Z"),
    };
    assert_eq!(opening(&windows, at("2026-11-21T16:30:00Z")), Ok(open));
    assert_eq!(opening(&windows, at("2026-11-21T20:29:59Z")), Ok(open));
    assert_eq!(
        opening(&windows, at("2026-11-21T20:30:00Z")),
        Ok(Opening::Closed {
            opens: at("2026-11-28T16:30:00Z")
        })
    );
}

#[test]
fn windows_that_touch_are_one() {
    let windows = [
        window(&["mon"], "08:00", "12:00", "UTC"),
        window(&["mon"], "12:00", "16:00", "UTC"),
        window(&["tue"], "08:00", "12:00", "UTC"),
    ];
    assert_eq!(
        opening(&windows, at("2026-11-23T09:00:00Z")),
        Ok(Opening::Open {
            closes: at("2026-11-23T16:00:00Z")
        })
    );
}

#[test]
fn daylight_saving_moves_a_window_with_the_wall_clock() {
    // Berlin: 2026-03-29 the clocks go from 02:00 to 03:00, 2026-10-25 back.
    let night = [window(&["sun"], "01:00", "04:00", "Europe/Berlin")];
    let closes = |now: &str| opening(&night, at(now)).unwrap();
    assert_eq!(
        closes("2026-03-29T00:30:00Z"),
        Opening::Open {
            closes: at("2026-03-29T02:00:00Z")
        },
        "an hour shorter in spring"
    );
    assert_eq!(
        closes("2026-10-24T23:30:00Z"),
        Opening::Open {
            closes: at("2026-10-25T03:00:00Z")
        },
        "an hour longer in autumn"
    );
    // What begins in the hour that is skipped begins after it, and a window of
    // which nothing is left then does not open that night.
    let opens = |from: &str, to: &str| {
        let windows = [window(&["sun"], from, to, "Europe/Berlin")];
        opening(&windows, at("2026-03-28T12:00:00Z")).unwrap()
    };
    let expected = |text: &str| Opening::Closed { opens: at(text) };
    assert_eq!(opens("02:10", "02:50"), expected("2026-03-29T01:10:00Z"));
    assert_eq!(opens("02:10", "03:00"), expected("2026-04-05T00:10:00Z"));
}

#[test]
fn what_cannot_be_read_is_an_error_and_not_an_open_window() {
    for wrong in [
        window(&["sat"], "22:00", "02:00", "Asia/Calcuta"),
        window(&["someday"], "22:00", "02:00", "UTC"),
        window(&["sat"], "24:00", "02:00", "UTC"),
        window(&["sat"], "2:00", "03:00", "UTC"),
    ] {
        assert!(opening(&[wrong], at("2026-11-21T16:30:00Z")).is_err());
    }
    assert!(opening(&[], at("2026-11-21T16:30:00Z")).is_err());
}

#[test]
fn a_weekly_freeze_spans_the_weekend() {
    let weekend = weekly(("fri", "16:00"), ("mon", "08:00"), "Asia/Kolkata");
    let held = |now: &str| weekend.holding(at(now)).unwrap();
    assert_eq!(held("2026-11-20T10:29:59Z"), None);
    let expected = Interval {
        from: at("2026-11-20T10:30:00Z"),
        until: at("2026-11-23T02:30:00Z"),
    };
    assert_eq!(held("2026-11-20T10:30:00Z"), Some(expected));
    assert_eq!(held("2026-11-22T00:00:00Z"), Some(expected));
    assert_eq!(held("2026-11-23T02:30:00Z"), None);
    let week = weekly(("mon", "08:00"), ("mon", "08:00"), "UTC");
    assert!(week.holding(at("2026-11-25T00:00:00Z")).unwrap().is_some());
}

#[test]
fn times_that_begin_again_when_they_end_have_no_end() {
    let endless = |times: &Times| times.without_end().unwrap().is_some();
    for (from, until, expected) in [
        (("fri", "16:00"), ("fri", "16:00"), true),
        (("fri", "16:00"), ("fri", "15:59"), false),
        (("fri", "16:00"), ("mon", "16:00"), false),
    ] {
        assert_eq!(endless(&weekly(from, until, "UTC")), expected, "{until:?}");
    }
    for (from, to, expected) in [
        ("11-01", "10-31", true),
        ("01-01", "12-31", true),
        // All but one day in four years.
        ("03-01", "02-28", true),
        ("03-01", "02-29", true),
        ("12-20", "12-20", false),
        ("11-01", "10-30", false),
    ] {
        let times = Times::Yearly {
            from: from.to_owned(),
            to: to.to_owned(),
            time_zone: "UTC".to_owned(),
        };
        assert_eq!(endless(&times), expected, "{from}..{to}");
    }
}

#[test]
fn a_yearly_freeze_spans_new_year_and_knows_leap_days() {
    let yearly = |from: &str, to: &str| Times::Yearly {
        from: from.to_owned(),
        to: to.to_owned(),
        time_zone: "UTC".to_owned(),
    };
    let holidays = yearly("12-20", "01-05");
    for (now, inside) in [
        ("2026-12-19T23:59:59Z", false),
        ("2026-12-20T00:00:00Z", true),
        ("2027-01-05T23:59:59Z", true),
        ("2027-01-06T00:00:00Z", false),
    ] {
        assert_eq!(
            holidays.holding(at(now)).unwrap().is_some(),
            inside,
            "{now}"
        );
    }
    let leap = yearly("02-29", "02-29");
    assert!(leap.holding(at("2028-02-29T12:00:00Z")).unwrap().is_some());
    assert!(leap.holding(at("2027-02-28T12:00:00Z")).unwrap().is_some());
    assert!(
        yearly("02-30", "03-01")
            .holding(at("2027-02-28T12:00:00Z"))
            .is_err()
    );
}

proptest! {
    /// Whatever the moment: open ends later, closed opens later, and at the moment
    /// that was promised it is open.
    #[test]
    fn what_is_promised_comes(
        seconds in 1_700_000_000i64..1_900_000_000,
        from in 0u8..24, to in 0u8..24, day in 0usize..7,
        zone in prop::sample::select(vec!["Asia/Kolkata", "Europe/Berlin", "America/New_York", "Pacific/Apia", "UTC"]),
    ) {
        let day = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][day];
        let windows = [window(&[day], &format!("{from:02}:00"), &format!("{to:02}:00"), zone)];
        let now = Timestamp::from_second(seconds).unwrap();
        match opening(&windows, now).unwrap() {
            Opening::Open { closes } => prop_assert!(closes > now),
            Opening::Closed { opens } => {
                prop_assert!(opens > now);
                prop_assert!(seconds_until(now, opens) <= 9 * 86_400);
                let then_open = matches!(opening(&windows, opens), Ok(Opening::Open { .. }));
                prop_assert!(then_open);
            }
        }
    }
}
