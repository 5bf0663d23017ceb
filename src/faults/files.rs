//! `files`: data on disk is lost or damaged: a file or the content of a directory is removed, a file is cut short, or one
//! byte of it is inverted. It reaches what lies on the volumes of a service, whether its containers run or not, and needs
//! nothing in their image.
//!
//! ```yaml
//! - files: { service: db, path: /var/lib/postgresql/data, do: remove, irreversible: true }
//! - files: { service: ops, path: /backup/base.tar, do: truncate, to: 50%, irreversible: true }
//! - files: { service: ops, path: /backup/base.tar, do: flip, at: 8300 }              # undone by inverting it again
//! - files: { service: ops, path: /backup/base.tar, do: flip, find: "Ada Lovelace" }
//! ```

use super::{
    FaultContext, FaultError, FaultFacts, FaultResult, GOES_WITH_THE_STACK, Inject, Presence, ReadFault, Undo,
};
use crate::slis::Ratio;
use crate::source::{MapReader, TextForm, parse_size, shape, shorten};
use crate::stack::{BytePosition, Cut, Damage, FileAnswer, FileAsk, FileDeed, Harm, Need, Stack};
use async_trait::async_trait;

/// The longest text that is looked for, in bytes.
const LONGEST: usize = 1024;

const A_PATH: TextForm = TextForm::new("an absolute path", || shape::text("/[\\s\\S]*"));
const A_CUT: TextForm = TextForm::new(
    "a percentage like `50%`, or a size like `1MiB`",
    || serde_json::json!({ "anyOf": [{ "type": "integer", "minimum": 0 }, shape::percentage(), shape::size()] }),
);
const A_TEXT: TextForm = TextForm::new("a text", shape::scalar);

/// A damaged file.
pub struct Files {
    service: String,
    path: String,
    harm: Harm,
    irreversible: bool,
}

fn path(text: &str) -> Result<String, String> {
    let text = text.trim();
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let is_file = text.starts_with('/') && !parts.is_empty() && !parts.contains(&"..") && !text.contains('\0');
    let wrong = || format!("`{text}` is not the absolute path, without `..`, of a file in the service's container");
    is_file.then(|| format!("/{}", parts.join("/"))).ok_or_else(wrong)
}

/// How much stays: `50%`, `1MiB`, `8300`.
fn cut(text: &str) -> Result<Cut, String> {
    let text = text.trim();
    if text.ends_with('%') {
        let share = Ratio::parse(text)?.get();
        return if share < 1.0 { Ok(Cut::Share(share)) } else { Err("all of it stays: nothing is cut".into()) };
    }
    parse_size(text, "neither a percentage like `50%` nor a size like `1MiB`").map(Cut::Bytes)
}

fn text(text: &str) -> Result<String, String> {
    let fits = (1..=LONGEST).contains(&text.len());
    fits.then(|| text.to_string()).ok_or_else(|| format!("a text of 1 to {LONGEST} bytes can be looked for"))
}

/// Reads its parameters; `None` when there were mistakes, which are noted.
pub(super) fn files(map: &mut MapReader<'_>) -> ReadFault<Files> {
    let service: Option<String> = map.require("service");
    let path = map.require_with("path", A_PATH, path);
    let deeds = ["remove", "truncate", "flip"].map(|deed| (deed, deed));
    let deed = map.require_by("do", |at| at.one_of(deeds, "cannot be done to a file"));
    let to = map.read("to", deed == Some("truncate"), |at| at.parse(A_CUT, cut));
    let at: Option<u64> = map.optional("at");
    let find = map.optional_with("find", A_TEXT, text);
    let irreversible: Option<bool> = map.optional("irreversible");
    if let Some(deed) = deed {
        for (key, of) in [("to", "truncate"), ("at", "flip"), ("find", "flip")] {
            if map.has(key) && deed != of {
                map.wrong(key, format!("`{key}` goes with `do: {of}`, and not with `do: {deed}`"));
            }
        }
        if deed == "flip" && map.has("at") == map.has("find") {
            map.error(map.head(), "`do: flip` needs one of `at` and `find`")
                .help("`at: 8300` is the offset of the byte, `find: \"Ada Lovelace\"` the text that begins with it");
        }
        let said = map.has("irreversible") && irreversible != Some(false);
        if deed != "flip" && !said {
            map.error(map.head(), format!("what `do: {deed}` takes away cannot be put back"))
                .help("add `irreversible: true`: it goes with the stack");
        }
    }
    let harm = match deed? {
        "remove" => Harm::Remove,
        "truncate" => Harm::Truncate { to: to? },
        _ => Harm::Flip { at: at.map(BytePosition::Offset).or(find.map(BytePosition::Text))? },
    };
    let (service, path) = (service?, path?);
    let file = format!("{path} of `{service}`");
    let summary = match &harm {
        Harm::Remove => format!("removes {file}"),
        Harm::Truncate { to: Cut::Share(share) } => {
            let share = Ratio::new(*share).map_or_else(String::new, |share| share.to_string());
            format!("cuts {file} to {share} of its size")
        }
        Harm::Truncate { to: Cut::Bytes(bytes) } => format!("cuts {file} to {bytes} bytes"),
        Harm::Flip { at: BytePosition::Offset(offset) } => format!("inverts the byte at {offset} of {file}"),
        Harm::Flip { at: BytePosition::Text(text) } => {
            format!("inverts the byte with which `{}` begins in {file}", shorten(text))
        }
    };
    let (services, needs) = (vec![service.clone()], Some(Need::Files));
    let facts = FaultFacts { summary, services, needs, ..FaultFacts::default() };
    Some((facts, Files { service, path, harm, irreversible: irreversible.unwrap_or(false) }))
}

impl Files {
    async fn ask(&self, what: FileDeed, stack: &dyn Stack) -> FaultResult<FileAnswer> {
        let ask = FileAsk { path: self.path.clone(), what };
        let operation = format!("reach `{}` of `{}`", self.path, self.service);
        stack.files(&self.service, &ask).await.map_err(FaultError::of(operation))
    }
}

/// What an undo says of the damage.
fn damage(undo: &Undo) -> FaultResult<&Damage> {
    match undo {
        Undo::File { damage, .. } | Undo::Nothing { damage: Some(damage), .. } => Ok(damage),
        _ => Err(FaultError::undo("that of a file")),
    }
}

fn otherwise<T>(answer: &FileAnswer) -> FaultResult<T> {
    Err(FaultError::new("read the answer", format!("it is one to something else: {answer:?}")))
}

#[async_trait]
impl Inject for Files {
    async fn prepare(&self, context: &FaultContext<'_>) -> FaultResult<Undo> {
        let damage = match self.ask(FileDeed::Measure(self.harm.clone()), context.stack).await? {
            FileAnswer::Would(damage) => damage,
            other => return otherwise(&other),
        };
        Ok(match self.irreversible {
            true => Undo::Nothing { reason: GOES_WITH_THE_STACK.into(), damage: Some(damage), container: None },
            false => Undo::File { service: self.service.clone(), path: self.path.clone(), damage },
        })
    }

    async fn inject(&self, undo: &Undo, context: &FaultContext<'_>) -> FaultResult {
        self.ask(FileDeed::Damage(damage(undo)?.clone()), context.stack).await.map(drop)
    }

    async fn confirm(&self, undo: &Undo, context: &FaultContext<'_>) -> FaultResult<Presence> {
        match self.ask(FileDeed::Look(damage(undo)?.clone()), context.stack).await? {
            FileAnswer::InPlace(evidence) => Ok(Presence::InPlace(evidence)),
            FileAnswer::Gone(evidence) => Ok(Presence::Gone(evidence)),
            other => otherwise(&other),
        }
    }
}
