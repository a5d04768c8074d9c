//! The directory of approvers, a file of its own.

use super::{Kind, NAME, Object, default, examples, optional, required};

const PERSON_ID: Kind = Kind::Form("^[a-z0-9][a-z0-9._-]{0,59}$", "a person's id");

/// `approvers.yaml`.
pub(crate) static DIRECTORY: Object = Object {
    name: "approvers.yaml",
    what: "a directory",
    doc: "Who may decide, in a file of its own beside the pipelines. `gatewright apply` makes a change take effect at once, also for releases that are waiting.",
    keys: &[
        required(
            "people",
            Kind::List(&Kind::Object(&PERSON)),
            "Everybody who may decide.",
        ),
        required(
            "groups",
            Kind::List(&Kind::Object(&GROUP)),
            "As what they decide.",
        ),
    ],
    example: examples::DIRECTORY,
};

/// A person.
pub(crate) static PERSON: Object = Object {
    name: "person",
    what: "a person",
    doc: "Somebody who may decide. An identity belongs to one person, whatever its case: whoever asked for a release or wrote its commit under any of them does not count towards its quorum.",
    keys: &[
        required("id", PERSON_ID, "How groups and records call them."),
        required("name", Kind::Text, "How people call them."),
        required("email", Kind::Text, "Where their questions go."),
        optional(
            "slack",
            Kind::Text,
            "Their Slack member id, such as `U0123ABCD`.",
        ),
        optional(
            "aliases",
            Kind::List(&Kind::Text),
            "Other logins and addresses of theirs.",
        ),
    ],
    example: examples::DIRECTORY,
};

/// A group.
pub(crate) static GROUP: Object = Object {
    name: "group",
    what: "a group",
    doc: "People who may decide the same things.",
    keys: &[
        required("name", NAME, "How quorums call it."),
        default("title", Kind::Text, "its name", "How people call it."),
        required(
            "members",
            Kind::List(&PERSON_ID),
            "The people in it, by their ids.",
        ),
    ],
    example: examples::DIRECTORY,
};
