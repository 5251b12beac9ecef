"""Trace context: from where a message is sent to where it is processed."""

from collections.abc import Callable, Mapping

import dramatiq
import pytest

from broker import RedisStreamsBroker, TraceContext, trace

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_the_context_of_the_sender_is_current_in_the_worker(
    broker: RedisStreamsBroker, worker: dramatiq.Worker
) -> None:
    broker.add_middleware(TraceContext(lambda: {"traceparent": PARENT, "tracestate": "vendor=1"}))
    seen = []

    @dramatiq.actor
    def note() -> None:
        seen.append(trace.current())

    note.send()

    broker.join("default", timeout=10_000)
    assert seen == [trace.Trace(PARENT, "vendor=1")]
    assert trace.current() is None


def test_retries_and_messages_of_actors_keep_the_trace(broker: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    context: dict[str, str] = {"traceparent": PARENT}
    broker.add_middleware(TraceContext(lambda: context or trace.carried()))
    seen = []

    @dramatiq.actor
    def child() -> None:
        seen.append(trace.current())

    @dramatiq.actor(min_backoff=1, max_backoff=5)
    def work() -> None:
        seen.append(trace.current())
        if len(seen) == 1:
            context.clear()
            raise RuntimeError
        child.send()

    work.send()

    broker.join("default", timeout=10_000)
    assert seen == [trace.Trace(PARENT)] * 3


def test_one_message_does_not_inherit_the_trace_of_another(
    broker: RedisStreamsBroker, start_worker: Callable[..., dramatiq.Worker]
) -> None:
    contexts = iter([{"traceparent": PARENT}, {}, {"traceparent": PARENT}])
    broker.add_middleware(TraceContext(lambda: next(contexts)))
    seen = []

    @dramatiq.actor
    def note() -> None:
        seen.append(trace.current())

    for _ in range(3):
        note.send()

    start_worker(broker, threads=1)
    broker.join("default", timeout=10_000)
    assert seen == [trace.Trace(PARENT), None, trace.Trace(PARENT)]


def test_an_asynchronous_actor_has_its_trace(
    broker: RedisStreamsBroker, start_worker: Callable[..., dramatiq.Worker]
) -> None:
    broker.add_middleware(dramatiq.middleware.AsyncIO())
    broker.add_middleware(TraceContext(lambda: {"traceparent": PARENT}))
    seen = []

    @dramatiq.actor
    async def note() -> None:
        seen.append(trace.current())

    start_worker(broker)
    note.send()

    broker.join("default", timeout=10_000)
    assert seen == [trace.Trace(PARENT)]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"tracestate": "vendor=1"},
        {"traceparent": "nonsense"},
        {"traceparent": PARENT.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32)},
        {"traceparent": PARENT.replace("b7ad6b7169203331", "0" * 16)},
        {"traceparent": "ff" + PARENT[2:]},
        {"traceparent": PARENT + "-more"},
        {"traceparent": PARENT.upper()},
    ],
)
def test_a_malformed_context_is_not_carried(broker: RedisStreamsBroker, headers: Mapping[str, str]) -> None:
    broker.add_middleware(TraceContext(lambda: headers))

    @dramatiq.actor
    def note() -> None:
        pass

    assert note.send().options == {}


def test_later_versions_and_too_long_states_are_read_as_far_as_may_be(broker: RedisStreamsBroker) -> None:
    later = "01" + PARENT[2:] + "-more"
    broker.add_middleware(TraceContext(lambda: {"traceparent": later, "tracestate": "v=" + "x" * 600}))

    @dramatiq.actor
    def note() -> None:
        pass

    assert note.send().options == {"traceparent": later}


def test_what_breaks_in_the_getter_stops_no_message(broker: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    def broken() -> Mapping[str, str]:
        raise RuntimeError

    broker.add_middleware(TraceContext(broken))
    seen = []

    @dramatiq.actor
    def note() -> None:
        seen.append(trace.current())

    note.send()

    broker.join("default", timeout=10_000)
    assert seen == [None]


def test_what_a_request_sends_belongs_to_its_callers_trace(broker: RedisStreamsBroker) -> None:
    broker.add_middleware(TraceContext())

    @dramatiq.actor
    def note() -> None:
        pass

    assert trace.adopt(PARENT) == trace.Trace(PARENT)
    assert note.send().options["traceparent"] == PARENT
    assert trace.adopt(None) is None
    assert "traceparent" not in note.send().options


@pytest.mark.parametrize("given", [None, "", "nonsense", PARENT + "-more"])
def test_a_malformed_trace_is_not_adopted_and_ends_the_one_before(given: str | None) -> None:
    trace.adopt(PARENT)

    assert trace.adopt(given) is None
    assert trace.current() is None


def test_only_the_ids_of_a_strangers_trace_are_adopted() -> None:
    later = "01" + PARENT[2:]

    adopted = trace.adopt(later + "-anything")
    trace.adopt(None)

    assert adopted == trace.Trace(later)
    assert adopted.trace_id == PARENT[3:35]
