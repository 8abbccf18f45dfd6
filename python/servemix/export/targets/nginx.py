"""nginx: weighted choice per query type, by ``split_clients``, and an upstream per deployment."""

from __future__ import annotations

from servemix.export.manifests import Export, ExportOptions, Writer
from servemix.export.named import HEADER, NamedPlan, NamedType
from servemix.export.targets.addresses import addresses
from servemix.export.targets.routes import routing_about, shares
from servemix.export.weights import whole_weights

#: split_clients takes percentages with two decimals.
_TOTAL = 10_000
_SHED = "shed"
#: Characters of a name for which a bucket of nginx' default map_hash_bucket_size has room: a cache
#: line of 64 bytes, less two pointers and the name's length.
_HASHED = 46


def render(plan: NamedPlan, options: ExportOptions) -> Export:
    """Render a plan's routing as a file for nginx' ``http`` block."""
    writer = Writer("nginx", plan)
    at = addresses(plan, options)
    lines: list[str] = []
    for engine in plan.engines:
        if not at[engine.name]:
            continue
        lines.append(f"upstream {engine.name} {{")
        # The least busy replica, not the next one; one that rejects is left alone for a while.
        lines.append("    least_conn;")
        lines += [
            f"    server {address} max_fails=1 fail_timeout=5s;" for address in at[engine.name]
        ]
        lines += ["    keepalive 64;", "}", ""]
    header = "http_" + HEADER.replace("-", "_")
    choices: list[tuple[str, str]] = []
    for number, entry in enumerate(plan.query_types):
        shares(writer, entry, _TOTAL)
        variable = f"$servemix_type_{number}"
        lines += _split(entry, variable)
        choices.append((entry.name, variable))
    lines.append(f"map ${header} $servemix_deployment {{")
    lines += [f'    "{_pattern(name)}" {variable};' for name, variable in choices]
    lines += ['    default "";', "}", ""]
    lines += _server(options.listen)
    writer.note(
        "a request without a known query type gets status 400, and the share that the plan "
        "leaves unserved gets 429"
    )
    writer.text("servemix.conf", "\n".join(lines), about=routing_about())
    return writer.done()


def _pattern(name: str) -> str:
    """Match a name; as an expression, which is not hashed, where it is long."""
    return name if len(name) <= _HASHED else f"~*^{name}$"


def _split(entry: NamedType, variable: str) -> list[str]:
    """Choose by a hash of the request's id, which no two requests share."""
    parts = [(engine.name, fraction) for engine, fraction in entry.parts]
    unmet = 1.0 - sum(fraction for _, fraction in parts)
    if unmet > 1.0 / _TOTAL:
        parts.append((_SHED, unmet))
    weights = whole_weights([fraction for _, fraction in parts], _TOTAL)
    chosen = [(name, w) for (name, _), w in zip(parts, weights, strict=True) if w > 0]
    lines = [f'split_clients "${{request_id}}{variable[1:]}" {variable} {{']
    lines += [f"    {weight / 100:.2f}% {name};" for name, weight in chosen[:-1]]
    return [*lines, f"    * {chosen[-1][0]};", "}", ""]


def _server(listen: str) -> list[str]:
    return [
        "server {",
        f"    listen {listen};",
        "    location /v1/ {",
        '        if ($servemix_deployment = "") { return 400; }',
        f"        if ($servemix_deployment = {_SHED}) {{ return 429; }}",
        "        proxy_pass http://$servemix_deployment;",
        "        proxy_http_version 1.1;",
        '        proxy_set_header Connection "";',
        "        proxy_set_header Host $host;",
        "        # Tokens are passed on as they come.",
        "        proxy_buffering off;",
        "        proxy_read_timeout 600s;",
        "        proxy_next_upstream error timeout http_502 http_503;",
        "        add_header x-servemix-deployment $servemix_deployment always;",
        "    }",
        "}",
    ]
