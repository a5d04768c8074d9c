//! The inbox of the laptop stack: what people would have got.

use crate::error::{Failed, http};
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// How long a message may take: the table's stream, `notify`, a cold start.
const PATIENCE: Duration = Duration::from_secs(60);

/// What somebody was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Its text.
    pub text: String,
    /// The personal link in it.
    pub link: String,
}

/// The newest direct message to the person of that name with a personal link.
///
/// # Errors
/// When none comes, or the inbox cannot be read.
pub async fn personal(inbox: &str, name: &str) -> Result<Letter, Failed> {
    let url = format!("{inbox}.json");
    let failed = |error| http("the inbox cannot be read", error);
    let started = Instant::now();
    loop {
        let reply = reqwest::get(&url).await.map_err(failed)?;
        let content: Value = reply.json().await.map_err(failed)?;
        if let Some(letter) = letter(&content, name) {
            return Ok(letter);
        }
        if started.elapsed() > PATIENCE {
            return Err(
                Failed::unreachable(format!("{name} has got no personal link"))
                    .help("look at the inbox page, and at the emulator's log in the data folder"),
            );
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn letter(content: &Value, name: &str) -> Option<Letter> {
    let messages = content["messages"].as_array()?.iter().rev();
    let mut mine = messages.filter_map(|message| {
        let text = message["text"]
            .as_str()
            .filter(|text| text.starts_with(name))?;
        let link = link_in(&message.to_string())?;
        Some(Letter {
            text: text.to_owned(),
            link,
        })
    });
    mine.next()
}

/// The approval link in a message's JSON: it ends with the first character that
/// no token has.
fn link_in(text: &str) -> Option<String> {
    let at = text.find("/approve?t=")?;
    let start = text[..at].rfind("http")?;
    let rest = &text[at..];
    let end = rest
        .find(['"', '|', '>', ' ', '\\', '<'])
        .unwrap_or(rest.len());
    Some(format!("{}{}", &text[start..at], &rest[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_newest_link_of_the_person_is_taken() {
        let message = |text: &str, link: &str| json!({ "text": text, "blocks": [{ "text": format!("<{link}|Decide>") }] });
        let content = json!({ "messages": [
            message("Priya Raman, pl-gps-001#1 asks", "http://127.0.0.1:1/$default/approve?t=v4.local.one"),
            message("Devan Okafor, pl-gps-001#1 asks", "http://127.0.0.1:1/approve?t=v4.local.two"),
            message("Priya Raman, pl-gps-001#2 asks", "http://127.0.0.1:1/approve?t=v4.local.three"),
            message("Priya Raman approved", "http://127.0.0.1:1/releases/x"),
        ]});
        let link = |name| letter(&content, name).map(|letter| letter.link);
        assert_eq!(
            link("Priya").as_deref(),
            Some("http://127.0.0.1:1/approve?t=v4.local.three")
        );
        assert_eq!(
            link("Devan").as_deref(),
            Some("http://127.0.0.1:1/approve?t=v4.local.two")
        );
        assert_eq!(link("Lena"), None);
    }
}
