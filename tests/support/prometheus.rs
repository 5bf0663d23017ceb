//! A real Prometheus for tests: Debian's package, without Docker.

use std::path::{Path, PathBuf};

/// The program: `PROMETHEUS`, or the first of that name on the path.
pub fn program() -> PathBuf {
    if let Some(named) = std::env::var_os("PROMETHEUS").filter(|name| !name.is_empty()) {
        return named.into();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join("prometheus")).find(|file| file.is_file());
    found.expect("no prometheus: scripts/setup.sh --tests installs it, or PROMETHEUS names one")
}

/// Its arguments when it listens on this port, scrapes `127.0.0.1:target` four times a second, and has its files in `dir`.
pub fn arguments(dir: &Path, port: u16, target: u16) -> Vec<String> {
    let config = format!(
        "global: {{ scrape_interval: 250ms, scrape_timeout: 250ms }}\nscrape_configs:\n- job_name: shop\n  \
         static_configs: [{{ targets: ['127.0.0.1:{target}'] }}]\n"
    );
    std::fs::write(dir.join("prometheus.yml"), config).expect("a configuration");
    vec![
        format!("--config.file={}", dir.join("prometheus.yml").display()),
        format!("--storage.tsdb.path={}", dir.join("tsdb").display()),
        format!("--web.listen-address=127.0.0.1:{port}"),
        "--log.level=warn".into(),
    ]
}
