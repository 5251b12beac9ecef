"""The rules by jsonschema and cel-python: reads schema, rules and items, writes verdicts and CPU time, all as JSON."""

import json
import sys
import time

import celpy  # type: ignore[import-not-found,unused-ignore]  # lives in the peers' environment
from jsonschema import Draft202012Validator  # type: ignore[import-untyped,unused-ignore]  # it has no types

work = json.load(sys.stdin)
schema = Draft202012Validator(work["schema"], format_checker=Draft202012Validator.FORMAT_CHECKER)
env = celpy.Environment()
programs = [env.program(env.compile(rule)) for rule in work["rules"]]


def judge(item: object) -> bool:
    """Return whether the item is valid; everything that is wrong is looked for."""
    if list(schema.iter_errors(item)):
        return False
    seen = {"item": celpy.json_to_cel(item)}
    answers = [bool(program.evaluate(seen)) for program in programs]
    return all(answers)


begun = time.process_time()
verdicts = [judge(item) for item in work["items"]]
spent = time.process_time() - begun
print(json.dumps({"verdicts": verdicts, "us_per_item": spent / len(verdicts) * 1e6}))
