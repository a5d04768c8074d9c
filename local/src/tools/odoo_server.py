"""A server that loads an Odoo addon without Odoo. See odoo.rs beside this file."""

import argparse
import importlib.util
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import local
from types import ModuleType, SimpleNamespace

ROUTES = {}
# What Odoo calls `request`: one for each thread, as each serves one request.
REQUEST = local()


class Controller:
    """Subclasses announce their routes."""

    def __init_subclass__(cls):
        for name, function in vars(cls).items():
            for path in getattr(function, "routes", ()):
                ROUTES[path] = (cls, name, function.methods)


def route(paths, type="http", methods=("GET", "POST"), **_options):
    if type != "http":
        sys.exit(f"the laptop stand-in for odoo plays routes of type http, not {type}")

    def mark(function):
        function.routes = [paths] if isinstance(paths, str) else paths
        function.methods = methods
        return function

    return mark


def make_json_response(data, headers=None, cookies=None, status=200):
    return status, json.dumps(data)


def decorator(*_names, **_options):
    return lambda function: function


class Anything(ModuleType):
    """A module in which every name is a function that returns nothing."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *arguments, **options: None


class Decorators(Anything):
    def __getattr__(self, name):
        return super().__getattr__(name) and decorator


class Errors(Anything):
    def __getattr__(self, name):
        return type(name, (Exception,), {}) if name[0].isupper() else None


def install():
    """Puts the few parts of `odoo` where addons import them from."""
    models = Anything("odoo.models")
    for name in ("Model", "AbstractModel", "TransientModel"):
        setattr(models, name, type(name, (), {}))
    http = ModuleType("odoo.http")
    http.Controller, http.route, http.request = Controller, route, REQUEST
    odoo = ModuleType("odoo")
    parts = {
        "api": Decorators("odoo.api"),
        "exceptions": Errors("odoo.exceptions"),
        "fields": Anything("odoo.fields"),
        "http": http,
        "models": models,
    }
    for name, part in parts.items():
        setattr(odoo, name, part)
        sys.modules[f"odoo.{name}"] = part
    sys.modules["odoo"] = odoo


def load(name, folder):
    """Imports the addon in a folder under its technical name."""
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        path = self.path.partition("?")[0]
        if path == "/web/health":
            return self.answer(200, json.dumps({"status": "pass"}))
        if path not in ROUTES:
            return self.answer(404, json.dumps({"error": "no such route"}))
        controller, name, methods = ROUTES[path]
        if self.command not in methods:
            return self.answer(405, json.dumps({"error": "method not allowed"}))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        REQUEST.httprequest = SimpleNamespace(get_data=lambda: body, path=path)
        REQUEST.make_json_response = make_json_response
        try:
            status, text = getattr(controller(), name)()
        except Exception as error:
            self.log_error("%s: %r", path, error)
            status, text = 500, json.dumps({"error": "internal server error"})
        return self.answer(status, text)

    do_POST = do_GET

    def answer(self, status, text):
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def main():
    parser = argparse.ArgumentParser(prog="odoo", allow_abbrev=False)
    parser.add_argument("--init", "-i", required=True)
    parser.add_argument("--http-port", type=int, default=8069)
    parser.add_argument("--database", "-d")
    parser.add_argument("--no-database-list", action="store_true")
    options = parser.parse_args()
    install()
    load(options.init, Path.cwd())
    server = ThreadingHTTPServer(("127.0.0.1", options.http_port), Handler)
    print(f"HTTP service running on port {options.http_port}", flush=True)
    server.serve_forever()


main()
