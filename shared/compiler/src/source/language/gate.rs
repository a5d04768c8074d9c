//! Reports, and the gates that judge them.

use super::{Kind, NAME, NAME_OR_FILLED, Object, PATH, default, examples, optional, required};

/// The formats of reports.
pub(crate) const FORMATS: &[&str] = &["junit", "cobertura", "sarif"];

/// The severities that a gate can forbid, worst first.
pub(crate) const SEVERITIES: &[&str] = &[
    "CRITICAL",
    "UNTRIAGED",
    "UNDEFINED",
    "HIGH",
    "MEDIUM",
    "LOW",
    "INFORMATIONAL",
];

const NONE_OF: Kind = Kind::List(&Kind::Word(SEVERITIES));
const ONLY_NEW_DOC: &str =
    "Findings that what runs now has too do not count. *Not enforced yet*: every finding counts.";
const UNLESS: Kind = Kind::Either(&[Kind::Word(&["waiver"]), Kind::Object(&SIGN_OFF)]);
const UNLESS_DOC: &str =
    "What may lift the gate: `waiver`, or a sign-off. *Not enforced yet*: nothing lifts it.";

/// A report.
pub(crate) static REPORT: Object = Object {
    name: "report",
    what: "a report",
    doc: "A file that the steps leave behind, for gates and people to read.",
    keys: &[
        required(
            "files",
            Kind::List(&PATH),
            "The files, relative to the source path; patterns are allowed.",
        ),
        required(
            "format",
            Kind::Word(FORMATS),
            "`junit` for tests, `cobertura` for coverage, `sarif` for a scanner's findings.",
        ),
    ],
    example: examples::GATES,
};

/// A gate.
pub(crate) static GATE: Object = Object {
    name: "gate",
    what: "a gate",
    doc: "What must hold of a stage's evidence. Each gate is the word `steps`, or a mapping with one of these keys. Evidence that is missing or cannot be read never passes. A stage that names no gates has `steps`.",
    keys: &[
        optional(
            "tests",
            NAME_OR_FILLED,
            "Every test of this `junit` report passed, and there were tests.",
        ),
        optional(
            "coverage",
            Kind::Object(&COVERAGE),
            "Enough lines are covered.",
        ),
        optional(
            "scan",
            Kind::Object(&SCAN),
            "Amazon ECR's scan of the image found nothing of what is forbidden.",
        ),
        optional(
            "findings",
            Kind::Object(&FINDINGS),
            "The scanner's `sarif` report has nothing of what is forbidden.",
        ),
        optional(
            "signature",
            NAME_OR_FILLED,
            "Notation has verified the signature of this `signed` image, by digest. The gate brings its own command, `notation verify`, which runs after `install` and before the stage's steps; the digest that was verified is evidence. Whom to trust is not Gatewright's to say: the build image or `install` brings Notation, the plugin and its trust store (AWS Signer's installer has all three), the trust policy (`notation policy import trustpolicy.json`) and the log-in to the registry (Docker's, or `NOTATION_USERNAME` and `NOTATION_PASSWORD`). The policy's level has to be `strict`: one that skips is refused here, one that only audits lets everything through. The gate belongs to a stage after the one that produces the image, and to deploys as well where it is to be verified again after days of waiting.",
        ),
    ],
    example: examples::GATES,
};

/// A coverage gate.
pub(crate) static COVERAGE: Object = Object {
    name: "coverage",
    what: "a coverage gate",
    doc: "Line coverage.",
    keys: &[
        required("report", NAME_OR_FILLED, "The `cobertura` report."),
        required(
            "at-least",
            Kind::Percent,
            "The least percentage that passes.",
        ),
    ],
    example: examples::GATES,
};

/// A scan gate.
pub(crate) static SCAN: Object = Object {
    name: "scan",
    what: "a scan gate",
    doc: "What Amazon ECR finds in an image. It belongs to the stage that produces the image.",
    keys: &[
        required(
            "artifact",
            NAME_OR_FILLED,
            "The image that this stage produces.",
        ),
        required("none-of", NONE_OF, "The severities that must not be found."),
        default("only-new", Kind::Flag, "`false`", ONLY_NEW_DOC),
        optional("unless", UNLESS, UNLESS_DOC),
    ],
    example: examples::GATES,
};

/// A findings gate.
pub(crate) static FINDINGS: Object = Object {
    name: "findings",
    what: "a findings gate",
    doc: "What a scanner in the steps found.",
    keys: &[
        required("report", NAME_OR_FILLED, "The `sarif` report."),
        required("none-of", NONE_OF, "The severities that must not be found."),
        default("only-new", Kind::Flag, "`false`", ONLY_NEW_DOC),
        optional("unless", UNLESS, UNLESS_DOC),
    ],
    example: examples::GATES,
};

/// A sign-off.
pub(crate) static SIGN_OFF: Object = Object {
    name: "unless",
    what: "unless",
    doc: "Somebody who may accept what a gate forbids. *Not enforced yet*: nobody can lift the gate.",
    keys: &[required("sign-off", NAME, "The group of those who may.")],
    example: examples::GATES,
};
