// SPDX-License-Identifier: GPL-2.0

//! Growth curves, as SVG.

use std::fmt::Write;

use lu_bench::work::Layout;
use lu_bench::work::Work;

use crate::cli::Variant;
use crate::phase::Phase;
use crate::results::Case;
use crate::results::Results;
use crate::results::each;

/// Where the panels are, and how large they are.
const WIDTH: f64 = 430.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 70.0;
const TOP: f64 = 56.0;
const PLOT_WIDTH: f64 = 330.0;
const PLOT_HEIGHT: f64 = 200.0;

/// Colours that can be told apart by those who see fewer. How a curve is drawn says whose it is.
const COLOURS: [&str; 6] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00",
];

/// A curve, by both logarithms.
struct Curve {
    name: String,
    colour: &'static str,
    variant: Variant,
    points: Vec<(f64, f64)>,
}

/// Curves that belong together.
struct Panel {
    title: &'static str,
    unit: &'static str,
    curves: Vec<Curve>,
}

/// Draws what grows with the number of folios, sessions and files.
pub(crate) fn draw(results: &Results) -> String {
    let panels = [
        layouts(results, "ingest, above nothing preserved", Phase::Ingest),
        layouts(
            results,
            "blackout, above nothing preserved",
            Phase::Blackout,
        ),
        layouts(results, "preserve", Phase::Preserve),
        layouts(results, "retrieve", Phase::FdRetrieve),
        counts(results, "n sessions", Work::sessions, &SESSION_PHASES),
        counts(results, "n files in one session", Work::files, &FILE_PHASES),
    ];
    let rows = panels.len().div_ceil(2);
    let (width, height) = (2.0 * WIDTH, number(rows) * HEIGHT);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n\
         <!-- SPDX-License-Identifier: GPL-2.0 -->\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (place, panel) in panels.iter().enumerate() {
        let (x, y) = (number(place % 2) * WIDTH, number(place / 2) * HEIGHT);
        // Writing to a string cannot fail.
        let _ = panel.draw(&mut svg, x, y);
    }
    svg.push_str("</svg>\n");
    svg
}

const SESSION_PHASES: [Phase; 4] = [
    Phase::Create,
    Phase::Preserve,
    Phase::SessionRetrieve,
    Phase::FdRetrieve,
];
const FILE_PHASES: [Phase; 3] = [Phase::Preserve, Phase::FdRetrieve, Phase::Discard];

/// What a phase costs a folio, by size.
fn layouts(results: &Results, title: &'static str, phase: Phase) -> Panel {
    let curves = for_all(Layout::ALL.into_iter().map(|layout| {
        let works = results.works().into_iter();
        let works = works.filter(move |work| work.layout == layout && work.pages > 1);
        (layout.to_string(), works.collect(), phase)
    }));
    Panel {
        title,
        unit: "instructions a folio, by folios of 4 KiB",
        curves: curves.filter_map(|curve| curve.measure(results)).collect(),
    }
}

/// What phases cost one of so many.
fn counts(
    results: &Results,
    title: &'static str,
    make: fn(u64) -> Work,
    phases: &[Phase],
) -> Panel {
    let works = |phase: &Phase| {
        let works = results.works().into_iter();
        let works = works.filter(|&work| work == make(work.all_pages()));
        (phase.name().to_owned(), works.collect(), *phase)
    };
    Panel {
        title,
        unit: "instructions for each, by n",
        curves: for_all(phases.iter().map(works))
            .filter_map(|curve| curve.measure(results))
            .collect(),
    }
}

/// A curve that is to be.
struct Wanted {
    name: String,
    colour: &'static str,
    variant: Variant,
    works: Vec<Work>,
    phase: Phase,
}

/// Each curve for each of what was run.
fn for_all(
    wanted: impl Iterator<Item = (String, Vec<Work>, Phase)>,
) -> impl Iterator<Item = Wanted> {
    let coloured = wanted.zip(COLOURS.into_iter().cycle());
    coloured.flat_map(|((name, works, phase), colour)| {
        Variant::ALL.map(|variant| Wanted {
            name: name.clone(),
            colour,
            variant,
            works: works.clone(),
            phase,
        })
    })
}

impl Wanted {
    fn measure(self, results: &Results) -> Option<Curve> {
        let point = |&work: &Work| {
            let net = results.net(Case::counted(work, self.variant), self.phase)?;
            // A logarithm has no place for what is not above nothing: that is drawn at one.
            let cost = each(net, work.all_pages()).max(1.0);
            let count = u32::try_from(work.all_pages()).ok()?;
            Some((f64::from(count).log10(), cost.log10()))
        };
        let points: Vec<_> = self.works.iter().filter_map(point).collect();
        (!points.is_empty()).then_some(Curve {
            name: self.name,
            colour: self.colour,
            variant: self.variant,
            points,
        })
    }
}

impl Panel {
    fn draw(&self, svg: &mut String, x: f64, y: f64) -> std::fmt::Result {
        let points = || self.curves.iter().flat_map(|curve| &curve.points);
        let (from_x, to_x) = decades(points().map(|point| point.0));
        let (from_y, to_y) = decades(points().map(|point| point.1));
        let at_x = |value: f64| LEFT + (value - from_x) / (to_x - from_x) * PLOT_WIDTH;
        let at_y = |value: f64| TOP + (to_y - value) / (to_y - from_y) * PLOT_HEIGHT;
        writeln!(svg, "<g transform=\"translate({x} {y})\">")?;
        text(
            svg,
            (LEFT, 18.0),
            "start",
            self.title,
            "font-weight=\"bold\"",
        )?;
        text(svg, (LEFT, TOP - 20.0), "start", self.unit, "fill=\"#555\"")?;
        for value in steps(from_x, to_x) {
            line(svg, (at_x(value), TOP), (at_x(value), TOP + PLOT_HEIGHT))?;
            let place = (at_x(value), TOP + PLOT_HEIGHT + 15.0);
            text(svg, place, "middle", &power(value), "")?;
        }
        for value in steps(from_y, to_y) {
            line(svg, (LEFT, at_y(value)), (LEFT + PLOT_WIDTH, at_y(value)))?;
            text(
                svg,
                (LEFT - 6.0, at_y(value) + 4.0),
                "end",
                &power(value),
                "",
            )?;
        }
        for curve in &self.curves {
            let place = |&(x, y): &(f64, f64)| format!("{:.1},{:.1}", at_x(x), at_y(y));
            let points: Vec<String> = curve.points.iter().map(place).collect();
            curve.draw(svg, &points)?;
        }
        self.legend(svg)?;
        writeln!(svg, "</g>")
    }

    /// The names in their colours, once for all that was run.
    fn legend(&self, svg: &mut String) -> std::fmt::Result {
        let mut names: Vec<String> = self
            .curves
            .iter()
            .map(|curve| format!("<tspan fill=\"{}\">{}</tspan>", curve.colour, curve.name))
            .collect();
        names.dedup();
        let right = LEFT + PLOT_WIDTH;
        text(svg, (right, TOP - 6.0), "end", &names.join(" \u{b7} "), "")?;
        let dashes = "solid: rust, dotted: rust-extents, dashed: mainline";
        text(svg, (right, 18.0), "end", dashes, "fill=\"#555\"")
    }
}

impl Curve {
    fn draw(&self, svg: &mut String, points: &[String]) -> std::fmt::Result {
        let dashes = match self.variant {
            Variant::Rust => "",
            Variant::RustExtents => " stroke-dasharray=\"1.5 2.5\"",
            Variant::Mainline => " stroke-dasharray=\"5 4\"",
        };
        let (colour, name) = (
            self.colour,
            format!("{}, {}", self.name, self.variant.name()),
        );
        writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\"{dashes}>\
             <title>{name}</title></polyline>",
            points.join(" ")
        )?;
        for point in points {
            let (x, y) = point.split_once(',').unwrap_or_default();
            writeln!(
                svg,
                "<circle cx=\"{x}\" cy=\"{y}\" r=\"2.4\" fill=\"{colour}\"/>"
            )?;
        }
        Ok(())
    }
}

/// The whole decades that values are within; at least one.
fn decades(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let from = values.clone().reduce(f64::min).unwrap_or(0.0).floor();
    let to = values.reduce(f64::max).unwrap_or(1.0).ceil();
    (from, to.max(from + 1.0))
}

fn steps(from: f64, to: f64) -> impl Iterator<Item = f64> {
    std::iter::successors(Some(from), |value| Some(value + 1.0))
        .take_while(move |&value| value <= to)
}

fn power(exponent: f64) -> String {
    const NAMES: [&str; 10] = [
        "1", "10", "100", "1 k", "10 k", "100 k", "1 M", "10 M", "100 M", "1 G",
    ];
    let name = (0..)
        .zip(NAMES)
        .find(|(value, _)| f64::from(*value) == exponent);
    name.map_or_else(|| format!("1e{exponent}"), |(_, name)| name.to_owned())
}

fn line(svg: &mut String, from: (f64, f64), to: (f64, f64)) -> std::fmt::Result {
    let ((x1, y1), (x2, y2)) = (from, to);
    writeln!(
        svg,
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"#ddd\"/>"
    )
}

fn text(
    svg: &mut String,
    (x, y): (f64, f64),
    anchor: &str,
    text: &str,
    style: &str,
) -> std::fmt::Result {
    writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" {style}>{text}</text>"
    )
}

/// A small number.
fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(0.0, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_covers_its_values_by_whole_decades() {
        assert_eq!(decades([0.3, 2.0, 2.1].into_iter()), (0.0, 3.0));
        assert_eq!(decades([2.0].into_iter()), (2.0, 3.0));
        assert_eq!(decades(std::iter::empty()), (0.0, 1.0));
        assert_eq!(steps(1.0, 3.0).collect::<Vec<_>>(), [1.0, 2.0, 3.0]);
        assert_eq!((power(3.0), power(12.0)), ("1 k".into(), "1e12".into()));
    }

    #[test]
    fn nothing_measured_is_a_picture_without_curves() {
        let svg = draw(&Results::default());
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
        assert!(!svg.contains("<polyline"));
    }
}
