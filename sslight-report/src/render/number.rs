//! Numbers for people, and short ones for scripts.

use serde_json::Value;

/// A number with about five digits, thousands apart: `12,345`, `0.9961`, `3.0e-7`.
pub(super) fn shown(number: f64) -> String {
    let size = number.abs();
    if !number.is_finite() {
        "not finite".to_owned()
    } else if number.fract() == 0.0 && size < 1e15 {
        thousands(number)
    } else if !(1e-3..1e7).contains(&size) {
        format!("{number:.3e}")
    } else if size >= 1000.0 {
        thousands(number.round())
    } else {
        let digits = 3 - size.log10().floor() as i32;
        trimmed(format!("{number:.*}", digits.clamp(1, 6) as usize))
    }
}

/// A percentage with two digits.
pub(super) fn percent(number: f64) -> String {
    format!("{number:.2} %")
}

/// A span of time: `42 s`, `12 min 5 s`, `3 h 20 min`.
pub(super) fn duration(seconds: f64) -> String {
    if !(0.0..1e12).contains(&seconds) {
        return shown(seconds);
    }
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{} s", shown((seconds * 10.0).round() / 10.0)),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!(
            "{} h {} min",
            thousands((whole / 3600) as f64),
            whole % 3600 / 60
        ),
    }
}

/// A size of a file.
pub(super) fn bytes(count: usize) -> String {
    if count < 1_000_000 {
        format!("{} kB", count.div_ceil(1000))
    } else {
        format!("{:.2} MB", count as f64 / 1e6)
    }
}

/// A number with six significant digits, a whole one with all; `null` if it is not finite.
pub(super) fn short(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < 1e15 {
        return Value::from(number as i64);
    }
    let rounded = format!("{number:.5e}").parse().unwrap_or(number);
    if f64::fract(rounded) == 0.0 && rounded.abs() < 1e15 {
        return Value::from(rounded as i64);
    }
    serde_json::Number::from_f64(rounded).map_or(Value::Null, Value::Number)
}

fn thousands(whole: f64) -> String {
    let digits = format!("{:.0}", whole.abs());
    let mut text = String::from(if whole < 0.0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn trimmed(text: String) -> String {
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_short_and_grouped() {
        for (number, text) in [
            (0.0, "0"),
            (-12345.0, "-12,345"),
            (250_000.0, "250,000"),
            (0.996_123, "0.9961"),
            (12.5, "12.5"),
            (3.000_12e-7, "3.000e-7"),
            (1234.6, "1,235"),
            (f64::NAN, "not finite"),
            (f64::INFINITY, "not finite"),
        ] {
            assert_eq!(shown(number), text);
        }
        assert_eq!(percent(33.333), "33.33 %");
        assert_eq!(
            [duration(4.24), duration(725.0), duration(12_000.0)],
            ["4.2 s", "12 min 5 s", "3 h 20 min"]
        );
        assert_eq!([bytes(1), bytes(2_500_000)], ["1 kB", "2.50 MB"]);
    }

    #[test]
    fn scripts_get_six_digits() {
        assert_eq!(short(4.230_417_728), json!(4.23042));
        assert_eq!(short(1_234_567.0).to_string(), "1234567");
        assert_eq!(short(3.0 - 1e-9).to_string(), "3");
        assert_eq!(short(f64::NAN), Value::Null);
        assert_eq!(short(1e300).to_string(), "1e+300");
    }
}
