"""Batch actors: what waits for one actor is run by one thread, in one call of the actor.

That is for work of which much costs little more than little, such as what is written in one transaction. An actor with
the option `batch` is called with a list of at most so many `Call`s, and returns as many outcomes. For each message the
middleware does what it always does, in a context of the message's own, and each is acknowledged or retried by itself.

What may surprise: a process runs one batch of an actor at a time. What comes meanwhile is the next one, so batches grow
with the load, and a lone message is run at once. Under gevent each message is a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import Context, copy_context
from typing import Any, NamedTuple

from dramatiq import Actor
from dramatiq.broker import Broker, MessageProxy
from dramatiq.errors import RateLimitExceeded, Retry
from dramatiq.middleware import SkipMessage

from broker.handoff import Handoff
from broker.message import StreamMessage

#: The option of an actor that has it called with batches: how many messages at most.
OPTION = "batch"


class Call(NamedTuple):
    """One message of a batch, as its actor sees it."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    #: What middleware bound for this message: work that is done for it alone is run in here.
    context: Context


#: A message that has begun, and its context.
_Begun = tuple[MessageProxy, Context]


def most(actor: Actor[Any, Any] | None) -> int:
    """Return how many messages the actor takes at once; 0 if it is no batch actor."""
    return 0 if actor is None else int(actor.options.get(OPTION) or 0)


def line(actor: Actor[Any, Any] | None, message: MessageProxy) -> str | None:
    """Return the line of the queue that a message is in, together with those that it may be run with; or None.

    One that was running when a worker died is run alone: it may have been the killer.
    """
    alone = getattr(message, "starts", None) is not None
    return actor.actor_name if actor is not None and not alone and most(actor) else None


class Runner:
    """Runs messages in one worker thread of Dramatiq's: those of batch actors together, others as Dramatiq does."""

    def __init__(self, broker: Broker, thread: Any) -> None:
        self._broker = broker
        self._thread = thread
        self._run_one = thread.process_message
        self._logger = thread.logger

    def process_message(self, message: MessageProxy) -> None:
        """The message, and what came with it for the same batch actor, is run and settled."""
        actor = self._broker.actors.get(message.actor_name)
        number = most(actor)
        if actor is None or not number:
            self._run_one(message)
            return
        queue = self._thread.work_queue
        if not isinstance(queue, Handoff) or line(actor, message) is None:
            self._run(actor, [message])
            return
        try:
            self._run(actor, [message, *(item.message for item in queue.company(actor.actor_name, number - 1))])
        finally:
            queue.release(actor.actor_name)

    def _run(self, actor: Actor[Any, Any], messages: Sequence[MessageProxy]) -> None:
        ended: list[_Begun] = []
        begun: list[_Begun] = []
        try:
            for message in messages:
                one = (message, copy_context())
                (begun if one[1].run(self._begin, actor, message) else ended).append(one)
            calls = [Call(message.args, message.kwargs, context) for message, context in begun]
            for one, outcome in zip(begun, self._act(actor, calls), strict=True):
                one[1].run(self._end, actor, one[0], outcome)
                ended.append(one)
        finally:
            # Should hooks have been interrupted, what has not ended is still held: others get it in the end.
            self._settle(ended)
            for _ in messages:
                self._thread.work_queue.task_done()

    def _begin(self, actor: Actor[Any, Any], message: MessageProxy) -> bool:
        """Return whether the message is to be run; if not, it has ended."""
        if isinstance(message, StreamMessage):
            message.batched = True
        try:
            self._broker.emit_before("process_message", message)
        except BaseException as error:
            self._end(actor, message, error)
            return False
        if message.failed:
            self._end(actor, message, None)
        return not message.failed

    def _act(self, actor: Actor[Any, Any], calls: Sequence[Call]) -> Sequence[Any]:
        """Return what came of each call: what the actor returned of it, or what it raised.

        What the actor asks for by a `Retry`, or is interrupted by, is everybody's. With any other error they are run
        one by one, so that one bad message spoils no other.
        """
        try:
            outcomes: Sequence[Any] = actor(calls) if calls else []
            if len(outcomes) != len(calls):
                raise ValueError(f"{actor.actor_name} was called with {len(calls)} and returned {len(outcomes)}")
            return outcomes
        except Retry as error:
            return [error] * len(calls)
        except Exception as error:
            if len(calls) == 1:
                return [error]
            return [outcome for call in calls for outcome in self._act(actor, [call])]
        except BaseException as error:
            return [error] * len(calls)

    def _end(self, actor: Actor[Any, Any], message: MessageProxy, outcome: Any) -> None:
        """Middleware has heard of the outcome. The same as in Dramatiq's `WorkerThread.process_message`."""
        if isinstance(outcome, SkipMessage):
            if message.failed:
                message.stuff_exception(outcome)
            self._logger.warning("Message %s was skipped.", message)
            self._broker.emit_after("skip_message", message)
        elif isinstance(outcome, BaseException):
            message.stuff_exception(outcome)
            self._log(actor, message, outcome)
            self._broker.emit_after("process_message", message, exception=outcome)
        else:
            self._broker.emit_after("process_message", message, result=outcome)

    def _log(self, actor: Actor[Any, Any], message: MessageProxy, error: BaseException) -> None:
        throws = message.options.get("throws") or actor.options.get("throws")
        if isinstance(error, RateLimitExceeded):
            self._logger.debug("Rate limit exceeded in message %s: %s.", message, error)
        elif throws and isinstance(error, throws):
            expected = type(error).__name__
            self._logger.info("Failed to process message %s with expected exception %s.", message, expected)
        elif not isinstance(error, Retry):
            self._logger.error("Failed to process message %s with unhandled exception.", message, exc_info=error)

    def _settle(self, ended: Sequence[_Begun]) -> None:
        last = {message.queue_name: message for message, _ in ended}
        for message, context in ended:
            if isinstance(message, StreamMessage):
                message.followed = last[message.queue_name] is not message
            context.run(self._thread.consumers[message.queue_name].post_process_message, message)
            # It would be kept by its traceback, and that by it.
            message.clear_exception()
