//! Checks a chain by itself, without the runs that it speaks of: numbers, hashes, order. A pure function of the file's bytes.

use super::chain::run_of;
use super::{ChainEntry, Head};
use crate::report::Quarter;
use std::collections::{HashMap, HashSet};

/// A chain and what is wrong with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chain {
    /// Every entry that can be read, as they stand in the file.
    pub entries: Vec<ChainEntry>,
    /// What was changed, removed, inserted or reordered, by number and line; empty when the chain is whole.
    pub problems: Vec<String>,
    /// Bytes of a last line without its end: its writer was killed. The next one repairs it.
    pub torn: Option<usize>,
    /// Runs that torn lines were about, as far as they could be read: those of earlier entries, and that of the last line.
    pub torn_runs: Vec<String>,
    /// The last entry.
    pub head: Option<Head>,
}

impl Chain {
    /// The entry that holds for each run: of several the last one.
    pub fn by_run(&self) -> HashMap<&str, &ChainEntry> {
        self.entries.iter().map(|entry| (entry.run.as_str(), entry)).collect()
    }

    /// Whether this head is (still) one of its entries.
    pub fn has(&self, head: &Head) -> bool {
        self.entries.iter().any(|entry| entry.number == head.number && entry.hash == head.hash)
    }
}

/// Reads and checks the bytes of `chain.jsonl`; takes time in proportion to their number.
pub fn check_chain(bytes: &[u8]) -> Chain {
    let mut chain = Chain::default();
    let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let (lines, torn) = bytes.split_at(whole);
    chain.torn = (!torn.is_empty()).then_some(torn.len());
    // With the number of the line, and whether the hash fits.
    let mut read: Vec<(usize, ChainEntry, bool)> = Vec::new();
    for (at, line) in lines.split(|b| *b == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
        match ChainEntry::read(line) {
            Ok(entry) => {
                let fits = entry.fits(line);
                read.push((at + 1, entry, fits));
            }
            Err(error) => chain.problems.push(format!("line {} is no entry: {error}", at + 1)),
        }
    }
    let numbers: HashSet<u64> = read.iter().map(|(_, entry, _)| entry.number).collect();
    let mut seen = HashSet::new();
    let mut of_run: HashMap<&str, u64> = HashMap::new();
    let mut before: Option<&ChainEntry> = None;
    for (line, entry, fits) in &read {
        let number = entry.number;
        let due = before.map_or(0, |before| before.number.saturating_add(1));
        let mut say = |what: String| chain.problems.push(format!("entry {number} (line {line}): {what}"));
        if !fits {
            say("it was changed: its hash is not that of its content".into());
        }
        if Quarter::of_id(&entry.run).is_some_and(|quarter| quarter.to_string() != entry.quarter) {
            say(format!("the run {} did not begin in {}", entry.run, entry.quarter));
        }
        let first = seen.insert(number);
        if !first {
            say("there is another entry of this number: one of them was inserted".into());
        } else if number > due {
            let missing: Vec<u64> =
                (due..number.min(due.saturating_add(1000))).filter(|n| !numbers.contains(n)).collect();
            match (missing.first(), missing.last()) {
                (Some(first), Some(last)) if first == last => say(format!("entry {first} before it was removed")),
                (Some(first), Some(_)) => say(format!("entries {first} to {} before it were removed", number - 1)),
                _ => say(format!("entry {due} was due here: the order was changed")),
            }
        } else if number < due {
            say(format!("entry {due} was due here: the order was changed"));
        } else if !follows(before, entry) {
            say("it does not follow from the entry before: one of the two was put in another's place".into());
        }
        match of_run.insert(&entry.run, number) {
            earlier if earlier == entry.replaces || !first => {}
            Some(earlier) => say(format!("{} has entry {earlier} already, and this one does not say so", entry.run)),
            None => say(format!("it takes the place of an entry of {} that is not there", entry.run)),
        }
        before = Some(entry);
    }
    chain.torn_runs = read.iter().filter_map(|(_, entry, _)| entry.torn_run.clone()).chain(run_of(torn)).collect();
    chain.entries = read.into_iter().map(|(_, entry, _)| entry).collect();
    chain.head = chain.entries.last().map(ChainEntry::head);
    chain
}

fn follows(before: Option<&ChainEntry>, entry: &ChainEntry) -> bool {
    match before {
        Some(before) => before.hash == entry.previous,
        None => entry.previous == super::Digest::zero(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::evidence::Digest;
    use crate::archive::evidence::testing::{chain, entry};
    use proptest::prelude::*;

    fn checked(lines: &[String]) -> Chain {
        check_chain(&lines.iter().flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect::<Vec<u8>>())
    }

    #[test]
    fn a_whole_chain_has_a_head_and_no_problems() {
        let lines = chain(5);
        let found = checked(&lines);
        assert_eq!((found.entries.len(), &found.problems, found.torn), (5, &vec![], None));
        let head = found.head.clone().unwrap();
        assert_eq!(head.number, 4);
        assert!(found.has(&head));
        let longer = checked(&chain(9));
        assert!(longer.has(&head), "a head that was written down stays in the chain");
        assert!(!longer.has(&Head { number: 3, hash: head.hash }));
        assert_eq!(check_chain(b""), Chain::default());
    }

    #[test]
    fn what_was_done_to_a_chain_is_named() {
        let lines = chain(6);
        let with = |change: &dyn Fn(&mut Vec<String>)| {
            let mut lines = lines.clone();
            change(&mut lines);
            checked(&lines).problems.join("\n")
        };
        insta::assert_snapshot!(with(&|lines| lines[2] = lines[2].replace("db-pool-0002", "db-pool-beef")), @"entry 2 (line 3): it was changed: its hash is not that of its content");
        insta::assert_snapshot!(with(&|lines| drop(lines.remove(2))), @"entry 3 (line 3): entry 2 before it was removed");
        insta::assert_snapshot!(with(&|lines| drop(lines.drain(0..3))), @"entry 3 (line 1): entries 0 to 2 before it were removed");
        insta::assert_snapshot!(with(&|lines| lines.swap(2, 3)), @r"
        entry 3 (line 3): entry 2 was due here: the order was changed
        entry 2 (line 4): entry 4 was due here: the order was changed
        entry 4 (line 5): entry 3 was due here: the order was changed
        ");
        insta::assert_snapshot!(with(&|lines| lines.insert(3, lines[2].clone())), @"entry 2 (line 4): there is another entry of this number: one of them was inserted");
        insta::assert_snapshot!(with(&|lines| lines[2] = entry(2, "20261120T064112Z-forged-0002", &Digest::of(b"")).1), @r"
        entry 2 (line 3): it does not follow from the entry before: one of the two was put in another's place
        entry 3 (line 4): it does not follow from the entry before: one of the two was put in another's place
        ");
        insta::assert_snapshot!(with(&|lines| lines[3] = "{}".into()), @r"
        line 4 is no entry: missing field `number` at line 1 column 2
        entry 4 (line 5): entry 3 before it was removed
        ");
        let of_another = entry(0, "20260120T064112Z-db-pool-0000", &Digest::zero()).1;
        assert!(checked(&[of_another]).problems[0].contains("did not begin in 2026Q4"));
    }

    #[test]
    fn a_torn_line_is_no_entry_and_no_crime() {
        let lines = chain(3);
        let bytes = lines.join("\n");
        let found = check_chain(&bytes.as_bytes()[..bytes.len() - 20]);
        assert_eq!((found.entries.len(), found.problems.len()), (2, 0));
        assert_eq!(found.torn, Some(lines[2].len() - 20));
    }

    /// What takes time with the square of the entries does not come to its end here.
    #[test]
    fn ten_thousand_entries_are_checked() {
        let found = checked(&chain(10_000));
        assert_eq!((found.entries.len(), found.problems.len()), (10_000, 0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn no_byte_can_be_changed(at in 0.0..1.0_f64, flip in 1_u8..=255) {
            let whole = checked(&chain(4));
            let mut bytes: Vec<u8> = chain(4).join("\n").into_bytes();
            bytes.push(b'\n');
            let at = ((bytes.len() - 1) as f64 * at) as usize;
            bytes[at] ^= flip;
            let found = check_chain(&bytes);
            prop_assert!(!found.problems.is_empty() || found.head != whole.head);
        }
    }
}
