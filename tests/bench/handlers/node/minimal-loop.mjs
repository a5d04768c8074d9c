// A minimal Lambda runtime loop in plain JavaScript: takes the place of
// aws-lambda-ric where that package's native part cannot be compiled. The bench
// names it in its output, because it does less than the real client.

import http from "node:http";

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true });

function call(method, path, body) {
  return new Promise((resolve, reject) => {
    const options = { host, port, agent, method, path: `/2018-06-01/runtime/${path}` };
    if (body !== undefined) options.headers = { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) };
    const request = http.request(options, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("end", () => resolve({ headers: response.headers, text: Buffer.concat(parts).toString() }));
    });
    request.on("error", reject);
    request.end(body);
  });
}

const said = (error) => JSON.stringify({ errorType: error?.name ?? "Error", errorMessage: String(error?.message ?? error) });

const [file, member] = process.env._HANDLER.split(".");
let handler;
try {
  handler = (await import(`${process.env.LAMBDA_TASK_ROOT}/${file}.mjs`))[member];
} catch (error) {
  await call("POST", "init/error", said(error));
  process.exit(1);
}
for (;;) {
  const { headers, text } = await call("GET", "invocation/next");
  const id = headers["lambda-runtime-aws-request-id"];
  try {
    const reply = await handler(JSON.parse(text), { awsRequestId: id });
    await call("POST", `invocation/${id}/response`, JSON.stringify(reply ?? null));
  } catch (error) {
    await call("POST", `invocation/${id}/error`, said(error));
  }
}
