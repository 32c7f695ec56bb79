//! One scene: garments on a background.

use hotcoco::Rle;
use hotcoco::mask::encode;
use sslight_data::rng::{Draws, Purpose};
use sslight_data::source::EmbeddedSource;
use sslight_data::{Image, ImageSource, Split};

use super::background;
use super::colours::{Colour, random, shaded};
use super::config::one_of;
use super::garment::{Garment, Pose};
use super::layers::{Corner, Layers};
use super::{SceneConfig, SceneError};
use crate::geometry::BoundingBox;

/// The view number of draws of scenes, which no recipe has.
const SCENES: u32 = u32::MAX;
/// Places that are tried for an object; from the middle of them on, only places inside the scene.
const TRIES: usize = 24;
/// How far an object may reach over the border, as a share of its sides.
const OVER_THE_BORDER: f64 = 0.12;
/// Share of its neighbours in a pixel: no camera has edges between two pixels.
const BLUR: f32 = 0.125;
/// Noise of the camera, to either side.
const NOISE: f64 = 0.02;

/// An object on a scene.
#[derive(Clone, Debug, PartialEq)]
pub struct SceneObject {
    /// Index into [`Composer::classes`].
    pub class: usize,
    /// Which image of the embedded part the garment is from.
    pub garment: usize,
    /// The box of the visible pixels, which they touch on all sides.
    pub bounds: BoundingBox,
    /// Number of visible pixels.
    pub area: usize,
    /// The visible pixels, of the size of the scene.
    pub mask: Rle,
}

/// A scene and all that is on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    /// `side` x `side` pixels.
    pub image: Image,
    /// The objects, those that lie lower first. No pixel is in two of their masks.
    pub objects: Vec<SceneObject>,
}

/// Makes scenes, each by itself.
pub struct Composer {
    config: SceneConfig,
    source: EmbeddedSource,
    /// Indices of the garments of each class.
    of_class: Vec<Vec<usize>>,
}

impl Composer {
    /// A composer of scenes as configured.
    ///
    /// # Errors
    /// If a setting is outside its range.
    pub fn new(config: &SceneConfig) -> Result<Self, SceneError> {
        config.check()?;
        let source = EmbeddedSource::new(config.split)?;
        let mut of_class = vec![Vec::new(); source.class_names().len()];
        for index in 0..source.len() {
            if let Some(class) = source.label(index) {
                of_class[class].push(index);
            }
        }
        Ok(Self {
            config: config.clone(),
            source,
            of_class,
        })
    }

    /// The names of the classes: those of the garments.
    pub fn classes(&self) -> &[String] {
        self.source.class_names()
    }

    /// What a garment is called, by its index in the embedded part.
    pub fn garment_name(&self, garment: usize) -> String {
        self.source.name(garment)
    }

    /// A scene, which follows from the settings and its index alone.
    ///
    /// # Errors
    /// If the embedded garments are damaged.
    pub fn scene(&self, index: usize) -> Result<Scene, SceneError> {
        let part = match self.config.split {
            Split::Train => 0,
            Split::Validation => 1,
        };
        let seed = self.config.seed;
        let mut draws = Draws::new(seed, part, index as u64, SCENES, Purpose::View);
        let side = self.config.side;
        let shapes = one_of(&self.config.distractors, &mut draws);
        let mut colours = background::draw(side, shapes, &mut draws);
        let mut layers = Layers::new(side);
        let mut laid = Vec::new();
        for _ in 0..one_of(&self.config.objects, &mut draws) {
            laid.extend(self.lay_one(&mut colours, &mut layers, &mut draws)?);
        }
        let image = developed(&colours, side, &mut draws);
        let objects = self.objects(index, &layers, &laid)?;
        Ok(Scene { image, objects })
    }

    /// Lays one garment on a scene and gives its class and index; `None` if there was no room for it.
    fn lay_one(
        &self,
        colours: &mut [Colour],
        layers: &mut Layers,
        draws: &mut Draws,
    ) -> Result<Option<(usize, usize)>, SceneError> {
        let SceneConfig {
            side,
            sizes,
            occlusion,
            rotation,
            ..
        } = &self.config;
        let class = draws.below(self.of_class.len());
        let of_class = &self.of_class[class];
        let index = of_class[draws.below(of_class.len())];
        let garment = Garment::new(&self.source.image(index)?);
        let tint = random(draws, 0.5, 1.0);
        for attempt in 0..TRIES {
            let pose = Pose {
                size: one_of(sizes, draws),
                angle: draws.uniform(-rotation, *rotation).to_radians(),
                mirrored: draws.below(2) == 1,
            };
            let cutout = garment.cut_out(pose);
            let over = match attempt < TRIES / 2 {
                true => OVER_THE_BORDER,
                false => 0.0,
            };
            let corner = Corner {
                left: place(cutout.width, *side, over, draws),
                top: place(cutout.height, *side, over, draws),
            };
            if let Some(covered) = layers.lay(&cutout, corner, *occlusion) {
                for (at, shade) in covered {
                    // Cloth is never black, which could be of any colour.
                    colours[at] = shaded(tint, 0.25 + 0.75 * shade);
                }
                return Ok(Some((class, index)));
            }
        }
        Ok(None)
    }

    fn objects(
        &self,
        scene: usize,
        layers: &Layers,
        laid: &[(usize, usize)],
    ) -> Result<Vec<SceneObject>, SceneError> {
        debug_assert_eq!(layers.len(), laid.len());
        let side = self.config.side as u32;
        let mut objects = Vec::with_capacity(laid.len());
        for (visible, &(class, garment)) in layers.visible().into_iter().zip(laid) {
            let mask = encode(&visible.columns, side, side);
            let [left, right, top, bottom] = visible.bounds;
            objects.push(SceneObject {
                class,
                garment,
                bounds: BoundingBox::new(
                    left as f32,
                    top as f32,
                    (right + 1) as f32,
                    (bottom + 1) as f32,
                ),
                area: visible.area,
                mask: mask.map_err(|error| SceneError::Encode {
                    index: scene,
                    reason: error.to_string(),
                })?,
            });
        }
        Ok(objects)
    }
}

/// Where something of `length` pixels begins on a line of `side`; up to a share `over` of it may be outside.
fn place(length: usize, side: usize, over: f64, draws: &mut Draws) -> isize {
    let outside = (length as f64 * over) as usize;
    let places = (side + 2 * outside).saturating_sub(length) + 1;
    draws.below(places) as isize - outside as isize
}

/// The picture of colours as a camera takes it: a little soft, with a little noise.
fn developed(colours: &[Colour], side: usize, draws: &mut Draws) -> Image {
    let last = side - 1;
    let line = |at: usize| [at.saturating_sub(1), at, (at + 1).min(last)];
    let weights = [BLUR, 1.0 - 2.0 * BLUR, BLUR];
    let mut pixels = Vec::with_capacity(3 * side * side);
    for y in 0..side {
        for x in 0..side {
            let mut soft = [0.0; 3];
            for (row, down) in line(y).into_iter().zip(weights) {
                for (column, across) in line(x).into_iter().zip(weights) {
                    let colour = colours[row * side + column];
                    (0..3).for_each(|c| soft[c] += down * across * colour[c]);
                }
            }
            let noise = draws.uniform(-NOISE, NOISE) as f32;
            // Casts to bytes stop at 0 and 255.
            pixels.extend(soft.map(|value| (255.0 * (value + noise)).round() as u8));
        }
    }
    Image {
        width: side,
        height: side,
        pixels,
    }
}
