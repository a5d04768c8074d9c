//! Gates that came, went, or let more through.

use super::Differ;
use gatewright_domain::evidence::Severity;
use gatewright_domain::gate::{Gate, Leniency};
use gatewright_domain::pipeline::Stage;
use gatewright_views::text::listed;

impl Differ<'_> {
    /// The gates of a stage that is in both definitions.
    pub fn gates(&mut self, place: &str, old: &Stage, new: &Stage) {
        let guarded = self.guards.guarded_by(&old.name);
        for gate in &old.gates {
            let now = new.gates.iter().find(|other| is_same(gate, other));
            match now {
                None => {
                    let what = format!("no longer demands that {}", gate.demand());
                    self.weaken(place, what, &guarded);
                }
                Some(now) => {
                    for (what, looser) in differences(gate, now) {
                        let weakens = if looser { guarded.as_slice() } else { &[] };
                        self.weaken(place, what, weakens);
                    }
                }
            }
        }
        for gate in &new.gates {
            if !old.gates.iter().any(|other| is_same(gate, other)) {
                self.say(place, format!("now demands that {}", gate.demand()));
            }
        }
    }
}

/// Whether they judge the same evidence.
fn is_same(one: &Gate, other: &Gate) -> bool {
    match (one, other) {
        (Gate::Steps, Gate::Steps) => true,
        (Gate::Tests { report: a }, Gate::Tests { report: b })
        | (Gate::Coverage { report: a, .. }, Gate::Coverage { report: b, .. })
        | (Gate::Findings { report: a, .. }, Gate::Findings { report: b, .. })
        | (Gate::Scan { artifact: a, .. }, Gate::Scan { artifact: b, .. })
        | (Gate::Signature { artifact: a }, Gate::Signature { artifact: b }) => a == b,
        (
            Gate::Steps
            | Gate::Tests { .. }
            | Gate::Coverage { .. }
            | Gate::Scan { .. }
            | Gate::Findings { .. }
            | Gate::Signature { .. },
            _,
        ) => false,
    }
}

/// What differs between two gates of the same evidence, and whether more gets
/// through.
fn differences(old: &Gate, new: &Gate) -> Vec<(String, bool)> {
    match (old, new) {
        (
            Gate::Coverage {
                at_least: before, ..
            },
            Gate::Coverage {
                at_least: after, ..
            },
        ) if before != after => vec![(
            format!("demands line coverage of at least {after} instead of {before}"),
            after < before,
        )],
        (
            Gate::Scan {
                none_of: a, but: x, ..
            },
            Gate::Scan {
                none_of: b, but: y, ..
            },
        ) => severities("the scan gate", (a, b), (x, y)),
        (
            Gate::Findings {
                report,
                none_of: a,
                but: x,
            },
            Gate::Findings {
                none_of: b, but: y, ..
            },
        ) => severities(&format!("the findings gate on {report}"), (a, b), (x, y)),
        _ => Vec::new(),
    }
}

fn severities(
    what: &str,
    (before, after): (&[Severity], &[Severity]),
    (old, new): (&Leniency, &Leniency),
) -> Vec<(String, bool)> {
    let missing = |some: &[Severity], others: &[Severity]| -> Vec<&'static str> {
        let gone = some.iter().filter(|s| !others.contains(s));
        gone.map(|s| s.as_str()).collect()
    };
    let mut found = Vec::new();
    let (gone, more) = (missing(before, after), missing(after, before));
    if !gone.is_empty() {
        found.push((format!("{what} no longer forbids {}", listed(&gone)), true));
    }
    if !more.is_empty() {
        found.push((format!("{what} forbids {} too", listed(&more)), false));
    }
    let flags = [
        (old.known, new.known, "findings that what runs now has too"),
        (old.waiver, new.waiver, "findings with a waiver"),
    ];
    for (old, new, words) in flags.into_iter().filter(|(old, new, _)| old != new) {
        let verb = if new {
            "is to let"
        } else {
            "no longer is to let"
        };
        found.push((format!("{what} {verb} {words} through"), new && !old));
    }
    if old.sign_off != new.sign_off {
        let who = |but: &Leniency| super::or_nothing(but.sign_off.as_ref());
        found.push((
            format!(
                "{what} is to be lifted by {} instead of {}",
                who(new),
                who(old)
            ),
            new.sign_off.is_some(),
        ));
    }
    found
}
