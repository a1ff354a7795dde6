"""The two hops as data. The dotted paths are stored in Redis: renaming a function would strand what is queued."""

import importlib
import inspect

import pytest

from shared import queues
from shared.queues import ENRICHED, FOREVER, RAW, RESULT_SECONDS, Route

each_route = pytest.mark.parametrize("route", [RAW, ENRICHED], ids=lambda route: route.queue)


def test_the_stored_paths_do_not_change() -> None:
    """Batches queued by the release before this one name them."""
    assert "services.normalizer.normalize.normalize_batch" == RAW.task
    assert "services.forwarder.forward.forward_batch" == ENRICHED.task


@each_route
def test_the_task_of_a_route_can_be_imported_and_called_as_its_jobs_are(route: Route) -> None:
    """RQ finds it by name, in the worker, when it is too late to notice."""
    module, _, name = route.task.rpartition(".")
    task = getattr(importlib.import_module(module), name)

    inspect.signature(task).bind("batch-id", {"events": 1})
    assert module == task.__module__


def test_a_retry_comes_at_once_and_at_the_front() -> None:
    """With an interval RQ would put the job aside in two steps, and lose it when killed between them."""
    assert [0] == FOREVER.intervals
    assert FOREVER.enqueue_at_front
    assert FOREVER.max >= 1_000_000


def test_a_finished_job_is_kept_for_a_while() -> None:
    """With a result_ttl of 0 RQ runs a recovered job again and again."""
    assert RESULT_SECONDS > 0


def test_nothing_was_interrupted_outside_a_job() -> None:
    """The stages are called without RQ in tests and benchmarks."""
    assert 0 == queues.times_interrupted()
