//! How people name a run and a time: a whole id or a part of it, `latest`, `latest~2`, a scenario's name; `30d`.

use super::run::IndexedRun;
use time::{Date, Duration, OffsetDateTime, Time};

/// What a name of a run leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Picked<'r> {
    /// One run.
    One(&'r str),
    /// Several runs have this in their ids: the newest of them, newest first, and how many there are.
    Several(Vec<&'r str>, usize),
    /// None.
    None,
}

/// Finds a run among runs, oldest first. `latest` or a scenario's name is the newest one, `~n` behind it goes n back;
/// otherwise it is an id, or the beginning, the end or any part of one, in this order.
pub fn pick<'r>(runs: &'r [IndexedRun], name: &str) -> Picked<'r> {
    let (base, back) = match name.rsplit_once('~').map(|(base, back)| (base, back.parse::<usize>())) {
        Some((base, Ok(back))) => (base, back),
        _ => (name, 0),
    };
    let of_name = |run: &&IndexedRun| base == "latest" || run.scenario == base;
    let mut named = runs.iter().rev().filter(of_name).peekable();
    if named.peek().is_some() {
        return named.nth(back).map_or(Picked::None, |run| Picked::One(&run.run));
    }
    if name.is_empty() {
        return Picked::None;
    }
    let ways: [fn(&str, &str) -> bool; 4] = [
        |id, name| id == name,
        |id, name| id.starts_with(name),
        |id, name| id.ends_with(name),
        |id, name| id.contains(name),
    ];
    for way in ways {
        let found: Vec<&str> = runs.iter().rev().map(|run| run.run.as_str()).filter(|id| way(id, name)).collect();
        match found.as_slice() {
            [] => {}
            [one] => return Picked::One(one),
            several => return Picked::Several(several.iter().copied().take(5).collect(), several.len()),
        }
    }
    Picked::None
}

/// The instant that `30d`, `12h`, `2w` or `2026-11-01` means, in microseconds since 1970.
pub fn since(text: &str, now: OffsetDateTime) -> Result<i64, String> {
    let wrong = || format!("`{text}` is no time: write `12h`, `30d`, `2w` or a day such as `2026-11-01`");
    let at = match text.char_indices().next_back() {
        Some((at, unit @ ('h' | 'd' | 'w'))) => {
            let number: i64 = text.get(..at).and_then(|number| number.parse().ok()).ok_or_else(wrong)?;
            let hours = match unit {
                'h' => 1,
                'd' => 24,
                _ => 168,
            };
            let hours = number.checked_mul(hours);
            // A hundred thousand years are more than anybody keeps.
            let hours = hours.filter(|hours| (0..=876_000_000).contains(hours)).ok_or_else(wrong)?;
            now.checked_sub(Duration::hours(hours)).unwrap_or(OffsetDateTime::UNIX_EPOCH)
        }
        _ => {
            let day = time::macros::format_description!("[year]-[month]-[day]");
            Date::parse(text, day).map_err(|_| wrong())?.with_time(Time::MIDNIGHT).assume_utc()
        }
    };
    Ok(i64::try_from(at.unix_timestamp_nanos() / 1000).unwrap_or(i64::MIN))
}

#[cfg(test)]
mod tests {
    use super::super::testing::run;
    use super::*;
    use proptest::prelude::*;
    use time::macros::datetime;

    #[test]
    fn runs_go_by_many_names() {
        let runs = [run("db-pool", 0), run("restart-loop", 1), run("db-pool", 2)];
        let ids: Vec<&str> = runs.iter().map(|run| run.run.as_str()).collect();
        let picked = |name| pick(&runs, name);
        assert_eq!(picked("latest"), Picked::One(ids[2]));
        assert_eq!(picked("latest~1"), Picked::One(ids[1]));
        assert_eq!(picked("latest~3"), Picked::None);
        assert_eq!(picked("db-pool~1"), Picked::One(ids[0]));
        assert_eq!(picked("restart-loop"), Picked::One(ids[1]));
        assert_eq!(picked(ids[0]), Picked::One(ids[0]));
        assert_eq!(picked("0002"), Picked::One(ids[2]), "the end of an id");
        assert_eq!(picked("restart"), Picked::One(ids[1]), "a part of one");
        assert_eq!(picked("2026"), Picked::Several(vec![ids[2], ids[1], ids[0]], 3));
        assert_eq!((picked("nothing"), picked(""), picked("~1")), (Picked::None, Picked::None, Picked::None));
    }

    #[test]
    fn since_is_an_age_or_a_day() {
        let now = datetime!(2026-11-20 06:00 UTC);
        let us = |at: OffsetDateTime| at.unix_timestamp() * 1_000_000;
        assert_eq!(since("12h", now), Ok(us(datetime!(2026-11-19 18:00 UTC))));
        assert_eq!(since("2w", now), Ok(us(datetime!(2026-11-06 06:00 UTC))));
        assert_eq!(since("2026-11-01", now), Ok(us(datetime!(2026-11-01 00:00 UTC))));
        assert!(since("soon", now).unwrap_err().contains("`30d`"));
        for wrong in ["", "d", "-3d", "3", "3é", "99999999999999999999d", "9000000000000000d", "2026-13-01"] {
            assert!(since(wrong, now).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_name_and_no_time_panics(text in "\\PC*", number in any::<u64>(), unit in "[hdwé~]") {
            let runs = [run("db-pool", 0)];
            let _ = (pick(&runs, &text), since(&text, OffsetDateTime::UNIX_EPOCH));
            let both = format!("{number}{unit}");
            let _ = (pick(&runs, &both), since(&both, datetime!(2026-11-20 06:00 UTC)));
        }
    }
}
