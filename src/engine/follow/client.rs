//! Blocks of a language that is no shell: their text as the standard input of the client that the scenario maps.

use crate::spec::BlockClient;

/// What bash runs: the client, with the text as a here-document in which nothing is expanded. A person can paste it.
pub(super) fn command(client: &BlockClient, language: &str, text: &str) -> String {
    let delimiter = delimiter(language, text);
    let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let command = client.command.trim();
    // The here-document is for the command as a whole, also where that is a list or a pipeline.
    match command.contains(['|', ';', '&', '\n', '#']) {
        true => format!("{{ {command}\n}} <<'{delimiter}'\n{text}{newline}{delimiter}"),
        false => format!("{command} <<'{delimiter}'\n{text}{newline}{delimiter}"),
    }
}

/// A word that is no line of the text: `SQL`, `SQL_1` …
fn delimiter(language: &str, text: &str) -> String {
    let word: String = language.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_uppercase();
    let word = if word.is_empty() { "TEXT".to_string() } else { word };
    let taken = |word: &String| text.lines().any(|line| line == word);
    let numbered = (1_u32..).map(|number| format!("{word}_{number}"));
    std::iter::once(word.clone()).chain(numbered).find(|word| !taken(word)).unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(command: &str) -> BlockClient {
        BlockClient { service: None, command: command.into() }
    }

    #[test]
    fn the_text_is_standard_input_as_it_stands() {
        let text = "SELECT '$HOME', `x`\nFROM t;\nSQL\nSQL_1\n";
        assert_eq!(
            command(&client("psql -U shop"), "sql", text),
            "psql -U shop <<'SQL_2'\nSELECT '$HOME', `x`\nFROM t;\nSQL\nSQL_1\nSQL_2"
        );
        assert_eq!(command(&client("a | b"), "sql", "x"), "{ a | b\n} <<'SQL'\nx\nSQL");
        assert_eq!(command(&client("cat"), "", ""), "cat <<'TEXT'\nTEXT");
    }

    #[test]
    fn bash_gives_the_client_exactly_the_text() {
        for text in ["SELECT 1;", "\\d t\n\n", "a'b\"c\\$(x)\nSQL", "SQL\n", ""] {
            for with in ["cat", "cat | cat"] {
                let run = command(&client(with), "sql", text);
                let out = std::process::Command::new("bash").args(["-c", &run]).output().unwrap();
                let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
                assert_eq!(String::from_utf8(out.stdout).unwrap(), format!("{text}{newline}"), "{run}");
            }
        }
    }
}
