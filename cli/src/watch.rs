//! Follows a release until it ends: drawn over in place on a terminal, a line a
//! change elsewhere, a JSON document a change for programs.

use crate::error::{Code, Failed};
use crate::out::Out;
use crate::progress::{Shown, Stage, headline, lines, stages};
use crate::story::Story;
use crate::style::{SOFT, paint, widest};
use gatewright_aws::table::Table;
use gatewright_aws::{Clock, Store, SystemClock};
use gatewright_domain::{ReleaseId, Timestamp};
use gatewright_views::words;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;
use tokio::time::Instant;

/// How often the release's head is read: one item, a fraction of a read unit.
const LOOK: Duration = Duration::from_millis(500);
/// How long a started execution may take to become a release. Admit is its first
/// state; Lambda's cold start and a retry fit in.
const BEGIN: Duration = Duration::from_secs(60);

/// Follows `release` until it ends, or nobody reads any more, or `limit` is over.
///
/// # Errors
/// When the record cannot be read, or the release never begins.
pub async fn follow<T: Table>(
    out: &Out,
    store: &Store<T>,
    release: &ReleaseId,
    limit: Option<Duration>,
) -> Result<Code, Failed> {
    let mut screen = Screen::new(out, false);
    match screen.until(store, release, limit, |_| false).await? {
        Some(story) => {
            screen.epilogue(&story);
            Ok(story.head.status.into())
        }
        None => {
            out.aside("it still runs: the time is over, the release goes on");
            Ok(Code::Running)
        }
    }
}

/// What is shown.
pub struct Screen<'a> {
    out: &'a Out,
    quiet: bool,
    drawn: Option<Drawn>,
    said: Vec<Stage>,
    headed: bool,
}

/// Lines that are drawn over.
struct Drawn {
    _all: MultiProgress,
    lines: Vec<ProgressBar>,
    texts: Vec<String>,
}

impl<'a> Screen<'a> {
    /// An empty screen; a quiet one shows nothing.
    pub fn new(out: &'a Out, quiet: bool) -> Self {
        Self {
            out,
            quiet,
            drawn: None,
            said: Vec::new(),
            headed: false,
        }
    }

    /// Shows the release until it ends, or is as wanted, or nobody reads any more;
    /// `None` when `limit` is over before.
    ///
    /// # Errors
    /// When the record cannot be read, or the release never begins.
    pub async fn until<T: Table>(
        &mut self,
        store: &Store<T>,
        release: &ReleaseId,
        limit: Option<Duration>,
        wanted: impl Fn(&Story) -> bool,
    ) -> Result<Option<Story>, Failed> {
        let started = Instant::now();
        let mut seen: Option<(u64, Story)> = None;
        loop {
            let rev = store.head(release).await?.map(|head| head.rev);
            if rev.is_some() && rev != seen.as_ref().map(|(rev, _)| *rev) {
                let story = Story::read(store, release).await?;
                seen = rev.zip(story);
            }
            if let Some((rev, story)) = seen.take() {
                self.show(&story, SystemClock.now());
                if story.head.status.has_ended() || self.out.is_closed() || wanted(&story) {
                    self.pause();
                    return Ok(Some(story));
                }
                seen = Some((rev, story));
            } else if started.elapsed() > BEGIN {
                return Err(
                    Failed::not_found(format!("{release} has not become a release"))
                        .help("look at its execution in Step Functions: Admit may have failed"),
                );
            }
            if limit.is_some_and(|limit| started.elapsed() >= limit) {
                self.pause();
                return Ok(None);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Leaves what is drawn where it is; what comes next is drawn below.
    fn pause(&mut self) {
        for bar in self.drawn.iter().flat_map(|drawn| &drawn.lines) {
            bar.abandon();
        }
        self.drawn = None;
    }

    fn show(&mut self, story: &Story, now: Timestamp) {
        if self.quiet {
            return;
        }
        if self.out.json {
            self.document(story);
        } else if self.out.terminal {
            self.draw(story, now);
        } else {
            self.say(story, now);
        }
    }

    fn draw(&mut self, story: &Story, now: Timestamp) {
        let mut text = vec![headline(&story.head, now)];
        text.extend(lines(&stages(story), now));
        let drawn = self.drawn.get_or_insert_with(|| Drawn::of(text.len()));
        for ((bar, before), line) in drawn.lines.iter().zip(&mut drawn.texts).zip(text) {
            // Each change draws all lines anew, so only changes are passed on.
            if *before != line {
                let plain = || anstream::adapter::strip_str(&line).to_string();
                bar.set_message(if self.out.colour {
                    line.clone()
                } else {
                    plain()
                });
                *before = line;
            }
        }
    }

    fn say(&mut self, story: &Story, now: Timestamp) {
        if !self.headed {
            self.headed = true;
            self.out.line(headline(&story.head, now));
            let halted = story.halt_lines().into_iter();
            halted.for_each(|line| self.out.line(line));
        }
        let stages = stages(story);
        let width = widest(stages.iter().map(|stage| stage.name.as_str()));
        let since = now
            .as_second()
            .saturating_sub(story.head.started_at.as_second());
        let clock = paint(SOFT, format!("{:02}:{:02}", since / 60, since % 60));
        for stage in &stages {
            let known = self.said.iter().find(|known| known.name == stage.name);
            let silent = stage.started_at.is_none() && stage.notes.is_empty();
            if !silent && !known.is_some_and(|known| known.says_the_same(stage)) {
                self.out
                    .line(format!("{clock}  {}", stage.line(width, now)));
            }
        }
        self.said = stages;
    }

    fn document(&mut self, story: &Story) {
        let now = stages(story);
        let same = self.said.len() == now.len()
            && self
                .said
                .iter()
                .zip(&now)
                .all(|(one, two)| one.says_the_same(two));
        if !same || story.head.status.has_ended() {
            self.out.json_line(&Shown::of(story));
            self.said = now;
        }
    }

    /// How it ended, and what helps.
    fn epilogue(&self, story: &Story) {
        if self.out.json || !story.head.status.has_ended() {
            return;
        }
        if !self.out.terminal {
            self.out.line(headline(&story.head, SystemClock.now()));
        }
        for sentence in words::ending(&story.head, story.definition.as_ref(), &story.records) {
            self.out.line(sentence);
        }
    }
}

impl Drawn {
    fn of(count: usize) -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
        // The only placeholder cuts a line to the terminal's width.
        let style = ProgressStyle::with_template("{wide_msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let lines = (0..count).map(|_| {
            let bar = all.add(ProgressBar::new_spinner());
            bar.set_style(style.clone());
            bar
        });
        Self {
            lines: lines.collect(),
            texts: vec![String::new(); count],
            _all: all,
        }
    }
}
