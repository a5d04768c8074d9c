//! Test and coverage reports of a build.
//!
//! The files are found as the buildspec's `reports` says and read strictly: a
//! file that is not what it claims to be fails its report and says so in the
//! build's log. A report with nothing in it would otherwise look like a pass.

use std::{
    fs,
    path::{Path, PathBuf},
};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};
use walkdir::WalkDir;

use super::model::{CoverageSummary, ReportType, TestSummary};
use super::spec::ReportSpec;

/// Why a report could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReportError {
    /// Nothing matched.
    #[error("no file matches {globs} in {folder}")]
    NoFiles {
        /// The patterns.
        globs: String,
        /// Where they were looked for.
        folder: PathBuf,
    },
    /// A pattern is none.
    #[error("{glob} is not a file pattern: {error}")]
    Pattern {
        /// The pattern.
        glob: String,
        /// What is wrong with it.
        error: String,
    },
    /// A format the stand-in does not read.
    #[error(
        "file-format {0} is not read by this laptop stand-in; it reads JUNITXML and COBERTURAXML"
    )]
    Format(String),
    /// A malformed file.
    #[error("{path}: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where.
        reason: String,
    },
}

/// What a report says, before it has a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Summary {
    /// Of JUnit files.
    Tests(TestSummary),
    /// Of Cobertura files.
    Coverage(CoverageSummary),
}

/// The type a report of this format has, whatever is in it.
pub(crate) fn report_type(format: &str) -> ReportType {
    if format.starts_with("JUNIT") || !format.to_uppercase().contains("COBERTURA") {
        ReportType::Test
    } else {
        ReportType::CodeCoverage
    }
}

/// Reads every file of a report and adds them up.
///
/// # Errors
/// [`ReportError`], naming the pattern or the file.
pub(crate) fn read(spec: &ReportSpec, source: &Path) -> Result<Summary, ReportError> {
    let folder = source.join(spec.base_directory.as_deref().unwrap_or("."));
    let files = matching(&spec.files, &folder)?;
    if files.is_empty() {
        return Err(ReportError::NoFiles {
            globs: spec.files.join(", "),
            folder,
        });
    }
    match spec.file_format.to_uppercase().as_str() {
        "JUNITXML" => {
            let mut total = TestSummary::default();
            for file in &files {
                total.add(&parse_file(file, junit)?);
            }
            Ok(Summary::Tests(total))
        }
        "COBERTURAXML" => {
            let mut total = CoverageSummary::default();
            for file in &files {
                total.add(&parse_file(file, cobertura)?);
            }
            Ok(Summary::Coverage(total))
        }
        other => Err(ReportError::Format(other.to_owned())),
    }
}

fn matching(globs: &[String], folder: &Path) -> Result<Vec<PathBuf>, ReportError> {
    let set = glob_set(globs)?;
    Ok((WalkDir::new(folder).sort_by_file_name().into_iter())
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .filter(|entry| {
            (entry.path().strip_prefix(folder)).is_ok_and(|relative| set.is_match(relative))
        })
        .map(walkdir::DirEntry::into_path)
        .collect())
}

fn glob_set(globs: &[String]) -> Result<GlobSet, ReportError> {
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        let pattern = GlobBuilder::new(glob.trim_start_matches("./"))
            .literal_separator(true)
            .build()
            .map_err(|error| ReportError::Pattern {
                glob: glob.clone(),
                error: error.to_string(),
            })?;
        set.add(pattern);
    }
    set.build().map_err(|error| ReportError::Pattern {
        glob: globs.join(", "),
        error: error.to_string(),
    })
}

fn parse_file<T>(path: &Path, parse: impl Fn(&str) -> Result<T, String>) -> Result<T, ReportError> {
    let malformed = |reason: String| ReportError::Malformed {
        path: path.to_path_buf(),
        reason,
    };
    let text = fs::read_to_string(path).map_err(|error| malformed(error.to_string()))?;
    parse(&text).map_err(malformed)
}

/// Walks every element of a document, telling `seen` its name, its attributes
/// and the names of the elements around it.
fn walk(
    text: &str,
    mut seen: impl FnMut(&str, &BytesStart<'_>, &[String]) -> Result<(), String>,
) -> Result<(), String> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<String> = Vec::new();
    loop {
        let event = (reader.read_event())
            .map_err(|error| format!("not XML at byte {}: {error}", reader.error_position()))?;
        match event {
            Event::Start(element) => {
                let name = element_name(&element);
                seen(&name, &element, &open)?;
                open.push(name);
            }
            Event::Empty(element) => seen(&element_name(&element), &element, &open)?,
            Event::End(_) => drop(open.pop()),
            Event::Eof if open.is_empty() => return Ok(()),
            Event::Eof => return Err(format!("ends inside <{}>", open.join("><"))),
            _ => {}
        }
    }
}

fn element_name(element: &BytesStart<'_>) -> String {
    element.local_name().as_ref().to_owned()
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Result<Option<String>, String> {
    let found = (element.try_get_attribute(name)).map_err(|error| error.to_string())?;
    Ok(found.map(|found| found.value.into_owned()))
}

/// JUnit XML: every `testcase` has succeeded unless it holds a `failure`, an
/// `error` or `skipped`.
fn junit(text: &str) -> Result<TestSummary, String> {
    let mut summary = TestSummary::default();
    let mut cases = 0;
    let mut root = false;
    // The outcome of the case being read: a case counts once, by its worst.
    let mut outcomes: Vec<[bool; 3]> = Vec::new();
    walk(text, |name, element, around| {
        match (name, around.last().map(String::as_str)) {
            ("testsuites" | "testsuite", None) => root = true,
            (other, None) => return Err(format!("<{other}> is not the root of a JUnit report")),
            ("testcase", _) => {
                cases += 1;
                outcomes.push([false; 3]);
                summary.duration_nanos += nanos(attribute(element, "time")?.as_deref())?;
            }
            ("error", Some("testcase")) => mark(&mut outcomes, 0),
            ("failure", Some("testcase")) => mark(&mut outcomes, 1),
            ("skipped", Some("testcase")) => mark(&mut outcomes, 2),
            _ => {}
        }
        Ok(())
    })?;
    if !root {
        return Err("holds no <testsuites> and no <testsuite>".to_owned());
    }
    summary.error = outcomes.iter().filter(|case| case[0]).count() as u64;
    summary.failed = (outcomes.iter()).filter(|case| !case[0] && case[1]).count() as u64;
    summary.skipped = (outcomes.iter())
        .filter(|case| **case == [false, false, true])
        .count() as u64;
    summary.succeeded = cases - summary.error - summary.failed - summary.skipped;
    Ok(summary)
}

fn mark(outcomes: &mut [[bool; 3]], which: usize) {
    if let Some(case) = outcomes.last_mut() {
        case[which] = true;
    }
}

fn nanos(seconds: Option<&str>) -> Result<u64, String> {
    let Some(text) = seconds else { return Ok(0) };
    // Some writers put thousands separators into times.
    (text.replace(',', "").parse::<f64>().ok())
        .and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok())
        .and_then(|duration| u64::try_from(duration.as_nanos()).ok())
        .ok_or_else(|| format!("time=\"{text}\" is not a number of seconds"))
}

/// Cobertura XML: the root says how many lines and branches are valid and
/// covered; where it does not, its lines are counted.
fn cobertura(text: &str) -> Result<CoverageSummary, String> {
    let mut stated = None;
    let mut counted = CoverageSummary::default();
    walk(text, |name, element, around| {
        match (name, around.last().map(String::as_str)) {
            ("coverage", None) => stated = Some(stated_totals(element)?),
            (other, None) => {
                return Err(format!("<{other}> is not the root of a Cobertura report"));
            }
            // A method's lines are listed a second time under its class.
            ("line", _) if !around.iter().any(|element| element == "methods") => {
                counted.lines_valid += 1;
                counted.lines_covered += u64::from(number(element, "hits")?.is_some_and(|n| n > 0));
            }
            _ => {}
        }
        Ok(())
    })?;
    match stated {
        None => Err("holds no <coverage>".to_owned()),
        Some(Some(totals)) => Ok(totals),
        Some(None) => Ok(counted),
    }
}

fn stated_totals(element: &BytesStart<'_>) -> Result<Option<CoverageSummary>, String> {
    let (Some(lines_valid), Some(lines_covered)) = (
        number(element, "lines-valid")?,
        number(element, "lines-covered")?,
    ) else {
        return Ok(None);
    };
    if lines_covered > lines_valid {
        return Err(format!("{lines_covered} of {lines_valid} lines covered"));
    }
    Ok(Some(CoverageSummary {
        lines_covered,
        lines_valid,
        branches_covered: number(element, "branches-covered")?.unwrap_or(0),
        branches_valid: number(element, "branches-valid")?.unwrap_or(0),
    }))
}

fn number(element: &BytesStart<'_>, name: &str) -> Result<Option<u64>, String> {
    (attribute(element, name)?)
        .map(|text| {
            text.parse()
                .map_err(|_| format!("{name}=\"{text}\" is not a count"))
        })
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn junit_outcomes_are_counted_once_each() {
        let text = r#"<testsuites><testsuite tests="4">
            <testcase name="a" time="0.5"/>
            <testcase name="b" time="0.25"><failure message="x">trace</failure></testcase>
            <testcase name="c"><error/><failure/></testcase>
            <testcase name="d"><skipped/></testcase>
        </testsuite></testsuites>"#;
        let expected = TestSummary {
            succeeded: 1,
            failed: 1,
            error: 1,
            skipped: 1,
            duration_nanos: 750_000_000,
        };
        assert_eq!(junit(text).unwrap(), expected);
    }

    #[test]
    fn a_truncated_or_foreign_report_is_refused() {
        assert!(
            junit("<testsuite><testcase name='a'>")
                .unwrap_err()
                .contains("ends inside")
        );
        assert!(junit("<html/>").unwrap_err().contains("<html>"));
        assert!(junit("").is_err());
        assert!(cobertura("<coverage lines-valid='3' lines-covered='4'/>").is_err());
    }

    #[test]
    fn cobertura_totals_are_read_or_counted() {
        let stated = "<coverage lines-valid='10' lines-covered='7' branches-valid='4' branches-covered='1'/>";
        let summary = cobertura(stated).unwrap();
        assert_eq!((summary.lines_covered, summary.branches_covered), (7, 1));
        let counted = "<coverage line-rate='0.5'><class><methods><method><lines><line hits='1'/></lines></method></methods>
            <lines><line hits='1'/><line hits='0'/></lines></class></coverage>";
        let summary = cobertura(counted).unwrap();
        assert_eq!((summary.lines_covered, summary.lines_valid), (1, 2));
        let written = serde_json::to_value(&summary).unwrap();
        assert_eq!(written["lineCoveragePercentage"], 50.0);
        assert_eq!(written["linesMissed"], 1);
    }
}
