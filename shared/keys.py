"""Every Redis key of ours: name, type, meaning, lifetime. RQ's own keys begin with `rq:`.

    key                              type     meaning                                                        lives
    cwpipe:version                   string   layout of these keys                                           for ever
    cwpipe:first_start               string   ms of the first start: the default of only_logs_after          for ever
    cwpipe:groups                    hash     group key -> JSON GroupState: its names, what was last said    for ever
    cwpipe:checkpoint:<group key>    string   JSON Checkpoint                                                for ever
    cwpipe:seen:<group key>          hash     remembered event ids, see services/fetcher/seen.py             fields: until swept,
                                                                                                             late ones for longer
    cwpipe:backfills:<group key>     hash     "state" -> JSON Backfills, "ids" -> events that its pages may     for ever
                                              bring again, see services/fetcher/backfill_steps.py
    cwpipe:payload:<queue>:<batch>   string   the batch; its existence means "not done yet"                  until done
    cwpipe:facts:<queue>             hash     batch id -> JSON Facts, to give the batch a job again          until done
    cwpipe:progress:<batch>          string   datagrams of the batch confirmed by the receiver               until done
    cwpipe:outstanding:<queue>       zset     batch id -> ms when it was queued                              until done
    cwpipe:orphans:<queue>           string   held by the worker that last looked for batches without a job  10 s
    cwpipe:senders:<receiver>        zset     forwarders that send to a receiver, by the time they last said so   10 s
    cwpipe:levels                    zset     "<level> <socket>" that forwarders confirm at -> ms when last said  7 d
    cwpipe:fetchers                  zset     fetcher and digest of its sources -> s when it last said so    8 s
    cwpipe:division                  string   counts the changes of cwpipe:owners                            for ever
    cwpipe:owners                    hash     group key -> the fetcher that reads it                         for ever
    cwpipe:weights                   hash     group key -> calls a minute, of groups that cost several       while it does
    cwpipe:found:<source>            string   Found: the groups of a source in a region, see search.py      3 searches
    cwpipe:looking:<source>          string   held by the fetcher that looks for them                        30 s
    cwpipe:permits:<bucket>          hash     tokens of an account, region and operation, see                1 h unused
                                              shared/aws/limiter.py
    cwpipe:bytes                     hash     queue name, "dead_letters", "kept_originals" -> bytes held       for ever
    cwpipe:books:<group key>         hash     fetched, duplicates, discarded, delivered, dead_lettered,
                                              sent_again: events; streams_deleted; since the first start     for ever
    cwpipe:digest:<group>:<hour>     hash     events committed and the sum of their hashes, by minute:       limits.audit_window
                                              see shared/digests.py                                          after the hour
    cwpipe:digests                   hash     group key -> JSON Mark: since when its digests are whole         for ever
    cwpipe:chosen                    hash     group key -> JSON Chosen: what AWS chooses of it, and since when for ever
    cwpipe:api_calls                 hash     "<region> <operation>" -> calls made to AWS                    for ever
    cwpipe:dead_letters              hash     id -> DeadLetter                                               until handled
    cwpipe:kept_originals            zset     id -> ms, oldest dropped when over their bound                 bounded
    cwpipe:kept_original:<id>        string   KeptOriginal                                                   with its id

A group key names account, region and group in 16 characters that RQ allows in a job id.
"""

from hashlib import blake2b

from shared.messages import GroupRef

LAYOUT = "1"

VERSION = "cwpipe:version"
FIRST_START = "cwpipe:first_start"
GROUPS = "cwpipe:groups"
FETCHERS = "cwpipe:fetchers"
DIVISION = "cwpipe:division"
OWNERS = "cwpipe:owners"
WEIGHTS = "cwpipe:weights"
BYTES = "cwpipe:bytes"
LEVELS = "cwpipe:levels"
API_CALLS = "cwpipe:api_calls"
DIGESTS = "cwpipe:digests"
CHOSEN = "cwpipe:chosen"
DEAD_LETTERS = "cwpipe:dead_letters"
KEPT_ORIGINALS = "cwpipe:kept_originals"


def group_key(group: GroupRef) -> str:
    """Return the short name of `group` in keys and job ids: 16 hexadecimal digits."""
    name = "\0".join((group.account_id, group.region, group.log_group))
    return blake2b(name.encode(), digest_size=8).hexdigest()


def checkpoint(group_key: str) -> str:
    return f"cwpipe:checkpoint:{group_key}"


def seen(group_key: str) -> str:
    return f"cwpipe:seen:{group_key}"


def backfills(group_key: str) -> str:
    return f"cwpipe:backfills:{group_key}"


def books(group_key: str) -> str:
    return f"cwpipe:books:{group_key}"


def digest(group_key: str, hour: int | str) -> str:
    return f"cwpipe:digest:{group_key}:{hour}"


def found(source: str) -> str:
    """`source` names a source, its region and its settings."""
    return f"cwpipe:found:{source}"


def looking(source: str) -> str:
    return f"cwpipe:looking:{source}"


def permits(bucket: str) -> str:
    """`bucket` names account, region and operation."""
    return f"cwpipe:permits:{bucket}"


def payload(queue: str, batch_id: str) -> str:
    return f"cwpipe:payload:{queue}:{batch_id}"


def facts(queue: str) -> str:
    return f"cwpipe:facts:{queue}"


def progress(batch_id: str) -> str:
    return f"cwpipe:progress:{batch_id}"


def outstanding(queue: str) -> str:
    return f"cwpipe:outstanding:{queue}"


def orphans(queue: str) -> str:
    return f"cwpipe:orphans:{queue}"


def senders(receiver: str) -> str:
    return f"cwpipe:senders:{receiver}"


def kept_original(original_id: str) -> str:
    return f"cwpipe:kept_original:{original_id}"
