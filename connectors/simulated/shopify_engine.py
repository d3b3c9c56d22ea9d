"""How the simulated Shopify shop takes a GraphQL document: checked against its schema, priced, then answered from dictionaries.

Needs graphql-core (the `dev` extra): the twin is for tests; nothing of the installed program imports this.
"""

import base64
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from graphql import (
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLError,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    build_schema,
    execute_sync,
    get_named_type,
    get_nullable_type,
    is_composite_type,
    is_list_type,
    parse,
    validate,
)

Thing = dict[str, Any]
MUTATION_COST = 10


class Rejected(Exception):
    """The document is not run; `errors` is what the answer says."""

    def __init__(self, *errors: Thing) -> None:
        super().__init__(errors[0]["message"])
        self.errors = list(errors)


class Engine:
    """A schema whose objects are dictionaries.

    `look` is asked for each field of an object before it is read: it may raise `GraphQLError` or give another value.
    """

    def __init__(self, look: Callable[[Any, str, str, Any], Any]) -> None:
        text = Path(__file__).with_name("shopify.graphql").read_text(encoding="utf-8")
        self.schema: GraphQLSchema = build_schema(text)
        self._look = look
        self._checked: dict[str, Any] = {}
        """Documents that were found good: checking one takes longer than answering it, and few are ever asked."""
        self.unbounded = False
        """True while a bulk operation reads: its connections have no ends."""
        self.stuck, self.stuck_at = "", ""
        """`Type.field` of a connection that always has a next page, and where: at the `same` place, or `nowhere`."""
        for named in self.schema.type_map.values():
            if isinstance(named, GraphQLEnumType) and not named.name.startswith("__"):
                # Newer versions say words that this schema does not know.
                named.serialize = lambda value: value  # type: ignore[assignment,method-assign]

    # ------------------------------------------------------------ before it runs

    def prepared(self, text: str, variables: Thing) -> tuple[Any, int]:
        """The parsed document and its price. Raises `Rejected` as Shopify would."""
        if (document := self._checked.get(text)) is None:
            try:
                document = parse(text)
            except GraphQLError as error:
                raise Rejected({"message": error.message}) from None
            if errors := validate(self.schema, document):
                raise Rejected(*(self._invalid(error) for error in errors))
            self._checked[text] = document
        return document, self.price(document, variables)

    @staticmethod
    def _invalid(error: GraphQLError) -> Thing:
        words = error.message
        code = "undefinedField" if words.startswith("Cannot query field") else "validationError"
        if words.startswith("Unknown argument"):
            code = "argumentNotAccepted"
        return {"message": words, "extensions": {"code": code}}

    def price(self, document: Any, variables: Thing) -> int:
        """Points: scalars nothing, objects one, connections and lists by how much they may hold, mutations ten.

        How a connection grows with `first` is not published; here it grows with its logarithm.
        """
        fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
        total = 0.0
        for one in document.definitions:
            if isinstance(one, OperationDefinitionNode):
                if one.operation.value == "mutation":
                    total += MUTATION_COST
                    continue
                root = self.schema.query_type
                total += self._selection(one.selection_set, root, fragments, variables)
        return math.ceil(total)

    def _selection(self, selected: SelectionSetNode, parent: Any, fragments: Thing, variables: Thing) -> float:
        total = 0.0
        for node in selected.selections:
            if isinstance(node, FieldNode):
                total += self._field(node, parent, fragments, variables)
            elif isinstance(node, InlineFragmentNode):
                kind = self.schema.get_type(node.type_condition.name.value) if node.type_condition else parent
                total += self._selection(node.selection_set, kind, fragments, variables)
            elif isinstance(node, FragmentSpreadNode):
                fragment = fragments[node.name.value]
                kind = self.schema.get_type(fragment.type_condition.name.value)
                total += self._selection(fragment.selection_set, kind, fragments, variables)
        return total

    def _field(self, node: FieldNode, parent: Any, fragments: Thing, variables: Thing) -> float:
        if node.name.value.startswith("__") or node.selection_set is None:
            return 0.0
        field = parent.fields[node.name.value]
        kind = get_named_type(field.type)
        if not is_composite_type(kind):
            return 0.0
        given = {one.name.value: one.value for one in node.arguments or ()}
        inner = self._selection(node.selection_set, kind, fragments, variables)
        if kind.name.endswith("Connection"):
            if self.unbounded:
                return 2 + inner
            if "first" not in given and "last" not in given:
                text = f"you must provide one of first or last for {node.name.value}"
                raise Rejected({"message": text, "path": [node.name.value]})
            first = self._number(given.get("first") or given["last"], variables)
            if first > 250:
                raise Rejected({"message": f"first cannot exceed 250 on {node.name.value}", "path": [node.name.value]})
            return 2 + inner * (1 + math.log2(max(1, first)))
        if kind.name.endswith(("Edge", "PageInfo")) or (
            parent.name.endswith("Connection") and node.name.value == "nodes"
        ):
            return inner + (0 if kind.name.endswith(("Edge", "PageInfo")) else 1)
        many = 1.0
        if is_list_type(get_nullable_type(field.type)):
            if "ids" in given:
                many = len(self._value(given["ids"], variables))
            elif "first" in given:
                many = 1 + math.log2(max(1, self._number(given["first"], variables)))
        return (1 + inner) * many

    @staticmethod
    def _value(node: Any, variables: Thing) -> Any:
        name = getattr(getattr(node, "name", None), "value", None)
        if name is not None:
            return variables.get(name) or []
        return getattr(node, "values", None) or getattr(node, "value", None)

    def _number(self, node: Any, variables: Thing) -> int:
        value = self._value(node, variables)
        return int(value) if value else 0

    # ------------------------------------------------------------ running

    def run(self, document: Any, variables: Thing, root: Any) -> tuple[Thing, int]:
        """The answer's `data` and `errors`, and how many objects it holds."""
        counted = [0]

        def resolve(source: Any, info: GraphQLResolveInfo[Any], **given: Any) -> Any:
            return self._resolve(source, info, given, counted)

        result = execute_sync(
            self.schema,
            document,
            root_value=root,
            variable_values=variables,
            field_resolver=resolve,
            type_resolver=lambda value, _info, _type: value["__typename"],
        )
        assert isinstance(result, ExecutionResult)
        answer: Thing = {}
        if result.errors:
            answer["errors"] = [
                {"message": e.message, "path": list(e.path or []), "extensions": dict(e.extensions or {})}
                for e in result.errors
            ]
        if result.data is not None or not result.errors or any(e.path for e in result.errors):
            answer["data"] = result.data
        return answer, counted[0]

    def _resolve(self, source: Any, info: GraphQLResolveInfo[Any], given: Thing, counted: list[int]) -> Any:
        name, parent = info.field_name, info.parent_type.name
        value = source[name] if isinstance(source, dict) and name in source else getattr(source, name, None)
        value = self._look(source, parent, name, value)
        kind = get_named_type(info.return_type)
        if kind.name.endswith("Connection"):
            rows = value(**given) if callable(value) else value
            page = self._connection(rows or [], given)
            if self.stuck == f"{parent}.{name}":
                end = None if self.stuck_at == "nowhere" else given.get("after") or page["pageInfo"]["endCursor"]
                page["pageInfo"] |= {"hasNextPage": True, "endCursor": end}
            return page
        if callable(value):
            value = value(**given)
        if isinstance(value, list) and "first" in given and given["first"] is not None:
            value = value[: given["first"]]
        if isinstance(kind, GraphQLObjectType) and value is not None:
            counted[0] += len(value) if isinstance(value, list) else 1
        return value

    def _connection(self, rows: Any, given: Thing) -> Thing:
        """A page of rows; a row's cursor is its place, or its own sort key where the list is sorted by one."""
        keyed = isinstance(rows, Sorted)
        items: list[tuple[Any, Any]] = rows.rows if keyed else list(enumerate(rows))
        if self.unbounded:
            return {
                "nodes": [one for _key, one in items],
                "edges": [{"node": one} for _key, one in items],
                "pageInfo": {},
            }
        if after := given.get("after"):
            try:
                place = json.loads(base64.urlsafe_b64decode(after))
            except ValueError:
                raise GraphQLError("Invalid cursor", extensions={"code": "INVALID_CURSOR"}) from None
            place = tuple(place) if isinstance(place, list) else place
            items = [(key, one) for key, one in items if key > place]
        first = given.get("first") or given.get("last") or 0
        page, more = items[:first], len(items) > first

        def cursor(key: Any) -> str:
            return base64.urlsafe_b64encode(json.dumps(key).encode()).decode()

        ends = {"startCursor": cursor(page[0][0]) if page else None, "endCursor": cursor(page[-1][0]) if page else None}
        return {
            "nodes": [one for _key, one in page],
            "edges": [{"cursor": cursor(key), "node": one} for key, one in page],
            "pageInfo": {"hasNextPage": more, "hasPreviousPage": bool(given.get("after")), **ends},
        }

    def bulk_problem(self, text: str) -> str:
        """Why a document cannot be a bulk operation, '' where it can: one to five connections, two deep, no variables."""
        try:
            document = parse(text)
        except GraphQLError as error:
            return error.message
        if errors := validate(self.schema, document):
            return errors[0].message
        found = list(_connections(document, self.schema))
        if any(one.variable_definitions for one in document.definitions if isinstance(one, OperationDefinitionNode)):
            return "Bulk queries take no variables."
        if not found:
            return "Bulk queries must contain at least one connection."
        if len(found) > 5:
            return "Bulk queries cannot contain more than 5 connections."
        return "Bulk queries cannot nest connections deeper than 2." if max(found) > 2 else ""


class Sorted:
    """Rows of a connection with the keys they are sorted by; a cursor is a key, so that moving rows skip nothing."""

    def __init__(self, rows: list[Any], key: Callable[[Any], tuple[Any, ...]], reverse: bool = False) -> None:
        self.rows = sorted(((key(one), one) for one in rows), key=lambda pair: pair[0], reverse=reverse)


def _connections(document: Any, schema: GraphQLSchema) -> Iterator[int]:
    """The depth of every connection of a document."""
    fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}

    def walk(selected: SelectionSetNode, parent: Any, depth: int) -> Iterator[int]:
        for node in selected.selections:
            if isinstance(node, FragmentSpreadNode):
                fragment = fragments[node.name.value]
                yield from walk(fragment.selection_set, schema.get_type(fragment.type_condition.name.value), depth)
            elif isinstance(node, InlineFragmentNode):
                kind = schema.get_type(node.type_condition.name.value) if node.type_condition else parent
                yield from walk(node.selection_set, kind, depth)
            elif isinstance(node, FieldNode) and node.selection_set is not None:
                kind = get_named_type(parent.fields[node.name.value].type)
                deeper = depth + (1 if kind.name.endswith("Connection") else 0)
                if deeper > depth:
                    yield deeper
                yield from walk(node.selection_set, kind, deeper)

    for one in document.definitions:
        if isinstance(one, OperationDefinitionNode):
            yield from walk(one.selection_set, schema.query_type, 0)
