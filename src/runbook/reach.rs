//! How far the condition of a paragraph reaches: to the next paragraph, unless that goes on with it.

use super::condition::{self, Condition};

/// The condition in force while the blocks of a section are gone through.
pub(super) struct Reach {
    inherited: Option<Condition>,
    own: Option<Condition>,
    /// Whether the block before was the paragraph that put it, and leads on.
    leads: bool,
    /// Whether only the next heading ends it.
    lasts: bool,
}

impl Reach {
    /// Below what is in force already.
    pub fn new(inherited: &Option<Condition>) -> Self {
        Reach { inherited: inherited.clone(), own: None, leads: false, lasts: false }
    }

    /// Goes past a paragraph.
    pub fn paragraph(&mut self, text: &str) {
        if let Some(stated) = condition::of_paragraph(text) {
            self.own = Some(stated);
            self.leads = condition::leads_on(text);
            self.lasts = false;
            return;
        }
        // "If the disk is full, free it first:" and then another paragraph: all that follows is meant.
        self.lasts |= self.own.is_some() && self.leads;
        self.leads = false;
        if !self.lasts && !condition::goes_on(text) {
            self.own = None;
        }
    }

    /// Goes past a block that is no paragraph.
    pub fn other(&mut self) {
        self.leads = false;
    }

    /// The condition in force.
    pub fn condition(&self) -> Option<Condition> {
        condition::of_both(self.inherited.as_ref(), self.own.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(text: &[&str]) -> Vec<bool> {
        let mut reach = Reach::new(&None);
        let mut held = Vec::new();
        for block in text {
            match *block {
                "code" => {
                    held.push(reach.condition().is_some());
                    reach.other();
                }
                text => reach.paragraph(text),
            }
        }
        held
    }

    #[test]
    fn a_condition_ends_at_the_next_paragraph_unless_that_goes_on() {
        assert_eq!(held(&["If it hangs:", "code", "Look at it:", "code"]), [true, false]);
        assert_eq!(held(&["If it hangs:", "code", "Then delete it:", "code", "Look:", "code"]), [true, true, false]);
        assert_eq!(held(&["If it hangs, free it:", "Do this.", "code", "Look:", "code"]), [true, true]);
        assert_eq!(held(&["If it hangs, do it as shown below.", "It takes long.", "code"]), [true]);
        assert_eq!(held(&["If it hangs, call them.", "Look at it:", "code"]), [false]);
        assert_eq!(held(&["Then look:", "code"]), [false]);
    }
}
