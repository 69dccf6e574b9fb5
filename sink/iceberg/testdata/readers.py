# Prints the rows of a table as two readers see them: arguments are the addresses of catalog and store, the warehouse, the table, and the secret key.
import datetime
import json
import os
import shutil
import sys

uri, store, warehouse, name, secret = sys.argv[1:]


def show(reader, rows):
    print(reader)

    def plain(value):
        if isinstance(value, datetime.datetime):
            return value.astimezone(datetime.timezone.utc).isoformat()
        return str(value)

    for row in sorted(rows, key=lambda row: row[1]):
        print(json.dumps(list(row), default=plain))


columns = ["_timestamp", "_key", "country", "price", "n", "note", "tags", "place"]

from pyiceberg.catalog import load_catalog

catalog = load_catalog("r", **{
    "type": "rest", "uri": uri, "warehouse": warehouse, "credential": "weir:" + secret,
    "s3.endpoint": store, "s3.access-key-id": "weir", "s3.secret-access-key": secret, "s3.region": "us-east-1",
})
show("pyiceberg", [[row[c] for c in columns] for row in catalog.load_table(name).scan().to_arrow().to_pylist()])

import duckdb

# The extensions come as Python packages; DuckDB looks for them below the home directory.
version = "v" + duckdb.__version__
home = os.path.join(os.environ["HOME"], ".duckdb", "extensions", version, "linux_amd64")
os.makedirs(home)
for extension in ["avro", "httpfs", "iceberg"]:
    package = __import__("duckdb_extension_" + extension)
    shutil.copy(os.path.join(os.path.dirname(package.__file__), "extensions", version, extension + ".duckdb_extension"), home)
db = duckdb.connect()
for extension in ["avro", "httpfs", "iceberg"]:
    db.execute("LOAD " + extension)
db.execute(f"""CREATE SECRET (TYPE s3, KEY_ID 'weir', SECRET '{secret}', ENDPOINT '{store.removeprefix("http://")}', URL_STYLE 'path', USE_SSL false, REGION 'us-east-1')""")
db.execute(f"CREATE SECRET (TYPE iceberg, CLIENT_ID 'weir', CLIENT_SECRET '{secret}', OAUTH2_SERVER_URI '{uri}/v1/oauth/tokens')")
db.execute(f"ATTACH '{warehouse}' AS w (TYPE iceberg, ENDPOINT '{uri}')")
table = db.execute(f"SELECT * FROM w.{name}").fetch_arrow_table()
show("duckdb", [[row[c] for c in columns] for row in table.to_pylist()])
