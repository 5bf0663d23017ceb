//! Where a Prometheus of the stack sends to and reads from: a drill must not page by the Alertmanager of production, nor write into its
//! long-term store.

use super::PROMETHEUS_FILE;
use crate::source::{Diagnostics, Node, Source, Span, host_of, is_inside, parse};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The Alertmanagers, remote writes and remote reads of Prometheus' configuration that are none of the `hosts`, each with its place. Those
/// which it reads from files (`file_sd_configs`) are only known while it runs.
pub fn outside_targets(config: &Node, hosts: &BTreeSet<String>) -> Vec<(Span, String)> {
    let mut found = Vec::new();
    let mut hold = |node: &Node, does: &str, host: &str| {
        if !is_inside(host, hosts) {
            found.push((node.span, format!("{does} {host}")));
        }
    };
    for entry in config.list(&["alerting", "alertmanagers"]).iter().flat_map(Node::entries) {
        let nodes = |key: &'static str| entry.value.items().iter().flat_map(move |group| group.list(&[key]));
        match entry.key.as_str() {
            "static_configs" => nodes("targets").for_each(|node| hold(node, "send alerts to", host(node))),
            "dns_sd_configs" => nodes("names").for_each(|node| hold(node, "send alerts to", host(node))),
            "file_sd_configs" => {}
            key if key.ends_with("_sd_configs") => hold(&entry.value, "send alerts to what it finds by", key),
            _ => {}
        }
    }
    for (key, does) in [("remote_write", "write to"), ("remote_read", "read from")] {
        for url in config.list(&[key]).iter().filter_map(|remote| remote.get(&["url"])) {
            hold(url, does, url.text().and_then(host_of).unwrap_or_default());
        }
    }
    let ways: [&[&str]; 3] = [&["alerting", "alertmanagers"], &["remote_write"], &["remote_read"]];
    for proxy in ways.iter().flat_map(|way| config.list(way)).filter_map(|one| one.get(&["proxy_url"])) {
        hold(proxy, "go through", proxy.text().and_then(host_of).unwrap_or_default());
    }
    found
}

/// The host of `host:port`.
fn host(node: &Node) -> &str {
    let text = node.text().unwrap_or_default();
    text.rsplit_once(':').map_or(text, |(host, _)| host)
}

/// What a Prometheus that runs would do outside of the stack, by the configuration that it has loaded and the URLs of the Alertmanagers that
/// it has found.
pub(super) fn reaches_outside(config: &str, managers: &[&str], hosts: &BTreeSet<String>) -> Option<String> {
    let source = Source::new(PROMETHEUS_FILE, config);
    let Some(config) = parse(&source, &mut Diagnostics::default()) else {
        return Some("work by a configuration that cannot be read".into());
    };
    // Alertmanagers that were found by names of the stack have addresses.
    let has = |key| config.list(&["alerting", "alertmanagers"]).iter().any(|one| one.get(&[key]).is_some());
    let by_name = has("dns_sd_configs") && !has("file_sd_configs") && !has("relabel_configs");
    let inside =
        |host: &str| is_inside(host, hosts) || by_name && host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    let configured = outside_targets(&config, hosts).into_iter().map(|(_, does)| does);
    let active = managers.iter().filter_map(|url| host_of(url)).filter(|host| !inside(host));
    configured.chain(active.map(|host| format!("send alerts to {host}"))).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(config: &str, managers: &[&str]) -> Option<String> {
        reaches_outside(config, managers, &BTreeSet::from(["am".to_string(), "store".to_string()]))
    }

    #[test]
    fn what_is_no_service_of_the_stack_is_told() {
        let manager = |by: &str| format!("alerting:\n  alertmanagers:\n  - follow_redirects: true\n    {by}\n");
        let targets = manager("static_configs:\n    - targets:\n      - am:9093\n      - localhost:9093");
        let remotes = "remote_write:\n- url: http://u:xxxxx@store:9009/push\nremote_read:\n- url: http://store/read\n";
        assert_eq!(told(&format!("{targets}{remotes}"), &["http://am:9093/api/v2/alerts"]), None);
        assert_eq!(told("global: {}\n", &[]), None);
        for (config, managers, expected) in [
            (manager("static_configs: [{ targets: ['am.prod:9093'] }]"), &[] as &[&str], "send alerts to am.prod"),
            (manager("dns_sd_configs: [{ names: [am, am.prod] }]"), &[], "send alerts to am.prod"),
            (
                manager("consul_sd_configs: [{ server: 'am:1' }]"),
                &[],
                "send alerts to what it finds by consul_sd_configs",
            ),
            (remotes.replace("store:9009", "metrics.prod"), &[], "write to metrics.prod"),
            (remotes.replace("store/", "10.0.0.9/"), &[], "read from 10.0.0.9"),
            (
                manager("file_sd_configs: [{ files: [x] }]"),
                &["http://10.0.0.9:9093/api/v2/alerts"],
                "send alerts to 10.0.0.9",
            ),
            (
                manager("static_configs: [{ targets: ['am:9093'] }]\n    proxy_url: http://proxy.corp:3128"),
                &[],
                "go through proxy.corp",
            ),
            (
                manager("dns_sd_configs: [{ names: [am] }]\n    file_sd_configs: [{ files: [x] }]"),
                &["http://10.0.0.9:9093/api/v2/alerts"],
                "send alerts to 10.0.0.9",
            ),
            ("a: [".to_string(), &[], "work by a configuration that cannot be read"),
        ] {
            assert_eq!(told(&config, managers).as_deref(), Some(expected), "{config}");
        }
        let by_name = manager("dns_sd_configs: [{ names: [am] }]");
        assert_eq!(told(&by_name, &["http://172.18.0.3:9093/api/v2/alerts"]), None);
    }
}
