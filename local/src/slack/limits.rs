//! Slack's limits on messages, with the names its API gives the errors.
//!
//! Sources: the *Block Kit* reference (blocks, elements and composition
//! objects), `chat.postMessage`, and for the sum over all blocks, which no page
//! states, slackapi/bolt-js issues 2509 and 2867.

use serde_json::Value;

/// Blocks in one message.
const BLOCKS: usize = 50;
/// Characters of a message's text.
const MESSAGE_TEXT: usize = 40_000;
/// Characters of all texts in a message's blocks. Slack's own number varies
/// with the kind of block and is not published; this is the low end of what was
/// reported, so that what passes here passes there.
const BLOCKS_TEXT: usize = 9_500;

/// Why Slack refuses a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The `error` of the answer.
    pub(crate) error: &'static str,
    /// What `response_metadata.messages` says.
    pub(crate) message: Option<String>,
}

impl Refusal {
    pub(crate) fn plain(error: &'static str) -> Self {
        Self {
            error,
            message: None,
        }
    }

    fn block(pointer: &str, what: &str) -> Self {
        Self {
            error: "invalid_blocks",
            message: Some(format!("[ERROR] {what} [json-pointer:{pointer}]")),
        }
    }
}

/// Checks a message's text and blocks.
///
/// # Errors
/// The first limit it breaks.
pub(crate) fn check(text: Option<&str>, blocks: Option<&Value>) -> Result<(), Refusal> {
    if text.is_some_and(|text| text.chars().count() > MESSAGE_TEXT) {
        return Err(Refusal::plain("msg_too_long"));
    }
    let blocks = match blocks {
        None | Some(Value::Null) => &[],
        Some(Value::Array(blocks)) => blocks.as_slice(),
        Some(_) => return Err(Refusal::plain("invalid_blocks_format")),
    };
    if blocks.is_empty() && text.is_none_or(|text| text.trim().is_empty()) {
        return Err(Refusal::plain("no_text"));
    }
    if blocks.len() > BLOCKS {
        let what = format!("no more than {BLOCKS} items allowed");
        return Err(Refusal::block("/blocks", &what));
    }
    let mut ids = Vec::new();
    for (index, block) in blocks.iter().enumerate() {
        let pointer = format!("/blocks/{index}");
        check_block(block, &pointer)?;
        if let Some(id) = block["block_id"].as_str() {
            if ids.contains(&id) {
                return Err(Refusal::block(&pointer, "`block_id` must be unique"));
            }
            ids.push(id);
        }
    }
    if blocks.iter().map(text_length).sum::<usize>() > BLOCKS_TEXT {
        return Err(Refusal::plain("msg_blocks_too_long"));
    }
    Ok(())
}

fn check_block(block: &Value, pointer: &str) -> Result<(), Refusal> {
    at_most(&block["block_id"], 255, &format!("{pointer}/block_id"))?;
    match block["type"].as_str() {
        Some("section") => check_section(block, pointer),
        Some("header") => text_object(&block["text"], 150, &format!("{pointer}/text")),
        Some("context") => {
            let elements = elements(block, 10, pointer)?;
            elements
                .iter()
                .enumerate()
                .try_for_each(|(index, element)| match element["type"].as_str() {
                    Some("image") => Ok(()),
                    _ => text_object(element, 3000, &format!("{pointer}/elements/{index}")),
                })
        }
        Some("actions") => {
            let elements = elements(block, 25, pointer)?;
            elements
                .iter()
                .enumerate()
                .try_for_each(|(index, element)| {
                    check_element(element, &format!("{pointer}/elements/{index}"))
                })
        }
        Some("divider" | "image" | "rich_text" | "markdown") => Ok(()),
        other => Err(Refusal::block(
            &format!("{pointer}/type"),
            &format!("unsupported type: {}", other.unwrap_or("(none)")),
        )),
    }
}

fn check_section(block: &Value, pointer: &str) -> Result<(), Refusal> {
    if block["text"].is_null() && block["fields"].is_null() {
        return Err(Refusal::block(pointer, "missing required field: text"));
    }
    if !block["text"].is_null() {
        text_object(&block["text"], 3000, &format!("{pointer}/text"))?;
    }
    let fields = block["fields"].as_array().map_or(&[][..], Vec::as_slice);
    if fields.len() > 10 {
        let pointer = format!("{pointer}/fields");
        return Err(Refusal::block(&pointer, "no more than 10 items allowed"));
    }
    for (index, field) in fields.iter().enumerate() {
        text_object(field, 2000, &format!("{pointer}/fields/{index}"))?;
    }
    match &block["accessory"] {
        Value::Null => Ok(()),
        accessory => check_element(accessory, &format!("{pointer}/accessory")),
    }
}

fn elements<'b>(block: &'b Value, most: usize, pointer: &str) -> Result<&'b [Value], Refusal> {
    let pointer = format!("{pointer}/elements");
    match block["elements"].as_array() {
        Some(elements) if elements.len() > most => Err(Refusal::block(
            &pointer,
            &format!("no more than {most} items allowed"),
        )),
        Some(elements) if !elements.is_empty() => Ok(elements),
        _ => Err(Refusal::block(&pointer, "must have at least one element")),
    }
}

fn check_element(element: &Value, pointer: &str) -> Result<(), Refusal> {
    at_most(&element["action_id"], 255, &format!("{pointer}/action_id"))?;
    if element["type"] != "button" {
        return Ok(());
    }
    text_object(&element["text"], 75, &format!("{pointer}/text"))?;
    if element["text"]["type"] != "plain_text" {
        let pointer = format!("{pointer}/text/type");
        return Err(Refusal::block(&pointer, "must be plain_text"));
    }
    at_most(&element["value"], 2000, &format!("{pointer}/value"))?;
    at_most(&element["url"], 3000, &format!("{pointer}/url"))?;
    match element["style"].as_str() {
        None | Some("primary" | "danger") => Ok(()),
        Some(_) => Err(Refusal::block(
            &format!("{pointer}/style"),
            "must be one of: primary, danger",
        )),
    }
}

fn text_object(object: &Value, most: usize, pointer: &str) -> Result<(), Refusal> {
    if !matches!(object["type"].as_str(), Some("mrkdwn" | "plain_text")) {
        let pointer = format!("{pointer}/type");
        return Err(Refusal::block(&pointer, "must be mrkdwn or plain_text"));
    }
    let pointer = format!("{pointer}/text");
    match object["text"].as_str() {
        None | Some("") => Err(Refusal::block(&pointer, "must be more than 0 characters")),
        Some(_) => at_most(&object["text"], most, &pointer),
    }
}

fn at_most(value: &Value, most: usize, pointer: &str) -> Result<(), Refusal> {
    match value.as_str() {
        Some(text) if text.chars().count() > most => Err(Refusal::block(
            pointer,
            &format!("must be less than {} characters", most + 1),
        )),
        _ => Ok(()),
    }
}

/// The characters of every `text` in a block.
fn text_length(value: &Value) -> usize {
    match value {
        Value::Object(members) => (members.iter())
            .map(|(name, member)| match member {
                Value::String(text) if name == "text" => text.chars().count(),
                member => text_length(member),
            })
            .sum(),
        Value::Array(items) => items.iter().map(text_length).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn section(text: &str) -> Value {
        json!({"type": "section", "text": {"type": "mrkdwn", "text": text}})
    }

    fn refused(blocks: Value) -> Refusal {
        check(Some("text"), Some(&blocks)).unwrap_err()
    }

    #[test]
    fn the_limits_are_the_last_value_that_passes() {
        check(None, Some(&json!([section(&"x".repeat(3000))]))).unwrap();
        let refusal = refused(json!([section(&"x".repeat(3001))]));
        assert_eq!(refusal.error, "invalid_blocks");
        assert_eq!(
            refusal.message.unwrap(),
            "[ERROR] must be less than 3001 characters [json-pointer:/blocks/0/text/text]"
        );
        assert!(check(None, Some(&Value::Array(vec![section("x"); 50]))).is_ok());
        assert_eq!(
            refused(Value::Array(vec![section("x"); 51])).error,
            "invalid_blocks"
        );
        assert_eq!(
            refused(Value::Array(vec![section(&"x".repeat(2400)); 4])).error,
            "msg_blocks_too_long"
        );
        assert_eq!(check(Some(""), None).unwrap_err().error, "no_text");
        assert_eq!(
            check(Some(&"x".repeat(40_001)), None).unwrap_err().error,
            "msg_too_long"
        );
    }

    #[test]
    fn button_limits_hold() {
        let button = |text: &str, value: &str, action: &str| {
            json!([{"type": "actions", "elements": [{
                "type": "button", "action_id": action, "value": value,
                "text": {"type": "plain_text", "text": text}}]}])
        };
        let (text, value, action) = ("x".repeat(75), "x".repeat(2000), "x".repeat(255));
        check(None, Some(&button(&text, &value, &action))).unwrap();
        for broken in [
            button(&"x".repeat(76), &value, &action),
            button(&text, &"x".repeat(2001), &action),
            button(&text, &value, &"x".repeat(256)),
        ] {
            assert_eq!(refused(broken).error, "invalid_blocks");
        }
    }

    #[test]
    fn a_block_id_is_used_once() {
        let mut block = section("x");
        block["block_id"] = "same".into();
        let refusal = refused(json!([block, block]));
        assert!(refusal.message.unwrap().contains("unique"));
    }
}
