//! A record made again from `events.jsonl`, also from one that ends in the middle of a line: a killed run still has
//! its story.

use super::Record;
use super::lines::read_lines;
use std::io::BufRead;

impl Record {
    /// Rebuilds a record from events, one JSON object a line. Lines that cannot be read are left out and said so in
    /// `damage`; a reader that fails ends the story there.
    pub fn from_events(reader: impl BufRead) -> Record {
        let mut record = Record::default();
        for line in read_lines(reader) {
            match line {
                Ok(stamped) => record.apply(&stamped),
                Err(damage) => record.damage.push(damage),
            }
        }
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{Story, events_of, lines_of, record_of};
    use proptest::prelude::*;

    #[test]
    fn a_record_can_be_made_again_from_its_events() {
        for story in Story::ALL {
            let record = Record::from_events(lines_of(&events_of(story)).as_slice());
            assert_eq!(record, record_of(story), "{story:?}");
            assert!(record.damage.is_empty());
        }
    }

    #[test]
    fn a_torn_last_line_is_left_out() {
        let events = events_of(Story::Passed);
        let mut lines = lines_of(&events);
        lines.truncate(lines.len() - 12);
        let record = Record::from_events(lines.as_slice());
        assert!(!record.ended);
        assert_eq!(record.next_seq, events.len() as u64 - 1);
        assert_eq!(record.damage, [format!("line {} is torn: the run was cut off there", events.len())]);
    }

    #[test]
    fn a_line_of_rubbish_is_left_out_and_said_so() {
        let events = events_of(Story::Passed);
        let mut lines = b"{\"seq\":0,\"at_us\":0,\"event\":{\"type\":\"of the future\"}}\n\xff\xfe\n\n".to_vec();
        lines.extend(lines_of(&events));
        let record = Record::from_events(lines.as_slice());
        assert_eq!(record.damage.len(), 2);
        assert!(record.damage[0].contains("of the future"), "{:?}", record.damage);
        assert!(record.passed());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_story_cut_anywhere_is_a_record_and_never_a_pass(cut in 0.0..1.0_f64) {
            let lines = lines_of(&events_of(Story::Passed));
            let end = (lines.len() as f64 * cut) as usize;
            let record = Record::from_events(&lines[..end]);
            prop_assert!(!record.passed());
        }
    }
}
