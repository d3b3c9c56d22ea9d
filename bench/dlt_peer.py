"""Runs in the peers' environment: dlt's REST source loads the shop's orders into SQLite. Prints what it took as JSON.

`python bench/dlt_peer.py URL FOLDER`
"""

import json
import os
import resource
import sqlite3
import sys
import time


def cpu() -> float:
    """Seconds of CPU of this process and its children."""
    return sum(resource.getrusage(who).ru_utime + resource.getrusage(who).ru_stime for who in (0, -1))


def main(url: str, folder: str) -> None:
    """Load, count, tell."""
    os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "HOME": folder, "DLT_DATA_DIR": folder}
    import dlt
    from dlt.sources.rest_api import rest_api_source

    source = rest_api_source(
        {
            "client": {
                "base_url": f"{url}/wp-json/wc/v3/",
                "paginator": {
                    "type": "page_number",
                    "base_page": 1,
                    "total_path": None,
                    "stop_after_empty_page": True,
                },
            },
            "resources": [
                {
                    "name": "orders",
                    "primary_key": "id",
                    "endpoint": {
                        "path": "orders",
                        "params": {"status": "any", "order": "asc", "orderby": "modified", "per_page": 100},
                    },
                }
            ],
        }
    )
    file = f"{folder}/dlt.sqlite"
    pipeline = dlt.pipeline(
        "orders",
        pipelines_dir=folder,
        destination=dlt.destinations.sqlalchemy(f"sqlite:///{file}"),
        dataset_name="main",
    )
    began, used = time.perf_counter(), cpu()
    pipeline.run(source)
    wall, used = time.perf_counter() - began, cpu() - used
    connection = sqlite3.connect(file)
    names = [r[0] for r in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    rows = {
        n: connection.execute(f'SELECT count(*) FROM "{n}"').fetchone()[0] for n in names if not n.startswith("_dlt")
    }
    told = {"wall": wall, "cpu": used, "orders": rows["orders"], "rows": sum(rows.values())}
    sys.stdout.write("\n" + json.dumps(told) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
