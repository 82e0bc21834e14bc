"""Checks objects that commands print against the schemas of a directory.

    validate-schema.py DIRECTORY < NDJSON

Every line of the input is an object; its member "schema", NAME/VERSION, names the file NAME.VERSION.json. Prints a line for each object that does not fit and ends
with 1 when there is one, or when a file is no schema.
"""

import json
import pathlib
import sys
import warnings

warnings.simplefilter("ignore", DeprecationWarning)
import jsonschema

validators = {}
for path in pathlib.Path(sys.argv[1]).glob("*.json"):
    schema = json.loads(path.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validators[path.stem] = jsonschema.Draft202012Validator(schema)

faults = 0
for line in sys.stdin:
    value = json.loads(line)
    name = value.get("schema", "").replace("/", ".")
    if name not in validators:
        print(f"{name}: no schema")
        faults += 1
        continue
    for error in validators[name].iter_errors(value):
        print(f"{name}: {'.'.join(str(part) for part in error.absolute_path)}: {error.message}")
        faults += 1
sys.exit(1 if faults else 0)
