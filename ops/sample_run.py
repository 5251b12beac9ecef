"""The samples sent through the running platform, each as one item over HTTP, and every answer compared.

The expected findings come with the samples, and for some what must be suggested: whoever made the errors in them wrote
them down.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import quantiles
from time import monotonic
from typing import Any

import httpx

from ops.samples import Sample

#: Samples in flight at the same time.
CONCURRENCY = 8
#: Seconds that the platform is asked to hold on to a request, and that we wait for one verdict altogether.
WAIT_S = 20
PATIENCE_S = 60.0
#: How many wrong answers are shown.
SHOWN = 10

#: (pointer, code), or for suggestions (pointer, what to write there).
Findings = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Answer:
    """What the platform said about one sample, and the seconds from the POST to the verdict."""

    sample: Sample
    verdict: str
    findings: Findings
    suggested: Findings
    codes: tuple[str, ...]
    seconds: float

    @property
    def is_right(self) -> bool:
        """Whether it found what is wrong with the item, and nothing else, and suggested what was sure to be."""
        return (
            self.verdict in ("valid", "invalid")
            and self.findings == self.sample.expected
            and self.suggested >= self.sample.suggested
        )


def run(url: str, token: str, samples: Sequence[Sample]) -> list[Answer]:
    """Every sample's answer, in the samples' order. Raises httpx.HTTPError when the platform refuses or is away."""
    with (
        httpx.Client(base_url=url, headers={"X-API-Key": token}, timeout=WAIT_S + 10) as client,
        ThreadPoolExecutor(CONCURRENCY) as pool,
    ):
        return list(pool.map(lambda sample: ask(client, sample), samples))


def ask(client: httpx.Client, sample: Sample) -> Answer:
    """One sample's answer: inline where it comes in time, else by long poll."""
    started = monotonic()
    reply = client.post(
        "/api/validation/validate",
        json={"ruleset": sample.ruleset, "item": sample.item},
        headers={"Prefer": f"wait={WAIT_S}"},
    )
    body = reply.raise_for_status().json()
    while body["state"] == "pending" and monotonic() - started < PATIENCE_S:
        body = client.get(body["links"]["result"], params={"wait": WAIT_S}).raise_for_status().json()
    return answer(sample, body, monotonic() - started)


def answer(sample: Sample, body: dict[str, Any], seconds: float) -> Answer:
    """The answer in a request's resource; a request without a verdict shows its state as one."""
    findings = [finding for item in body.get("items", []) for finding in item["findings"]]
    return Answer(
        sample=sample,
        verdict=body.get("verdict") or body["state"],
        findings=frozenset((finding["pointer"], finding["code"]) for finding in findings),
        suggested=frozenset(suggestions(findings)),
        codes=tuple(finding["code"] for finding in findings),
        seconds=seconds,
    )


def suggestions(findings: Sequence[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """What the findings say to write instead, and where."""
    for finding in findings:
        suggestion = finding.get("suggestion")
        if suggestion and suggestion["op"] == "replace":
            yield suggestion["path"], str(suggestion["value"])


def report(answers: Sequence[Answer]) -> Iterator[str]:
    """The lines of the table that people read."""
    verdicts = Counter(each.verdict for each in answers)
    codes = Counter(code for each in answers for code in each.codes)
    wrong = [each for each in answers if not each.is_right]
    p50, p95 = percentiles([each.seconds for each in answers])
    yield f"items       {len(answers):6}"
    yield from (f"{verdict:11} {number:6}" for verdict, number in sorted(verdicts.items(), reverse=True))
    yield f"findings    {codes.total():6}"
    yield from (f"  {number:8}  {code}" for code, number in codes.most_common())
    yield f"suggestions {sum(len(each.suggested) for each in answers):6}"
    yield f"POST to verdict: p50 {p50 * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms"
    yield f"wrong answers {len(wrong):4}"
    for each in wrong[:SHOWN]:
        yield f"  {each.sample.ruleset} {each.verdict} {each.sample.item}"
        yield from (f"    not found: {code} at {pointer!r}" for pointer, code in sorted(missing(each)))
        yield from (f"    not expected: {code} at {pointer!r}" for pointer, code in sorted(surplus(each)))
        unsaid = each.sample.suggested - each.suggested
        yield from (f"    not suggested: {text!r} at {pointer!r}" for pointer, text in sorted(unsaid))


def missing(each: Answer) -> Findings:
    """What is wrong with the item and was not found."""
    return each.sample.expected - each.findings


def surplus(each: Answer) -> Findings:
    """What was found and is not wrong."""
    return each.findings - each.sample.expected


def percentiles(seconds: Sequence[float]) -> tuple[float, float]:
    """The 50th and the 95th; of a single value, that value twice."""
    if len(seconds) < 2:
        return seconds[0], seconds[0]
    cuts = quantiles(seconds, n=100, method="inclusive")
    return cuts[49], cuts[94]
