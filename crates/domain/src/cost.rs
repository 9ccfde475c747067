//! What tokens cost, in exact decimal numbers.

use std::fmt;
use std::str::FromStr;

/// Digits after the point of a price.
const PRICE_DIGITS: usize = 9;
/// The largest price, in whole units of its currency.
const MOST: u64 = 1_000_000_000;
/// Digits after the point of an amount: a billionth of the price of a million, for one token.
const AMOUNT_DIGITS: usize = PRICE_DIGITS + 6;

/// The price of a million tokens, in billionths of a currency's unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Price(u64);

/// A text that is no price. Goes on after the field's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be a decimal number such as 1.25: at most 1000000000, with at most {PRICE_DIGITS} digits after the point"
)]
pub struct InvalidPrice;

/// A text that is no currency. Goes on after the field's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be three capital letters, such as USD")]
pub struct InvalidCurrency;

/// A currency by its three letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// What a model's tokens cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prices {
    /// Of what.
    pub currency: Currency,
    /// A million tokens of input.
    pub input: Price,
    /// A million tokens of input that the model had cached.
    pub cached_input: Price,
    /// A million tokens of output, reasoning included.
    pub output: Price,
}

/// What was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Tokens of input, cached ones included.
    pub input: u64,
    /// Those that the model had cached.
    pub cached_input: u64,
    /// Tokens of output, reasoning included.
    pub output: u64,
    /// Whether more was used than was counted.
    pub is_more: bool,
}

/// An amount of money, in the smallest part that a price of one token can have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(u128);

/// What something cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Of what.
    pub currency: Currency,
    /// How much.
    pub amount: Amount,
    /// Whether it was more.
    pub is_lower_bound: bool,
}

impl Prices {
    /// What that cost; `None` where nothing is known but that it was more than nothing.
    pub fn cost(&self, used: Used) -> Option<Cost> {
        let cached = used.cached_input.min(used.input);
        let part = |tokens: u64, price: Price| u128::from(tokens) * u128::from(price.0);
        let amount = part(used.input - cached, self.input)
            + part(cached, self.cached_input)
            + part(used.output, self.output);
        let is_unknown = used.is_more && used.input == 0 && used.output == 0;
        (!is_unknown).then_some(Cost {
            currency: self.currency,
            amount: Amount(amount),
            is_lower_bound: used.is_more,
        })
    }
}

impl Amount {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl FromStr for Currency {
    type Err = InvalidCurrency;

    fn from_str(text: &str) -> Result<Self, InvalidCurrency> {
        match text.as_bytes() {
            letters @ [_, _, _] if letters.iter().all(u8::is_ascii_uppercase) => {
                Ok(Self([letters[0], letters[1], letters[2]]))
            }
            _ => Err(InvalidCurrency),
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = str::from_utf8(&self.0).expect("capital letters are text");
        f.write_str(text)
    }
}

impl FromStr for Price {
    type Err = InvalidPrice;

    fn from_str(text: &str) -> Result<Self, InvalidPrice> {
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let is_digits =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_digits(whole) || !is_digits(part) || part.len() > PRICE_DIGITS {
            return Err(InvalidPrice);
        }
        let whole: u64 = whole.parse().map_err(|_| InvalidPrice)?;
        let part: u64 = format!("{part:0<PRICE_DIGITS$}")
            .parse()
            .map_err(|_| InvalidPrice)?;
        let unit = 10_u64.pow(u32::try_from(PRICE_DIGITS).expect("a few"));
        match whole
            .checked_mul(unit)
            .and_then(|whole| whole.checked_add(part))
        {
            Some(price) if price <= MOST * unit => Ok(Self(price)),
            Some(_) | None => Err(InvalidPrice),
        }
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&decimal(u128::from(self.0), PRICE_DIGITS))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&decimal(self.0, AMOUNT_DIGITS))
    }
}

/// At least two digits after the point, and no more than say something.
fn decimal(number: u128, digits: usize) -> String {
    let text = format!("{number:0>width$}", width = digits + 1);
    let (whole, part) = text.split_at(text.len() - digits);
    let part = part.trim_end_matches('0');
    format!("{whole}.{part:0<2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prices(input: &str, cached: &str, output: &str) -> Prices {
        let price = |text: &str| text.parse().expect("a price");
        Prices {
            currency: "USD".parse().expect("a currency"),
            input: price(input),
            cached_input: price(cached),
            output: price(output),
        }
    }

    #[test]
    fn prices_are_exact() {
        for (text, shown) in [
            ("1.25", "1.25"),
            ("0", "0.00"),
            ("003", "3.00"),
            ("0.000000001", "0.000000001"),
            ("1000000000", "1000000000.00"),
            ("0.10", "0.10"),
        ] {
            assert_eq!(
                text.parse::<Price>().map(|it| it.to_string()),
                Ok(shown.to_owned())
            );
        }
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e3",
            "1,5",
            "1.2.3",
            "0.0000000001",
            "1000000000.1",
            " 1",
            "99999999999999999999",
        ] {
            assert_eq!(text.parse::<Price>(), Err(InvalidPrice), "{text:?}");
        }
        for text in ["", "usd", "US", "USDX", "U$D", "ÜÜ"] {
            assert_eq!(text.parse::<Currency>(), Err(InvalidCurrency), "{text:?}");
        }
    }

    #[test]
    fn tokens_cost_what_they_should() {
        let used = Used {
            input: 1_000_000,
            cached_input: 400_000,
            output: 10_000,
            is_more: false,
        };
        let cost = prices("1.25", "0.125", "10").cost(used).expect("known");
        // 0.75 and 0.05 and 0.10
        assert_eq!(
            (cost.amount.to_string(), cost.is_lower_bound),
            ("0.90".to_owned(), false)
        );
        let one = Used {
            input: 1,
            ..Used::default()
        };
        let cost = prices("0.000000001", "0", "0").cost(one).expect("known");
        assert_eq!(cost.amount.to_string(), "0.000000000000001");
        let most = Used {
            input: u64::MAX,
            cached_input: 0,
            output: u64::MAX,
            is_more: true,
        };
        let cost = prices("1000000000", "0", "1000000000")
            .cost(most)
            .expect("known");
        assert!(cost.is_lower_bound);
        assert_eq!(
            cost.amount.plus(cost.amount).to_string(),
            "73786976294838206460000.00"
        );
        // More cached than there was is the endpoint's mistake.
        let odd = Used {
            input: 10,
            cached_input: 20,
            ..Used::default()
        };
        assert_eq!(
            prices("1", "0", "0").cost(odd).expect("known").amount,
            Amount(0)
        );
    }

    #[test]
    fn what_is_unknown_is_not_nothing() {
        let uncounted = Used {
            is_more: true,
            ..Used::default()
        };
        assert_eq!(prices("1", "1", "1").cost(uncounted), None);
        let nothing = prices("1", "1", "1").cost(Used::default());
        assert_eq!(nothing.expect("known").amount.to_string(), "0.00");
    }
}
