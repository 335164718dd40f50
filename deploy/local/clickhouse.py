#!/usr/bin/env python3
"""Serves a real ClickHouse over HTTP on this machine, out of ClickHouse built as a library.

For: development, the demo and the tests, started by deploy/local/services. Everything is kept in the
data directory; a restart, and a start after kill -9, finds it again.
Signals: SIGTERM and SIGINT stop cleanly. SIGUSR2 takes the HTTP listener away, and gives it back the
next time: a server that lives but cannot be reached.
Output: one line `READY port=N pid=N` once /ping answers; `HTTP off` and `HTTP on`; at the end
`STOPPED`, or `FAILED` with ClickHouse's message and exit code 1.

Not for: production. There is one user, `default`, without a password, so only 127.0.0.1 is listened
on. No TLS, no native protocol, no replication, no system.query_log.
"""

import argparse
import ctypes
import os
import signal
import sys
import threading
import time
import urllib.request
from xml.sax.saxutils import escape

# How often SIGUSR2 works in one run: each time uses up one of a list of pipes made at the start.
TOGGLES = 100
STOP_SECONDS = 60


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lib", required=True, help="path of libchdb.so")
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--log", required=True, help="the server's log file")
    parser.add_argument("--log-level", default="information")
    parser.add_argument("--memory-mb", type=int, default=2048, help="queries beyond it fail instead of taking more")
    return parser.parse_args()


def configuration(opt):
    """ClickHouse's server and user settings, one file for both; caches take a share of the memory."""
    memory = opt.memory_mb << 20
    caches = "".join(
        f"<{name}>{memory // 16}</{name}>"
        for name in ("mark_cache_size", "index_mark_cache_size", "primary_index_cache_size")
    )
    return f"""<clickhouse>
  <timezone>UTC</timezone>
  <max_server_memory_usage>{memory}</max_server_memory_usage>
  <background_schedule_pool_size>16</background_schedule_pool_size>
  {caches}
  <logger><size>50M</size><count>2</count></logger>
  <user_directories><users_xml><path>config.xml</path></users_xml></user_directories>
  <profiles><default/></profiles>
  <quotas><default/></quotas>
  <users>
    <default>
      <password/><networks><ip>127.0.0.1</ip><ip>::1</ip></networks>
      <profile>default</profile><quota>default</quota>
      <access_management>1</access_management>
    </default>
  </users>
</clickhouse>
"""


def turn(notes, on):
    """The SQL that gives or takes the listener, and then notes it.

    A failing statement ends the server, so the note proves that the listener did what was asked.
    """
    return (
        f"SYSTEM {'START' if on else 'STOP'} LISTEN HTTP;"
        f"INSERT INTO FUNCTION file('/dev/fd/{notes}', 'LineAsString', 'note String') VALUES ('{'on' if on else 'off'}')"
    ).encode()


def run(lib_path, argv, outcome):
    """Runs ClickHouse until its statements end; leaves its error text (or None) in `outcome`."""
    try:
        lib = ctypes.CDLL(lib_path)
        lib.chdb_query_cmdline.restype = ctypes.c_void_p
        lib.chdb_result_error.restype = ctypes.c_char_p
        lib.chdb_result_error.argtypes = [ctypes.c_void_p]
        raw = [word.encode() for word in argv]
        result = lib.chdb_query_cmdline(len(raw), (ctypes.c_char_p * (len(raw) + 1))(*raw, None))
        error = lib.chdb_result_error(result) if result else b"the library gave no result"
        outcome.append(error.decode(errors="replace") if error else None)
    except (OSError, AttributeError) as problem:  # not the library, or not whole
        outcome.append(str(problem))
    finally:
        os.kill(os.getpid(), signal.SIGUSR1)


def say(text):
    print(text, flush=True)


def report(notes, port):
    """Says what the server noted. READY comes with the first `on`, once /ping answers."""
    ready = False
    for line in os.fdopen(notes):
        state = line.strip()
        if ready:
            say(f"HTTP {state}")
        while not ready:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5).read()
                ready = True
                say(f"READY port={port} pid={os.getpid()}")
            except OSError:
                time.sleep(0.02)


def main():
    opt = options()
    data = os.path.abspath(opt.data_dir)
    opt.log = os.path.abspath(opt.log)
    os.makedirs(data, exist_ok=True)
    config = os.path.join(data, "config.xml")
    with open(config, "w", encoding="utf-8") as file:
        file.write(configuration(opt))

    # The library's command line entry is `clickhouse local`: it runs files of SQL one after the other
    # and ends after the last. The files here are pipes that this process holds open, so the server
    # lives, waiting for the end of the next one, until all are closed.
    pipes = [os.pipe() for _ in range(TOGGLES + 2)]
    files = [writer for _, writer in pipes]
    notes_out, notes_in = os.pipe()
    argv = ["clickhouse", "--config-file", config, "--path", data]
    argv += ["--listen_host", "127.0.0.1", "--http_port", str(opt.port)]
    argv += ["--logger.log", opt.log, "--logger.level", opt.log_level, "--log-level", opt.log_level]
    for reader, _ in pipes:
        argv += ["--queries-file", f"/dev/fd/{reader}"]

    def listen(on):
        file = files.pop(0)
        os.write(file, turn(notes_in, on))
        os.close(file)

    # Blocked before the library makes its threads, which inherit it: only sigwait below takes these.
    handled = {signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2}
    signal.pthread_sigmask(signal.SIG_BLOCK, handled)

    outcome = []
    server = threading.Thread(target=run, args=(opt.lib, argv, outcome), daemon=True)
    server.start()
    threading.Thread(target=report, args=(notes_out, opt.port), daemon=True).start()

    on = True
    listen(on)
    while (got := signal.sigwait(handled)) == signal.SIGUSR2:
        if len(files) > 1:  # the last one only keeps the server alive
            on = not on
            listen(on)
        else:
            say(f"SIGUSR2 ignored: it works {TOGGLES} times in one run")

    for file in files:
        os.close(file)
    server.join(STOP_SECONDS)
    if server.is_alive():
        failure = f"did not stop within {STOP_SECONDS} s"
    elif got == signal.SIGUSR1:  # sent by `run`: the server ended unasked
        failure = outcome[0] or "ended by itself"
    else:
        failure = outcome[0]
    say(f"FAILED {failure}" if failure else "STOPPED")
    sys.stdout.flush()
    # Without the interpreter's and the library's exit handlers: the data was flushed when the server ended.
    os._exit(1 if failure else 0)


if __name__ == "__main__":
    main()
