//! When a call is sent again, and after how long.
//!
//! Only what surely did no work, or what the endpoint itself asks to be repeated,
//! and only before the agent has seen a byte. Everything else is the agent's to
//! decide: it has retries of its own.

use std::time::Duration;

use hyper::HeaderMap;
use hyper::header;

use super::GatewayConfig;
use super::upstream::UpstreamErrorKind;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryReason {
    /// No connection came about.
    Unreachable,
    /// 502, 503, 504 or 529 (overloaded); 429 if it says when to come again.
    Status(u16),
    /// The endpoint does not know `stream_options`, which the gateway had added.
    StreamOptions,
}

/// Something that may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failed {
    pub reason: RetryReason,
    /// As the endpoint asked.
    after: Option<Duration>,
}

impl Failed {
    pub(super) fn of_error(kind: UpstreamErrorKind) -> Option<Self> {
        (kind == UpstreamErrorKind::Unreachable).then_some(Self {
            reason: RetryReason::Unreachable,
            after: None,
        })
    }

    pub(super) fn of_answer(status: u16, headers: &HeaderMap) -> Option<Self> {
        let after = retry_after(headers);
        let is_retried = match status {
            502 | 503 | 504 | 529 => true,
            // Without a time it is a quota that stays used up.
            429 => after.is_some(),
            _ => false,
        };
        let is_final = headers
            .get("x-should-retry")
            .is_some_and(|value| value == "false");
        (is_retried && !is_final).then_some(Self {
            reason: RetryReason::Status(status),
            after,
        })
    }
}

/// In seconds, or as OpenAI adds it in milliseconds. A date is not understood:
/// whoever sends one means longer than is waited here.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| -> Option<f64> { headers.get(name)?.to_str().ok()?.parse().ok() };
    let ms = number("retry-after-ms").map(|ms| ms / 1000.0);
    let seconds = ms.or_else(|| number(header::RETRY_AFTER.as_str()))?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// The retries of one call.
pub(super) struct Retries {
    left: u32,
    done: u32,
    delay: Duration,
    max_wait: Duration,
    seed: u64,
}

impl Retries {
    /// `seed` spreads the retries of many callers.
    pub(super) fn new(config: &GatewayConfig, seed: u64) -> Self {
        Self {
            left: config.max_retries,
            done: 0,
            delay: config.retry_delay,
            max_wait: config.max_retry_wait,
            seed,
        }
    }

    /// How long to wait before the next try; `None`: no more tries.
    pub(super) fn next(&mut self, failed: Failed) -> Option<Duration> {
        self.left = self.left.checked_sub(1)?;
        let backoff = self.delay.saturating_mul(2_u32.saturating_pow(self.done));
        self.done += 1;
        let spread = fraction(self.seed.wrapping_add(u64::from(self.done)));
        let wait = match failed.after {
            // Not earlier than asked.
            Some(after) => after + self.delay.mul_f64(spread),
            None => backoff.mul_f64(0.5 + spread / 2.0),
        };
        (wait <= self.max_wait).then_some(wait)
    }
}

/// A number of [0, 1) that looks random: the finaliser of SplitMix64.
fn fraction(seed: u64) -> f64 {
    let mut mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    f64::from(u32::try_from(mixed >> 32).unwrap_or(u32::MAX)) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn answer(status: u16, headers: &[(&'static str, &'static str)]) -> Option<Failed> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        Failed::of_answer(status, &headers)
    }

    fn after(status: u16, after: Option<Duration>) -> Option<Failed> {
        let reason = RetryReason::Status(status);
        Some(Failed { reason, after })
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for status in [200, 400, 401, 403, 404, 408, 413, 422, 500, 501] {
            assert_eq!(answer(status, &[("retry-after", "1")]), None, "{status}");
        }
        for status in [502, 503, 504, 529] {
            assert_eq!(answer(status, &[]), after(status, None));
            assert_eq!(answer(status, &[("x-should-retry", "false")]), None);
        }
        assert_eq!(answer(429, &[]), None);
        assert_eq!(answer(429, &[("retry-after", "soon")]), None);
        assert_eq!(answer(429, &[("retry-after", "-1")]), None);
        let one = after(429, Some(1000 * MS));
        assert_eq!(answer(429, &[("retry-after", "1")]), one);
        let both = [("retry-after", "1"), ("retry-after-ms", "20")];
        assert_eq!(answer(429, &both), after(429, Some(20 * MS)));
        for kind in [UpstreamErrorKind::Broken, UpstreamErrorKind::Tls] {
            assert_eq!(Failed::of_error(kind), None);
        }
    }

    #[test]
    fn waits_grow_are_spread_and_end() {
        let config = GatewayConfig {
            max_retries: 3,
            retry_delay: 100 * MS,
            max_retry_wait: 300 * MS,
            ..GatewayConfig::default()
        };
        let failed = after(503, None).unwrap();
        let waits = |seed| -> Vec<Option<Duration>> {
            let mut retries = Retries::new(&config, seed);
            (0..4).map(|_| retries.next(failed)).collect()
        };
        let all: Vec<_> = (0..100).map(waits).collect();
        for (n, longest) in [(0, 100 * MS), (1, 200 * MS)] {
            let mut times: Vec<Duration> = all.iter().map(|waits| waits[n].unwrap()).collect();
            times.sort();
            times.dedup();
            assert!(times.len() > 90, "{} different of 100", times.len());
            assert!(*times.first().unwrap() >= longest / 2 && *times.last().unwrap() <= longest);
        }
        assert!(all.iter().all(|waits| waits[3].is_none()));
        let asked = |ms: u32| Retries::new(&config, 1).next(after(429, Some(ms * MS)).unwrap());
        assert!(asked(150).is_some_and(|wait| wait >= 150 * MS));
        assert_eq!(asked(301), None, "longer than is waited here");
    }
}
