//! Parts of a game day, for matrices of CI: `2/4`. Drills are dealt out by their place in the plan.

use std::fmt;
use std::str::FromStr;

/// Most parts.
const MOST: u32 = 1000;

/// A part of a game day: `2/4` is the second of four.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which part, from 1.
    pub(super) index: u32,
    /// Of how many.
    pub(super) of: u32,
}

impl Shard {
    /// Whether the drill at this place (from 0) belongs to it.
    pub fn has(self, place: usize) -> bool {
        place as u64 % u64::from(self.of) == u64::from(self.index - 1)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Shard, String> {
        let wrong = || format!("`{text}` is not a part like `2/4`");
        let (index, of) = text.trim().split_once('/').ok_or_else(wrong)?;
        let number = |text: &str| text.trim().parse::<u32>().map_err(|_| wrong());
        let (index, of) = (number(index)?, number(of)?);
        if of == 0 || of > MOST {
            return Err(format!("`{text}`: there are 1 to {MOST} parts"));
        }
        if index == 0 || index > of {
            return Err(format!("`{text}`: parts are numbered from 1 to {of}"));
        }
        Ok(Shard { index, of })
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parts_are_numbered_from_one() {
        let shard: Shard = " 2 / 4 ".parse().unwrap();
        assert_eq!((shard.index, shard.of, shard.to_string().as_str()), (2, 4, "2/4"));
        let told =
            ["0/4", "5/4", "1/0", "1/1001", "2", "a/b", "-1/2", ""].map(|text| text.parse::<Shard>().unwrap_err());
        let expected = [
            "`0/4`: parts are numbered from 1 to 4",
            "`5/4`: parts are numbered from 1 to 4",
            "`1/0`: there are 1 to 1000 parts",
            "`1/1001`: there are 1 to 1000 parts",
            "`2` is not a part like `2/4`",
            "`a/b` is not a part like `2/4`",
            "`-1/2` is not a part like `2/4`",
            "`` is not a part like `2/4`",
        ];
        assert_eq!(told, expected);
    }

    proptest! {
        #[test]
        fn every_place_is_in_exactly_one_part_and_parts_are_even(of in 1u32..20, places in 0usize..200) {
            let shards: Vec<Shard> = (1..=of).map(|index| Shard { index, of }).collect();
            let sizes: Vec<usize> =
                shards.iter().map(|shard| (0..places).filter(|place| shard.has(*place)).count()).collect();
            prop_assert_eq!(sizes.iter().sum::<usize>(), places);
            prop_assert!((0..places).all(|place| shards.iter().any(|shard| shard.has(place))));
            prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
        }

        #[test]
        fn any_text_is_a_part_or_told(text in ".{0,12}") {
            if let Ok(shard) = text.parse::<Shard>() {
                prop_assert_eq!(shard.to_string().parse::<Shard>(), Ok(shard));
            }
        }
    }
}
