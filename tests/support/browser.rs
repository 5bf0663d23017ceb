//! A headless Chromium for tests: started once for a test, spoken to over the DevTools protocol by its pipe (JSON with a
//! zero byte after it, on the file descriptors 3 and 4), so that no port is opened and nothing else is needed.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// No answer after this long is a failure, also on a slow machine.
const DEADLINE: Duration = Duration::from_secs(90);

pub struct Browser {
    child: Child,
    input: ChildStdin,
    told: Receiver<Value>,
    next: u64,
    session: String,
    /// Everything that the page said since it was opened: events of the protocol.
    pub events: Vec<Value>,
    _home: tempfile::TempDir,
}

/// The program: `CHROMIUM`, or the first of the usual names.
fn program() -> String {
    let named = std::env::var("CHROMIUM").ok().filter(|name| !name.is_empty());
    let there = |name: &&str| {
        let found = Command::new("sh").args(["-c", "command -v \"$0\" >/dev/null", name]).status();
        found.is_ok_and(|status| status.success())
    };
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let found = named.or_else(|| names.iter().find(|name| there(name)).map(|name| name.to_string()));
    found.expect("no Chromium: scripts/setup.sh --tests installs it, or CHROMIUM names one")
}

impl Browser {
    /// Starts the browser with an empty page of its own.
    pub fn start() -> Browser {
        let home = tempfile::tempdir().unwrap();
        // The shell gives the pipes the numbers that the protocol wants.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", "sh", &program()])
            .args([
                "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            ])
            .args([
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--hide-scrollbars",
            ])
            .arg(format!("--user-data-dir={}", home.path().display()))
            .arg("about:blank")
            .env("HOME", home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (tell, told) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(output).split(0).map_while(Result::ok) {
                let Ok(message) = serde_json::from_slice::<Value>(&message) else { return };
                if tell.send(message).is_err() {
                    return;
                }
            }
        });
        let mut browser =
            Browser { child, input, told, next: 0, session: String::new(), events: Vec::new(), _home: home };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attached =
            browser.call("Target.attachToTarget", json!({ "targetId": target["targetId"], "flatten": true }));
        browser.session = attached["sessionId"].as_str().unwrap().to_string();
        for domain in ["Page.enable", "Runtime.enable", "Network.enable", "Log.enable"] {
            browser.call(domain, json!({}));
        }
        browser
    }

    /// One call of the protocol and its answer; what the page says meanwhile is kept in `events`.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let mut message = json!({ "id": self.next, "method": method, "params": params });
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.input.write_all(&bytes).unwrap();
        self.input.flush().unwrap();
        let until = Instant::now() + DEADLINE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let told = self.told.recv_timeout(left).unwrap_or_else(|error| panic!("{method}: {error}"));
            if told["id"] == json!(self.next) {
                assert!(told["error"].is_null(), "{method}: {}", told["error"]);
                return told["result"].clone();
            }
            self.events.push(told);
        }
    }

    /// What a script in the page comes to. The page's own rules do not bind it.
    pub fn eval(&mut self, script: &str) -> Value {
        let params = json!({ "expression": script, "returnByValue": true, "awaitPromise": true });
        let answer = self.call("Runtime.evaluate", params);
        assert!(answer["exceptionDetails"].is_null(), "{script}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    /// How the page is looked at.
    pub fn view(&mut self, width: u32, height: u32, dark: bool) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size);
        let scheme = if dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// Opens a page and waits until it is there whole.
    pub fn open(&mut self, url: &str) {
        self.events.clear();
        let answer = self.call("Page.navigate", json!({ "url": url }));
        assert!(answer["errorText"].is_null(), "{url}: {answer}");
        let until = Instant::now() + DEADLINE;
        let there = format!("document.readyState === 'complete' && location.href === {}", json!(url));
        while self.eval(&there) != json!(true) {
            assert!(Instant::now() < until, "{url} is not there");
            std::thread::sleep(Duration::from_millis(20)); // between two looks
        }
    }

    /// Presses a key.
    pub fn press(&mut self, key: &str, code: u32) {
        let text = if key == "Enter" { "\r" } else { "" };
        for kind in ["keyDown", "keyUp"] {
            let mut params = json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code });
            if kind == "keyDown" && !text.is_empty() {
                params["text"] = json!(text);
            }
            self.call("Input.dispatchKeyEvent", params);
        }
    }

    /// The requests that the page made since it was opened.
    pub fn requests(&self) -> Vec<String> {
        let sent = self.events.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        sent.map(|event| event["params"]["request"]["url"].as_str().unwrap_or_default().to_string()).collect()
    }

    /// What the page complained about since it was opened: the console, exceptions, the browser's own log.
    pub fn complaints(&self) -> Vec<String> {
        let kinds = ["Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"];
        let said = self.events.iter().filter(|event| kinds.iter().any(|kind| event["method"] == *kind));
        said.map(|event| event["params"].to_string()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
