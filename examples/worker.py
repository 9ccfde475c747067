#!/usr/bin/env python3
"""An Outwork worker in one file, written from docs/worker-protocol.md and openapi/worker.json alone.

It runs agents of kind `command` as ordinary processes of whoever starts it. IT ISOLATES NOTHING: an agent can read what you can read,
reach every network that you reach, and use the whole machine. So it starts only with --no-isolation, and says `none` to the server,
which shows that with each attempt. For work that you do not trust, use `outwork worker`.
"""

import argparse, contextlib, fcntl, http.client, json, math, os, pathlib, shutil, signal, socket, subprocess, sys, threading, time
import urllib.error, urllib.parse, urllib.request
from datetime import datetime, timezone

INTERRUPTED = "The agent was interrupted. How does it go on?"
LOG_BYTES = 16 << 20  # of an agent's output; what comes after it is left out of the log
DIFF_BYTES = 64 << 20
ASKS = 75  # the exit code of a command that asks


class Away(Exception):
    """The server cannot be reached, or cannot serve now: the same again, later."""


class Refused(Exception):
    """The server answered that it will not (the protocol's section "Errors")."""

    def __init__(self, status, problem):
        super().__init__(problem.get("detail", status))
        self.status, self.code = status, problem.get("code", "")


class Failed(Exception):
    """The attempt ends with this failure."""

    def __init__(self, code, message):
        super().__init__(message)
        self.failure = {"code": code, "message": message}


class Server:
    def __init__(self, url, token):
        self.url, self.headers = url.rstrip("/") + "/api/worker/v1", {"Authorization": f"Bearer {token}"}

    def open(self, method, path, body=None, timeout=30, **query):
        """One request; `body` is bytes, or anything else to be sent as JSON. Nothing is repeated here."""
        is_raw = isinstance(body, bytes)
        data = body if is_raw or body is None else json.dumps(body).encode()
        headers = self.headers | {"Content-Type": "application/octet-stream" if is_raw else "application/json"}
        url = self.url + path + ("?" + urllib.parse.urlencode(query) if query else "")
        try:
            return urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=timeout)
        except urllib.error.HTTPError as error:
            if error.code < 500 and error.code not in (408, 425, 429):
                with contextlib.suppress(ValueError, AttributeError, OSError, http.client.HTTPException):
                    raise Refused(error.code, json.load(error)) from None
            raise Away(f"status {error.code}") from None
        except (OSError, http.client.HTTPException) as error:
            raise Away(str(error)) from None

    def call(self, method, path, body=None, timeout=30, **query):
        try:
            with self.open(method, path, body, timeout, **query) as answer:
                content = answer.read()
                return json.loads(content) if answer.headers.get_content_type() == "application/json" else content
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise Away(str(error)) from None


def git(directory, *arguments, stdin=None, **variables):
    """Git with no configuration but that of `directory`: what the agent wrote into its own `.git` is never read."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null",
                   "GIT_TERMINAL_PROMPT": "0", "GIT_DIR": str(directory), **variables}
    done = subprocess.run(["git", *arguments], input=stdin, env=environment, capture_output=True, timeout=600)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.decode(errors="replace").strip() or f"git {arguments[0]} failed")
    return done.stdout


class Repository:
    """A checkout for the agent, and beside it a git directory of ours that the diff is made with."""

    def __init__(self, run, assigned):
        self.name, commit, branch = assigned["name"], assigned["commit"], assigned.get("branch")
        self.tree, self.git = run.directory / "workspace" / self.name, run.directory / f"git.{self.name}"
        if assigned.get("credential"):
            raise Failed("repository_unavailable", "This worker uses no stored credentials.")
        try:
            git(self.git, "init", "-q", "--bare", str(self.git))
            git(self.git, "fetch", "-q", assigned["url"], "+refs/*:refs/*")
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            raise Failed("repository_unavailable", f"{assigned['url']} cannot be fetched: {error}") from None
        try:
            git(self.tree / ".git", "clone", "-q", "--no-checkout", "--no-hardlinks", str(self.git), str(self.tree))
            for directory in (self.git, self.tree / ".git"):  # bytes stay bytes, whatever attributes the repository has
                (directory / "info" / "attributes").write_text("* -text !eol -ident !filter !working-tree-encoding !diff !merge\n")
            self.in_tree("checkout", "-q", *(["-B", branch] if branch else ["--detach"]), commit)
        except RuntimeError as error:
            raise Failed("commit_not_found", f"{commit} cannot be checked out: {error}") from None
        starting = run.download("starting_diff", repository=self.name) if assigned["has_starting_diff"] else b""
        carried = run.download("carried_diff", repository=self.name) if assigned["has_carried_diff"] else b""
        try:
            git(self.git, "read-tree", commit)
            if starting:
                git(self.git, "apply", "--cached", "-", stdin=starting)
            # The diff is against the commit with the starting diff; a carried diff is part of it.
            self.base = git(self.git, "write-tree").decode().strip()
            for patch in filter(None, (starting, carried)):
                self.in_tree("apply", "-", stdin=patch)
        except RuntimeError as error:
            raise Failed("starting_diff_conflict", f"What the attempt starts from does not apply: {error}") from None

    def in_tree(self, *arguments, stdin=None):
        """Before the agent has been here: its `.git` is still ours."""
        git(self.tree / ".git", "-C", str(self.tree), *arguments, stdin=stdin, GIT_WORK_TREE=str(self.tree))

    def diff(self):
        """The patch against the base, new and binary files included, and its size."""
        place = {"GIT_WORK_TREE": str(self.tree), "GIT_INDEX_FILE": str(self.git / f"index.{threading.get_ident()}")}
        ours = lambda *arguments: git(self.git, "-C", str(self.tree), *arguments, **place)
        ours("read-tree", self.base)
        ours("add", "-A", ".")
        changes = ("diff", "--cached", "--no-ext-diff", "--no-textconv", "--no-color", "-M", self.base)
        patch = ours(*changes, "--binary", "--full-index")
        if len(patch) > DIFF_BYTES:
            raise Failed("result_too_large", f"The diff of {self.name} has more than {DIFF_BYTES >> 20} MiB.")
        counts = [line.split("\t") for line in ours(*changes, "--numstat").decode().splitlines()]
        total = lambda column: sum(int(count[column]) for count in counts if count[column] != "-")
        return patch, {"repository": self.name, "files_changed": len(counts), "lines_added": total(0), "lines_removed": total(1)}


class Run:
    """One claim of an attempt: its agent, what is wanted of it, and what the server has to hear, in order."""

    def __init__(self, worker, assignment, asked_at):
        self.worker, self.assignment, self.limits = worker, assignment, assignment["limits"]
        self.attempt, self.epoch = assignment["attempt"], assignment["epoch"]
        self.lease, self.renewed_at = assignment["lease_ms"] / 1000, asked_at
        self.directory = worker.data / "attempts" / f"{self.attempt}.{self.epoch}"
        self.wish, self.message_seq, self.agent, self.said, self.log_bytes = None, 0, None, "", 0
        # The outbox: an event's place is its number; each control entry comes after so many events.
        self.events, self.acknowledged, self.controls, self.changed = [], 0, [], threading.Condition()
        self.repositories, self.session, self.over = [], None, threading.Event()
        self.told({"desired": "run", "messages": assignment.get("messages", [])})

    # What the server wants.

    def told(self, answer):
        for message in answer.get("messages", []):
            if message["number"] > self.message_seq:
                self.message_seq = message["number"]
                if message["kind"] == "interrupt":  # a command hears no `steer`; kinds that we do not know are passed over
                    self.stop("interrupt")
        if answer["desired"] in ("cancel", "abandon"):
            self.stop(answer["desired"])

    def stop(self, wish):
        """Ends the agent. A wish only ever rises: a claim that is lost is not cancelled any more."""
        order = [None, "timeout", "interrupt", "release", "cancel", "abandon"]
        with self.changed:
            if order.index(wish) > order.index(self.wish):
                self.wish = wish
            self.changed.notify_all()
        self.kill()

    def kill(self):
        if self.agent:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.agent.pid, signal.SIGKILL)

    # What the server hears.

    def event(self, kind, **fields):
        at = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        with self.changed:
            self.events.append({"at": at, "type": kind, **fields})
            self.changed.notify_all()

    def control(self, method, path, body, **query):
        with self.changed:
            self.controls.append((len(self.events), method, path, body, query))
            self.changed.notify_all()

    def verb(self, method, path, body=None, **query):
        return self.worker.server.call(method, f"/attempts/{self.attempt}{path}", body, **query)

    def deliver(self):
        """Sends the outbox, in order, until the end is acknowledged or the claim is lost."""
        pause = 0.1
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.controls or len(self.events) > self.acknowledged or self.wish == "abandon")
                if self.wish == "abandon":
                    return
                control = self.controls[0] if self.controls else None
                first, end = self.acknowledged, control[0] if control else len(self.events)
                events = self.events[first:min(end, first + 256)]
            try:
                if events:
                    answer = self.verb("POST", "/events", {"epoch": self.epoch, "first_seq": first + 1, "events": events})
                    self.acknowledged = max(first, answer["acknowledged_seq"])
                else:
                    _, method, path, body, query = control
                    answer = self.verb(method, path, body, **query)
                    self.controls.pop(0)
                    if path == "/finish":
                        return
                if isinstance(answer, dict):
                    self.told(answer)
                pause = 0.1
                continue
            except Away:
                pass
            except Refused as refused:
                if refused.code == "out_of_order":
                    self.acknowledged = 0  # from the beginning; the server passes over what it has
                elif refused.status not in (401, 403):
                    return self.stop("abandon")  # stale, ended, or never to be taken
            time.sleep(pause)
            pause = min(2 * pause, 5)

    def download(self, kind, **query):
        while self.wish not in ("abandon", "release"):
            try:
                return self.verb("GET", f"/objects/{kind}", epoch=self.epoch, **query)
            except Away:
                time.sleep(0.5)
            except Refused as refused:
                if refused.code in ("stale_lease", "attempt_ended"):
                    self.stop("abandon")
                raise Failed("internal", f"The attempt's {kind} cannot be fetched: {refused}") from None
        raise Failed("internal", "The attempt was given up.")

    # What is done.

    def run(self):
        delivery = threading.Thread(target=self.deliver)
        delivery.start()
        try:
            outcome = self.work()
        except Failed as failed:
            outcome = {"result": "failed", "failure": failed.failure}
        except Exception as error:  # a fault of ours must not leave the attempt without an end
            outcome = {"result": "failed", "failure": {"code": "internal", "message": f"The worker failed: {error!r}"}}
        self.kill()
        if self.wish == "release":
            with contextlib.suppress(Away, Refused):
                self.verb("POST", "/release", {"epoch": self.epoch})
            self.stop("abandon")
        elif self.wish != "abandon":
            asks = {"result": "awaiting_input", "question": INTERRUPTED}
            self.finish({"interrupt": asks, "cancel": {"result": "cancelled"}}.get(self.wish, outcome))
        delivery.join()
        shutil.rmtree(self.directory, ignore_errors=True)

    def work(self):
        if self.assignment["agent"]["name"] != "command":
            raise Failed("agent_not_installed", "This worker runs agents of kind `command` only.")
        for field in ("base_image", "runtimes", "setup_script", "maintenance_script", "resources", "injections", "max_tokens"):
            if self.assignment.get(field):
                raise Failed("sandbox_unavailable", f"The environment has `{field}`; this worker has nothing to keep it with.")
        if self.assignment.get("output_schema"):
            raise Failed("agent_failed", "The task asks for an answer of a schema, which this worker cannot check.")
        self.control("POST", "/step", {"epoch": self.epoch, "step": "preparing"})
        (self.directory / "home").mkdir(parents=True)
        for assigned in self.assignment["repositories"]:
            self.repositories.append(Repository(self, assigned))
        if self.assignment["has_session"]:
            self.session = self.download("session")  # of another worker: handed on as it is
        self.control("POST", "/step", {"epoch": self.epoch, "step": "running"})
        checkpoints = threading.Thread(target=self.checkpoints)
        checkpoints.start()
        try:
            return None if self.wish else self.run_agent()
        finally:
            self.over.set()
            checkpoints.join()

    def run_agent(self):
        given, home = self.assignment, str(self.directory / "home")
        environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "dumb", "CI": "true", **given.get("variables", {}), "HOME": home,
                       "OUTWORK_TASK_ID": given["task"], "OUTWORK_ATTEMPT_ID": self.attempt, "OUTWORK_TURN": str(given["turn"]),
                       "OUTWORK_ATTEMPT": str(given["number"]), "OUTWORK_INTERACTIVE": str(int(given.get("interactive", False)))}
        if given.get("question") not in (None, INTERRUPTED):
            environment["OUTWORK_QUESTION"] = given["question"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.agent = agent = subprocess.Popen(["/bin/bash", "-c", given["agent"]["command"]], cwd=self.repositories[0].tree,
                                              env=environment, start_new_session=True, **pipes)
        # However this worker dies, the pipe closes, and the agent goes with all its children.
        watchdog = subprocess.Popen(["sh", "-c", "read _; kill -9 -$0", str(agent.pid)], start_new_session=True,
                                    stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if self.wish:
            self.kill()
        limit = threading.Timer(self.limits["running_ms"] / 1000, self.stop, ["timeout"])
        readers = [threading.Thread(target=self.read, args=stream) for stream in (("stdout", agent.stdout), ("stderr", agent.stderr))]
        for thread in (limit, *readers):
            thread.start()
        with contextlib.suppress(BrokenPipeError):
            agent.stdin.write(given["prompt"].encode())
            agent.stdin.close()
        code = agent.wait()
        self.kill()  # what it left running
        limit.cancel()
        for reader in readers:
            reader.join()
        watchdog.communicate()
        if self.wish == "timeout":
            raise Failed("timed_out", f"The agent did not end within {self.limits['running_ms'] / 1000:.0f} seconds.")
        if code == ASKS and given.get("interactive"):
            question = self.said.rstrip().split("\n\n")[-1].strip()
            return {"result": "awaiting_input", "question": question or "The program asks, and did not say what."}
        if code != 0:
            raise Failed("agent_failed", f"The agent's command failed with exit code {code}.")
        return {"result": "succeeded"}

    def read(self, name, stream):
        while piece := stream.read1(32 << 10):
            text = piece.decode(errors="replace")
            if name == "stdout":
                self.said = (self.said + text)[-4096:]
            before, self.log_bytes = self.log_bytes, self.log_bytes + len(piece) + 100
            if self.log_bytes <= LOG_BYTES:
                self.event("output", stream=name, text=text)
            elif before <= LOG_BYTES:
                self.event("warning", message="The log is full: what the agent writes from here on is left out.")

    def checkpoints(self):
        """Saves what was done so far, in case that this worker is lost. Best effort: what fails is tried the next time."""
        while not self.over.wait(self.worker.checkpoint_every) and not self.wish:
            with contextlib.suppress(Away, Refused, Failed, RuntimeError, subprocess.TimeoutExpired):
                diffs = [repository.diff() for repository in self.repositories]
                for patch, size in diffs:
                    self.verb("PUT", "/objects/checkpoint_diff", patch, epoch=self.epoch, repository=size["repository"])
                body = {"epoch": self.epoch, "diffs": [size for _, size in diffs], "has_session": False}
                self.told(self.verb("POST", "/checkpoint", body))

    def finish(self, outcome):
        """The diffs, whatever became of the agent; then the end, once."""
        self.control("POST", "/step", {"epoch": self.epoch, "step": "collecting"})
        sizes = []
        try:
            for patch, size in [repository.diff() for repository in self.repositories]:
                self.control("PUT", "/objects/diff", patch, epoch=self.epoch, repository=size["repository"])
                sizes.append(size)
        except Failed as failed:
            outcome = {"result": "failed", "failure": failed.failure}
        except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
            outcome = {"result": "failed", "failure": {"code": "diff_failed", "message": f"The diff cannot be made: {error}"}}
        if self.session:
            self.control("PUT", "/objects/session", self.session, epoch=self.epoch)
        self.control("POST", "/finish", {"epoch": self.epoch, "outcome": outcome, "diffs": sizes, "has_session": bool(self.session),
                                         "last_seq": len(self.events)})


class Worker:
    def __init__(self, options):
        self.options, self.data, self.checkpoint_every = options, options.data_dir.resolve(), options.checkpoint_every
        self.server, self.runs = Server(options.url, options.token_file.read_text().strip()), {}
        # What operators want, whether we were told to end, and until when what runs may run on.
        self.orders, self.ending, self.until = {}, False, math.inf
        # Of a worker that was killed: its agents went with it, its claims are given to others when their leases run out.
        shutil.rmtree(self.data / "attempts", ignore_errors=True)
        (self.data / "attempts").mkdir(parents=True)

    def register(self):
        known, pause = self.data / "id", 0.1
        request = {"protocol_version": 4, "name": self.options.name, "slots": self.options.slots, "agents": ["command"],
                   "isolation": "none", "labels": dict(self.options.label)}
        if known.exists():
            request["worker"] = known.read_text()
        while not self.ending:
            try:
                answer = self.server.call("POST", "/register", request)
                self.id, self.interval = answer["worker"], answer["heartbeat_interval_ms"] / 1000
                return known.write_text(self.id)
            except (Away, Refused) as error:
                print(f"not registered: {error}", file=sys.stderr, flush=True)
                time.sleep(pause)
                pause = min(2 * pause, 5)

    def heartbeats(self):
        while True:
            sent_at, runs, pause = time.monotonic(), list(self.runs.values()), min(self.interval, 0.5)
            claims = [{"attempt": run.attempt, "epoch": run.epoch, "message_seq": run.message_seq} for run in runs]
            room = max(0, self.orders.get("slots", self.options.slots) - len(runs))
            try:
                answer = self.server.call("POST", "/heartbeat", {"worker": self.id, "leases": claims, "free_slots": room}, timeout=min(10, 2 * self.interval))
                for lease in answer["leases"]:
                    if run := self.runs.get((lease["attempt"], lease["epoch"])):
                        run.renewed_at = sent_at
                        run.told(lease)
                self.ordered(answer.get("orders", {}))
                pause = self.interval
            except Away:
                pass  # agents go on: nothing that they do counts until the server takes it
            except Refused as refused:  # the server is there and does not want us: stop before another worker can begin
                is_revoked = refused.code == "token_revoked"
                self.ending = self.ending or is_revoked
                for run in runs:
                    if is_revoked or time.monotonic() - run.renewed_at >= run.lease * 2 / 3:
                        run.stop("abandon")
                if refused.status == 404:
                    self.register()
            time.sleep(pause)

    def ordered(self, orders):
        if orders != self.orders and not self.ending:
            self.orders = orders
            self.until = time.monotonic() + orders.get("deadline_ms", math.inf) / 1000

    def commands(self):
        """What cannot wait for the next heartbeat (server-sent events). While it is down, heartbeats say the same."""
        while True:
            with contextlib.suppress(Away, Refused, OSError, ValueError, http.client.HTTPException):
                with self.server.open("GET", "/commands", timeout=45, worker=self.id) as stream:
                    kind = b""
                    for line in stream:
                        name, _, value = line.strip().partition(b":")
                        kind = value.strip() if name == b"event" else kind if line.strip() else b""
                        if (name, kind) == (b"data", b"orders"):
                            self.ordered(json.loads(value))
                        elif (name, kind) == (b"data", b"command"):
                            command = json.loads(value)
                            if run := self.runs.get((command["attempt"], command["epoch"])):
                                run.told(command)
            time.sleep(1)

    def acquire(self, free):
        asked_at = time.monotonic()  # the lease counts from before the question
        request = {"worker": self.id, "max": min(free, 100), "wait_ms": 5000}
        assignments = self.server.call("POST", "/acquire", request, timeout=35)["assignments"]
        for index, assignment in enumerate(assignments):
            if self.ending or index >= free:
                with contextlib.suppress(Away, Refused):
                    self.server.call("POST", f"/attempts/{assignment['attempt']}/release", {"epoch": assignment["epoch"]})
                continue
            run = Run(self, assignment, asked_at)
            self.runs[run.attempt, run.epoch] = run
            threading.Thread(target=self.keep, args=(run,)).start()

    def keep(self, run):
        try:
            run.run()
        finally:
            del self.runs[run.attempt, run.epoch]

    def main(self):
        self.register()
        for task in (self.heartbeats, self.commands):
            threading.Thread(target=task, daemon=True).start()
        pause = 0.1
        while True:
            desired = self.orders.get("desired", "run")
            drains, ends = self.ending or desired != "run", self.ending or desired == "retire"
            if ends and not self.runs:
                break
            if drains and time.monotonic() > self.until:  # leases are renewed until the last attempt is settled
                for run in list(self.runs.values()):
                    run.stop("release")
            free = self.orders.get("slots", self.options.slots) - len(self.runs)
            if drains or free <= 0:
                time.sleep(0.05)
                continue
            try:
                self.acquire(free)
                pause = 0.1
            except (Away, Refused):
                time.sleep(pause)
                pause = min(2 * pause, 5)
        with contextlib.suppress(Away, Refused):
            self.server.call("POST", "/deregister", {"worker": self.id}, timeout=5)

    def end(self, *_):
        self.ending, self.until = True, time.monotonic() + self.options.drain_grace


def main():
    parser = argparse.ArgumentParser(description="A small Outwork worker without any isolation: an example, and for work that you trust.")
    parser.add_argument("--url", required=True, help="the server, such as http://127.0.0.1:7420")
    parser.add_argument("--token-file", required=True, type=pathlib.Path, help="a file with a worker's token")
    parser.add_argument("--data-dir", required=True, type=pathlib.Path, help="where checkouts and the worker's id are kept")
    parser.add_argument("--name", default=socket.gethostname())
    parser.add_argument("--slots", type=int, default=1, help="how many attempts run at once")
    parser.add_argument("--label", action="append", default=[], type=lambda text: text.split("=", 1), metavar="NAME=VALUE")
    parser.add_argument("--checkpoint-every", type=float, default=20, metavar="SECONDS")
    parser.add_argument("--drain-grace", type=float, default=10, metavar="SECONDS", help="for what runs, after SIGTERM")
    parser.add_argument("--no-isolation", action="store_true", help="run agents as yourself, with your files and your network")
    options = parser.parse_args()
    if not options.no_isolation:
        parser.error("this worker isolates nothing: agents run as you, with your files and your network. If that is what you want, "
                     "say --no-isolation; otherwise use `outwork worker`.")
    options.data_dir.mkdir(parents=True, exist_ok=True)
    lock = open(options.data_dir / "lock", "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        parser.error(f"another worker uses {options.data_dir}")
    worker = Worker(options)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, worker.end)
    worker.main()


if __name__ == "__main__":
    main()
