//! ECR's lifecycle policies, as AWS documents them ("Automate the cleanup of images
//! by using lifecycle policies", "Lifecycle policy properties", "Examples of
//! lifecycle policies"):
//!
//! - Every rule first marks images, as if no other rule were there: those with the
//!   tags that it selects, and of these the ones beyond the newest so many, or older
//!   than so many days since they were pushed.
//! - Then rules are applied by priority, the lowest number first. An image that
//!   meets the tag requirements of a rule cannot be expired by one with a higher
//!   number; it is expired by exactly one rule or by none.
//! - Of several patterns or prefixes in one rule, an image must match every one,
//!   with any of its tags.

use serde::Deserialize;
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// An image in a repository.
#[derive(Debug, Clone)]
pub struct Image {
    /// What it is known by.
    pub digest: String,
    /// Its tags, if it has any.
    pub tags: BTreeSet<String>,
    /// When it was pushed first, in seconds. A further tag does not change it.
    pub pushed_at: i64,
}

/// A lifecycle policy.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    rules: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Rule {
    rule_priority: u32,
    #[serde(default, rename = "description")]
    _description: String,
    selection: Selection,
    action: Action,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Action {
    r#type: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Selection {
    tag_status: TagStatus,
    #[serde(default)]
    tag_pattern_list: Vec<String>,
    #[serde(default)]
    tag_prefix_list: Vec<String>,
    count_type: CountType,
    count_unit: Option<String>,
    count_number: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum TagStatus {
    Tagged,
    Untagged,
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum CountType {
    ImageCountMoreThan,
    SinceImagePushed,
}

const DAY: i64 = 86_400;

impl Policy {
    /// A policy, when ECR would take it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut policy: Self = serde_json::from_str(text).map_err(|e| e.to_string())?;
        policy.rules.sort_by_key(|rule| rule.rule_priority);
        let said = |wrong: bool, why: &str| if wrong { Err(why.to_owned()) } else { Ok(()) };
        said(
            !(100..=30_720).contains(&text.len()),
            "100 to 30,720 characters",
        )?;
        let priorities: BTreeSet<u32> = policy.rules.iter().map(|r| r.rule_priority).collect();
        said(
            priorities.len() != policy.rules.len(),
            "a priority comes twice",
        )?;
        let untagged = |r: &&Rule| r.selection.tag_status == TagStatus::Untagged;
        said(
            policy.rules.iter().filter(untagged).count() > 1,
            "two rules for untagged images",
        )?;
        for (at, rule) in policy.rules.iter().enumerate() {
            let Selection {
                tag_status,
                tag_pattern_list,
                tag_prefix_list,
                ..
            } = &rule.selection;
            let named = usize::from(!tag_pattern_list.is_empty())
                + usize::from(!tag_prefix_list.is_empty());
            let tagged = *tag_status == TagStatus::Tagged;
            said(
                named != usize::from(tagged),
                "patterns or prefixes, for tagged images only",
            )?;
            let last = at + 1 == policy.rules.len();
            said(
                *tag_status == TagStatus::Any && !last,
                "a rule for any image comes last",
            )?;
            let wild = |pattern: &String| pattern.matches('*').count() > 4;
            said(
                tag_pattern_list.iter().any(wild),
                "more than four wildcards",
            )?;
            said(rule.selection.count_number == 0, "a count of 0")?;
            let days = rule.selection.count_unit.as_deref() == Some("days");
            let ages = rule.selection.count_type == CountType::SinceImagePushed;
            said(days != ages, "a unit is for ages, and is days")?;
            said(
                rule.action.r#type != "expire",
                "an action that is not known here",
            )?;
        }
        Ok(policy)
    }

    /// The digests of the images that it expires at `now`.
    pub fn expired(&self, images: &[Image], now: i64) -> BTreeSet<String> {
        let mut expired = BTreeSet::new();
        for (at, rule) in self.rules.iter().enumerate() {
            let before = &self.rules[..at];
            for image in rule.marked(images, now) {
                if !before.iter().any(|earlier| earlier.selects(image)) {
                    expired.insert(image.digest.clone());
                }
            }
        }
        expired
    }
}

impl Rule {
    /// Whether an image meets the rule's tag requirements.
    fn selects(&self, image: &Image) -> bool {
        let Selection {
            tag_pattern_list,
            tag_prefix_list,
            ..
        } = &self.selection;
        let any = |meets: &dyn Fn(&str) -> bool| image.tags.iter().any(|tag| meets(tag));
        match self.selection.tag_status {
            TagStatus::Any => true,
            TagStatus::Untagged => image.tags.is_empty(),
            TagStatus::Tagged => {
                tag_pattern_list.iter().all(|p| any(&|tag| matches(p, tag)))
                    && tag_prefix_list
                        .iter()
                        .all(|p| any(&|tag| tag.starts_with(p.as_str())))
            }
        }
    }

    /// The images that the rule would expire if it were the only one.
    fn marked<'i>(&self, images: &'i [Image], now: i64) -> Vec<&'i Image> {
        let mut selected: Vec<&Image> = images.iter().filter(|i| self.selects(i)).collect();
        selected.sort_by_key(|image| Reverse(image.pushed_at));
        let number = self.selection.count_number;
        match self.selection.count_type {
            CountType::ImageCountMoreThan => {
                selected.split_off(selected.len().min(number as usize))
            }
            CountType::SinceImagePushed => {
                let oldest = now - i64::from(number) * DAY;
                selected.retain(|image| image.pushed_at < oldest);
                selected
            }
        }
    }
}

/// Whether a whole tag fits a pattern, in which `*` stands for any characters or
/// none.
fn matches(pattern: &str, tag: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == tag,
        Some((start, rest)) => tag.strip_prefix(start).is_some_and(|tag| {
            let ends = tag.char_indices().map(|(at, _)| at).chain([tag.len()]);
            let mut ends = ends;
            ends.any(|at| matches(rest, &tag[at..]))
        }),
    }
}

/// The rules of a policy, as the documentation's examples write them: patterns,
/// what is counted, how many.
fn policy(rules: &[(&[&str], &str, u32)]) -> Policy {
    let rule = |(at, (patterns, kind, number)): (usize, &(&[&str], &str, u32))| {
        let mut selection = serde_json::json!({
            "tagStatus": "tagged", "tagPatternList": patterns, "countType": kind, "countNumber": number,
        });
        if *kind == "sinceImagePushed" {
            selection["countUnit"] = "days".into();
        }
        serde_json::json!({ "rulePriority": at + 1, "selection": selection, "action": { "type": "expire" } })
    };
    let rules: Vec<_> = rules.iter().enumerate().map(rule).collect();
    Policy::parse(&serde_json::json!({ "rules": rules }).to_string())
        .unwrap_or_else(|e| panic!("{e}"))
}

/// Images by their tags and how many days ago they were pushed.
fn images(all: &[(&str, &[&str], i64)]) -> Vec<Image> {
    let image = |(digest, tags, days): &(&str, &[&str], i64)| Image {
        digest: (*digest).to_owned(),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        pushed_at: -days * DAY,
    };
    all.iter().map(image).collect()
}

const MORE: &str = "imageCountMoreThan";

#[test]
fn an_image_that_an_earlier_rule_selects_is_safe_from_later_ones() {
    let images = images(&[
        ("A", &["beta-1", "prod-1"], 10),
        ("B", &["beta-2", "prod-2"], 9),
        ("C", &["beta-3"], 8),
    ]);
    let expired = |rules| {
        policy(rules)
            .expired(&images, 0)
            .into_iter()
            .collect::<String>()
    };
    assert_eq!(
        expired(&[(&["prod*"], MORE, 1), (&["beta*"], MORE, 1)]),
        "A"
    );
    assert_eq!(
        expired(&[(&["beta*"], MORE, 1), (&["prod*"], MORE, 1)]),
        "AB"
    );
}

#[test]
fn of_several_patterns_an_image_matches_all() {
    let images = images(&[
        ("A", &["alpha-1"], 12),
        ("B", &["beta-1"], 11),
        ("C", &["alpha-2", "beta-2"], 10),
        ("D", &["alpha-3"], 4),
        ("E", &["beta-3"], 3),
        ("F", &["alpha-4", "beta-4"], 2),
    ]);
    let rules: [(&[&str], &str, u32); 1] = [(&["alpha*", "beta*"], "sinceImagePushed", 5)];
    assert_eq!(
        policy(&rules).expired(&images, 0),
        BTreeSet::from(["C".to_owned()])
    );
}

#[test]
fn patterns_fit_whole_tags() {
    for (pattern, tag, fits) in [
        ("v*", "v1.2.3", true),
        ("v*", "xv1", false),
        ("*.*.*", "1.2.3", true),
        ("*.*.*", "0.0.0-4f2a", true),
        ("*.*.*", "1.2", false),
        ("a*c", "abc", true),
        ("a*c", "abcd", false),
        ("*", "", true),
    ] {
        assert_eq!(matches(pattern, tag), fits, "{pattern} {tag}");
    }
}

#[test]
fn what_ecr_would_refuse_is_refused() {
    let rule = |priority: u32, selection: &str| {
        format!(
            r#"{{"rulePriority":{priority},"description":"{}","selection":{{{selection}}},"action":{{"type":"expire"}}}}"#,
            "long ".repeat(20)
        )
    };
    let count = r#""countType":"imageCountMoreThan","countNumber":1"#;
    let any = format!(r#""tagStatus":"any",{count}"#);
    let wild = format!(r#""tagStatus":"tagged","tagPatternList":["*a*b*c*d*"],{count}"#);
    let bare = format!(r#""tagStatus":"tagged",{count}"#);
    for (rules, why) in [
        (vec![rule(1, &any), rule(2, &any)], "comes last"),
        (vec![rule(1, &any), rule(1, &any)], "twice"),
        (vec![rule(1, &wild)], "wildcards"),
        (vec![rule(1, &bare)], "patterns or prefixes"),
    ] {
        let text = format!(r#"{{"rules":[{}]}}"#, rules.join(","));
        let error = Policy::parse(&text).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}
