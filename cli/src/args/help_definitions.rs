//! Help for the commands about definitions.

pub const VALIDATE: &str = "\
approvers.yaml beside a file says which groups there are; it is checked with it.
Prints nothing and exits with 0 when everything is right.

Example:
  gatewright validate
  gatewright validate pipelines/pl-gps-001.yaml

JSON:
  {\"valid\", \"files\": [{\"file\", \"kind\": \"pipeline\"|\"approvers\", \"valid\", \"pipeline\"?, \"version\"?,
    \"diagnostics\": [{\"level\": \"error\"|\"warning\", \"line\", \"column\", \"width\", \"message\", \"help\"?}]}]}";

pub const COMPILE: &str = "\
Writes for each pipeline its state machine, the one for rollbacks where it deploys something, and
the CloudFormation template of its stack. Files whose definition is gone are named, not deleted.

Example:
  gatewright compile
  gatewright compile --check      # exits with 1 when a committed file differs or is left over

JSON:
  {\"current\", \"files\": [{\"pipeline\", \"version\", \"kind\": \"machine\"|\"rollback\"|\"template\", \"file\",
    \"is\": \"unchanged\"|\"changed\"|\"new\", \"first_difference\": {\"line\", \"there\", \"compiled\"}?}],
    \"gone\": [file]}
  `current`: nothing differed from what was there, and nothing was left over";

pub const PLAN: &str = "\
Works offline, from pipelines/. Without a trigger it lists the pipeline's triggers and their
routes. With one it exits with 0 when the release would be admitted, 1 when not.

Example:
  gatewright plan
  gatewright plan pl-gps-001 --tag v1.4.0
  gatewright plan smart-dairy --pull-request 42 --into main
  gatewright plan pl-gps-001 --manual --requester lena@example.com --author sam@example.com
  gatewright plan pl-gps-001 --branch main --cost
  gatewright plan pl-gps-001 --rollback production --reason \"errors since 14:02\"

JSON:
  {\"pipeline\", \"name\", \"version\", \"ref\", \"admitted\", \"cause\"?, \"route\"?, \"refused\": {\"error\", \"why\"}?,
    \"stages\": [{\"name\", \"kind\": \"build\"|\"deploy\"|\"approval\"|\"watch\"|\"pause\", \"of\"?, \"group\"?, \"environment\"?,
      \"protected\", \"artifact\"?, \"produces\"?, \"kept\"?, \"steps\": [name], \"gates\": [text], \"seconds\", \"retries\",
      \"asked\": [{\"group\", \"title\", \"count\", \"people\": [name], \"excluded\": [name]}], \"reachable\"?, \"on_failure\"?}],
    \"groups\": [{\"name\", \"kind\": \"matrix\"|\"parallel\", \"stages\": [name], \"fail_fast\"}], \"ways_back\": [stage],
    \"environments\": [{\"name\", \"protected\", \"strategy\", \"rollback\": \"automatic\"|\"manual\", \"windows\": [text],
      \"soak_seconds\"?}], \"unenforced\": [{\"feature\", \"place\", \"protected\", \"accepted\", \"instead\"}],
    \"path\": [state], \"transitions\", \"usd\", \"work_seconds\", \"waiting_seconds\", \"longest_seconds\", \"cost\"?}
  \"cost\" with --cost: {\"states\": [{\"state\", \"transitions\", \"compute\"?, \"minutes\"?, \"usd\"}],
    \"minutes\": {compute: number}, \"transitions_usd\", \"builds_usd\", \"usd\"}
JSON without a trigger:
  {\"pipeline\", \"name\", \"version\", \"triggers\": [{\"name\", \"matches\", \"stages\": [name], \"environments\": [name],
    \"approvals\": [text], \"work_seconds\"}], \"unenforced\": [as above]}";

pub const GRAPH: &str = "\
Groups stand side by side, environments are boxes, the way back is dashed.

Example:
  gatewright graph pl-gps-001
  gatewright graph pl-gps-001 --format mermaid
  gatewright graph pl-gps-001 --route \"push to main\" --output pipeline.svg

JSON:
  {\"pipeline\", \"route\"?, \"nodes\": [{\"id\", \"label\", \"kind\": \"start\"|\"build\"|\"deploy\"|\"approval\"|\"pause\"|
    \"undo\"|\"end\", \"environment\"?, \"group\"?, \"notes\": [text], \"rank\", \"only\": [trigger]}],
    \"groups\": [{\"id\", \"name\", \"matrix\", \"rank\"}],
    \"edges\": [{\"from\": id, \"to\": id, \"kind\": \"next\"|\"failure\"}]}; with --output {\"file\"}";

pub const DIFF: &str = "\
What weakens a protected environment is marked with `!`: fewer people who agree, gates that are
gone or let more through, checks that a route skips, windows, soak, protection itself.
Exits with 0 when nothing differs, 1 when something does.

Example:
  gatewright diff pl-gps-001                        # what is live, and the file here
  gatewright diff pl-gps-001@3f2a91bc pl-gps-001@live
  gatewright diff old.yaml pipelines/pl-gps-001.yaml

JSON:
  {\"before\": {\"what\", \"pipeline\", \"version\"}?, \"after\": {..}, \"different\", \"weakens\": [environment],
    \"changes\": [{\"place\", \"what\", \"weakens\": [environment]}]}";

pub const INIT: &str = "\
Asks on a terminal for what the flags do not say. Writes pipelines/<id>.yaml, and
pipelines/approvers.yaml where there is none.

Example:
  gatewright init
  gatewright init --kind python-service --id orders --repository https://github.com/example/orders
  gatewright init --kind terraform --id network --repository https://github.com/example/network

JSON:
  {\"pipeline\", \"kind\", \"files\": [{\"file\", \"is\": \"new\"|\"replaced\"|\"kept\"}]}";

pub const IMPORT_GITHUB: &str = "\
The draft has a comment `# DECIDE: ...` wherever a person must decide; what is there until then is
a placeholder. A summary goes to standard error. Exits with 0 when a draft was made, however much
is left to decide, and with 1 when the file is no workflow.

Example:
  gatewright import github-workflow .github/workflows/main.yml
  gatewright import github-workflow .github/workflows/main.yml --output pipelines/shop.yaml

JSON:
  {\"pipeline\", \"jobs\", \"jobs_carried\", \"steps\", \"steps_carried\", \"decide\": [text], \"draft\"?, \"file\"?}";

pub const START: &str = "\
A rollback is better asked for with `gatewright rollback`, which shows first where it would lead.

Example:
  gatewright start pl-gps-001 --git --watch
  gatewright start pl-gps-001 --commit 3f2a91bc5d6e7f8091a2b3c4d5e6f708192a3b4c --branch main
  gatewright start pl-gps-001 --git --manual --requester lena@example.com
  gatewright start smart-dairy --git --pull-request 42 --into main
  gatewright start pl-gps-001 --rollback production --reason \"errors since 14:02\"

JSON:
  {\"release\", \"execution\", \"input\"}; with --watch then the lines of `status --watch`";

pub const APPLY: &str = "\
Reads pipelines/*.yaml and pipelines/approvers.yaml, shows what would change, and asks. Running
releases keep the definition they started with; approvers count at once, for waiting releases too.
What weakens a protected environment needs --reason, which is recorded with the version.

Example:
  gatewright apply
  gatewright apply pl-gps-001 --yes
  gatewright apply --reason \"CAB-2291: one approver while Devan is away\"

JSON:
  {\"applied\", \"pipelines\": [{\"pipeline\", \"is\": \"new\"|\"changed\"|\"unchanged\", \"version\", \"live_before\"?,
    \"rollback_version\"?, \"weakens\": [environment],
    \"changes\": [{\"place\", \"what\", \"weakens\": [environment]}]}],
    \"approvers\": {\"is\": \"new\"|\"changed\"|\"unchanged\"|\"absent\", \"changes\": [text]}}";

pub const VERSIONS: &str = "\
Newest first. `releases` are those of the last 20 releases that ran the version.

Example:
  gatewright versions pl-gps-001
  gatewright diff pl-gps-001@3f2a91bc pl-gps-001@live

JSON:
  {\"pipeline\", \"live\"?, \"versions\": [{\"version\", \"live\", \"at\"?, \"by\"?, \"reason\"?, \"previous\"?,
    \"releases\": [title]}]}";
