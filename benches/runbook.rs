//! Reading a runbook: pages in the shapes of real ones, and pages that were made to hurt. Before the measurements it prints
//! how the time grows when a page doubles: about 2 is linear, 4 would be a square.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use firedrill::runbook::{MAX_SIZE, parse};
use firedrill::source::{Diagnostics, Source};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// One section of a page; the page is as many of them as fit.
const SECTIONS: &[(&str, &str)] = &[
    (
        "numbered list",
        "## Mitigation\n\n1. Look at it:\n\n   ```bash\n   kubectl get pods -n <namespace> | grep cart\n   ```\n\n2. Restart it, \
         if nobody is writing:\n\n   ```bash\n   for pod in $(cat pods); do\n     kubectl delete pod \"$pod\"\n   done\n   ```\n\n",
    ),
    (
        "console",
        "### Look\n\nSee which disk it is:\n\n```console\n$ df -h /var/lib/app\nFilesystem  Size  Used\n/dev/sdb1    50G   \
         48G\n$ du -sh /var/lib/app/* \\\n    | sort -h\n1G   cache\n```\n\n",
    ),
    (
        "here-documents",
        "### Write it\n\n```bash\npsql \"$DATABASE_URL\" <<SQL\nSELECT pg_terminate_backend(<pid>) WHERE 1 < 2;\nSQL\n\
         curl -d '{\"pod\": \"{{pod}}\"}' https://api/v1/done\n```\n\n",
    ),
    (
        "prose",
        "## Background\n\nThe pool is small. If it is exhausted, requests wait; see [the page](pool.md) for `max_overflow`.\n\n\
         | Metric | Limit |\n| --- | --- |\n| `pool_available` | 1 |\n\n- Team Shop owns it.\n- Ask *them*.\n\n",
    ),
    ("tiny blocks", "```sh\na\n```\n"),
    ("open here-documents", "```console\n$ cat <<A\nx\n```\n"),
    ("prompts in open quotes", "```console\n$ echo 'a\n$ echo \"b\nc\n```\n"),
    ("unfinished compounds", "```sh\nif a; then\nfor b in c; do (\n```\n"),
    ("lists", "1. a\n\ntext\n\n3. If b:\n\n- c\n\n"),
];

/// What is repeated inside one block.
const BLOCKS: &[(&str, &str)] = &[
    ("commands", "echo one two three\n"),
    ("inputs on one line", "<pod> {{name}} YOUR_KEY {zone} "),
    ("variables", "A=$B && "),
    ("angles", "<"),
    ("braces", "{"),
    ("parentheses", ")"),
    ("substitutions", "$("),
    ("pipes", "a | "),
    ("quotes", "'a \" "),
    ("subscripts", "${a["),
    ("here-documents", "cat <<E\na\nE\n"),
    ("endless here-documents", "cat <<E\n"),
    ("errors", "echo )\n"),
    ("prompts", "$ if a; then\nb\n"),
];

fn of_sections(section: &str, size: usize) -> String {
    section.repeat(size / section.len())
}

fn of_block(part: &str, size: usize) -> String {
    format!("## Fix\n\n```bash\n{}\n```\n", part.repeat((size - 32) / part.len()))
}

fn read(text: &str) -> usize {
    let source = Source::new("runbook.md", text);
    parse(&source, &mut Diagnostics::default()).map_or(0, |runbook| runbook.steps.len())
}

/// The best of three.
fn time(text: &str) -> Duration {
    let once = || {
        let begun = Instant::now();
        black_box(read(text));
        begun.elapsed()
    };
    (0..3).map(|_| once()).min().unwrap_or_default()
}

/// A shape of page: its name and its text at a size.
type Shape<'a> = (String, Box<dyn Fn(usize) -> String + 'a>);

fn shapes<'a>() -> Vec<Shape<'a>> {
    let sections = SECTIONS.iter().map(|(name, section)| -> Shape<'a> {
        (format!("page of {name}"), Box::new(move |size| of_sections(section, size)))
    });
    let blocks = BLOCKS
        .iter()
        .map(|(name, part)| -> Shape<'a> { (format!("block of {name}"), Box::new(move |size| of_block(part, size))) });
    sections.chain(blocks).collect()
}

fn growth(_: &mut Criterion) {
    println!("{:34} {:>10} {:>10}  growth", "time to read", "512 KiB", "1 MiB");
    for (name, page) in shapes() {
        let (half, whole) = (time(&page(MAX_SIZE / 2)), time(&page(MAX_SIZE)));
        let growth = whole.as_secs_f64() / half.as_secs_f64();
        println!("{name:34} {half:>10.1?} {whole:>10.1?}  ×{growth:.2}");
    }
}

fn pages(c: &mut Criterion) {
    let mut group = c.benchmark_group("read 32 KiB");
    group.sample_size(20);
    for (name, page) in shapes() {
        let text = page(32 * 1024);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(name), &text, |b, text| b.iter(|| read(black_box(text))));
    }
    group.finish();
}

criterion_group!(benches, growth, pages);
criterion_main!(benches);
