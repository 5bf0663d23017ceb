//! Numbers as people read them: durations, ratios, bytes, counts, quantiles and means. Reports format numbers nowhere
//! else; `percent` and `grouped` come from the record, whose reasons have such numbers as well.

pub use crate::record::{grouped, percent};

/// The quantile `q` in 0..=1 of sorted values, with linear interpolation between neighbours (Hyndman and Fan's type 7);
/// `None` without values.
pub fn quantile(sorted: &[u64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let at = q.clamp(0.0, 1.0) * last as f64;
    let low = *sorted.get(at.floor() as usize)? as f64;
    let high = *sorted.get(at.ceil() as usize)? as f64;
    Some(low + (high - low) * at.fract())
}

/// The mean; no number without values.
pub fn mean(values: &[u64]) -> f64 {
    values.iter().map(|value| *value as f64).sum::<f64>() / values.len() as f64
}

/// A duration in seconds with two decimals, as minutes from 100 s on: `0.41 s`, `12.30 s`, `2 min 05 s`.
pub fn seconds(us: u64) -> String {
    if us < 99_995_000 {
        let hundredths = us.saturating_add(5_000) / 10_000;
        return format!("{}.{:02} s", hundredths / 100, hundredths % 100);
    }
    let whole = us.saturating_add(500_000) / 1_000_000;
    format!("{} min {:02} s", whole / 60, whole % 60)
}

/// A declared duration as people write it, exactly: `5 s`, `1.25 s`, `300 ms`, `2 min`, `24 h`.
pub fn declared(us: u64) -> String {
    match us {
        _ if us > 0 && us.is_multiple_of(3_600_000_000) => format!("{} h", us / 3_600_000_000),
        _ if us > 0 && us.is_multiple_of(60_000_000) => format!("{} min", us / 60_000_000),
        _ if us.is_multiple_of(1_000_000) => format!("{} s", us / 1_000_000),
        _ if us < 1_000_000 => format!("{} ms", us as f64 / 1e3),
        _ => format!("{} s", us as f64 / 1e6),
    }
}

/// `4.2 MB`.
pub fn bytes(bytes: u64) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} bytes"),
        10_000..=999_999 => format!("{} kB", bytes / 1000),
        1_000_000..=999_999_999 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// A share of an error budget, which may be more than all of it; rounded up, as what is spent is never less than it reads.
pub fn budget_share(share: f64) -> String {
    let hundredths = (share * 10_000.0 - 1e-6).ceil().max(0.0);
    format!("{}%", decimals(hundredths / 100.0, 2))
}

/// What is left of an error budget, which may be below 0; cut, so that no budget seems larger than it is.
pub fn budget_left(share: f64) -> String {
    format!("{}%", decimals((share * 1000.0 + 1e-7).floor() / 10.0, 1))
}

/// A number with at most so many decimals, 1 at least.
pub fn decimals(value: f64, decimals: usize) -> String {
    format!("{value:.decimals$}").trim_end_matches('0').trim_end_matches('.').to_string()
}

/// `41 min 21 s`, in the two largest units.
pub fn span(us: u64) -> String {
    let s = us / 1_000_000;
    match s {
        0..=119 => format!("{s} s"),
        120..=7_199 => format!("{} min {} s", s / 60, s % 60),
        7_200..=172_799 => format!("{} h {} min", s / 3_600, s % 3_600 / 60),
        _ => format!("{} days {} h", s / 86_400, s % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantiles_lie_between_neighbours() {
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[7], 0.9), Some(7.0));
        assert_eq!(quantile(&[1, 2, 3, 4], 0.5), Some(2.5));
        assert_eq!(quantile(&[0, 10], 0.9), Some(9.0));
    }

    #[test]
    fn numbers_as_people_read_them() {
        assert_eq!(seconds(0), "0.00 s");
        assert_eq!(seconds(u64::MAX), "307445734561 min 49 s");
        assert_eq!(seconds(412_345), "0.41 s");
        assert_eq!(seconds(59_999_999), "60.00 s");
        assert_eq!(seconds(99_994_999), "99.99 s");
        assert_eq!(seconds(125_000_000), "2 min 05 s");
        assert_eq!(declared(5_000_000), "5 s");
        assert_eq!(declared(1_500_000), "1.5 s");
        assert_eq!(declared(300_000), "300 ms");
        assert_eq!(declared(120_000_000), "2 min");
        assert_eq!(declared(86_400_000_000), "24 h");
        assert_eq!(declared(5_400_000_000), "90 min");
        assert_eq!(declared(0), "0 s");
        assert_eq!(percent(1.0), "100%");
        assert_eq!(percent(0.999_99), "99.99%");
        assert_eq!(percent(0.995), "99.5%");
        assert_eq!(percent(0.994_999), "99.49%");
        assert_eq!(percent(0.0), "0%");
        assert_eq!(percent(f64::NAN), "0%");
        assert_eq!([1.0, 0.25, 0.1239, -3.0].map(budget_left), ["100%", "25%", "12.3%", "-300%"]);
    }

    proptest! {
        #[test]
        fn a_share_that_misses_its_objective_reads_so(good in 0..1000_u64) {
            let shown: f64 = percent(good as f64 / 1000.0).trim_end_matches('%').parse().unwrap();
            prop_assert!(shown <= good as f64 / 10.0 + 1e-9);
        }
    }
}
