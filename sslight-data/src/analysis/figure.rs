//! A drawing made of rectangles and text, as SVG or as pixels.

use std::fmt::Write;

use ::image::RgbImage;

use super::canvas::{Align, Area, Canvas, TextStyle};
use super::colours::{Colour, WHITE};

/// What a figure is made of, later marks over earlier ones.
#[derive(Clone, Debug, PartialEq)]
enum Mark {
    Fill {
        area: Area,
        colour: Colour,
        opacity: f32,
    },
    Text {
        place: (f32, f32),
        content: String,
        style: TextStyle,
    },
}

/// A drawing on white, in units of a pixel at normal size.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Figure {
    width: usize,
    height: usize,
    /// For readers that do not see it.
    title: String,
    marks: Vec<Mark>,
}

/// From the top of a line of text to its baseline, in units of its height, as the font has it.
const BASELINE: f32 = 0.79;
/// An SVG viewer counts a font's size without the space between lines.
const FONT_OF_LINE: f32 = 0.853;

impl Figure {
    pub(super) fn new(width: usize, height: usize, title: &str) -> Self {
        Self {
            width,
            height,
            title: title.to_owned(),
            marks: Vec::new(),
        }
    }

    pub(super) fn fill(&mut self, area: Area, colour: Colour, opacity: f32) {
        self.marks.push(Mark::Fill {
            area,
            colour,
            opacity,
        });
    }

    /// A line of text whose top is at the place's second number.
    pub(super) fn text(
        &mut self,
        place: (f32, f32),
        content: &str,
        (size, colour, align): (f32, Colour, Align),
    ) {
        self.marks.push(Mark::Text {
            place,
            content: content.to_owned(),
            style: TextStyle {
                size,
                colour,
                align,
            },
        });
    }

    /// A vertical line of dashes.
    pub(super) fn dashes(&mut self, x: f32, (top, bottom): (f32, f32), colour: Colour) {
        const DASH: f32 = 5.0;
        let mut y = top;
        while y < bottom {
            let height = DASH.min(bottom - y);
            self.fill(Area::new(x - 0.75, y, 1.5, height), colour, 1.0);
            y += 1.8 * DASH;
        }
    }

    /// The drawing as an SVG file.
    pub(super) fn svg(&self) -> String {
        let (width, height) = (self.width, self.height);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
             role=\"img\" font-family=\"Roboto, Helvetica, Arial, sans-serif\">\n<title>{}</title>\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n",
            escaped(&self.title)
        );
        for mark in &self.marks {
            // Writing to a string cannot fail.
            let _ = match mark {
                Mark::Fill {
                    area,
                    colour,
                    opacity,
                } => svg_fill(&mut svg, *area, *colour, *opacity),
                Mark::Text {
                    place,
                    content,
                    style,
                } => svg_text(&mut svg, *place, content, *style),
            };
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// The drawing in pixels, `scale` for each unit.
    pub(super) fn picture(&self, scale: usize) -> RgbImage {
        let mut canvas = Canvas::new(self.width * scale, self.height * scale, WHITE);
        let scale = scale as f32;
        for mark in &self.marks {
            match mark {
                Mark::Fill {
                    area,
                    colour,
                    opacity,
                } => {
                    let area = Area::new(
                        area.left * scale,
                        area.top * scale,
                        area.width * scale,
                        area.height * scale,
                    );
                    canvas.fill(area, *colour, *opacity);
                }
                Mark::Text {
                    place: (x, y),
                    content,
                    style,
                } => {
                    let style = TextStyle {
                        size: style.size * scale,
                        ..*style
                    };
                    canvas.text((x * scale, y * scale), content, style);
                }
            }
        }
        canvas.into_picture()
    }
}

fn hex([r, g, b]: Colour) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

fn svg_fill(svg: &mut String, area: Area, colour: Colour, opacity: f32) -> std::fmt::Result {
    let Area {
        left,
        top,
        width,
        height,
    } = area;
    write!(
        svg,
        "<rect x=\"{left:.2}\" y=\"{top:.2}\" width=\"{width:.2}\" height=\"{height:.2}\" fill=\"{}\"",
        hex(colour)
    )?;
    if opacity < 1.0 {
        write!(svg, " fill-opacity=\"{opacity:.2}\"")?;
    }
    svg.write_str("/>\n")
}

fn svg_text(
    svg: &mut String,
    (x, y): (f32, f32),
    content: &str,
    style: TextStyle,
) -> std::fmt::Result {
    let anchor = match style.align {
        Align::Left => "",
        Align::Centre => " text-anchor=\"middle\"",
        Align::Right => " text-anchor=\"end\"",
    };
    writeln!(
        svg,
        "<text x=\"{x:.2}\" y=\"{:.2}\" font-size=\"{:.1}\" fill=\"{}\"{anchor}>{}</text>",
        y + BASELINE * style.size,
        FONT_OF_LINE * style.size,
        hex(style.colour),
        escaped(content)
    )
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // XML has no other way to say them.
            control if control.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_show_the_same_marks() {
        let mut figure = Figure::new(20, 10, "a < b & c");
        figure.fill(Area::new(2.0, 3.0, 4.0, 5.0), [1, 2, 3], 1.0);
        figure.text((10.0, 1.0), "\"x\" > 1\n", (8.0, [0; 3], Align::Centre));
        let svg = figure.svg();
        assert!(svg.contains("<title>a &lt; b &amp; c</title>"), "{svg}");
        assert!(
            svg.contains(
                "<rect x=\"2.00\" y=\"3.00\" width=\"4.00\" height=\"5.00\" fill=\"#010203\"/>"
            ),
            "{svg}"
        );
        assert!(svg.contains(">&quot;x&quot; &gt; 1 </text>"), "{svg}");
        let picture = figure.picture(2);
        assert_eq!(picture.dimensions(), (40, 20));
        assert_eq!(picture.get_pixel(4, 6).0, [1, 2, 3]);
        assert_eq!(picture.get_pixel(2, 16).0, [255; 3]);
    }
}
