//! Reading pages that were made to hurt: the processor time of `lint`, `show` and `check` for 1 MiB of each, to be held against
//! one second, or that it is refused for its size. `cargo bench --bench pages [-- NAME]`.

#[path = "../tests/support/pages.rs"]
mod pages;

use pages::{READERS, SHAPES, processor_time};

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let folder = std::env::temp_dir().join(format!("firedrill-pages-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for the pages");
    let names = READERS.iter().map(|reader| {
        format!("{:>12}", if reader.len() > 1 { format!("{} json", reader[0]) } else { reader[0].into() })
    });
    println!("{:52} {}", "seconds for 1 MiB", names.collect::<String>());
    for shape in SHAPES.iter().filter(|shape| wanted.is_empty() || wanted.iter().any(|name| shape.name.contains(name)))
    {
        let path = folder.join("page.md");
        std::fs::write(&path, shape.page(1024 * 1024)).expect("the page is written");
        let times =
            READERS.iter().map(|reader| match processor_time(env!("CARGO_BIN_EXE_firedrill"), reader, &path, 30) {
                Ok(seconds) => format!("{seconds:>12.2}"),
                Err(error) if error.contains("for its size") => format!("{:>12}", "refused"),
                Err(_) => format!("{:>12}", "over 30"),
            });
        println!("{:52} {}", shape.name, times.collect::<String>());
    }
    let _ = std::fs::remove_dir_all(&folder);
}
