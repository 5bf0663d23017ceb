//! Presets: faults that are written in YAML, on top of the kinds that are written in Rust. Those of `faults/` ship with the
//! program; a team's own lie in the folder `faults/` of its project.
//!
//! ```yaml
//! title: Redis is full and refuses writes
//! covers: redis-memory                     # the class of failures, for `coverage`; its own name when left out
//! cured_by: raise `maxmemory`, or choose a policy that evicts
//! parameters:
//!   service: { type: service, about: the Redis server }
//!   memory: { type: size, default: 1MiB, about: how much it may hold }
//! fault:
//!   command:
//!     service: "{{service}}"
//!     run: redis-cli CONFIG SET maxmemory {{memory.bytes}}
//!     …
//! ```
//!
//! A value that is only `{{name}}` is left out where that parameter was not given and has no default.

use super::Fault;
use crate::record::looks_secret;
use crate::slis::Ratio;
use crate::source::{
    At, Diagnostics, Entry, MapReader, Node, Source, Span, Value, did_you_mean, files_in, is_name, parse,
    parse_duration, parse_size, shape, shorten,
};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

/// The presets that are shipped: name and text. A preset is a file in `faults/`.
const SHIPPED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/presets.rs"));
/// Largest file of a preset, in bytes: each fault of a scenario has a copy of what is in it.
const MOST_BYTES: usize = 64 * 1024;
/// Longest value that is no text, in bytes: a preset may put it in many places.
const LONGEST: usize = 1000;

/// A fault that is written in YAML.
#[derive(Debug, Clone)]
pub struct Preset {
    /// Its name in scenarios, which is that of its file.
    pub name: String,
    /// What breaks, in one line.
    pub title: String,
    /// The class of failures that it stands for.
    pub covers: String,
    /// What usually cures it.
    pub cured_by: String,
    parameters: Vec<Parameter>,
    pub(super) kind: &'static str,
    pub(super) settings: Node,
    pub(super) source: Arc<Source>,
}

/// A parameter of a preset.
#[derive(Debug, Clone)]
struct Parameter {
    name: String,
    about: String,
    form: ParameterForm,
    /// Its value where a scenario gives none.
    default: Option<String>,
    /// Whether it may be left out although it has no default.
    optional: bool,
}

/// What a parameter may be. Only a `text` may hold what a shell or a database would read as more than a value; it can be a whole
/// value of the fault's settings, never a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
enum ParameterForm {
    Service,
    Word,
    Text,
    /// Between these bounds.
    Integer(u64, u64),
    Duration,
    Size,
    Percentage,
    OneOf(Vec<String>),
}

impl ParameterForm {
    /// Why a text is no value of this form.
    fn check(&self, text: &str) -> Result<(), String> {
        let word = |c: char| c.is_ascii_alphanumeric() || "_.:/@%+-".contains(c);
        match self {
            ParameterForm::Text if text.contains('\0') => Err("a text cannot hold NUL".into()),
            ParameterForm::Text => Ok(()),
            _ if text.len() > LONGEST => Err(format!("it has more than {LONGEST} bytes")),
            ParameterForm::Service if is_name(text) => Ok(()),
            ParameterForm::Service => Err("it is no name of a service".into()),
            ParameterForm::Word if !text.is_empty() && !text.starts_with('-') && text.chars().all(word) => Ok(()),
            ParameterForm::Word => Err("only letters, digits and any of `_.:/@%+-` can stand here".into()),
            ParameterForm::Integer(least, most) => match text.parse::<u64>() {
                Ok(number) if (*least..=*most).contains(&number) => Ok(()),
                _ => Err(format!("`{}` is not a whole number from {least} to {most}", shorten(text))),
            },
            ParameterForm::Duration => match parse_duration(text)?.as_millis() {
                0 => Err("a time below 1ms is none".into()),
                _ => Ok(()),
            },
            ParameterForm::Size => parse_size(text, "no size like `1MiB`").map(drop),
            ParameterForm::Percentage => Ratio::parse(text).map(drop),
            ParameterForm::OneOf(words) if words.iter().any(|word| word == text) => Ok(()),
            ParameterForm::OneOf(words) => Err(did_you_mean(text, words.iter().map(String::as_str))),
        }
    }

    /// What stands for `{{name.view}}`.
    fn view(&self, text: &str, view: &str) -> Option<String> {
        let duration = || parse_duration(text).ok();
        match (self, view) {
            (_, "") => Some(text.to_string()),
            (ParameterForm::Duration, "ms") => Some(duration()?.as_millis().to_string()),
            (ParameterForm::Duration, "s") => Some(duration()?.as_secs_f64().ceil().to_string()),
            (ParameterForm::Size, "bytes") => parse_size(text, "").ok().map(|bytes| bytes.to_string()),
            (ParameterForm::Size, "kib") => parse_size(text, "").ok().map(|bytes| bytes.div_ceil(1024).to_string()),
            _ => None,
        }
    }

    fn shape(&self) -> serde_json::Value {
        match self {
            ParameterForm::Service | ParameterForm::Word => shape::filled(),
            ParameterForm::Text => shape::scalar(),
            ParameterForm::Integer(least, most) => shape::number(*least, *most),
            ParameterForm::Duration => shape::duration(),
            ParameterForm::Size => json!({ "anyOf": [shape::size(), { "type": "integer" }] }),
            ParameterForm::Percentage => shape::percentage(),
            ParameterForm::OneOf(words) => shape::one_of(words.iter().map(String::as_str)),
        }
    }
}

static OF_THE_PROGRAM: LazyLock<Vec<Arc<Preset>>> = LazyLock::new(|| {
    let shipped = SHIPPED.iter().filter_map(|(name, text)| {
        let source = Source::new(format!("faults/{name}.yaml"), *text);
        Preset::read(name, &source, &mut Diagnostics::default()).map(Arc::new)
    });
    shipped.collect()
});

impl Preset {
    /// Those that ship with the program.
    pub fn shipped() -> &'static [Arc<Preset>] {
        &OF_THE_PROGRAM
    }

    /// Those that a scenario, or any other file of a project, can use: the program's, then those of `faults/`, in the order of
    /// their names. Mistakes in one are noted.
    pub fn all(near: &Source, diags: &mut Diagnostics) -> Vec<Arc<Preset>> {
        let mut files: Vec<PathBuf> = folders(near).flat_map(|folder| files_in(&folder, &["yaml"])).collect();
        files.sort();
        files.dedup_by(|a, b| a.file_stem() == b.file_stem());
        let own = files.into_iter().filter_map(|file| {
            let name = file.file_stem()?.to_str()?.to_string();
            let shipped = Preset::shipped().iter().any(|preset| preset.name == name);
            (!shipped).then(|| Preset::read_file(&name, &file, near, diags)).flatten().map(Arc::new)
        });
        Preset::shipped().iter().cloned().chain(own).collect()
    }

    /// The preset of a name: the program's, or that of the project of the file `near`.
    pub(super) fn find(name: &str, near: &Source, diags: &mut Diagnostics) -> Option<Arc<Preset>> {
        if let Some(preset) = Preset::shipped().iter().find(|preset| preset.name == name) {
            return Some(preset.clone());
        }
        let files = folders(near).map(|folder| folder.join(format!("{name}.yaml")));
        let file = files.into_iter().find(|file| is_name(name) && file.is_file())?;
        Preset::read_file(name, &file, near, diags).map(Arc::new)
    }

    fn read_file(name: &str, file: &Path, near: &Source, diags: &mut Diagnostics) -> Option<Preset> {
        let read = near.root.as_ref().map_or_else(|| Source::read(file), |root| Source::read_in(file, root));
        let source = read.map_err(|error| error.report("the preset", None, diags)).ok()?;
        if source.text.len() > MOST_BYTES {
            diags.error(&source, Span::default(), format!("a preset is larger than {} KiB", MOST_BYTES / 1024));
            return None;
        }
        Preset::read(name, &source, diags)
    }

    fn read(name: &str, source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Preset> {
        let root = parse(source, diags)?;
        let mut at = At::root(&root, source, diags);
        if Fault::KINDS.contains(&name) {
            at.error(format!("`{name}` is a kind of fault already")).help("give the file another name");
            return None;
        }
        let mut map = at.map("the preset")?;
        let title: Option<String> = map.require("title");
        let covers = super::read_covers(&mut map).unwrap_or_else(|| name.to_string());
        let cured_by: Option<String> = map.require("cured_by");
        let parameters = map.optional_by("parameters", |at| {
            Some(at.entries("a map of parameters", "write `service: { type: service, about: … }`", read_parameter))
        });
        let parameters = parameters.unwrap_or_default();
        let fault = map.require_by("fault", |at| read_settings(at, &parameters));
        map.finish()?;
        let ((kind, settings), title, cured_by) = (fault?, title?, cured_by?);
        let (name, source) = (name.to_string(), source.clone());
        Some(Preset { name, title, covers, cured_by, parameters, kind, settings, source })
    }

    /// What its parameters may look like, with what they are.
    pub fn shape(&self) -> serde_json::Value {
        let mut properties = json!({});
        for Parameter { name, about, form, default, optional } in &self.parameters {
            let default = match (default, optional) {
                (Some(default), _) => format!("default: {default}"),
                (None, true) => "optional".into(),
                (None, false) => "required".into(),
            };
            properties[name] = shape::with(form.shape(), json!({ "description": format!("{about}\n\n{default}") }));
        }
        let required: Vec<&str> = self.parameters.iter().filter(|p| p.is_required()).map(|p| p.name.as_str()).collect();
        let kind = if required.is_empty() { json!(["object", "null"]) } else { json!("object") };
        json!({ "type": kind, "properties": properties, "required": required, "additionalProperties": false,
                "description": format!("{}; usually cured by: {}", self.title, self.cured_by) })
    }

    /// The fault that a scenario asks for with these parameters.
    pub(super) fn fault(self: &Arc<Self>, node: &Node, source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Fault> {
        let values = self.values(node, source, diags)?;
        let settings = fill(&self.settings, &values)?;
        let Fault { mut facts, fault, .. } =
            Fault::from_entry(self.kind, Span::default(), &settings, &self.source, diags)?;
        facts.summary = format!("{} ({})", self.title, facts.summary);
        facts.covers = Some(self.covers.clone());
        let secret = |(name, (_, value)): (&&str, &(_, Option<String>))| looks_secret(name).then(|| value.clone())?;
        facts.secrets.extend(values.iter().filter_map(secret));
        Some(Fault { kind: self.name.clone(), preset: Some(self.clone()), facts, fault })
    }

    /// The values of its parameters.
    fn values(&self, node: &Node, source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Values<'_>> {
        let mut map = MapReader::new(node, format!("`{}`", self.name), source, diags)?;
        let mut values = BTreeMap::new();
        for parameter in &self.parameters {
            let Parameter { name, form, default, .. } = parameter;
            let given = map.read(name, parameter.is_required(), |at| {
                at.parse_text("one value", |text| form.check(text).map(|()| text.to_string()))
            });
            values.insert(name.as_str(), (form, given.or_else(|| default.clone())));
        }
        map.finish().map(|()| values)
    }
}

impl Parameter {
    fn is_required(&self) -> bool {
        self.default.is_none() && !self.optional
    }
}

/// The name of each parameter, with its form and its value.
type Values<'a> = BTreeMap<&'a str, (&'a ParameterForm, Option<String>)>;

fn read_parameter(at: &mut At<'_>) -> Option<Parameter> {
    let name = at.key.to_string();
    let mut map = at.map(format!("the parameter `{}`", shorten(&name)))?;
    let about: Option<String> = map.require("about");
    let words: Option<Vec<String>> = map.optional("one_of");
    let (least, most) = (map.optional("at_least").unwrap_or(0), map.optional("at_most").unwrap_or(u64::MAX));
    let forms = [
        ("service", ParameterForm::Service),
        ("word", ParameterForm::Word),
        ("text", ParameterForm::Text),
        ("integer", ParameterForm::Integer(least, most)),
        ("duration", ParameterForm::Duration),
        ("size", ParameterForm::Size),
        ("percentage", ParameterForm::Percentage),
    ];
    let form = map.read("type", words.is_none(), |at| at.one_of(forms, "is no type of a parameter"));
    let default: Option<String> = map.optional("default");
    let optional = map.optional("optional").unwrap_or(false);
    let form = words.map(ParameterForm::OneOf).or(form).unwrap_or(ParameterForm::Text);
    if let Some(wrong) = default.as_deref().and_then(|text| form.check(text).err()) {
        map.wrong("default", format!("`default`: {wrong}"));
    }
    map.finish()?;
    Some(Parameter { name, about: about?, form, default, optional })
}

/// Reads the one fault on which a preset is built; everything in `{{…}}` must be a parameter.
fn read_settings(at: &mut At<'_>, parameters: &[Parameter]) -> Option<(&'static str, Node)> {
    let [Entry { key, key_span, value }] = at.node.entries() else {
        at.error("a preset is built on one fault").help("write its kind, with its parameters below it");
        return None;
    };
    let Some(kind) = Fault::KINDS.iter().find(|kind| *kind == key) else {
        let help = did_you_mean(key, Fault::KINDS.iter().copied());
        at.diags.error(at.source, *key_span, format!("there is no fault `{}`", shorten(key))).help(help);
        return None;
    };
    each_text(value, &mut |text, span| {
        for (whole, name, view) in placeholders(text) {
            let part = whole.len() < text.trim().len();
            let known = parameters.iter().find(|parameter| parameter.name == name);
            let sample = known.and_then(|known| known.default.as_deref()).unwrap_or("1s");
            let wrong = match known {
                None => format!("there is no parameter `{}`", shorten(name)),
                Some(known) if known.form == ParameterForm::Text && part => {
                    format!("`{name}` is a text: it can only be a whole value, not a part of one")
                }
                Some(Parameter { form, .. }) if form.view(sample, view).is_none() && form.check(sample).is_ok() => {
                    format!("`{name}` has no `.{}`", shorten(view))
                }
                Some(known) if known.optional && known.default.is_none() && part => {
                    format!("`{name}` may be left out: it can only be a whole value")
                }
                Some(_) => continue,
            };
            at.diags.error(at.source, span, wrong);
        }
    });
    Some((*kind, value.clone()))
}

fn each_text(node: &Node, see: &mut impl FnMut(&str, Span)) {
    if let Some(text) = node.text() {
        see(text, node.span);
    }
    node.entries().iter().for_each(|entry| see(&entry.key, entry.key_span));
    node.items().iter().chain(node.entries().iter().map(|entry| &entry.value)).for_each(|node| each_text(node, see));
}

/// Every `{{name}}` and `{{name.view}}` of a text: as it stands there, its name, and its view or nothing.
fn placeholders(text: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    text.match_indices("{{").filter_map(move |(at, _)| {
        let inside = text.get(at + 2..)?.split_once("}}")?.0;
        let (name, view) = inside.split_once('.').unwrap_or((inside, ""));
        Some((text.get(at..at + inside.len() + 4)?, name.trim(), view.trim()))
    })
}

/// The settings with the values in their places; `None` for one that is left out.
fn fill(node: &Node, values: &Values<'_>) -> Option<Node> {
    let value = match &node.value {
        Value::Null => Value::Null,
        Value::Scalar { text, plain } => {
            let whole = placeholders(text).any(|(placeholder, ..)| placeholder.len() == text.trim().len());
            // A number that was given is a number, though its place is written in quotes.
            Value::Scalar { text: fill_text(text, values)?, plain: *plain || whole }
        }
        Value::List(items) => Value::List(items.iter().filter_map(|item| fill(item, values)).collect()),
        Value::Map(entries) => {
            let filled = entries.iter().filter_map(|entry| {
                let (key, value) = (fill_text(&entry.key, values)?, fill(&entry.value, values)?);
                Some(Entry { key, value, ..entry.clone() })
            });
            Value::Map(filled.collect())
        }
    };
    Some(Node { value, span: node.span })
}

/// A text with the values in their places; `None` where one of them was not given.
fn fill_text(text: &str, values: &Values<'_>) -> Option<String> {
    let (mut filled, mut rest) = (String::new(), text);
    for (placeholder, name, view) in placeholders(text) {
        let (form, value) = values.get(name)?;
        let (before, behind) = rest.split_once(placeholder)?;
        filled.push_str(before);
        filled.push_str(&form.view(value.as_deref()?, view)?);
        rest = behind;
    }
    Some(filled + rest)
}

/// Where the presets of the project of a file lie: `faults/` beside it, or above it within the project.
fn folders(near: &Source) -> impl Iterator<Item = PathBuf> {
    let above = near.path.ancestors().skip(1).take(if near.path.is_absolute() { 3 } else { usize::MAX });
    let mut folders: Vec<PathBuf> = above.map(|folder| folder.join("faults")).collect();
    folders.push(crate::source::beside(&near.path, "../faults"));
    folders.into_iter().filter(|folder| folder.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Preset {
        /// A value that a parameter may have.
        pub(in crate::faults) fn sample(&self, name: &str) -> &str {
            match &self.parameters.iter().find(|parameter| parameter.name == name).expect("a parameter").form {
                ParameterForm::Duration => "1s",
                ParameterForm::Size => "64MiB",
                ParameterForm::Percentage => "50%",
                ParameterForm::Integer(..) => "1",
                ParameterForm::OneOf(words) => &words[0],
                ParameterForm::Text if name.contains("path") || name.contains("directory") => "/tmp/x",
                _ if name == "object" => "secret/a1",
                _ => "a1",
            }
        }
    }
}
