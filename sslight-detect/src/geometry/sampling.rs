//! The boxes that a loss is taken over.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::Label;

/// Draws some of the labelled boxes of an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampler {
    /// Boxes of an image, if it has as many.
    pub boxes: usize,
    /// The most of them that stand for objects; background fills up.
    pub most_objects: usize,
}

/// The boxes of an image that were drawn, as indices in ascending order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sampled {
    /// Of objects.
    pub objects: Vec<usize>,
    /// Of background.
    pub background: Vec<usize>,
}

impl Sampler {
    /// That of the region proposal network: 256 anchors, half of them of objects.
    pub const ANCHORS: Self = Self {
        boxes: 256,
        most_objects: 128,
    };
    /// That of the heads: 512 proposals, a quarter of them of objects.
    pub const PROPOSALS: Self = Self {
        boxes: 512,
        most_objects: 128,
    };

    /// A draw without replacement.
    pub fn draw(self, labels: &[Label], random: &mut ChaCha8Rng) -> Sampled {
        let of = |wanted: fn(&Label) -> bool| -> Vec<usize> {
            let all = labels.iter().enumerate();
            all.filter(|(_, label)| wanted(label))
                .map(|(at, _)| at)
                .collect()
        };
        let objects = of(|label| matches!(label, Label::Object(_)));
        let objects = some(objects, self.most_objects.min(self.boxes), random);
        let background = of(|label| *label == Label::Background);
        let background = some(background, self.boxes - objects.len(), random);
        Sampled {
            objects,
            background,
        }
    }
}

/// `count` of `from`, or all, in ascending order.
fn some(mut from: Vec<usize>, count: usize, random: &mut ChaCha8Rng) -> Vec<usize> {
    if from.len() > count {
        for at in 0..count {
            let other = random.random_range(at..from.len());
            from.swap(at, other);
        }
        from.truncate(count);
        from.sort_unstable();
    }
    from
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn labels() -> Vec<Label> {
        let label = |at| match at % 4 {
            0 => Label::Object(at),
            1 => Label::Ignored,
            _ => Label::Background,
        };
        (0..400).map(label).collect()
    }

    #[test]
    fn objects_are_bounded_and_background_fills_up() {
        let sampler = Sampler {
            boxes: 50,
            most_objects: 10,
        };
        let labels = labels();
        let sampled = sampler.draw(&labels, &mut ChaCha8Rng::seed_from_u64(1));
        assert_eq!((sampled.objects.len(), sampled.background.len()), (10, 40));
        assert!(sampled.objects.iter().all(|at| at % 4 == 0));
        assert!(sampled.background.iter().all(|at| at % 4 > 1));
        for drawn in [&sampled.objects, &sampled.background] {
            assert!(drawn.windows(2).all(|pair| pair[0] < pair[1]), "{drawn:?}");
        }
        let again = sampler.draw(&labels, &mut ChaCha8Rng::seed_from_u64(1));
        let other = sampler.draw(&labels, &mut ChaCha8Rng::seed_from_u64(2));
        assert_eq!(sampled, again);
        assert_ne!(sampled, other);
    }

    #[test]
    fn few_boxes_are_all_taken() {
        let sampler = Sampler::PROPOSALS;
        let sampled = sampler.draw(&labels(), &mut ChaCha8Rng::seed_from_u64(1));
        assert_eq!(
            (sampled.objects.len(), sampled.background.len()),
            (100, 200)
        );
        let none = sampler.draw(&[], &mut ChaCha8Rng::seed_from_u64(1));
        assert_eq!(none, Sampled::default());
    }

    #[test]
    fn each_box_is_drawn_as_often() {
        let labels = [Label::Background; 8];
        let sampler = Sampler {
            boxes: 2,
            most_objects: 1,
        };
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let mut counts = [0; 8];
        for _ in 0..4000 {
            for at in sampler.draw(&labels, &mut random).background {
                counts[at] += 1;
            }
        }
        // 1,000 each, with a standard deviation of 27.
        assert!(counts.iter().all(|n| (870..1130).contains(n)), "{counts:?}");
    }
}
