"""The one Celery app, for workers, scheduler, publishers and Flower alike."""

from typing import Any

from celery import Celery, signals
from kombu import Queue as KombuQueue

from shared.queue.topology import Queue
from shared.settings import settings

#: Why each of these is set: deploy/docs/decisions/0003-the-queue-is-a-hint.md
_SETTINGS: dict[str, Any] = {
    "task_ignore_result": True,
    "task_store_errors_even_if_ignored": False,
    "task_serializer": "json",
    "accept_content": ["json"],
    "result_accept_content": ["json"],
    "task_acks_late": True,
    "task_reject_on_worker_lost": False,
    "task_publish_retry": False,  # the sweep hints again; never block the API on the broker
    "worker_prefetch_multiplier": 1,
    "worker_disable_rate_limits": True,
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    "worker_enable_remote_control": True,  # read-only ones: shared/queue/consumer.py
    "worker_hijack_root_logger": False,
    "worker_redirect_stdouts": False,
    "worker_send_task_events": True,
    "task_send_sent_event": False,  # Flower shows what workers take; a publish stays cheap
    "worker_soft_shutdown_timeout": 15,
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "broker_pool_limit": 4,
    "broker_transport_options": {
        "visibility_timeout": 300,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        # a publisher that cannot connect says so at once: the sweep hints again
        "max_retries": 1,
        "interval_start": 0,
        "interval_step": 0,
        "interval_max": 0,
        "socket_timeout": 10,
        "socket_connect_timeout": 3,
        "socket_keepalive": True,
        "health_check_interval": 15,
        "priority_steps": [0],
        "queue_order_strategy": "round_robin",
        "global_keyprefix": "volley:",
    },
    "task_queues": [KombuQueue(queue.value) for queue in Queue],
    "task_default_queue": Queue.SCHEDULER.value,
}


def broker_url() -> str:
    """BROKER_URL, else REDIS_URL."""
    chosen = settings().broker_url or settings().redis_url
    return chosen.get_secret_value() if chosen else "redis://127.0.0.1:6379/0"


app = Celery("volley", broker=broker_url())
app.conf.update(_SETTINGS)


@signals.setup_logging.connect
def _leave_logging_alone(**_: Any) -> None:
    """Connected so that Celery does not configure logging: shared.logging has done it."""
