"""The share of the processor that workers and runs get beside the web, which must answer webhooks in time.

Linux may count each session as one group (`kernel.sched_autogroup_enabled`). A niceness then decides only
between the processes of one session. The group has a niceness of its own, which a new session starts without.
Source: sched(7), "The autogroup feature".
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

_AGAIN = (errno.EAGAIN, errno.EINTR)


def share_by_niceness(leader: int = 0) -> bool:
    """Give the session of `leader` (0: of this process) the niceness of this process.

    A session that another process leads is left as it is: that may be the shell of a terminal.
    Return False if it is worth a later try: `leader` leads no session yet, or the kernel asks to wait, for
    it takes few such changes a second from ordinary users. Return True if it is done or can't be done.
    """
    pid = leader or os.getpid()
    try:
        if os.getsid(pid) != pid:
            return False
        Path(f"/proc/{pid}/autogroup").write_text(str(os.getpriority(os.PRIO_PROCESS, 0)))
    except OSError as error:
        return error.errno not in _AGAIN
    return True
