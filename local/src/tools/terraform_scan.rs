//! Stand-ins for `tfsec` and `checkov`: three rules over `.tf` files.
//!
//! The rules are real and looked for in what is written, block by block: an S3
//! bucket that nothing encrypts, port 22 open to the world, a public ACL. Each
//! is known by the id that the tool it plays gives it. The real tools know
//! hundreds, and follow variables and modules; these do not, and say so.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Parser;
use walkdir::WalkDir;

use super::{
    Console, ToolError,
    found::{self, Finding, Rating, Rule},
};

/// `tfsec`, as far as it is played.
#[derive(Debug, Parser)]
#[command(name = "tfsec", disable_version_flag = true)]
pub(super) struct Tfsec {
    #[arg(default_value = ".")]
    folder: PathBuf,
    #[arg(short, long, value_parser = ["sarif", "default"])]
    format: Option<String>,
    #[arg(short = 'O', long)]
    out: Option<PathBuf>,
    /// End with 0 whatever was found.
    #[arg(short, long)]
    soft_fail: bool,
    #[arg(long)]
    no_color: bool,
}

/// `checkov`, as far as it is played.
#[derive(Debug, Parser)]
#[command(name = "checkov", disable_version_flag = true)]
pub(super) struct Checkov {
    #[arg(short, long, default_value = ".")]
    directory: PathBuf,
    #[arg(long, value_parser = ["terraform"])]
    framework: Option<String>,
    #[arg(short, long, value_parser = ["sarif", "cli"])]
    output: Option<String>,
    /// The report, or a folder for it.
    #[arg(long)]
    output_file_path: Option<PathBuf>,
    /// End with 0 whatever was found.
    #[arg(short, long)]
    soft_fail: bool,
    #[arg(long)]
    quiet: bool,
    #[arg(long)]
    compact: bool,
}

/// The three rules, by the ids of one tool.
struct Rules {
    tool: &'static str,
    unencrypted: Rule,
    open_ssh: Rule,
    public_acl: Rule,
}

const fn rule(id: &'static str, text: &'static str, rating: Rating) -> Rule {
    Rule { id, text, rating }
}

const UNENCRYPTED: &str = "An S3 bucket that nothing encrypts";
const OPEN_SSH: &str = "Port 22 is open to the whole internet";
const PUBLIC_ACL: &str = "An S3 bucket everybody can read";

const TFSEC: Rules = Rules {
    tool: "tfsec",
    unencrypted: rule("aws-s3-enable-bucket-encryption", UNENCRYPTED, Rating::High),
    open_ssh: rule("aws-ec2-no-public-ingress-sgr", OPEN_SSH, Rating::Critical),
    public_acl: rule("aws-s3-no-public-access-with-acl", PUBLIC_ACL, Rating::High),
};

const CHECKOV: Rules = Rules {
    tool: "checkov",
    unencrypted: rule("CKV_AWS_19", UNENCRYPTED, Rating::High),
    open_ssh: rule("CKV_AWS_24", OPEN_SSH, Rating::Critical),
    public_acl: rule("CKV_AWS_20", PUBLIC_ACL, Rating::High),
};

/// Runs `tfsec`.
pub(super) fn tfsec(tfsec: &Tfsec, console: &mut Console) -> Result<(), ToolError> {
    run(
        &TFSEC,
        &tfsec.folder,
        tfsec.out.as_deref(),
        tfsec.soft_fail,
        console,
    )
}

/// Runs `checkov`; its report in a folder is called `results_sarif.sarif`.
pub(super) fn checkov(checkov: &Checkov, console: &mut Console) -> Result<(), ToolError> {
    let report = (checkov.output_file_path.as_ref()).map(|path| match path.extension() {
        Some(_) => path.clone(),
        None => path.join("results_sarif.sarif"),
    });
    run(
        &CHECKOV,
        &checkov.directory,
        report.as_deref(),
        checkov.soft_fail,
        console,
    )
}

fn run(
    rules: &Rules,
    folder: &Path,
    report: Option<&Path>,
    soft_fail: bool,
    console: &mut Console,
) -> Result<(), ToolError> {
    let tool = rules.tool;
    console.note(&format!(
        "{tool}: three rules of its hundreds: S3 encryption, port 22, public ACLs"
    ));
    let findings = scan(rules, folder)?;
    if let Some(report) = report {
        found::write(report, tool, &findings)?;
    }
    for Finding {
        rule,
        file,
        line,
        message,
    } in &findings
    {
        console.line(&format!("{file}:{line}: {}: {message}", rule.id));
    }
    console.line(&format!("{tool}: {} findings", findings.len()));
    if findings.is_empty() || soft_fail {
        return Ok(());
    }
    let message = format!(
        "{tool}: {} findings; --soft-fail ends with 0 all the same",
        findings.len()
    );
    Err(ToolError::Code { code: 1, message })
}

/// A block of a `.tf` file: `resource "aws_s3_bucket" "logs" { ... }`.
struct Block {
    file: String,
    line: usize,
    head: String,
    /// The lines between its braces, comments left out.
    body: Vec<(usize, String)>,
}

impl Block {
    fn is(&self, kind: &str) -> bool {
        self.head.starts_with(&format!("resource \"{kind}\""))
    }

    /// The resource's name.
    fn name(&self) -> &str {
        self.head.split('"').nth(3).unwrap_or_default()
    }

    /// The line that begins with a word, if one does.
    fn with(&self, word: &str) -> Option<&(usize, String)> {
        (self.body.iter()).find(|(_, text)| text.starts_with(word))
    }
}

fn scan(rules: &Rules, folder: &Path) -> Result<Vec<Finding>, ToolError> {
    if !folder.is_dir() {
        let text = format!("{}: {} is no folder", rules.tool, folder.display());
        return Err(ToolError::Failed(text));
    }
    let entries = (WalkDir::new(folder).sort_by_file_name().into_iter())
        .filter_entry(|entry| entry.file_name() != ".terraform");
    let mut blocks = Vec::new();
    for entry in entries.filter_map(Result::ok) {
        if entry.path().extension().is_some_and(|end| end == "tf") {
            let text = fs::read_to_string(entry.path())?;
            let file = entry.path().strip_prefix(folder).unwrap_or(entry.path());
            blocks.extend(read(&file.display().to_string(), &text));
        }
    }
    Ok(judge(rules, &blocks))
}

/// The blocks at the top of a file. Braces are counted: strings with braces in
/// them, such as `${var.x}`, are balanced.
fn read(file: &str, text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut depth = 0_i32;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('#') || line.starts_with("//") {
            continue;
        }
        if depth == 0 && line.contains('{') {
            blocks.push(Block {
                file: file.to_owned(),
                line: index + 1,
                head: line.to_owned(),
                body: vec![],
            });
        } else if let (true, Some(block)) = (depth > 0, blocks.last_mut()) {
            block.body.push((index + 1, line.to_owned()));
        }
        for c in line.chars() {
            depth += i32::from(c == '{') - i32::from(c == '}');
        }
    }
    blocks
}

fn judge(rules: &Rules, blocks: &[Block]) -> Vec<Finding> {
    let found = |rule: Rule, block: &Block, line: usize| Finding {
        rule,
        file: block.file.clone(),
        line,
        message: format!("{}: {}", block.head.trim_end_matches(['{', ' ']), rule.text),
    };
    let encrypted = |bucket: &Block| {
        let reference = format!("aws_s3_bucket.{}.", bucket.name());
        (blocks.iter())
            .filter(|block| block.is("aws_s3_bucket_server_side_encryption_configuration"))
            .any(|block| block.body.iter().any(|(_, text)| text.contains(&reference)))
    };
    let mut findings = Vec::new();
    for block in blocks {
        let inside = block.with("server_side_encryption_configuration").is_some();
        if block.is("aws_s3_bucket") && !inside && !encrypted(block) {
            findings.push(found(rules.unencrypted, block, block.line));
        }
        if let Some((line, text)) = block.with("acl")
            && text.contains("\"public-read")
        {
            findings.push(found(rules.public_acl, block, *line));
        }
        if let Some(line) = open_ssh(block) {
            findings.push(found(rules.open_ssh, block, line));
        }
    }
    findings
}

/// The line with which a block lets everybody reach port 22.
fn open_ssh(block: &Block) -> Option<usize> {
    let group = block.is("aws_security_group");
    let rule =
        block.is("aws_security_group_rule") || block.is("aws_vpc_security_group_ingress_rule");
    if !group && !rule {
        return None;
    }
    // A group's rules are blocks in it; a rule of its own is one such block.
    let blocks = block
        .body
        .split(|(_, text)| text.ends_with('{') || text == "}");
    let mut heads = (block.body.iter()).filter(|(_, text)| text.ends_with('{') || text == "}");
    let mut ingress = rule;
    for inner in blocks {
        if let Some(line) = Ports::read(inner, ingress).open_line() {
            return Some(line);
        }
        ingress = (heads.next()).is_some_and(|(_, text)| text.starts_with("ingress"));
    }
    None
}

/// What a rule of a security group opens.
#[derive(Default)]
struct Ports {
    ingress: bool,
    from: Option<u32>,
    to: Option<u32>,
    /// The line that opens it to everybody.
    everybody: Option<usize>,
}

impl Ports {
    fn read(lines: &[(usize, String)], ingress: bool) -> Self {
        let mut ports = Self {
            ingress,
            ..Self::default()
        };
        for (line, text) in lines {
            // Wherever it is in a list that may span lines.
            if text.contains("\"0.0.0.0/0\"") || text.contains("\"::/0\"") {
                ports.everybody = Some(*line);
            }
            let (key, value) = text.split_once('=').unwrap_or((text, ""));
            match key.trim() {
                "type" => ports.ingress = value.contains("ingress"),
                "from_port" => ports.from = value.trim().parse().ok(),
                "to_port" => ports.to = value.trim().parse().ok(),
                _ => {}
            }
        }
        ports
    }

    fn open_line(&self) -> Option<usize> {
        let reaches =
            self.from.is_some_and(|from| from <= 22) && self.to.is_some_and(|to| to >= 22);
        self.everybody.filter(|_| self.ingress && reaches)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Vec<&'static str> {
        judge(&CHECKOV, &read("main.tf", text))
            .iter()
            .map(|found| found.rule.id)
            .collect()
    }

    #[test]
    fn a_bucket_needs_its_own_encryption() {
        let bucket = "resource \"aws_s3_bucket\" \"logs\" {\n  bucket = \"${var.name}-logs\"\n}\n";
        assert_eq!(ids(bucket), ["CKV_AWS_19"]);
        let of = |name: &str| {
            format!(
                "{bucket}resource \"aws_s3_bucket_server_side_encryption_configuration\" \"x\" {{\n  bucket = aws_s3_bucket.{name}.id\n}}\n"
            )
        };
        assert!(ids(&of("logs")).is_empty());
        assert_eq!(ids(&of("others")), ["CKV_AWS_19"]);
    }

    #[test]
    fn ssh_and_acls_are_not_for_everybody() {
        let group = |port: u32, from: &str, direction: &str| {
            format!(
                "resource \"aws_security_group\" \"g\" {{\n  {direction} {{\n    from_port   = {port}\n    to_port     = {port}\n    cidr_blocks = [\"{from}\"]\n  }}\n}}\n"
            )
        };
        assert_eq!(ids(&group(22, "0.0.0.0/0", "ingress")), ["CKV_AWS_24"]);
        assert!(ids(&group(443, "0.0.0.0/0", "ingress")).is_empty());
        assert!(ids(&group(22, "10.0.0.0/8", "ingress")).is_empty());
        assert!(ids(&group(22, "0.0.0.0/0", "egress")).is_empty());
        let acl = "resource \"aws_s3_bucket_acl\" \"a\" {\n  acl = \"public-read\"\n}\n";
        assert_eq!(ids(acl), ["CKV_AWS_20"]);
    }
}
