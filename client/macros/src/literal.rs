//! Literals of options: amounts, bytes and durations.

use syn::spanned::Spanned;
use syn::{Error, Expr, ExprUnary, Lit, Result, UnOp};

/// The literal of an option's value.
pub(crate) fn literal(value: &Expr, expected: &str) -> Result<Lit> {
    match value {
        Expr::Lit(literal) => Ok(literal.lit.clone()),
        other => Err(Error::new(other.span(), format!("expected {expected}"))),
    }
}

/// A text.
pub(crate) fn text(value: &Expr, expected: &str) -> Result<String> {
    match literal(value, expected)? {
        Lit::Str(text) => Ok(text.value()),
        other => Err(Error::new(other.span(), format!("expected {expected}"))),
    }
}

/// A whole number from 0.
pub(crate) fn number<N>(value: &Expr, expected: &str) -> Result<N>
where
    N: std::str::FromStr,
    N::Err: std::fmt::Display,
{
    match literal(value, expected)? {
        Lit::Int(number) => number
            .base10_parse()
            .map_err(|error| Error::new(number.span(), format!("expected {expected}: {error}"))),
        other => Err(Error::new(other.span(), format!("expected {expected}"))),
    }
}

/// A whole number that may be negative.
pub(crate) fn signed(value: &Expr) -> Result<i32> {
    const EXPECTED: &str = "a whole number, such as 10 or -1";
    let (negative, magnitude) = match value {
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => (true, &**expr),
        other => (false, other),
    };
    let magnitude: i32 = number(magnitude, EXPECTED)?;
    Ok(if negative { -magnitude } else { magnitude })
}

/// An amount of a resource, in steps of 0.0001.
pub(crate) fn steps(value: &Expr) -> Result<u64> {
    const EXPECTED: &str = "an amount from 0 in steps of 0.0001, such as 2 or 0.5";
    const STEPS: f64 = 10_000.0;
    let literal = literal(value, EXPECTED)?;
    let units: f64 = match &literal {
        Lit::Int(number) => number.base10_parse()?,
        Lit::Float(number) => number.base10_parse()?,
        other => return Err(Error::new(other.span(), format!("expected {EXPECTED}"))),
    };
    let steps = units * STEPS;
    let exact = (steps - steps.round()).abs() < 1e-6;
    if !exact || !(0.0..=9.0e15).contains(&steps) {
        return Err(Error::new(literal.span(), format!("expected {EXPECTED}")));
    }
    Ok(steps.round() as u64)
}

/// An amount of memory, in bytes.
pub(crate) fn bytes(value: &Expr) -> Result<u64> {
    const EXPECTED: &str = "bytes as a number, or a text such as \"512MiB\" or \"2GB\"";
    let literal = literal(value, EXPECTED)?;
    let error = || Error::new(literal.span(), format!("expected {EXPECTED}"));
    match &literal {
        Lit::Int(number) => number.base10_parse(),
        Lit::Str(text) => parse_bytes(&text.value()).ok_or_else(error),
        _ => Err(error()),
    }
}

fn parse_bytes(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text)?;
    let factor: f64 = match unit {
        "" | "B" => 1.0,
        "kB" | "KB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "TB" => 1e12,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        "TiB" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    let bytes = number * factor;
    (bytes <= 9.0e11 * 1024.0).then_some(bytes as u64)
}

/// A duration, in nanoseconds.
pub(crate) fn nanos(value: &Expr) -> Result<u64> {
    const EXPECTED: &str = "a duration such as \"5s\", \"250ms\", \"1.5m\" or \"2h\"";
    let text = text(value, EXPECTED)?;
    parse_nanos(&text).ok_or_else(|| Error::new(value.span(), format!("expected {EXPECTED}")))
}

fn parse_nanos(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text)?;
    let factor = match unit {
        "us" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "m" | "min" => 60.0 * 1e9,
        "h" => 3600.0 * 1e9,
        _ => return None,
    };
    let nanos = number * factor;
    (1.0..9.0e18).contains(&nanos).then_some(nanos as u64)
}

fn split_unit(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes() {
        assert_eq!(parse_nanos("5s"), Some(5_000_000_000));
        assert_eq!(parse_nanos("1.5 m"), Some(90_000_000_000));
        assert_eq!(parse_nanos("250ms"), Some(250_000_000));
        for wrong in ["", "5", "s", "5 days", "0s", "-1s"] {
            assert_eq!(parse_nanos(wrong), None, "{wrong}");
        }
        assert_eq!(parse_bytes("512MiB"), Some(512 << 20));
        assert_eq!(parse_bytes("1.5 GB"), Some(1_500_000_000));
        assert_eq!(parse_bytes("7"), Some(7));
        assert_eq!(parse_bytes("7 bananas"), None);
    }

    #[test]
    fn amounts_are_exact() {
        let parse = |text: &str| steps(&syn::parse_str(text).unwrap());
        assert_eq!(parse("2").unwrap(), 20_000);
        assert_eq!(parse("0.5").unwrap(), 5_000);
        assert_eq!(parse("0.0001").unwrap(), 1);
        assert!(parse("0.00001").is_err());
        assert!(parse("\"2\"").is_err());
    }
}
