//! A map as a picture: the file from left to right and top to bottom, one cell per 4096th.
//!
//! No scripts, no fonts beyond the reader's own, the same bytes for the same map.

use crate::map::{Content, Map, percent};
use nightshift_common::human::ByteSize;
use std::fmt::Write as _;
use std::io::{self, Write};

/// Cells in a row and rows: 4096 cells.
const COLUMNS: u64 = 128;
const ROWS: u64 = 32;
/// Side of a cell, in pixels, and the frame around.
const CELL: u64 = 8;
const MARGIN: u64 = 16;
const HEADING: u64 = 44;

/// Colours that also differ in brightness, for those who see no hues and for grey printers.
fn colour(content: Content) -> &'static str {
    match content {
        Content::Hole => "#f2f2f2",
        Content::Unwritten => "#cfe0ee",
        Content::Zero => "#f0a030",
        Content::Data => "#1f4e79",
    }
}

/// Writes the picture.
pub fn write(map: &Map, mut out: impl Write) -> io::Result<()> {
    let width = COLUMNS * CELL + 2 * MARGIN;
    let grid = ROWS * CELL;
    let height = HEADING + grid + 2 * MARGIN + 20 * Content::ALL.len() as u64;
    let mut svg = String::new();
    let name = escape(&map.path.to_string_lossy());
    let _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <title>{name}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{MARGIN}\" y=\"20\" font-weight=\"bold\">{name}</text>\n\
         <text x=\"{MARGIN}\" y=\"38\">{}, {} allocated, one cell is {}</text>\n",
        ByteSize(map.size).approx(),
        ByteSize(map.allocated).approx(),
        ByteSize(map.size.div_ceil(COLUMNS * ROWS)).approx(),
    );
    for (row, cells) in cells(map)
        .chunks(usize::try_from(COLUMNS).unwrap_or(1))
        .enumerate()
    {
        let y = HEADING + row as u64 * CELL;
        let mut column = 0;
        // One rectangle per run of equal cells keeps the file small.
        for run in cells.chunk_by(|a, b| a == b) {
            let len = run.len() as u64;
            let _ = writeln!(
                svg,
                "<rect x=\"{}\" y=\"{y}\" width=\"{}\" height=\"{CELL}\" fill=\"{}\"/>",
                MARGIN + column * CELL,
                len * CELL,
                colour(run[0])
            );
            column += len;
        }
    }
    for (line, content) in (0..).zip(Content::ALL) {
        let y = HEADING + grid + MARGIN + 20 * line;
        let bytes = map.total(content);
        let _ = writeln!(
            svg,
            "<rect x=\"{MARGIN}\" y=\"{y}\" width=\"12\" height=\"12\" fill=\"{}\" \
             stroke=\"#888\"/><text x=\"{}\" y=\"{}\">{}: {}, {} %</text>",
            colour(content),
            MARGIN + 20,
            y + 11,
            content.name(),
            ByteSize(bytes).approx(),
            percent(bytes, map.size)
        );
    }
    svg.push_str("</svg>\n");
    out.write_all(svg.as_bytes())
}

/// What each cell shows: data if it holds any, so that a lone block is not lost; else zeros,
/// else reserved space, else a hole.
fn cells(map: &Map) -> Vec<Content> {
    let rank = |content: Content| Content::ALL.iter().position(|kind| *kind == content);
    let count = COLUMNS * ROWS;
    let edge = |cell: u64| {
        u64::try_from(u128::from(map.size) * u128::from(cell) / u128::from(count)).unwrap_or(0)
    };
    let mut cells = Vec::new();
    let mut first = 0;
    for cell in 0..count {
        let (start, end) = (edge(cell), edge(cell + 1).max(edge(cell) + 1).min(map.size));
        while map
            .stretches
            .get(first)
            .is_some_and(|stretch| stretch.range.end <= start)
        {
            first += 1;
        }
        let seen = map.stretches[first..]
            .iter()
            .take_while(|stretch| stretch.range.start < end)
            .map(|stretch| stretch.content)
            .max_by_key(|content| rank(*content));
        match seen {
            Some(content) if start < map.size => cells.push(content),
            _ => break,
        }
    }
    cells
}

/// Text inside XML; control characters have no place in it.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            control if control.is_control() => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::Stretch;

    fn map(size: u64, stretches: Vec<Stretch>) -> Map {
        let path = "a<b>&\n.img".into();
        Map {
            path,
            size,
            allocated: 4096,
            read: true,
            stretches,
        }
    }

    #[test]
    fn a_lone_block_in_a_large_file_is_visible() {
        let size = 1 << 40;
        let middle = size / 2 + 4096;
        let stretches = vec![
            Stretch {
                range: 0..middle,
                content: Content::Hole,
            },
            Stretch {
                range: middle..middle + 4096,
                content: Content::Data,
            },
            Stretch {
                range: middle + 4096..size,
                content: Content::Hole,
            },
        ];
        let cells = cells(&map(size, stretches));
        assert_eq!(cells.len(), 4096);
        assert_eq!(
            cells.iter().filter(|cell| **cell == Content::Data).count(),
            1
        );
        assert_eq!(cells[2048], Content::Data);
    }

    #[test]
    fn names_are_harmless_and_the_picture_is_reproducible() {
        let one = map(
            100,
            vec![Stretch {
                range: 0..100,
                content: Content::Data,
            }],
        );
        let mut first = Vec::new();
        write(&one, &mut first).expect("write");
        let text = String::from_utf8(first.clone()).expect("text");
        assert!(
            text.contains("<title>a&lt;b&gt;&amp;\u{fffd}.img</title>"),
            "{text}"
        );
        let mut second = Vec::new();
        write(&one, &mut second).expect("write");
        assert_eq!(first, second);
        let empty = map(0, Vec::new());
        write(&empty, &mut second).expect("an empty file has a picture, too");
    }
}
