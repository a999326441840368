"""How programs ask an endpoint, in the languages that people use, with the viewer's own host and an example."""

import json


def snippets_for(*, host: str, endpoint: str, body: str) -> list[tuple[str, str, str]]:
    """Id, title and text of each."""
    url = f"{host}/serving-endpoints/{endpoint}/invocations"
    return [
        ("query-curl", "curl", _curl(url, body)),
        ("query-python", "Python", _python(host, endpoint, body)),
        ("query-deployments", "mlflow.deployments", _deployments(host, endpoint, body)),
        ("query-javascript", "JavaScript", _javascript(url, body)),
    ]


def _curl(url: str, body: str) -> str:
    quoted = body.replace("'", "'\\''")
    return (
        f"curl -X POST {url} \\\n"
        '  -H "Authorization: Bearer $DATABRICKS_TOKEN" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        f"  -d '{quoted}'"
    )


def _python(host: str, endpoint: str, body: str) -> str:
    arguments = _arguments(body)
    split = (
        "from databricks.sdk.service.serving import DataframeSplitInput\n" if "DataframeSplit" in arguments else ""
    )
    return (
        f"from databricks.sdk import WorkspaceClient\n{split}\n"
        f"# DATABRICKS_HOST={host} and DATABRICKS_TOKEN are in the environment\n"
        "client = WorkspaceClient()\n"
        "answer = client.serving_endpoints.query(\n"
        f"    name={json.dumps(endpoint)},\n"
        f"{arguments}"
        ")\n"
        "print(answer.predictions)"
    )


def _arguments(body: str) -> str:
    """The fields of the request as keyword arguments. The client makes objects of the forms that it knows itself."""
    try:
        fields = json.loads(body)
    except ValueError:
        fields = {}
    lines = []
    for name, value in fields.items():
        if name == "dataframe_split":
            split = {key: value[key] for key in ("columns", "index", "data") if key in value}
            inner = ", ".join(f"{key}={literal(one)}" for key, one in split.items())
            lines.append(f"    dataframe_split=DataframeSplitInput({inner}),\n")
        elif name != "params":
            lines.append(f"    {name}={literal(value)},\n")
    return "".join(lines)


def _deployments(host: str, endpoint: str, body: str) -> str:
    try:
        inputs = literal(json.loads(body))
    except ValueError:
        inputs = "{}"
    return (
        "from mlflow.deployments import get_deploy_client\n\n"
        f"# DATABRICKS_HOST={host} and DATABRICKS_TOKEN are in the environment\n"
        'client = get_deploy_client("databricks")\n'
        f"answer = client.predict(endpoint={json.dumps(endpoint)}, inputs={inputs})\n"
        'print(answer["predictions"])'
    )


def _javascript(url: str, body: str) -> str:
    return (
        f"const answer = await fetch({json.dumps(url)}, {{\n"
        '  method: "POST",\n'
        "  headers: {\n"
        "    Authorization: `Bearer ${process.env.DATABRICKS_TOKEN}`,\n"
        '    "Content-Type": "application/json",\n'
        "  },\n"
        f"  body: JSON.stringify({body}),\n"
        "});\n"
        "console.log((await answer.json()).predictions);"
    )


def literal(value: object) -> str:
    """A value of JSON as Python writes it."""
    return repr(value)
