//! What was mended while annotations were read.

use std::fmt;

/// How many names of each kind are kept.
const NAMED: usize = 5;

/// Annotations with one kind of flaw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub count: usize,
    /// Ids of the first few.
    pub first: Vec<u64>,
}

impl Tally {
    /// Counts an annotation.
    pub(super) fn add(&mut self, annotation: u64) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(annotation);
        }
    }

    /// `3 (annotations 4, 7, 9)`.
    fn told(&self) -> String {
        let ids: Vec<String> = self.first.iter().map(u64::to_string).collect();
        let dots = if self.count > NAMED { ", ..." } else { "" };
        format!("{} (annotations {}{dots})", self.count, ids.join(", "))
    }
}

/// Flaws that do not keep a data set from being used, and what was done about them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repairs {
    /// Boxes that reached outside their image, and were clipped to it.
    pub clipped: Tally,
    /// Annotations that were left out: no box, or none with a positive area inside the image, or one of numbers that are not finite.
    /// They still count as objects to be found when a detector is measured, as in COCO's own program.
    pub left_out: Tally,
    /// Objects without a mask although one was annotated: no polygon of three or more finite points. Their boxes are used.
    pub without_mask: Tally,
}

impl Repairs {
    /// Whether there was nothing to mend.
    pub fn is_empty(&self) -> bool {
        [&self.clipped, &self.left_out, &self.without_mask]
            .iter()
            .all(|tally| tally.count == 0)
    }
}

/// One line for people; empty if nothing was mended.
impl fmt::Display for Repairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = [
            ("boxes clipped to the image", &self.clipped),
            ("left out for want of a box with any area", &self.left_out),
            (
                "without a mask for want of three points",
                &self.without_mask,
            ),
        ];
        let parts: Vec<String> = told
            .iter()
            .filter(|(_, tally)| tally.count > 0)
            .map(|(what, tally)| format!("{what}: {}", tally.told()))
            .collect();
        f.write_str(&parts.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flaws_are_counted_and_the_first_few_are_named() {
        let mut repairs = Repairs::default();
        assert!(repairs.is_empty() && repairs.to_string().is_empty());
        for id in 1..=7 {
            repairs.clipped.add(id);
        }
        repairs.left_out.add(9);
        assert_eq!(
            repairs.to_string(),
            "boxes clipped to the image: 7 (annotations 1, 2, 3, 4, 5, ...); \
             left out for want of a box with any area: 1 (annotations 9)"
        );
    }
}
