"""A very small Odoo, enough to load modules and run their tests on a laptop.

Models live in memory; there is no database, no view and no access right. What a
module uses and this does not know fails with its name: nothing is skipped.
"""

import operator
import sys
import types
import unittest

REGISTRY = {}
OPERATORS = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le,
    ">": operator.gt, ">=": operator.ge,
    "in": lambda value, among: value in among,
    "not in": lambda value, among: value not in among,
}


class UserError(Exception):
    pass


class ValidationError(UserError):
    pass


class Field:
    def __init__(self, *_, default=None, compute=None, required=False, **_rest):
        self.default, self.compute, self.required = default, compute, required

    def __set_name__(self, _owner, name):
        self.name = name

    def __get__(self, record, _owner=None):
        if record is None:
            return self
        row = record.one()
        if self.compute:
            getattr(record, self.compute)()
        return row.get(self.name, False)

    def __set__(self, record, value):
        for row in record.rows:
            row[self.name] = value


class Model:
    _name = None
    _inherit = None

    def __init_subclass__(cls, **keywords):
        super().__init_subclass__(**keywords)
        inherited = cls.__dict__.get("_inherit")
        name = cls.__dict__.get("_name") or inherited
        if not name or getattr(cls, "_joined", False):
            return
        if inherited == name and name in REGISTRY:
            joined = (cls, REGISTRY[name])
            cls = type(cls.__name__, joined, {"_joined": True, "_name": name})
        cls._name = name
        REGISTRY[name] = cls

    def __init__(self, env, rows=()):
        self.env, self.rows = env, list(rows)

    def __iter__(self):
        return (type(self)(self.env, [row]) for row in self.rows)

    def __len__(self):
        return len(self.rows)

    def __contains__(self, record):
        return all(any(row is own for own in self.rows) for row in record.rows)

    def __eq__(self, other):
        return type(self) is type(other) and [*map(id, self.rows)] == [*map(id, other.rows)]

    __hash__ = None

    def one(self):
        if len(self.rows) != 1:
            raise ValueError(f"expected one {self._name}, got {len(self.rows)}")
        return self.rows[0]

    @property
    def id(self):
        return self.one()["id"]

    @property
    def ids(self):
        return [row["id"] for row in self.rows]

    def ensure_one(self):
        self.one()
        return self

    @classmethod
    def _fields(cls):
        return {n: f for c in reversed(cls.__mro__) for n, f in vars(c).items() if isinstance(f, Field)}

    def create(self, values):
        fields, several = self._fields(), values if isinstance(values, list) else [values]
        rows = []
        for given in several:
            row = {name: f.default(self) if callable(f.default) else f.default for name, f in fields.items()}
            row |= {"id": self.env.next_id(), **self._known(given)}
            missing = [n for n, f in fields.items() if f.required and row[n] in (None, False)]
            if missing:
                raise ValidationError(f"{self._name}: missing {', '.join(missing)}")
            rows.append(row)
        self.env.tables.setdefault(self._name, []).extend(rows)
        made = type(self)(self.env, rows)
        made._check()
        return made

    def write(self, values):
        for row in self.rows:
            row.update(self._known(values))
        self._check()
        return True

    def _known(self, values):
        for name in values:
            if name not in self._fields():
                raise ValueError(f"Invalid field {name!r} on model {self._name!r}")
        return values

    def _check(self):
        for name in dir(type(self)):
            if hasattr(getattr(type(self), name), "_constrains"):
                getattr(self, name)()

    def search(self, domain, limit=None):
        def fits(row):
            record = type(self)(self.env, [row])
            return all(OPERATORS[o](getattr(record, name), value) for name, o, value in domain)

        found = [row for row in self.env.tables.get(self._name, []) if fits(row)]
        return type(self)(self.env, found[:limit])

    def search_count(self, domain):
        return len(self.search(domain))

    def browse(self, ids):
        wanted = ids if isinstance(ids, (list, tuple)) else [ids]
        return type(self)(self.env, [r for r in self.env.tables.get(self._name, []) if r["id"] in wanted])

    def unlink(self):
        table = self.env.tables[self._name]
        table[:] = [row for row in table if not any(row is own for own in self.rows)]
        return True


class Environment:
    def __init__(self):
        self.tables, self.last = {}, 0

    def next_id(self):
        self.last += 1
        return self.last

    def __getitem__(self, name):
        if name not in REGISTRY:
            raise KeyError(f"model {name!r} is in no module that was loaded")
        return REGISTRY[name](self)

    @staticmethod
    def _(text, *arguments, **named):
        return text % (named or arguments) if named or arguments else text


class TransactionCase(unittest.TestCase):
    def setUp(self):
        super().setUp()
        self.env = Environment()


def _decorator(mark):
    def take(*_names, **_keywords):
        def decorate(function):
            setattr(function, mark, True)
            return function

        return decorate

    return take


def _same(function):
    return function


def _module(name, **members):
    made = types.ModuleType(name)
    made.__dict__.update(members)
    made.__path__ = []
    sys.modules[name] = made
    parent, _, own = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], own, made)
    return made


def install(addons):
    """Makes `odoo` importable, with the modules below `odoo.addons`."""
    kinds = "Binary Boolean Char Date Datetime Float Html Integer Json Many2many Many2one Monetary One2many Selection Text"
    _module("odoo", _=Environment._)
    _module("odoo.fields", **{kind: type(kind, (Field,), {}) for kind in kinds.split()})
    _module("odoo.models", Model=Model, TransientModel=Model, AbstractModel=Model)
    _module(
        "odoo.api", depends=_decorator("_depends"), constrains=_decorator("_constrains"),
        onchange=_decorator("_onchange"), model=_same, model_create_multi=_same,
    )
    _module("odoo.exceptions", UserError=UserError, ValidationError=ValidationError)
    _module("odoo.tests", TransactionCase=TransactionCase, tagged=_decorator("_tagged"))
    _module("odoo.tests.common", TransactionCase=TransactionCase, tagged=_decorator("_tagged"))
    _module("odoo.addons").__path__ = [str(path) for path in addons]
