//! What stands below the options in `--help`: examples, and the shapes of JSON.
//! `T?` may be null. Times are RFC 3339, digests `sha256:<hex>`.

pub use super::help_definitions::*;
pub use super::help_orders::*;

/// Below `gatewright --help`.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done, admitted, succeeded
  1  refused, failed-clean, invalid, different
  2  wrong arguments
  3  not found
  4  the service cannot be reached, or denies it
  5  failed-dirty: a human must look
  6  still running

With --json, an error is {\"error\", \"help\"?, \"exit_code\"} on standard output.
`gatewright <command> --help` has an example and the shape of its JSON.";

pub const STATUS: &str = "\
Exits with 0 (succeeded), 1 (failed-clean), 5 (failed-dirty) or 6 (still running) for one release.

Example:
  gatewright status
  gatewright status pl-gps-001#142
  gatewright status production
  gatewright status 142 --watch --timeout 30m

JSON of one release; with --watch, one such line a change:
  {\"title\", \"release\", \"pipeline\", \"number\"?, \"status\": \"running\"|\"succeeded\"|\"failed-clean\"|\"failed-dirty\",
    \"commit\"?, \"ref\"?, \"author\"?, \"started_at\", \"ended_at\"?, \"stage\"?, \"failure\": {\"stage\"?, \"error\", \"cause\"}?,
    \"halted\": {\"of\", \"by\", \"at\", \"reason\"}?,
    \"flags\": [{\"environment\", \"title\", \"commit\", \"same\"?, \"tagged\"?, \"why\"}],
    \"waits_for\": {\"environment\", \"because\": [{\"kind\", ..}], \"given_up\"?}?,
    \"stages\": [{\"name\", \"state\": \"ahead\"|\"running\"|\"waiting\"|\"passed\"|\"failed\"|\"not-reached\", \"attempt\",
      \"environment\"?, \"started_at\"?, \"ended_at\"?, \"notes\": [text], \"log\"?}]}
JSON of an environment:
  {\"environments\": [{\"pipeline\", \"environment\", \"current\"?, \"approved_by\": [name], \"lock\", \"waiting\": [..], \"going_back\": [rollback],
    \"controls\": {\"halts\", \"freezes\"}, \"window\": {\"is\": \"open\"|\"closed\"|\"unreadable\", ..}?, \"stays_back\": [..], \"last_rollback\"?,
    \"halted\"?: [{\"release\", \"by\", \"at\", \"reason\"}]}]}
JSON of the summary:
  {\"in_force\": {\"halts\": [..], \"freezes\": [..]},
   \"pipelines\": [{\"pipeline\", \"version\"?, \"environments\": [{\"name\", \"current\"?, \"holder\"?, \"hold\"?,
    \"doubts\"?, \"queue\": [..], \"going_back\"?: [rollback]}],
    \"releases\": [head]}]}
  rollback: {\"release\", \"title\", \"environment\", \"to\"?, \"to_title\"?, \"by\"?, \"why\"?, \"since\", \"now\"?}: one by hand
    that is under way";

pub const ROLLBACK: &str = "\
Shows what runs, the versions that ran before, and every check of the rollback; then asks, and
starts the pipeline's machine for rollbacks. With --dry-run it exits with 0 when the rollback would
be admitted, 1 when not. What runs stays back afterwards: nothing promotes it again until somebody
lifts that. Findings are those of now; a scan that has expired is said and stops nothing.

Example:
  gatewright rollback pl-gps-001 production --dry-run
  gatewright rollback pl-gps-001 production --reason \"errors since 14:02\" --watch
  gatewright rollback pl-gps-001 production --to pl-gps-001#140 --reason \"errors since 14:02\" --yes
  gatewright rollback PL-ODOO-MOD production --reason \"invoices are wrong\" --acknowledge \"PL-ODOO-MOD#17\"

JSON:
  {\"pipeline\", \"environment\", \"admitted\", \"current\": version?, \"target\": release?,
    \"targets\": [{\"version\": version, \"standing\": \"good\"|\"runs\"|\"failed\"|\"taken-back\", \"why\"?, \"across\": [title],
      \"message\"?, \"approved_by\": [name], \"images\": [{\"artifact\", \"digest\", \"there\"?, \"findings\"}]}],
    \"checks\": [{\"what\", \"is\": \"good\"|\"warning\"|\"refused\", \"error\"?, \"says\"}], \"plan\"?, \"started\": {\"release\", \"execution\"}?}
  version: {\"release\", \"title\", \"commit\", \"digest\", \"since\"}; \"plan\" with --dry-run when it is admitted, as `plan` has it";

pub const APPROVE: &str = "\
The decision is on the evidence that is shown, and signed: with your AWS credentials,
or on the laptop with those of --as.

Example:
  gatewright approve pl-gps-001#142 --reason \"looked at staging\"
  gatewright approve 1 --as priya --yes

JSON:
  {\"release\", \"person\", \"request\": \"open\"|\"approved\"|\"rejected\", \"missing\": [[group, count]]}";

pub const REJECT: &str = "\
Example:
  gatewright reject pl-gps-001#142 --reason \"the migration is not ready\"
  gatewright reject 1 --as devan --reason \"not on a Friday\" --yes

JSON:
  {\"release\", \"person\", \"request\": \"open\"|\"approved\"|\"rejected\", \"missing\": [[group, count]]}";

pub const HISTORY: &str = "\
Example:
  gatewright history pl-gps-001 --limit 50
  gatewright history pl-gps-001 --environment production --csv > production.csv
  gatewright history pl-gps-001 --environment production --rollbacks

JSON:
  {\"releases\": [{\"title\", \"release\", \"number\"?, \"started_at\", \"ended_at\"?, \"seconds\"?, \"commit\"?, \"status\",
    \"approved_by\": [name], \"failure\"?}]}
JSON with --environment:
  {\"deployments\": [{\"pipeline\", \"environment\", \"release\", \"title\", \"commit\", \"artifacts\": [..], \"at\", \"fencing\",
    \"restored\"?: release, \"restored_title\"?}]}
JSON with --rollbacks:
  {\"rollbacks\": [{\"pipeline\", \"environment\", \"release\", \"title\", \"automatic\", \"from\": version, \"to\": version, \"by\"?,
    \"why\", \"failed_at\", \"at\", \"seconds\", \"resolution\": {\"by\", \"text\", \"at\"}?}]}
  version: {\"release\", \"title\", \"commit\", \"digest\"}";

pub const SHOW: &str = "\
Example:
  gatewright show pl-gps-001#142
  gatewright show 142 --ledger --verify

JSON, as GET /api/releases/<id> has it:
  {\"release\": head, \"title\", \"stages\": [record], \"approvals\": [{\"request\", \"decisions\"}],
    \"ledger\": [event], \"ledger_verified\", \"ledger_broken\"?, \"halted\"?, \"deployed\": {environment: digest}}";

pub const EXPLAIN: &str = "\
Example:
  gatewright explain pl-gps-001#142

JSON:
  {\"title\", \"release\", \"status\", \"halted\"?, \"why\": [text], \"helps\": [text],
    \"by_hand\": [{\"environment\", \"commands\": [text], \"all\": command}]}";

pub const RUNBOOK: &str = "\
Everything but the commands is a comment. Nothing is run and no secret is read. Without a record,
or with one that does not answer, it says what the definition knows and what it could not know.

Example:
  gatewright runbook pl-gps-001 production
  gatewright runbook smart-dairy production --to smart-dairy#41

JSON:
  {\"pipeline\", \"environment\", \"record\", \"held_by\": {\"release\", \"title\", \"status\", \"since\"?, \"log\"?: stage,
    \"why\": [text]}?, \"hold\": {\"by\", \"reason\", \"since\"}?, \"doubts\": [{\"release\", \"reason\", \"since\"}], \"runs\": deployment?,
    \"back_to\": deployment?, \"careful\": [text], \"others\": [deployment], \"unknown\": [text],
    \"sections\": [{\"part\": \"look\"|\"roll-back\"|\"manual\"|\"afterwards\", \"title\", \"notes\": [text],
      \"commands\": [{\"what\"?, \"run\"}]}]}";

pub const LOGS: &str = "\
On the laptop it prints the log. On AWS it prints where the log is and how to read it.

Example:
  gatewright logs 142
  gatewright logs pl-gps-001#142 \"Unit Test\" --follow

JSON:
  {\"release\", \"stage\", \"attempt\", \"build\"?, \"url\"?, \"text\"?}";

pub const UP: &str = "\
Needs what `make setup` installs and builds. Ctrl-C stops everything; a second one at once.

Example:
  gatewright local up                  # with every pipeline of pipelines/
  gatewright local up pl-gps-001       # with this one only, which is faster
  gatewright local up --source https://github.com/example/transport-management=../tms

JSON, once it is up:
  {\"connection\", \"inbox\", \"pages\", \"table\", \"machines\": {pipeline: arn},
    \"rollbacks\": {pipeline: arn}, \"endpoint\"}";

pub const METRIC: &str = "\
Puts the number several times a second, as an application would: on the laptop, a minute of a watch
takes a second, and each needs its number. Let it run while a release is watched, in a second
terminal. Only the laptop's emulator is written to.

Example:
  gatewright local metric Shop ErrorRate 0.2 --dimension Service=preview
  gatewright local metric Shop Latency 900 --for 30s      # beyond a limit of 800: it is undone

JSON, at the end:
  {\"namespace\", \"name\", \"value\"}";

pub const ALARM: &str = "\
An alarm that is not there is made. Only the laptop's emulator is written to.

Example:
  gatewright local alarm shop-hosts OK
  gatewright local alarm shop-hosts ALARM      # what is watched is undone at once

JSON:
  {\"alarm\", \"state\"}";

pub const DEMO: &str = "\
Exits with 0 when the scenario ended as it should (good: succeeded; the others: failed-clean, for
its reason) and the emulator denied no call. A good one leaves its times in .stack/demo.json.

Example:
  gatewright local demo
  gatewright local demo --scenario rejected
  gatewright local demo --interactive --keep

JSON:
  {\"scenario\", \"as_expected\", \"unexpected\": [text], \"title\", \"release\", \"status\", \"failure\"?,
    \"stages\": [as in status], \"approved_by\": [name], \"digests\": {environment: digest}, \"ledger_verified\",
    \"events\", \"denied\": [text], \"wall_seconds\", \"builds_seconds\", \"approval_seconds\"}";
