//! Numbers that are compared with a limit: exact to a millionth, so that a limit
//! is never met or missed by a rounding of floating point.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A number in millionths (`1_500_000` is 1.5), at most [`Decimal::MOST`] in
/// size. In JSON it is text, because JSON's numbers are not exact.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Decimal(i64);

const ONE: i64 = 1_000_000;

impl Decimal {
    /// The largest number, a thousand million: what is more is as far beyond any
    /// limit.
    pub const MOST: Self = Self(1_000_000_000 * ONE);

    /// From a measured number, to the nearest millionth. What is no number, or
    /// is infinite, has not been measured.
    pub fn measured(number: f64) -> Option<Self> {
        if !number.is_finite() {
            return None;
        }
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            reason = "both ends are whole numbers below 2^53"
        )]
        let held = {
            let most = Self::MOST.0 as f64;
            (number * ONE as f64).round().clamp(-most, most) as i64
        };
        Some(Self(held))
    }

    /// In millionths.
    pub fn millionths(self) -> i64 {
        self.0
    }

    /// From millionths, held inside of what is allowed.
    pub fn from_millionths(millionths: i64) -> Self {
        Self(millionths.clamp(-Self::MOST.0, Self::MOST.0))
    }

    /// Whether it is less than zero.
    pub fn is_negative(self) -> bool {
        self.0 < 0
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, rest) = (self.0.abs() / ONE, self.0.abs() % ONE);
        let rest = format!("{rest:06}");
        match rest.trim_end_matches('0') {
            "" => write!(f, "{sign}{whole}"),
            rest => write!(f, "{sign}{whole}.{rest}"),
        }
    }
}

/// Why a text is no such number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no number with at most six decimals, up to a thousand million")]
pub struct NoDecimal(String);

impl FromStr for Decimal {
    type Err = NoDecimal;

    fn from_str(text: &str) -> Result<Self, NoDecimal> {
        let read = || {
            let (sign, digits) = match text.strip_prefix('-') {
                Some(rest) => (-1, rest),
                None => (1, text),
            };
            let (whole, rest) = digits.split_once('.').unwrap_or((digits, "0"));
            let only_digits =
                |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            let rest = match rest.trim_end_matches('0') {
                "" if only_digits(rest) => "0",
                rest => rest,
            };
            if !only_digits(whole) || !only_digits(rest) || rest.len() > 6 {
                return None;
            }
            let millionths: i64 = format!("{rest:0<6}").parse().ok()?;
            let whole: i64 = whole.parse().ok()?;
            let held = whole.checked_mul(ONE)?.checked_add(millionths)?;
            (held <= Self::MOST.0).then_some(Self(sign * held))
        };
        read().ok_or_else(|| NoDecimal(crate::text::shortened(text, 60)))
    }
}

impl TryFrom<String> for Decimal {
    type Error = NoDecimal;
    fn try_from(text: String) -> Result<Self, NoDecimal> {
        text.parse()
    }
}

impl From<Decimal> for String {
    fn from(number: Decimal) -> Self {
        number.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_are_read_exactly_or_not_at_all() {
        for (text, shown) in [
            ("1", "1"),
            ("1.50", "1.5"),
            ("0.000001", "0.000001"),
            ("-0.25", "-0.25"),
            ("1000000000", "1000000000"),
            ("2.0000000", "2"),
        ] {
            assert_eq!(text.parse::<Decimal>().unwrap().to_string(), shown);
        }
        for wrong in [
            "",
            ".",
            "1.",
            ".5",
            "1e3",
            "0.0000001",
            "1000000001",
            "nan",
            "+1",
            "--1",
        ] {
            assert!(wrong.parse::<Decimal>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_number_has_not_been_measured() {
        assert_eq!(Decimal::measured(f64::NAN), None);
        assert_eq!(Decimal::measured(f64::INFINITY), None);
        assert_eq!(Decimal::measured(0.1), Some("0.1".parse().unwrap()));
        assert_eq!(Decimal::measured(1e300), Some(Decimal::MOST));
    }

    proptest! {
        #[test]
        fn text_and_back_is_the_same_number(millionths in -1_000_000_000_000_000i64..=1_000_000_000_000_000) {
            let number = Decimal::from_millionths(millionths);
            prop_assert_eq!(number.to_string().parse::<Decimal>(), Ok(number));
        }
    }
}
