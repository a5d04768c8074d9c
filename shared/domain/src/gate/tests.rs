//! What each gate lets through.

use super::*;
use crate::canonical::Digest;
use proptest::prelude::*;

fn build(reports: &[(&str, ReportResult)]) -> BuildEvidence {
    BuildEvidence {
        build: "p:1".to_owned(),
        status: BuildStatus::Succeeded,
        message: None,
        seconds: Some(1),
        log: None,
        reports: reports
            .iter()
            .map(|(n, r)| ((*n).to_owned(), r.clone()))
            .collect(),
        artifact: None,
        exported: BTreeMap::new(),
        signatures: BTreeMap::new(),
    }
}

fn check(gate: &Gate, reports: &[(&str, ReportResult)], passed: bool, because: &str) {
    let judged = gate.judge_build(&build(reports)).unwrap();
    assert_eq!((judged.passed, judged.because.as_str()), (passed, because));
}

fn tests_report(total: u64, passed: u64, failed: u64, skipped: u64) -> ReportResult {
    ReportResult::Tests(Tests {
        total,
        passed,
        failed,
        skipped,
    })
}

#[test]
fn the_tests_gate_wants_tests_and_wants_them_green() {
    let gate = Gate::Tests {
        report: "unit".to_owned(),
    };
    check(
        &gate,
        &[("unit", tests_report(3, 3, 0, 0))],
        true,
        "3 of 3 tests passed",
    );
    check(
        &gate,
        &[("unit", tests_report(3, 2, 0, 1))],
        true,
        "2 of 3 tests passed, 1 skipped",
    );
    check(
        &gate,
        &[("unit", tests_report(3, 2, 1, 0))],
        false,
        "2 of 3 tests passed",
    );
    check(
        &gate,
        &[("unit", tests_report(0, 0, 0, 0))],
        false,
        "no test ran",
    );
    check(
        &gate,
        &[("unit", tests_report(2, 0, 0, 2))],
        false,
        "0 of 2 tests passed, 2 skipped",
    );
    check(
        &gate,
        &[("unit", tests_report(3, 2, 0, 0))],
        false,
        "2 of 3 tests passed",
    );
    check(&gate, &[], false, "the build left no report \"unit\"");
    let unreadable = ReportResult::Unreadable {
        why: "not XML".to_owned(),
    };
    check(
        &gate,
        &[("unit", unreadable)],
        false,
        "the report \"unit\" cannot be read: not XML",
    );
}

#[test]
fn the_coverage_gate_says_what_was_measured_and_what_is_required() {
    let gate = Gate::Coverage {
        report: "cov".to_owned(),
        at_least: Percent(8000),
    };
    let measured = |p| ReportResult::Coverage { lines: Percent(p) };
    check(
        &gate,
        &[("cov", measured(8000))],
        true,
        "measured 80 %, at least 80 % is required",
    );
    check(
        &gate,
        &[("cov", measured(7999))],
        false,
        "measured 79.99 %, but at least 80 % is required",
    );
    check(
        &gate,
        &[("cov", tests_report(1, 1, 0, 0))],
        false,
        "the report \"cov\" holds no coverage",
    );
    check(&gate, &[], false, "the build left no report \"cov\"");
}

#[test]
fn the_signature_gate_names_the_digest_or_says_that_there_is_none() {
    let gate = Gate::Signature {
        artifact: "image".to_owned(),
    };
    let mut seen = build(&[]);
    seen.signatures
        .insert("worker".to_owned(), Digest::of_bytes(b"worker"));
    let judged = gate.judge_build(&seen).unwrap();
    assert_eq!(
        (judged.passed, judged.because.as_str()),
        (
            false,
            "the build named no digest whose signature it verified"
        )
    );
    let digest = Digest::of_bytes(b"image");
    seen.signatures.insert("image".to_owned(), digest.clone());
    let judged = gate.judge_build(&seen).unwrap();
    assert!(judged.passed);
    assert_eq!(
        judged.because,
        format!("notation verified the signature of {digest}")
    );
    assert_eq!(gate.demand(), "the signature of image is verified");
    assert!(gate.judge_scan(&scan(&[])).is_none());
}

fn scan(counts: &[(Severity, u64)]) -> ScanEvidence {
    ScanEvidence {
        digest: Digest::of_bytes(b"image"),
        status: "COMPLETE".to_owned(),
        counts: counts.iter().copied().collect::<BTreeMap<_, _>>(),
        worst: Vec::new(),
        findings: Digest::of_bytes(b"findings"),
    }
}

#[test]
fn a_severity_nobody_knows_denies_whatever_the_gate_forbids() {
    let gate = Gate::Scan {
        artifact: "image".to_owned(),
        none_of: vec![Severity::Critical],
        but: Leniency::default(),
    };
    let passed = |counts: &[_]| gate.judge_scan(&scan(counts)).unwrap().passed;
    assert!(passed(&[]));
    assert!(passed(&[(Severity::High, 7), (Severity::Critical, 0)]));
    assert!(!passed(&[(Severity::Critical, 1)]));
    assert!(!passed(&[(Severity::Unknown, 1)]));
}

proptest! {
    #[test]
    fn no_gate_passes_a_build_that_left_nothing(report in "[a-z]{1,8}", at_least in 0u32..=10_000) {
        for gate in [Gate::Tests { report: report.clone() }, Gate::Coverage { report: report.clone(), at_least: Percent(at_least) }, Gate::Signature { artifact: report.clone() }] {
            prop_assert!(!gate.judge_build(&build(&[])).unwrap().passed);
        }
    }
}
