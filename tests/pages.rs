//! Pages that were made to hurt are read in time that grows with them and not faster: processor time, so that a machine that is
//! busy fails nothing.

#[path = "support/pages.rs"]
mod pages;

use pages::{READERS, SHAPES, processor_time};

/// Bytes of each page.
const SIZE: usize = 32 * 1024;
/// Processor seconds below which nobody asks how the time grows.
const QUICK: f64 = 2.0;
/// Processor seconds after which a reader is stopped, on a machine of any speed.
const MOST: u32 = 60;
/// How much longer twice the page may take: 2 where time grows with the page, 4 where it grows with its square.
const GROWTH: f64 = 3.0;

fn read(reader: &[&str]) {
    assert!(SHAPES.len() >= 30, "{} shapes", SHAPES.len());
    let folder = tempfile::tempdir().expect("a directory");
    let mut failed = Vec::new();
    for (number, shape) in SHAPES.iter().enumerate() {
        let time = |size: usize| {
            let page = shape.page(size);
            assert!(page.len() <= size && page.len() > size - 1024, "{}: {} bytes", shape.name, page.len());
            let path = folder.path().join(format!("page-{number}.md"));
            std::fs::write(&path, page).expect("the page is written");
            processor_time(env!("CARGO_BIN_EXE_firedrill"), reader, &path, MOST)
        };
        let told = match time(SIZE) {
            Ok(whole) if whole > QUICK => time(SIZE / 2).and_then(|half| {
                // What disturbs a measurement only adds to it: where the page looks too slow, once more, and the lesser time counts.
                let whole = if whole / half < GROWTH { whole } else { time(SIZE)?.min(whole) };
                let grew = whole / half;
                if grew < GROWTH {
                    Ok(())
                } else {
                    Err(format!("{whole:.2} s, half of it {half:.2} s: grew by {grew:.1}"))
                }
            }),
            quick => quick.map(drop),
        };
        if let Err(error) = told {
            failed.push(format!("{}: {error}", shape.name));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn linting_takes_time_in_proportion_to_the_page() {
    read(READERS[0]);
}

#[test]
fn showing_takes_time_in_proportion_to_the_page() {
    read(READERS[2]);
}

#[test]
fn a_page_that_is_refused_for_its_size_is_no_measure() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("page.md");
    let limit = 1024 * 1024;
    for shape in SHAPES {
        assert!(shape.page(limit).len() <= limit, "{}", shape.name);
    }
    for (size, refused) in [(limit + 1, true), (limit, false)] {
        std::fs::write(&path, "a".repeat(size)).expect("the page is written");
        let took = processor_time(env!("CARGO_BIN_EXE_firedrill"), READERS[2], &path, 60);
        assert_eq!(took.is_err_and(|error| error.contains("for its size")), refused, "{size}");
    }
}
