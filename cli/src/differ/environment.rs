//! Environments.

use super::people::{looks_weaker, newly_enough};
use super::windows::open_wider;
use super::{Differ, instead, or_nothing};
use crate::words::{quorum, window};
use gatewright_domain::EnvironmentName;
use gatewright_domain::pipeline::{Environment, Strategy, Undo, Watch, Window};
use gatewright_domain::text::spoken;
use gatewright_views::text::listed;

impl Differ<'_> {
    /// Environments that came, went, or are others.
    pub fn environments(&mut self) {
        let (before, after) = (self.before, self.after);
        for (name, old) in &before.environments {
            match after.environments.get(name) {
                None => self.say(&format!("environment {name}"), "is gone".to_owned()),
                Some(new) => self.environment(name, old, new),
            }
        }
        for (name, new) in &after.environments {
            if !before.environments.contains_key(name) {
                let protected = if new.protected { ", protected" } else { "" };
                self.say(&format!("environment {name}"), format!("is new{protected}"));
            }
        }
        let order = |d: &gatewright_domain::pipeline::Definition| -> Vec<String> {
            d.environments.keys().map(ToString::to_string).collect()
        };
        let (mut old, mut new) = (order(before), order(after));
        old.retain(|name| new.contains(name));
        new.retain(|name| old.contains(name));
        self.changed("environments", (&old, &new), |_, new| {
            format!("are promoted in the order {}", new.join(", "))
        });
    }

    fn environment(&mut self, name: &EnvironmentName, old: &Environment, new: &Environment) {
        let place = format!("environment {name}");
        let here = [name.clone()];
        match (old.protected, new.protected) {
            (true, false) => self.weaken(&place, "is no longer protected".to_owned(), &here),
            (false, true) => self.say(&place, "is protected now".to_owned()),
            (true, true) | (false, false) => {}
        }
        let texts = [
            ("the cluster", &old.cluster, &new.cluster),
            ("the namespace", &old.namespace, &new.namespace),
            ("the role that deploys assume", &old.role, &new.role),
            ("the address", &old.url, &new.url),
            ("the kind of data", &old.data, &new.data),
        ];
        for (what, old, new) in texts {
            self.changed(&place, (old, new), |a, b| {
                instead(what, or_nothing(a.as_ref()), or_nothing(b.as_ref()))
            });
        }
        self.changed(&place, (&old.description, &new.description), |_, _| {
            "is described otherwise".to_owned()
        });
        self.changed(&place, (&old.access, &new.access), |a, b| {
            instead("who may get in", words(a), words(b))
        });
        self.changed(&place, (&old.lease, &new.lease), |a, b| {
            instead("the lease", spoken(a.get()), spoken(b.get()))
        });
        self.strategy(&place, &here, &old.strategy, &new.strategy);
        self.undo(&place, &here, &old.rollback, &new.rollback);
        if old.windows != new.windows {
            let held_back = |windows: &[Window]| windows.iter().any(|w| w.rollbacks);
            let wider = open_wider(&old.windows, &new.windows)
                || (held_back(&old.windows) && !held_back(&new.windows));
            let what = format!(
                "may be changed {} instead of {}",
                times(&new.windows),
                times(&old.windows)
            );
            self.weaken(&place, what, if wider { &here } else { &[] });
        }
        self.changed(&place, (&old.manual, &new.manual), |_, _| {
            "what people do by hand is described otherwise".to_owned()
        });
        if old.soak != new.soak {
            let said = |soak: Option<_>| {
                soak.map_or(
                    "none".to_owned(),
                    |s: gatewright_domain::pipeline::Seconds| spoken(s.get()),
                )
            };
            let what = instead("the soak", said(old.soak), said(new.soak));
            // A soak of nothing still wants what passed in the environment before.
            let lasts = |soak: Option<gatewright_domain::pipeline::Seconds>| soak.map(|s| s.get());
            let shorter = lasts(new.soak) < lasts(old.soak);
            self.weaken(&place, what, if shorter { &here } else { &[] });
        }
        self.changed(&place, (&old.queue, &new.queue), |a, b| {
            instead("who comes next", a.as_str(), b.as_str())
        });
        self.changed(&place, (&old.wait, &new.wait), |a, b| {
            let (a, b) = (spoken(a.get()), spoken(b.get()));
            instead("how long a release waits for it at most", a, b)
        });
    }

    fn strategy(&mut self, place: &str, here: &[EnvironmentName], old: &Strategy, new: &Strategy) {
        if (old.kind, &old.steps) != (new.kind, &new.steps) {
            let said = |s: &Strategy| {
                let steps: Vec<String> = s.steps.iter().map(|s| format!("{s} %")).collect();
                match steps.as_slice() {
                    [] => s.kind.as_str().to_owned(),
                    _ => format!("{} ({})", s.kind.as_str(), steps.join(", ")),
                }
            };
            let bolder = new.steps.first().unwrap_or(&100) > old.steps.first().unwrap_or(&100)
                || new.steps.len() < old.steps.len();
            let what = instead("the strategy", said(old), said(new));
            self.weaken(place, what, if bolder { here } else { &[] });
        }
        for watch in &old.watch {
            let now = new.watch.iter().find(|w| w.metric == watch.metric);
            match now {
                None => {
                    let what = format!("{} is no longer watched", watch.metric);
                    self.weaken(place, what, here);
                }
                Some(now) if now.at_most != watch.at_most => {
                    let limit = |w: &Watch| or_nothing(w.at_most.as_ref());
                    let number = |text: Option<&String>| {
                        text.and_then(|t| t.parse::<f64>().ok()).unwrap_or(f64::MAX)
                    };
                    let more = number(now.at_most.as_ref()) > number(watch.at_most.as_ref());
                    let what = format!("the most for {}", watch.metric);
                    let what = instead(&what, limit(watch), limit(now));
                    self.weaken(place, what, if more { here } else { &[] });
                }
                Some(_) => {}
            }
            if let Some(now) = now {
                self.watched(place, here, watch, now);
            }
        }
        for watch in &new.watch {
            if !old.watch.iter().any(|w| w.metric == watch.metric) {
                self.say(place, format!("{} is watched now", watch.metric));
            }
        }
    }

    /// What a watch compares with, and where its numbers are. Elsewhere there may
    /// be none.
    fn watched(&mut self, place: &str, here: &[EnvironmentName], old: &Watch, new: &Watch) {
        if old.at_most_times_old != new.at_most_times_old {
            let number = |w: &Watch| {
                let said = w.at_most_times_old.as_ref();
                said.and_then(|t| t.parse::<f64>().ok()).unwrap_or(f64::MAX)
            };
            let what = format!("the most for {} in times of the old version's", old.metric);
            let (a, b) = (&old.at_most_times_old, &new.at_most_times_old);
            let what = instead(&what, or_nothing(a.as_ref()), or_nothing(b.as_ref()));
            let more = number(new) > number(old);
            self.weaken(place, what, if more { here } else { &[] });
        }
        if (&old.new, &old.old, &old.alarm) != (&new.new, &new.old, &new.alarm) {
            let what = format!("{} is looked for somewhere else", old.metric);
            self.weaken(place, what, here);
        }
    }

    fn undo(&mut self, place: &str, here: &[EnvironmentName], old: &Undo, new: &Undo) {
        match (old.automatic, new.automatic) {
            (true, false) => {
                let what = "a change that fails is no longer rolled back automatically";
                self.weaken(place, what.to_owned(), here);
            }
            (false, true) => self.say(
                place,
                "a change that fails is rolled back automatically now".to_owned(),
            ),
            (true, true) | (false, false) => {}
        }
        self.changed(place, (&old.steps, &new.steps), |_, _| {
            "is rolled back by other commands".to_owned()
        });
        if old.quorum != new.quorum {
            let weaker = match newly_enough(&old.quorum, &new.quorum, self.directory) {
                Ok(found) => found.is_some(),
                Err(_) => looks_weaker(&old.quorum, &new.quorum),
            };
            let what = format!(
                "a rollback by hand needs {} instead of {}",
                quorum(&new.quorum),
                quorum(&old.quorum)
            );
            self.weaken(place, what, if weaker { here } else { &[] });
        }
        if old.by != new.by {
            let said = |by: &[gatewright_domain::GroupName]| match by {
                [] => "those who approve changes".to_owned(),
                some => listed(&some.iter().map(ToString::to_string).collect::<Vec<_>>()),
            };
            let more = new.by.iter().any(|group| !old.by.contains(group));
            let what = format!(
                "a rollback may be asked for by {} instead of {}",
                said(&new.by),
                said(&old.by)
            );
            self.weaken(place, what, if more { here } else { &[] });
        }
    }
}

fn times(windows: &[Window]) -> String {
    match windows {
        [] => "at any time".to_owned(),
        some => some.iter().map(window).collect::<Vec<_>>().join(" or "),
    }
}

fn words(some: &[String]) -> String {
    if some.is_empty() {
        "nobody named".to_owned()
    } else {
        listed(some)
    }
}
