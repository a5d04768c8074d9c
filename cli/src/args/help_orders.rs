//! What stands below the options of people's orders.

pub const HALT: &str = "\
Stops before the next change, within one state: nothing new begins, what changed is undone where
the environment undoes failures. A rollback stops only when it is named. Anybody known may halt.

Example:
  gatewright halt pl-gps-001#142 --reason \"error rate since 14:02\"
  gatewright halt all --reason \"AWS incident in ap-south-1\"

JSON:
  {\"number\", \"by\", \"at\", \"order\"}";

pub const RESUME: &str = "\
What was halted may begin again; releases that ended meanwhile have to be started anew.

Example:
  gatewright resume all --reason \"incident is over\"

JSON:
  {\"number\", \"by\", \"at\", \"order\"}";

pub const HOLD: &str = "\
Nobody new gets the environment: releases that come to it wait. Whoever changes it now goes on.

Example:
  gatewright hold pl-gps-001/production --reason \"load test until five\"
  gatewright hold production --reason \"load test\"

JSON:
  {\"number\", \"by\", \"at\", \"order\"}";

pub const UNHOLD: &str = "\
Gives an environment back: that a person holds, or else that a release left unknown
(failed-dirty). In the second case look what runs there, and say it: it becomes the record, and
another version that was half deployed stays back. What waits for the environment goes on at once.

Example:
  gatewright unhold production --reason \"load test is over\"
  gatewright unhold production --runs 141 --reason \"brought back by hand: checked on all nodes\"

JSON:
  {\"number\", \"by\", \"at\", \"order\"}";

pub const FREEZE: &str = "\
Deploys that come in these times wait until the freeze is over, as long as the environment's `wait`
lets them (a day unless the definition says otherwise); then they are given up. The answer names the
environments where that is shorter than the freeze. Rollbacks pass, unless it binds them.

Example:
  gatewright freeze /production --for 3d --reason \"sale\"
  gatewright freeze all --every \"fri 16:00..mon 08:00\" --time-zone Asia/Kolkata --reason \"weekends\"
  gatewright freeze pl-gps-001 --every 12-20..01-05 --running stop --reason \"holidays\"

JSON:
  {\"number\", \"by\", \"at\", \"order\"}";

pub const THAW: &str = "\
Example:
  gatewright thaw 7 --reason \"the sale is over\"

JSON:
  {\"number\", \"by\", \"at\", \"order\"}";

pub const BREAK_GLASS: &str = "\
Lets one release pass freezes, windows, soak times and the queue of one environment: the one that it
waits for, or --environment. Never approvals, evidence, another release's lock, a hold, a newer release
that runs there, nor the environment before when it never ran there. Who may:
members of a group that approves changes there; where nobody does, of one that approves anything in
the pipeline. It is recorded in the release's ledger, and everybody who hears of the release hears of it.

Example:
  gatewright break-glass pl-gps-001#142 --reason \"fixes the outage INC-77\"
  gatewright break-glass pl-gps-001#142 --environment production --reason \"fixes the outage INC-77\"

JSON:
  {\"number\", \"by\", \"at\", \"order\"}";

pub const ORDERS: &str = "\
Example:
  gatewright orders
  gatewright orders --verify

JSON:
  {\"in_force\": {\"halts\": [..], \"freezes\": [..]}, \"orders\": [{\"seq\", \"at\", \"by\", \"order\", ..}], \"verified\"?, \"broken\"?}";

pub const LIFT: &str = "\
What a rollback took back stays back until then; somebody who approves changes of the environment
has to say so. `gatewright rollback PIPELINE ENVIRONMENT --dry-run` shows what was taken back.

Example:
  gatewright lift pl-gps-001 production pl-gps-001#142 --reason \"it was the network\"

JSON:
  {\"number\", \"by\", \"at\", \"order\"}";

pub const RESOLVE: &str = "\
Written again, the last one counts; the ledger keeps all.

Example:
  gatewright resolve pl-gps-001#142 \"a missing index; corrected in #145\"

JSON:
  {\"number\", \"by\", \"at\", \"order\"}";
