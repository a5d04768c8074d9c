//! What is listed: a table for people, which fits a screen, or CSV for programs,
//! which has everything in full.

use super::{Ran, Row};
use crate::table;
use gatewright_domain::text::spoken;
use gatewright_domain::undo::RolledBack;
use gatewright_views::text::{line, listed, short_line, utc};

/// How much of a reason a table shows.
const SHOWN: usize = 120;

/// For whom it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum For {
    /// Somebody who reads it on a screen.
    People,
    /// A program, or a spreadsheet.
    Csv,
}

/// A head and its rows.
#[derive(Debug)]
pub struct Sheet {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    /// The columns that are numbers.
    right: &'static [usize],
}

impl Sheet {
    /// Releases.
    pub fn of_releases(all: &[Row], whom: For) -> Self {
        let took = match whom {
            For::People => "duration",
            For::Csv => "seconds",
        };
        let cells = |row: &Row| {
            let commit = row.commit.as_deref().unwrap_or_default();
            vec![
                line(&row.title),
                utc(row.started_at),
                digits(commit, 8, whom),
                row.status.to_string(),
                listed(&row.approved_by),
                row.seconds.map_or_else(String::new, |s| seconds(s, whom)),
            ]
        };
        Self {
            head: vec!["release", "when", "commit", "status", "approved by", took],
            rows: all.iter().map(cells).collect(),
            right: &[5],
        }
    }

    /// Deployments. One that brought an older version back says whose it is.
    pub fn of_deployments(all: &[Ran], whom: For) -> Self {
        let mut head = vec!["environment", "when", "release", "commit", "digest", "lock"];
        if whom == For::Csv {
            head.push("brought back");
        }
        let cells = |ran: &Ran| {
            let (of, back) = (&ran.deployment, ran.restored_title.as_deref().map(line));
            let release = match (&back, whom) {
                (Some(back), For::People) => format!("{} brought {back} back", line(&of.title)),
                (Some(_), For::Csv) | (None, _) => line(&of.title),
            };
            let digest = of.digest();
            let mut cells = vec![
                of.environment.to_string(),
                utc(of.at),
                release,
                digits(of.commit.as_str(), 8, whom),
                match whom {
                    For::People => digest.short().to_owned(),
                    For::Csv => digest.to_string(),
                },
                of.fencing.to_string(),
            ];
            if whom == For::Csv {
                cells.push(back.unwrap_or_default());
            }
            cells
        };
        Self {
            head,
            rows: all.iter().map(cells).collect(),
            right: &[5],
        }
    }

    /// Rollbacks. What is long comes last, where nothing is behind it.
    pub fn of_rollbacks(all: &[RolledBack], whom: For) -> Self {
        let mut head = vec!["environment", "when", "by", "from", "to"];
        head.extend(match whom {
            For::People => ["recovered in", "why, and what became of it"].as_slice(),
            For::Csv => ["seconds", "why", "what became of it"].as_slice(),
        });
        let cells = |rolled: &RolledBack| {
            let became = rolled.resolution.as_ref().map(|r| r.text.as_str());
            let mut cells = vec![
                rolled.environment.to_string(),
                utc(rolled.at),
                rolled.by.as_deref().map_or("automatic".to_owned(), line),
                line(&rolled.from.title),
                line(&rolled.to.title),
                seconds(rolled.seconds, whom),
            ];
            match whom {
                For::People => {
                    let became = became
                        .map_or_else(String::new, |text| format!("; {}", short_line(text, SHOWN)));
                    cells.push(format!("{}{became}", short_line(&rolled.why, SHOWN)));
                }
                For::Csv => cells.extend([line(&rolled.why), line(became.unwrap_or_default())]),
            }
            cells
        };
        Self {
            head,
            rows: all.iter().map(cells).collect(),
            right: &[],
        }
    }

    /// Whether nothing is listed.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// As a table.
    pub fn table(self) -> String {
        table::drawn(&self.head, self.rows, self.right)
    }

    /// RFC 4180. A value that a spreadsheet would take for a formula gets an
    /// apostrophe, since names and titles come from files that others may write.
    pub fn csv(&self) -> String {
        let field = |text: &str| {
            let formula = text.starts_with(['=', '+', '-', '@']);
            let text = if formula {
                format!("'{text}")
            } else {
                text.to_owned()
            };
            if text.contains([',', '"', '\n']) {
                format!("\"{}\"", text.replace('"', "\"\""))
            } else {
                text
            }
        };
        let record = |fields: Vec<String>| format!("{}\r\n", fields.join(","));
        let mut all = record(self.head.iter().map(|name| field(name)).collect());
        for row in &self.rows {
            all.push_str(&record(row.iter().map(|text| field(text)).collect()));
        }
        all
    }
}

fn seconds(seconds: i64, whom: For) -> String {
    match whom {
        For::People => spoken(seconds),
        For::Csv => seconds.to_string(),
    }
}

/// The first digits of something that is known by them, or all of them.
fn digits(all: &str, shown: usize, whom: For) -> String {
    match whom {
        For::People => all.get(..shown).unwrap_or_default().to_owned(),
        For::Csv => all.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatewright_domain::undo::{Ran as Version, Resolution};
    use gatewright_domain::{Digest, Timestamp};

    #[test]
    fn csv_is_quoted_and_holds_no_formula() {
        let sheet = Sheet {
            head: vec!["one", "two", "three"],
            rows: vec![vec![
                "a, b".to_owned(),
                "say \"x\"".to_owned(),
                "=1+1".to_owned(),
            ]],
            right: &[],
        };
        let expected = "one,two,three\r\n\"a, b\",\"say \"\"x\"\"\",'=1+1\r\n";
        assert_eq!(sheet.csv(), expected);
    }

    fn rolled(why: &str) -> RolledBack {
        let version = |title: &str| Version {
            release: "cp-1".parse().unwrap(),
            title: title.to_owned(),
            commit: "4f2a9c01d7e84b6fa3c5129b8e7d60f1a2b3c4d5".parse().unwrap(),
            digest: Digest::of_bytes(title.as_bytes()),
        };
        RolledBack {
            pipeline: "shop".parse().unwrap(),
            environment: "production".parse().unwrap(),
            release: "cp-3".parse().unwrap(),
            title: "shop#3".to_owned(),
            automatic: false,
            from: version("shop#2"),
            to: version("shop#1"),
            by: Some("priya".to_owned()),
            why: why.to_owned(),
            failed_at: Timestamp::UNIX_EPOCH,
            at: Timestamp::UNIX_EPOCH,
            seconds: 387,
            resolution: Some(Resolution {
                by: "priya".to_owned(),
                text: "a missing index".to_owned(),
                at: Timestamp::UNIX_EPOCH,
            }),
        }
    }

    #[test]
    fn rollbacks_fit_a_screen_and_are_whole_in_csv() {
        let long = "errors ".repeat(60);
        let all = [rolled("slow"), rolled(&long)];
        let table = Sheet::of_rollbacks(&all, For::People).table();
        let [head, short, _] = table.lines().collect::<Vec<_>>()[..] else {
            panic!("{table}");
        };
        assert!(head.len() < 110, "{head}");
        assert!(
            short.ends_with("6 min 27 s    slow; a missing index") && short.len() < 110,
            "{short}"
        );
        let csv = Sheet::of_rollbacks(&all, For::Csv).csv();
        assert!(csv.contains(",387,slow,a missing index\r\n"), "{csv}");
        assert!(csv.contains(long.trim()) && !csv.contains('…'), "{csv}");
    }
}
