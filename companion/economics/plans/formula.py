"""Arithmetic that somebody typed, computed on arrays; nothing else can be said in it."""

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

_TWO: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_FUNCTIONS = {"min": np.minimum, "max": np.maximum, "exp": np.exp, "log": np.log, "sqrt": np.sqrt}


class Formula:
    """A formula of names, numbers, ``+ - * / **``, brackets, ``min``, ``max``, ``exp``, ``log`` and ``sqrt``.

    Args:
        text: such as ``"customers * price * demand - cost"``.

    Attributes:
        names: that occur in it.

    Raises:
        ValueError: for anything else; the text says which piece.

    >>> Formula("2 * a - max(b, 1)")(a=np.array([1.0, 2.0]), b=3.0)
    array([-1.,  1.])
    """

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            self._tree = ast.parse(text, mode="eval").body
        except (SyntaxError, ValueError, RecursionError) as error:
            raise ValueError(f"expected a formula such as 'customers * price - cost', got {text!r}") from error
        self.names = self._named(self._tree)

    def __call__(self, **values: Any) -> Any:
        """Its value for numbers or arrays of one shape."""
        return self._value(self._tree, values)

    def _named(self, node: ast.expr) -> frozenset[str]:
        match node:
            case ast.Name(id=name):
                return frozenset({name})
            case ast.Constant(value=int() | float()) if not isinstance(node.value, bool):
                return frozenset()
            case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=inner):
                return self._named(inner)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _TWO:
                return self._named(left) | self._named(right)
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
                if len(args) != (2 if name in ("min", "max") else 1):
                    raise ValueError(f"expected two arguments of min and max, and one of {name}, in {self.text!r}")
                return frozenset().union(*map(self._named, args))
        piece = ast.unparse(node)
        raise ValueError(
            f"expected names, numbers, + - * / **, {', '.join(_FUNCTIONS)} in {self.text!r}, got {piece!r}"
        )

    def _value(self, node: ast.expr, values: Mapping[str, Any]) -> Any:
        match node:
            case ast.Name(id=name):
                return values[name]
            case ast.Constant(value=int() | float() as value):
                return np.float64(value)  # 9 ** 9 ** 9 is infinite, and not computed to its last digit
            case ast.UnaryOp(op=op, operand=inner):
                return -self._value(inner, values) if isinstance(op, ast.USub) else self._value(inner, values)
            case ast.BinOp(left=left, op=op, right=right):
                return _TWO[type(op)](self._value(left, values), self._value(right, values))
            case ast.Call(func=ast.Name(id=name), args=args):
                return _FUNCTIONS[name](*(self._value(arg, values) for arg in args))
        raise AssertionError(ast.dump(node))  # _named has let it pass
