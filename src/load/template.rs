//! Text with `{{counter}}` and `{{id}}` in it, and a whole request made of such texts.

use super::LoadSpec;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONNECTION, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Uri};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// A text with the values of its placeholders: the counter, the id, and what was taken from answers before. `{{word}}` with another word is
/// an error, as it would be a typing mistake; any other `{{` is text.
fn fill(text: &str, counter: u64, id: &str, taken: &BTreeMap<String, String>) -> Result<String, String> {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let (word, tail) = after.split_once("}}").map_or(("", after), |(word, tail)| (word.trim(), tail));
        rest = tail;
        match (word, taken.get(word)) {
            ("counter", _) => out.push_str(&counter.to_string()),
            ("id", _) => out.push_str(id),
            (_, Some(value)) => out.push_str(value),
            (word, None) if is_word(word) => {
                return Err(format!("`{{{{{word}}}}}` is not known: there are `{{{{counter}}}}` and `{{{{id}}}}`"));
            }
            _ => {
                out.push_str("{{");
                rest = after;
            }
        }
    }
    out.push_str(rest);
    Ok(out)
}

impl LoadSpec {
    /// Whether each of its requests carries a number of its own: `{{counter}}` in path, header or body.
    pub fn is_numbered(&self) -> bool {
        let texts = [&self.url].into_iter().chain(self.headers.iter().map(|(_, value)| value)).chain(&self.body);
        let none = BTreeMap::new();
        texts.into_iter().any(|text| fill(text, 0, "", &none) != fill(text, 1, "", &none))
    }
}

/// `{{word}}` with a word that is not known would be sent as it stands.
///
/// # Errors
/// The first such word, for its author.
pub fn check_placeholders(text: &str, known: &[String]) -> Result<(), String> {
    let known = known.iter().map(|name| (name.clone(), String::new())).collect();
    fill(text, 0, "", &known).map(drop)
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// The id of one request: 128 bits in hex, the same for the same seed, load and counter. The first half of
/// SHA-256(seed ‖ counter ‖ name), so that ids of other loads and seeds do not meet.
pub(super) fn id(seed: u64, load: &str, counter: u64) -> String {
    let mut hash = Sha256::new();
    hash.update(seed.to_be_bytes());
    hash.update(counter.to_be_bytes());
    hash.update(load.as_bytes());
    hex::encode(&hash.finalize()[..16])
}

/// The requests of a load, checked: whatever is put into the placeholders, they can be sent.
#[derive(Debug, Clone)]
pub(super) struct RequestTemplate {
    /// Host without brackets, for the resolver.
    pub(super) host: String,
    /// Port.
    pub(super) port: u16,
    /// Whether it is `https:`.
    pub(super) tls: bool,
    /// Whether the connection is used again, which the server is told.
    keep_alive: bool,
    method: Method,
    authority: HeaderValue,
    path: String,
    headers: Vec<(HeaderName, String)>,
    body: Option<String>,
}

impl RequestTemplate {
    /// Checks a load's request, in which these words may stand as well.
    pub(super) fn new(spec: &LoadSpec, known: &[String]) -> Result<RequestTemplate, String> {
        let method = Method::from_bytes(spec.method.as_bytes()).ok().filter(|method| *method != Method::CONNECT);
        let method = method.ok_or_else(|| format!("`{}` is not an HTTP method of a load", spec.method))?;
        let (tls, authority, path) = split_url(&spec.url)?;
        let wrong = || format!("`{authority}` is not a host and port");
        let uri: Uri = format!("http://{authority}/").parse().map_err(|_| wrong())?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(wrong)?;
        if authority.contains('@') {
            return Err(format!("`{}` holds credentials: put them into a header", spec.url));
        }
        let header = |(name, value): &(String, String)| match HeaderName::from_bytes(name.as_bytes()) {
            Ok(parsed) => Ok((parsed, value.clone())),
            Err(_) => Err(format!("`{name}` is not a header")),
        };
        let template = RequestTemplate {
            host: host.trim_start_matches('[').trim_end_matches(']').to_string(),
            port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            tls,
            keep_alive: spec.keep_alive,
            method,
            authority: HeaderValue::from_str(authority).map_err(|_| wrong())?,
            path,
            headers: spec.headers.iter().map(header).collect::<Result<_, _>>()?,
            body: spec.body.clone(),
        };
        // Placeholders become digits and hex only: when one request can be built, all of them can, but for what is taken.
        template.request(0, &id(0, "", 0), &known.iter().map(|name| (name.clone(), "0".into())).collect())?;
        Ok(template)
    }

    /// One request, with `Host` and `User-Agent` unless the scenario gives them.
    pub(super) fn request(
        &self,
        counter: u64,
        id: &str,
        taken: &BTreeMap<String, String>,
    ) -> Result<Request<Full<Bytes>>, String> {
        let path = fill(&self.path, counter, id, taken)?;
        let uri: Uri = path.parse().map_err(|error| format!("`{path}` is not a path: {error}"))?;
        let body = fill(self.body.as_deref().unwrap_or_default(), counter, id, taken)?;
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        for (name, text) in &self.headers {
            let text = fill(text, counter, id, taken)?;
            let text = HeaderValue::from_str(&text)
                .map_err(|_| format!("the value of the header `{name}` cannot be sent: `{}`", text.escape_debug()))?;
            headers.append(name, text);
        }
        if !self.keep_alive {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        headers.entry(HOST).or_insert_with(|| self.authority.clone());
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(concat!("firedrill/", env!("CARGO_PKG_VERSION"))));
        Ok(request)
    }
}

/// `http://host:port/path?query#fragment` → (no TLS, `host:port`, `/path?query`).
fn split_url(url: &str) -> Result<(bool, &str, String), String> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err(format!("`{url}` is not a URL: write it like `http://service:8080/path`"));
    };
    let tls = scheme.eq_ignore_ascii_case("https");
    if !tls && !scheme.eq_ignore_ascii_case("http") {
        return Err(format!("`{url}` cannot be loaded: only http:// and https:// can"));
    }
    let rest = rest.split('#').next().unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if authority.contains("{{") {
        return Err(format!("`{url}`: placeholders can stand in the path only, not in the host"));
    }
    let slash = if path.starts_with('/') { "" } else { "/" };
    Ok((tls, authority, format!("{slash}{path}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spec(url: &str) -> LoadSpec {
        let headers = vec![("Idempotency-Key".into(), "{{id}}".into())];
        LoadSpec { headers, body: Some(r#"{"n":{{ counter }},"id":"{{id}}"}"#.into()), ..LoadSpec::sample(url) }
    }

    #[tokio::test]
    async fn fills_path_headers_and_body_with_the_same_counter_and_id() {
        use http_body_util::BodyExt;
        let template =
            RequestTemplate::new(&spec("http://checkout:8080/orders/{{counter}}?key={{id}}#x"), &[]).unwrap();
        assert_eq!((template.host.as_str(), template.port), ("checkout", 8080));
        let request = template.request(41, "c0ffee", &BTreeMap::new()).unwrap();
        assert_eq!(request.uri().to_string(), "/orders/41?key=c0ffee");
        assert_eq!(request.headers()["idempotency-key"], "c0ffee");
        assert_eq!(request.headers()["host"], "checkout:8080");
        let body = request.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, r#"{"n":41,"id":"c0ffee"}"#);
    }

    #[test]
    fn the_scenario_may_name_another_host_header() {
        let mut spec = spec("http://edge");
        spec.headers.push(("host".into(), "shop.example".into()));
        let template = RequestTemplate::new(&spec, &[]).unwrap();
        assert_eq!(template.port, 80);
        let request = template.request(0, "x", &BTreeMap::new()).unwrap();
        assert_eq!(request.uri(), "/");
        assert_eq!(request.headers().get_all("host").iter().collect::<Vec<_>>(), ["shop.example"]);
    }

    #[test]
    fn https_has_a_port_of_its_own_and_the_server_is_told_of_the_last_request() {
        let mut spec = spec("https://shop.example/");
        assert_eq!(
            RequestTemplate::new(&spec, &[])
                .unwrap()
                .request(0, "x", &BTreeMap::new())
                .unwrap()
                .headers()
                .get("connection"),
            None
        );
        spec.keep_alive = false;
        let template = RequestTemplate::new(&spec, &[]).unwrap();
        assert_eq!((template.tls, template.port), (true, 443));
        assert_eq!(template.request(0, "x", &BTreeMap::new()).unwrap().headers()["connection"], "close");
    }

    #[test]
    fn queries_without_a_path_and_addresses_in_brackets_are_understood() {
        let template = RequestTemplate::new(&spec("http://[::1]:9/?a=b"), &[]).unwrap();
        assert_eq!(template.host, "::1");
        let template = RequestTemplate::new(&spec("http://a?b=c"), &[]).unwrap();
        assert_eq!(template.request(0, "x", &BTreeMap::new()).unwrap().uri().query(), Some("b=c"));
    }

    #[test]
    fn mistakes_are_named() {
        let of = |url: &str| RequestTemplate::new(&spec(url), &[]).unwrap_err();
        insta::assert_snapshot!(of("checkout:8080/x"), @"`checkout:8080/x` is not a URL: write it like `http://service:8080/path`");
        insta::assert_snapshot!(of("ftp://checkout/x"), @"`ftp://checkout/x` cannot be loaded: only http:// and https:// can");
        insta::assert_snapshot!(of("http://{{id}}/x"), @"`http://{{id}}/x`: placeholders can stand in the path only, not in the host");
        insta::assert_snapshot!(of("http://a:b@c/x"), @"`http://a:b@c/x` holds credentials: put them into a header");
        insta::assert_snapshot!(of("http://a/{{ident}}"), @"`{{ident}}` is not known: there are `{{counter}}` and `{{id}}`");
        let mut bad = spec("http://a/");
        bad.method = "GE T".into();
        insta::assert_snapshot!(RequestTemplate::new(&bad, &[]).unwrap_err(), @"`GE T` is not an HTTP method of a load");
        let mut bad = spec("http://a/");
        bad.headers.push(("x-y".into(), "a\nb".into()));
        insta::assert_snapshot!(RequestTemplate::new(&bad, &[]).unwrap_err(), @r"the value of the header `x-y` cannot be sent: `a\nb`");
    }

    #[test]
    fn other_braces_are_text() {
        for text in ["{{", "{{}}", "{{ a b }}", "}}{{", r#"{"a":{"b":{}}}"#, "{{{counter"] {
            assert_eq!(fill(text, 7, "i", &BTreeMap::new()).unwrap(), text);
        }
        assert_eq!(fill("{{counter}}{{id}}x", 7, "i", &BTreeMap::new()).unwrap(), "7ix");
    }

    #[test]
    fn ids_differ_by_counter_load_and_seed() {
        let ids = [id(1, "a", 0), id(1, "a", 1), id(1, "b", 0), id(2, "a", 0)];
        assert!(ids.iter().all(|id| id.len() == 32));
        let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
        assert_eq!(id(1, "a", 0), id(1, "a", 0));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_panic(text in ".{0,40}(\\{\\{.{0,10}\\}\\})?.{0,10}") {
            if let Ok(filled) = fill(&text, 5, "f", &BTreeMap::new()) {
                let naive = text.replace("{{counter}}", "5").replace("{{id}}", "f");
                if !text.contains("{{{") && !text.contains("{{ ") {
                    prop_assert_eq!(filled, naive);
                }
            }
        }
    }
}
