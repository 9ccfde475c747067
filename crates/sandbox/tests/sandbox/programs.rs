//! Programs that agents and builds use go on working: each makes other system calls.

use std::path::Path;

use outwork_sandbox::{Mount, Spec};

use crate::harness::{python, shell, stdout};

#[tokio::test]
async fn shells_and_git_work() {
    let script = "set -e
        cd /tmp; export HOME=/tmp
        seq 1000 | sort -rn | head -n 1; (sleep 1000 & kill $!; wait $! || echo $?)
        git init -q a; cd a; git config user.name x; git config user.email x@localhost
        for n in 1 2 3; do echo $n > $n; git add .; git commit -qm $n; done
        git gc -q; git clone -q . ../b; git -C ../b log --oneline | wc -l; git fsck 2>/dev/null && git status --short
        tar -cf - . | tar -xf - -C /dev/shm; rm -rf .git; find . -type f | xargs -n 1 -P 4 cat | sort | tr -d '\\n'";
    assert_eq!(stdout(&shell(script)).await, "1000\n143\n3\n123");
}

/// Threads, and processes started in each way that there is.
#[tokio::test]
async fn python_works() {
    let program = "
import asyncio, concurrent.futures, multiprocessing, sqlite3, ssl
from multiprocessing import shared_memory
def square(x): return x * x
async def server():
    await (await asyncio.create_subprocess_exec('true')).wait()
    server = await asyncio.start_server(lambda reader, writer: writer.close(), '127.0.0.1', 0)
    reader, _ = await asyncio.open_connection(*server.sockets[0].getsockname())
    return await reader.read()
if __name__ == '__main__':
    with concurrent.futures.ThreadPoolExecutor(8) as pool: print(sum(pool.map(square, range(100))))
    for kind in ('fork', 'spawn', 'forkserver'):
        with multiprocessing.get_context(kind).Pool(2) as pool: print(sum(pool.map(square, range(100))))
    memory = shared_memory.SharedMemory(create=True, size=10); memory.close(); memory.unlink()
    queue = multiprocessing.Queue(); queue.put(1); print(queue.get(), asyncio.run(server()))
    sqlite3.connect('/tmp/db').execute('create table t (x)')
";
    let script = format!(
        "cat > /tmp/program.py <<'END'\n{program}\nEND\nexec /usr/bin/python3 /tmp/program.py"
    );
    let sums = "328350\n".repeat(4);
    assert_eq!(stdout(&shell(&script)).await, format!("{sums}1 b''\n"));
}

#[tokio::test]
async fn node_works() {
    let program = "
const { Worker } = require('worker_threads'), http = require('http'), os = require('os');
require('child_process').execSync('true');
new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true });
new Worker('require(\"worker_threads\").parentPort.postMessage(7)', { eval: true }).on('message', (seven) => {
    const server = http.createServer((_, answer) => answer.end('x')).listen(0, '127.0.0.1', () =>
        http.get({ host: '127.0.0.1', port: server.address().port }, (answer) => {
            console.log(seven, answer.statusCode, Object.keys(os.networkInterfaces()).join(), os.userInfo().username);
            process.exit(0);
        }));
});";
    // Wherever this machine has it.
    let found = std::process::Command::new("sh")
        .args(["-c", "realpath $(command -v node)"])
        .output()
        .unwrap();
    let path = String::from_utf8(found.stdout).unwrap();
    let prefix = Path::new(path.trim()).ancestors().nth(2);
    let mut spec = Spec::new(["/node/bin/node", "-e", program]);
    spec.mounts.push(Mount::ReadOnlyBind {
        source: prefix.expect("node is installed").to_owned(),
        target: "/node".into(),
    });
    assert_eq!(stdout(&spec).await, "7 200 lo agent\n");
}

/// They ask for what a sandbox does not have, and go on without.
#[tokio::test]
async fn what_is_missing_looks_like_an_older_kernel() {
    let script = "
import ctypes, errno, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def error(result): return errno.errorcode[ctypes.get_errno()] if result < 0 else 'OK'
x86 = os.uname().machine == 'x86_64'
# clone3, asynchronous disk requests, a call that is yet to come.
for number in (435, 206 if x86 else 0, 999): print(error(libc.syscall(number, 0, 0)))
for protocol in (262, 132):
    try: socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol)
    except OSError as e: print(errno.errorcode[e.errno])
try: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 9)
except OSError as e: print(errno.errorcode[e.errno])
try: socket.socketpair(30, socket.SOCK_STREAM)
except OSError as e: print(errno.errorcode[e.errno])";
    assert_eq!(
        stdout(&python(script)).await,
        "ENOSYS\nENOSYS\nENOSYS\nEPROTONOSUPPORT\nEPROTONOSUPPORT\nEPROTONOSUPPORT\nEAFNOSUPPORT\n"
    );
}
