// `answer-task` as a Node function: the same checks, calls and records.

import { TransactWriteItemsCommand } from "@aws-sdk/client-dynamodb";
import { SFNClient, SendTaskFailureCommand, SendTaskSuccessCommand } from "@aws-sdk/client-sfn";
import { check, dynamodb, plain, remove, sha256 } from "./table.mjs";

const states = new SFNClient({});
const GONE = ["TaskTimedOut", "TaskDoesNotExist", "InvalidToken"];

export async function handle(event) {
  let sent = 0;
  for (const record of check(event, { Records: "array" }).Records) {
    const { rev, body: wait } = plain(record.dynamodb.NewImage ?? {});
    if (rev === undefined || !wait?.answer) continue;
    await deliver(wait, rev);
    sent += 1;
  }
  return { sent };
}

async function deliver(wait, rev) {
  const { answer, token: taskToken } = wait;
  try {
    await states.send(answer.is === "success"
      ? new SendTaskSuccessCommand({ taskToken, output: JSON.stringify(answer.output) })
      : new SendTaskFailureCommand({ taskToken, error: answer.error, cause: answer.cause }));
  } catch (error) {
    if (!GONE.includes(error.name)) throw error;
  }
  try {
    await dynamodb.send(new TransactWriteItemsCommand({ TransactItems: [remove(...key(wait), rev)] }));
  } catch (error) {
    const reasons = (error.CancellationReasons ?? []).map((reason) => reason.Code);
    // It was touched meanwhile, and that change's own event follows.
    if (!reasons.some((code) => code === "ConditionalCheckFailed" || code === "TransactionConflict")) throw error;
  }
}

function key({ awaited, release, index, token }) {
  const padded = (number) => String(number).padStart(3, "0");
  switch (awaited.for) {
    case "build": return [`WAIT#build#${release}#${padded(index)}#${padded(awaited.attempt)}`, "WAIT"];
    case "scan": return [`WAIT#scan#${awaited.digest.slice("sha256:".length)}`, release];
    case "nothing": return [`WAIT#answer#${release}`, sha256(token)];
    default: return [`WAIT#${awaited.for}#${release}#${padded(index)}`, "WAIT"];
  }
}
