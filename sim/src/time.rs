//! Virtual time: moments and spans, in whole nanoseconds.
//!
//! Nothing in the tank reads a clock, and nothing computes with fractions: a moment is a count of nanoseconds
//! since the run began. Sums saturate at the end of the number line, 584 years on, so that no option however
//! large can overflow; what lies there never comes.

use std::{
    fmt,
    ops::{Add, AddAssign, Div, Mul, Sub},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A moment: nanoseconds of virtual time since the run began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

impl Time {
    /// The moment at which every run begins.
    pub const ZERO: Self = Self(0);

    /// How long ago `earlier` was.
    ///
    /// # Panics
    /// When `earlier` is later.
    pub const fn since(self, earlier: Self) -> Span {
        match self.0.checked_sub(earlier.0) {
            Some(nanoseconds) => Span(nanoseconds),
            None => panic!("a moment cannot lie in the future of one before it"),
        }
    }
}

impl Add<Span> for Time {
    type Output = Self;

    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl AddAssign<Span> for Time {
    fn add_assign(&mut self, span: Span) {
        *self = *self + span;
    }
}

impl Sub for Time {
    type Output = Span;

    /// See [`Time::since`].
    fn sub(self, earlier: Self) -> Span {
        self.since(earlier)
    }
}

impl fmt::Display for Time {
    /// As the span since the run began: `12.4ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Span(self.0), f)
    }
}

/// A length of time, in nanoseconds. Written `150ms`, `1.5s` or `10us`, in files and in traces alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub u64);

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// Longer than any run.
    pub const MAX: Self = Self(u64::MAX);

    /// So many nanoseconds.
    pub const fn from_nanos(nanoseconds: u64) -> Self {
        Self(nanoseconds)
    }

    /// So many microseconds.
    pub const fn from_micros(microseconds: u64) -> Self {
        Self(microseconds.saturating_mul(1_000))
    }

    /// So many milliseconds.
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(milliseconds.saturating_mul(1_000_000))
    }

    /// So many seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000_000_000))
    }

    /// The span in nanoseconds.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// What is left of this span without `other`: nothing when `other` is the longer one.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Add for Span {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Span {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Span {
    type Output = Self;

    /// # Panics
    /// When `other` is the longer one.
    fn sub(self, other: Self) -> Self {
        assert!(other <= self, "a span cannot be negative: {self} - {other}");
        Self(self.0 - other.0)
    }
}

impl Mul<u64> for Span {
    type Output = Self;

    fn mul(self, factor: u64) -> Self {
        Self(self.0.saturating_mul(factor))
    }
}

impl Div<u64> for Span {
    type Output = Self;

    /// Rounds down.
    ///
    /// # Panics
    /// When `divisor` is zero.
    fn div(self, divisor: u64) -> Self {
        Self(self.0 / divisor)
    }
}

/// The units by name, in nanoseconds, from the longest on.
const UNITS: [(&str, u64); 4] = [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000), ("ns", 1)];

impl fmt::Display for Span {
    /// The exact value in the longest unit that fits into it, with no digit too many.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((unit, nanoseconds)) = UNITS.into_iter().find(|(_, nanoseconds)| *nanoseconds <= self.0)
        else {
            return f.pad("0");
        };
        let whole = self.0 / nanoseconds;
        let rest = self.0 % nanoseconds;
        if rest == 0 {
            return f.pad(&format!("{whole}{unit}"));
        }
        let digits = nanoseconds.ilog10() as usize;
        let fraction = format!("{rest:0digits$}");
        f.pad(&format!("{whole}.{}{unit}", fraction.trim_end_matches('0')))
    }
}

/// Why a text is no [`Span`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseSpanError {
    /// It is not a number followed by a unit.
    #[error("`{text}` is not a length of time: write a number and a unit, such as `150ms`, `1.5s` or `10us`")]
    Malformed {
        /// The text.
        text: String,
    },
    /// The number has no unit, or one that does not exist.
    #[error("`{text}` needs a unit: one of `s`, `ms`, `us` and `ns`, right behind the number")]
    UnknownUnit {
        /// The text.
        text: String,
    },
    /// It has a digit that is worth less than a nanosecond.
    #[error("`{text}` is too precise: a nanosecond is the shortest length of time there is")]
    TooPrecise {
        /// The text.
        text: String,
    },
    /// It is longer than the number line.
    #[error("`{text}` is too long: no length of time can exceed {}", Span::MAX)]
    TooLong {
        /// The text.
        text: String,
    },
}

impl FromStr for Span {
    type Err = ParseSpanError;

    /// Reads what [`Display`](fmt::Display) writes, and the same in other units: `1500ms`, `0.5s`.
    fn from_str(text: &str) -> Result<Self, ParseSpanError> {
        if text == "0" {
            return Ok(Self::ZERO);
        }
        let malformed = || ParseSpanError::Malformed { text: text.to_owned() };
        let unit_begins = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(unit_begins);
        let (whole, fraction) = match number.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return Err(malformed()),
            None => (number, ""),
        };
        if whole.is_empty() || fraction.contains('.') {
            return Err(malformed());
        }
        let Some((_, nanoseconds)) = UNITS.into_iter().find(|(name, _)| *name == unit) else {
            return Err(ParseSpanError::UnknownUnit { text: text.to_owned() });
        };
        let fraction = fraction.trim_end_matches('0');
        if (nanoseconds.ilog10() as usize) < fraction.len() {
            return Err(ParseSpanError::TooPrecise { text: text.to_owned() });
        }
        scaled(whole, nanoseconds)
            .zip(scaled_fraction(fraction, nanoseconds))
            .and_then(|(whole, fraction)| whole.checked_add(fraction))
            .map(Self)
            .ok_or_else(|| ParseSpanError::TooLong { text: text.to_owned() })
    }
}

/// A whole number of units, in nanoseconds, unless it is too large.
fn scaled(digits: &str, nanoseconds: u64) -> Option<u64> {
    digits.parse::<u64>().ok()?.checked_mul(nanoseconds)
}

/// The digits behind the point, no more than the unit has, in nanoseconds.
fn scaled_fraction(digits: &str, nanoseconds: u64) -> Option<u64> {
    if digits.is_empty() {
        return Some(0);
    }
    let worth_of_last_digit = nanoseconds / 10_u64.pow(digits.len() as u32);
    scaled(digits, worth_of_last_digit)
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SpanText;

        impl de::Visitor<'_> for SpanText {
            type Value = Span;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a length of time, such as \"150ms\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(SpanText)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_written_exactly_and_shortly() {
        let written = [
            (0, "0"),
            (1, "1ns"),
            (999, "999ns"),
            (1_000, "1us"),
            (150_000, "150us"),
            (1_500, "1.5us"),
            (12_400_000, "12.4ms"),
            (999_999_999, "999.999999ms"),
            (1_500_000_000, "1.5s"),
            (1_000_000_001, "1.000000001s"),
            (1_020_000_000, "1.02s"),
            (60_000_000_000, "60s"),
            (u64::MAX, "18446744073.709551615s"),
        ];
        for (nanoseconds, text) in written {
            assert_eq!(Span(nanoseconds).to_string(), text);
            assert_eq!(Time(nanoseconds).to_string(), text);
            assert_eq!(text.parse(), Ok(Span(nanoseconds)), "{text}");
        }
    }

    #[test]
    fn a_width_aligns_moments_in_a_trace() {
        assert_eq!(format!("[{:>8}]", Time(12_400_000)), "[  12.4ms]");
        assert_eq!(format!("[{:>4}]", Time::ZERO), "[   0]");
    }

    #[test]
    fn other_ways_to_write_a_span_are_read_too() {
        for text in ["1500ms", "1.5s", "1.500s", "0001.5s", "1500000us", "1500000000ns"] {
            assert_eq!(text.parse(), Ok(Span::from_millis(1_500)), "{text}");
        }
        assert_eq!("0.5s".parse(), Ok(Span::from_millis(500)));
        assert_eq!("0ms".parse(), Ok(Span::ZERO));
        assert_eq!("3.0ns".parse(), Ok(Span(3)));
    }

    #[test]
    fn a_wrong_span_is_refused_with_its_reason() {
        let parse = |text: &str| text.parse::<Span>().unwrap_err();
        for text in ["", "ms", ".5s", "1.s", "1.2.3s", "-5ms", "."] {
            assert_eq!(parse(text), ParseSpanError::Malformed { text: text.to_owned() });
        }
        for text in ["5", "10 ms", "5min", "5µs", "1e3s", "5MS"] {
            assert_eq!(parse(text), ParseSpanError::UnknownUnit { text: text.to_owned() });
        }
        for text in ["1.5ns", "0.0001us", "1.0000000001s"] {
            assert_eq!(parse(text), ParseSpanError::TooPrecise { text: text.to_owned() });
        }
        for text in ["18446744073.709551616s", "18446744074s", "99999999999999999999ns"] {
            assert_eq!(parse(text), ParseSpanError::TooLong { text: text.to_owned() });
        }
        assert_eq!(
            parse("5min").to_string(),
            "`5min` needs a unit: one of `s`, `ms`, `us` and `ns`, right behind the number"
        );
    }

    #[test]
    fn a_span_is_text_in_files() {
        assert_eq!(serde_json::to_string(&Span::from_millis(150)).unwrap(), r#""150ms""#);
        assert_eq!(ron::from_str::<Span>(r#""2s""#).unwrap(), Span::from_secs(2));
        let refused = ron::from_str::<Span>(r#""2 s""#).unwrap_err().to_string();
        assert!(refused.contains("needs a unit"), "{refused}");
        assert!(serde_json::from_str::<Span>("150").is_err());
    }

    #[test]
    fn sums_saturate_and_differences_are_exact() {
        assert_eq!(Time(5) + Span(7), Time(12));
        assert_eq!(Time(12) - Time(5), Span(7));
        assert_eq!(Time(5) + Span::MAX, Time(u64::MAX));
        assert_eq!(Span::from_secs(u64::MAX), Span::MAX);
        assert_eq!(Span::MAX * 2, Span::MAX);
        assert_eq!(Span(7) / 2, Span(3));
        assert_eq!(Span(7).saturating_sub(Span(9)), Span::ZERO);
    }

    #[test]
    #[should_panic(expected = "in the future")]
    fn time_does_not_run_backwards() {
        let _ = Time(5) - Time(6);
    }
}
