// `admit-release` as a Node function: the same checks, calls and records.

import { TransactWriteItemsCommand } from "@aws-sdk/client-dynamodb";
import { COMMIT, DIGEST, TAKEN, check, digest, dynamodb, failure, get, put } from "./table.mjs";

const INPUT = {
  release: TAKEN, execution: "string", started_at: "string", pipeline: TAKEN, version: DIGEST, input: "object",
};
const TRIGGER = { pipeline: TAKEN, ref: "string", commit: COMMIT };
const OPTIONAL = ["cause", "author", "requester", "message", "codepipeline"];

export async function handle(event) {
  const start = check(event, INPUT);
  const trigger = check(start.input, TRIGGER, OPTIONAL);
  admit(await definition(start), trigger);
  return begin(start, trigger);
}

async function definition({ pipeline, version }) {
  const seen = await get(`PIPELINE#${pipeline}`, `VERSION#${version.slice("sha256:".length)}`);
  if (!seen) throw failure("UnknownPipeline", `pipeline ${pipeline} has no version ${version}`);
  const found = JSON.parse(seen.body.definition);
  if (digest(found) !== version) throw failure("Bug", `the record of ${pipeline} ${version} is damaged`);
  return found;
}

function admit(found, trigger) {
  if (trigger.pipeline !== found.id) throw failure("BadInput", "the trigger is meant for another pipeline");
  const [, folder, name] = /^refs\/(heads|tags)\/(.+)$/.exec(trigger.ref) ?? [];
  if (!folder) throw failure("BadInput", "ref is neither a branch nor a tag");
  const natural = folder === "heads" ? "push" : "tag";
  const cause = trigger.cause ?? natural;
  if (cause === "manual" && !trigger.requester?.trim()) throw failure("BadInput", "a manual release must say who asks for it");
  if (cause !== "manual" && cause !== natural) throw failure("BadInput", "the cause and the ref differ");
  const admitted = found.triggers.some((rule) =>
    rule.kind === cause && (cause === "manual" || (rule.branches ?? rule.patterns).some((p) => wild(p).test(name))));
  if (!admitted) throw failure("NotTriggered", `no trigger of ${found.id} matches a ${cause} of ${trigger.ref}`);
}

function wild(pattern) {
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".");
  return new RegExp(`^${escaped}$`);
}

async function begin(start, trigger) {
  const { release, pipeline, version } = start;
  const known = await get(`RELEASE#${release}`, "HEAD");
  const input = digest(start.input);
  if (known) {
    const head = known.body;
    if (head.status !== "running" || head.input !== input || head.execution !== start.execution) {
      throw failure("AlreadyStarted", `${release} was started before`);
    }
    return { release, number: head.number };
  }
  const counter = await get(`PIPELINE#${pipeline}`, "COUNTER");
  const number = (counter?.body ?? 0) + 1;
  const event = {
    release,
    seq: 1,
    at: new Date().toISOString(),
    fact: {
      type: "release-admitted", number, version, commit: trigger.commit, reference: trigger.ref,
      requester: trigger.requester ?? null, author: trigger.author ?? null,
    },
    previous: null,
  };
  event.hash = digest(event);
  const head = {
    release, pipeline, version, number, trigger, input, execution: start.execution, started_at: start.started_at,
    status: "running", stage: null, failure: null, ended_at: null, last_seq: 1, last_hash: event.hash,
  };
  const TransactItems = [
    put(`PIPELINE#${pipeline}`, "COUNTER", number, counter?.rev),
    put(`PIPELINE#${pipeline}`, `RELEASE#${String(number).padStart(10, "0")}`, release),
    put(`RELEASE#${release}`, "EVENT#000001", event),
    put(`RELEASE#${release}`, "HEAD", head),
  ];
  await dynamodb.send(new TransactWriteItemsCommand({ TransactItems }));
  return { release, number };
}
