"""What a contestant talks to: Lambda's Runtime API and the AWS services it calls.

Both answer on the loopback interface without TLS, the same for everybody. Each
run is one process: it is given one event, and everything it asks is kept.
"""

import http.server
import json
import threading
import time

import events


class Run:
    """What one process did."""

    def __init__(self, case):
        self.case = case
        self.calls = []
        self.problems = []
        self.reply = None
        self.answered_at = None
        self.taken = False
        self.answered = threading.Event()  # the first response, or an error
        self.idle = threading.Event()  # it asks for the next event
        self.over = threading.Event()  # the bench is done with it

    def fail(self, problem):
        self.problems.append(problem)
        self.answered.set()
        self.idle.set()


class Servers:
    """The two servers; `run` is the run that they serve."""

    def __init__(self):
        self.run = None
        self.runtime_api = self._serve(_RuntimeApi)
        self.aws = self._serve(_Aws)

    def _serve(self, handler):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        server.owner = self
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"127.0.0.1:{server.server_port}"


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body leave in one packet, at once: otherwise Nagle's algorithm
    # and delayed acknowledgements add 40 ms to whoever reads in two steps.
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *_):
        pass

    def body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)

    def answer(self, status, body, headers):
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()


class _RuntimeApi(_Handler):
    def do_GET(self):
        run = self.server.owner.run
        if not self.path.endswith("/runtime/invocation/next"):
            return self.answer(404, {"errorMessage": f"no such path: {self.path}"}, {})
        if run.taken:
            run.idle.set()
            run.over.wait()
            self.close_connection = True
            return None
        run.taken = True
        return self.answer(200, run.case.event, {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": events.REQUEST_ID,
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + 30) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": f"arn:aws:lambda:{events.REGION}:{events.ACCOUNT}:function:{run.case.name}",
            "Lambda-Runtime-Trace-Id": "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0",
        })

    def do_POST(self):
        run, body = self.server.owner.run, self.body()
        arrived = time.perf_counter()
        if self.path.endswith(f"/invocation/{events.REQUEST_ID}/response"):
            run.reply, run.answered_at = json.loads(body), arrived
            run.answered.set()
        else:  # invocation error, initialisation error
            run.fail(f"{self.path.rsplit('/runtime/')[-1]}: {body.decode(errors='replace')}")
        self.answer(202, {"status": "OK"}, {"Content-Type": "application/json"})


class _Aws(_Handler):
    def do_POST(self):
        run, body = self.server.owner.run, self.body()
        operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        try:
            reply = run.case.aws(operation, json.loads(body))
            run.calls.append(events.shape(operation, json.loads(body)))
            status = 200
        except events.Wrong as wrong:
            run.fail(f"{operation or self.path}: {wrong}")
            status, reply = 400, {"__type": "ValidationException", "message": str(wrong)}
        self.answer(status, reply, {
            "Content-Type": "application/x-amz-json-1.0",
            "x-amzn-RequestId": events.REQUEST_ID,
        })
