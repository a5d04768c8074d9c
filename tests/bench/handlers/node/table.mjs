// What both functions share: the table, canonical JSON, input that is checked.

import { createHash } from "node:crypto";
import { DynamoDBClient, GetItemCommand } from "@aws-sdk/client-dynamodb";
import { marshall, unmarshall } from "@aws-sdk/util-dynamodb";

export const dynamodb = new DynamoDBClient({});
const NAME = process.env.GATEWRIGHT_TABLE;
export const TAKEN = /^[A-Za-z0-9][A-Za-z0-9_-]*$/;
export const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
export const DIGEST = /^sha256:[0-9a-f]{64}$/;

// An error under a name that Step Functions can match.
export function failure(name, message) {
  const error = new Error(message);
  error.name = name;
  return error;
}

// Exactly these members, each matching its pattern (or of its type).
export function check(raw, required, optional = []) {
  if (raw === null || typeof raw !== "object") throw failure("BadInput", "the input is not an object");
  const unknown = Object.keys(raw).find((name) => !(name in required) && !optional.includes(name));
  if (unknown) throw failure("BadInput", `unknown field ${unknown}`);
  for (const [name, rule] of Object.entries(required)) {
    const value = raw[name];
    const right = rule instanceof RegExp ? typeof value === "string" && rule.test(value)
      : rule === "array" ? Array.isArray(value)
      : typeof value === rule && value !== null;
    if (!right) throw failure("BadInput", `${name} is missing or wrong`);
  }
  return raw;
}

function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  return `{${Object.keys(value).sort().map((k) => `${JSON.stringify(k)}:${canonical(value[k])}`).join(",")}}`;
}

export const sha256 = (text) => createHash("sha256").update(text).digest("hex");

// SHA-256 of canonical JSON.
export const digest = (value) => `sha256:${sha256(canonical(value))}`;

export const plain = unmarshall;

// `{ rev, body }` or nothing.
export async function get(pk, sk) {
  const Key = marshall({ pk, sk });
  const { Item } = await dynamodb.send(new GetItemCommand({ TableName: NAME, Key, ConsistentRead: true }));
  return Item && unmarshall(Item);
}

// A put under the condition that nothing changed since revision `seen`.
export function put(pk, sk, body, seen) {
  const Item = marshall({ pk, sk, rev: (seen ?? 0) + 1, body });
  return { Put: { TableName: NAME, Item, ...condition(seen) } };
}

export function remove(pk, sk, seen) {
  return { Delete: { TableName: NAME, Key: marshall({ pk, sk }), ...condition(seen) } };
}

function condition(seen) {
  if (seen === undefined) return { ConditionExpression: "attribute_not_exists(pk)" };
  return { ConditionExpression: "rev = :rev", ExpressionAttributeValues: marshall({ ":rev": seen }) };
}
