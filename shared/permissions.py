"""What a user of Redis must be permitted for cwpipe and RQ: the ACL that docs/redis.md shows, and a look at its being so.

A transaction that is discarded runs nothing, but each of its commands is refused at once if the user may not run it. So
all that is missing is known before anything is changed.
"""

from typing import Any

import redis

from shared import keys

_OURS, _RQS = keys.VERSION, "rq:queues"

#: Commands and, for each, arguments that Redis takes: of a wrong number it would speak before it speaks of permission.
_PROBES = """
ping
select 0
info
time
client|setname x
client|info
script|load return
evalsha 0 0
unwatch
get k
set k v
del k
exists k
expire k 1
persist k
rename k k
strlen k
getrange k 0 1
incrby k 1
mget k
hget k f
hset k f v
hdel k f
hgetall k
hmget k f
hkeys k
hvals k
hlen k
hexists k f
hincrby k f 1
hincrbyfloat k f 1
hscan k 0
zadd k 1 m
zrem k m
zcard k
zrange k 0 1
zrangebyscore k 0 1
zremrangebyscore k 0 1
zscore k m
zscan k 0
sadd k m
srem k m
smembers k
lpush k v
rpush k v
lpop k
llen k
lrange k 0 1
lrem k 0 v
lpos k v
blmove k k left right 1
xadd k * f v
xrevrange k + -
"""
_ARGUMENTS = [line.split() for line in _PROBES.split("\n") if line]
#: What encloses the others, and cannot be tried within a transaction.
_ENCLOSING = ("watch", "multi", "exec", "discard")

COMMANDS = tuple(sorted([*(name for name, *_ in _ARGUMENTS), *_ENCLOSING]))
KEYS = ("cwpipe:*", "rq:*")


def acl(user: str, password: str) -> str:
    """Return the command that makes a user who may do what cwpipe and RQ do, and nothing else."""
    permitted = " ".join(f"+{command}" for command in COMMANDS)
    return f"ACL SETUSER {user} reset on >{password} {' '.join(f'~{pattern}' for pattern in KEYS)} {permitted}"


def missing(client: redis.Redis) -> list[str]:
    """Return the commands, and patterns of keys, that the user may not use. Changes nothing; blocks for three round trips.

    Raises redis.RedisError.
    """
    connection: Any = client.connection_pool.get_connection()
    try:
        found = _missing(connection)
    except BaseException:
        connection.disconnect()
        raise
    else:
        if found:
            connection.disconnect()  # it may be in the transaction yet
        return found
    finally:
        client.connection_pool.release(connection)


def _missing(connection: Any) -> list[str]:
    connection.send_command("MULTI")
    try:
        connection.read_response()
    except redis.exceptions.NoPermissionError:
        return ["multi"]  # and nothing else is sent: outside a transaction it would be carried out
    commands = [*(name for name, *_ in _ARGUMENTS), "discard", "exec", "watch"]
    looks = [("EXISTS", key) for key in (_OURS, _RQS)]
    probes = [_probe(arguments, _OURS) for arguments in _ARGUMENTS]
    connection.send_packed_command(
        connection.pack_commands([*looks, *probes, ("DISCARD",), ("EXEC",), ("WATCH", _OURS)])
    )
    keys_refused = ["key" in _refusal(connection) for _ in KEYS]
    refused = ["to run" in _refusal(connection) for _ in commands]
    connection.send_command("UNWATCH")
    _refusal(connection)
    return [name for name, no in zip((*commands, *KEYS), (*refused, *keys_refused), strict=True) if no]


def _probe(arguments: list[str], key: str) -> tuple[str, ...]:
    """Return a command with a key of ours: one that is not permitted would hide whether the command is."""
    name, *rest = arguments
    return (*name.upper().split("|"), *(key if text == "k" else text for text in rest))


def _refusal(connection: Any) -> str:
    """Return what is said of a command, or a key, that is not permitted; else nothing."""
    try:
        connection.read_response()
    except redis.ResponseError as error:
        # EXEC's refusal comes as an aborted transaction. All else, such as not to be within one, is no want of permission.
        is_one = isinstance(error, redis.exceptions.NoPermissionError) or "NOPERM" in str(error)
        return str(error) if is_one else ""
    return ""


if __name__ == "__main__":
    print(acl("cwpipe", "<password>"))  # noqa: T201 - for the documentation
