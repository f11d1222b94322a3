"""Small mistakes in a Python module: those that slip in, and that tests should notice.

What a mistake cannot harm has none: docstrings, annotations, decorators, the texts of errors.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from tests.long.mistakes import Mistake, Span, mistakes_at

_FLIPPED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_EXCHANGED = {"min": "max", "max": "min", "any": "all", "all": "any"}
_SAFE_TO_DROP = {"buffering", "compression", "default", "encoding", "key", "strict", "use_threads"}
"""Arguments without which a call mostly means the same."""

_CLOCKS = {"time.monotonic", "_now"}
"""No two moments that these tell are equal: of a comparison with one, `<` and `<=` are the same."""

_MOST = 100
"""Larger numbers are sizes and durations, of which one more or less is no mistake."""

Made = Iterator[tuple[ast.AST, str]]
"""Nodes, each with the text that is to replace it."""


def python_mistakes(path: str, text: str) -> list[Mistake]:
    """Every mistake that can be planted in a module."""
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    lines = text.splitlines()

    def place(line: int, column: int) -> int:  # ast counts the bytes of UTF-8.
        return starts[line - 1] + len(lines[line - 1].encode()[:column].decode())

    def span(node: ast.AST) -> Span:
        assert isinstance(node, ast.expr | ast.stmt | ast.keyword)
        assert node.end_lineno
        assert node.end_col_offset is not None
        return place(node.lineno, node.col_offset), place(node.end_lineno, node.end_col_offset)

    made = ((span(node), after) for at in _walk(ast.parse(text)) for make in _MAKERS for node, after in make(at))
    return mistakes_at(path, text, made)


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that are run, and whose mistakes do harm."""
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _is_harmless(child):
                yield from _walk(child)


def _is_harmless(node: ast.AST) -> bool:
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name):
        return node.test.id == "TYPE_CHECKING"
    texts = ast.JoinedStr | ast.Assert | ast.Import | ast.ImportFrom
    is_error = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.endswith("Error")
    return isinstance(node, texts) or is_error


def _comparison(node: ast.AST) -> Made:
    if isinstance(node, ast.Compare):
        ops: list[ast.cmpop] = [_FLIPPED[type(op)]() for op in node.ops]
        is_timed = any(isinstance(at, ast.Call) and ast.unparse(at.func) in _CLOCKS for at in ast.walk(node))
        for place in range(len(ops)):
            if is_timed and isinstance(ops[place], ast.Lt | ast.LtE | ast.Gt | ast.GtE):
                continue
            flipped = [*node.ops[:place], ops[place], *node.ops[place + 1 :]]
            yield node, _text(ast.Compare(node.left, flipped, node.comparators))


def _and_or(node: ast.AST) -> Made:
    if isinstance(node, ast.BoolOp):
        yield node, _text(ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values))
        for place in range(len(node.values)):
            left = [*node.values[:place], *node.values[place + 1 :]]
            yield node, _text(ast.BoolOp(node.op, left) if len(left) > 1 else left[0])


def _not(node: ast.AST) -> Made:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node, _text(node.operand)


def _test(node: ast.AST) -> Made:
    if isinstance(node, ast.If | ast.While | ast.IfExp) and isinstance(node.test, ast.Name | ast.Attribute | ast.Call):
        yield node.test, f"(not {ast.unparse(node.test)})"


def _constant(node: ast.AST) -> Made:
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield node, str(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int) and node.value <= _MOST:
        yield node, str(node.value + 1)
        yield node, str(node.value - 1)


def _returned(node: ast.AST) -> Made:
    if isinstance(node, ast.Return) and node.value and not isinstance(node.value, ast.Constant):
        yield node.value, "None"


def _statement(node: ast.AST) -> Made:
    is_stored = isinstance(node, ast.Assign) and not isinstance(node.targets[0], ast.Name | ast.Tuple)
    is_call = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    if is_stored or is_call or isinstance(node, ast.AugAssign | ast.Raise | ast.Continue | ast.Break | ast.Delete):
        yield node, "pass"


def _argument(node: ast.AST) -> Made:
    if isinstance(node, ast.Call):
        for place, keyword in enumerate(node.keywords):
            if keyword.arg and keyword.arg not in _SAFE_TO_DROP:
                left = [*node.keywords[:place], *node.keywords[place + 1 :]]
                yield node, _text(ast.Call(node.func, node.args, left))


def _least_most(node: ast.AST) -> Made:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _EXCHANGED:
        yield node.func, _EXCHANGED[node.func.id]


_MAKERS: tuple[Callable[[ast.AST], Made], ...] = (
    *(_comparison, _and_or, _not, _test, _constant, _returned, _statement, _argument, _least_most),
)


def _text(node: ast.expr) -> str:
    return f"({ast.unparse(node)})" if not isinstance(node, ast.Call | ast.Name) else ast.unparse(node)
