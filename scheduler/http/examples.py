"""An example of each answer in /openapi.json, put together from the examples of its fields."""

from typing import Any, Final

from shared.opaque import Json

_JSON: Final = "application/json"
#: Answers that are no JSON.
_TEXTS: Final = {
    "text/csv": "id,row,to,status\r\n1004,2,'+12025550101,delivered\r\n",
    "text/plain": "volley_sending_stopped 0.0\n",
    "text/event-stream": 'event: progress\ndata: {"id": 7, "status": "running"}\n\n',
}


def add_examples(described: Json) -> None:
    """Give every answer of every route an `example`, unless it has one or no body."""
    schemas = described["components"]["schemas"]
    for operations in described["paths"].values():
        for operation in operations.values():
            for told in operation["responses"].values():
                for kind, content in told.get("content", {}).items():
                    made = (
                        _TEXTS.get(kind) if kind != _JSON else example(content["schema"], schemas)
                    )
                    content.setdefault("example", made)


def example(schema: Json, schemas: Json) -> Any:
    """A value of this schema. Raises KeyError for a field that shows neither example nor words."""
    if "$ref" in schema:
        return example(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if "examples" in schema:
        return schema["examples"][0]
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return example(schema["anyOf"][0], schemas)
    if schema["type"] == "array":
        return [example(schema["items"], schemas)]
    if schema["type"] == "object":
        return {name: example(one, schemas) for name, one in schema["properties"].items()}
    raise KeyError(f"no example: {schema}")
