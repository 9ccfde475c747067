//! The same specs, whatever carries them out: with and without a container runtime, as root and as an ordinary user.
//! A runtime that is not installed fails here; `scripts/bootstrap` installs them.
//!
//! What is asked for inside is what all of them understand: Debian 12's gVisor is older than the `ls` and `stat` of
//! Debian 12, which do not work in it.

use outwork_sandbox::{ExitStatus, Forward, Network, Spec, Stdin, User};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use crate::harness::{NAMESPACES, python, set_mode, shell};
use crate::store::{As, Ended, SLOTS, Store, workers_with_every_backend};

#[tokio::test]
async fn exit_codes_and_signals_are_told_apart() {
    for store in workers_with_every_backend() {
        for (script, expected) in [
            ("exit 7", ExitStatus::Code(7)),
            ("exit 137", ExitStatus::Code(137)),
            ("kill -TERM $$", ExitStatus::Signal(15)),
            ("kill -KILL $$", ExitStatus::Signal(9)),
        ] {
            assert_eq!(
                store.run(&shell(script)).await.status,
                expected,
                "{store}: {script}"
            );
        }
    }
}

#[tokio::test]
async fn a_command_is_who_and_where_the_spec_says_and_may_nothing() {
    let script = "
import os, socket, ctypes, errno
print(os.getuid(), os.getgid(), socket.gethostname(), os.getcwd(), os.environ['A'], os.getpid() > 1)
status = dict(l.split(':', 1) for l in open('/proc/self/status'))
print({status[n].strip() for n in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd')}, status['Seccomp'].strip())
libc = ctypes.CDLL(None, use_errno=True)
def name(result): return 'OK' if result >= 0 else errno.errorcode[ctypes.get_errno()]
print(name(libc.unshare(0x10000000)), name(libc.mount(b'none', b'/tmp', b'tmpfs', 0, None)), name(libc.chroot(b'/tmp')))
try: os.setresuid(0, 0, 0); print('root')
except OSError as e: print(errno.errorcode[e.errno])
try: print(open('/proc/1/mem', 'rb').read(1))
except OSError as e: print('hidden')
print(sorted(int(f) for f in os.listdir('/proc/self/fd'))[:3], os.readlink('/proc/self/fd/2')[:4])";
    for store in workers_with_every_backend() {
        let mut spec = python(script);
        spec.hostname = "box-1".to_owned();
        spec.user = User {
            uid: 1234,
            gid: 4321,
            ..User::default()
        };
        spec.working_directory = "/usr/bin".into();
        spec.environment.insert("A".to_owned(), "a b".to_owned());
        // An ordinary user's only id is the command's; there is no other to become.
        let root = match store.worker {
            As::OrdinaryUser => "EINVAL",
            As::Root => "EPERM",
        };
        let seen = store.stdout(&spec).await;
        let expected = format!(
            "1234 4321 box-1 /usr/bin a b True\n{{'0000000000000000'}} 2\nEPERM EPERM EPERM\n{root}\nhidden\n[0, 1, 2] "
        );
        assert_eq!(
            seen.trim_end_matches("pipe\n").trim_end_matches("host\n"),
            expected,
            "{store}"
        );
    }
}

#[tokio::test]
async fn nothing_of_the_host_is_there_that_was_not_asked_for() {
    for store in workers_with_every_backend() {
        store.write("hidden/secret", 0, 0o644, "x");
        let script = format!(
            "for f in /root /home /srv /bundle /run/oci /run/exchange /etc/shadow /etc/ssh /var/log {} {}; do [ -e $f ] && echo $f; done
             for f in /usr/x /etc/x /opt/x /x /proc/sys/kernel/hostname /usr/bin/env /dev/.sandbox/x; do (: >> $f) 2>/dev/null && echo wrote $f; done
             echo y > /dev/null && echo z > /dev/shm/z && head -c 3 /dev/urandom | wc -c; set -- /proc/[0-9]*; echo $#",
            env!("CARGO_MANIFEST_DIR"),
            store.path("hidden").display()
        );
        // The first process and the shell.
        let seen = store.run(&shell(&script)).await;
        assert_eq!(seen.stdout, "3\n2\n", "{store}: {seen:?}");
    }
}

#[tokio::test]
async fn the_network_is_loopback_and_its_ports_lead_out() {
    let script = "
import socket, errno
print(sorted(l.split(':')[0].strip() for l in open('/proc/net/dev') if ':' in l))
for address in (('192.0.2.1', 80), ('127.0.0.1', 8081)):
    s = socket.socket(); s.settimeout(5)
    try: s.connect(address); print('connected')
    except OSError as e: print(errno.errorcode.get(e.errno, e))
s = socket.create_connection(('127.0.0.1', 8080)); s.sendall(b'hello' * 100_000); s.shutdown(socket.SHUT_WR)
print(len(b''.join(iter(lambda: s.recv(1 << 16), b''))))";
    for store in workers_with_every_backend() {
        let socket = store.path("gateway.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        set_mode(&socket, 0o666);
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            stream.write_all(&all).await.unwrap();
        });
        let mut spec = python(script);
        spec.network = Network::Forwards(vec![Forward {
            listen_port: 8080,
            unix_socket: socket,
        }]);
        let expected = "['lo']\nENETUNREACH\nECONNREFUSED\n500000\n";
        assert_eq!(store.stdout(&spec).await, expected, "{store}");
        server.await.unwrap();
    }
}

/// What is on disk and what the handles show after the end.
async fn changes(store: &Store, spec: &Spec) -> Ended {
    let ended = store.run(spec).await;
    assert_eq!(ended.status, ExitStatus::Code(0), "{store}: {ended:?}");
    ended
}

#[tokio::test]
async fn layers_are_written_through_and_shown_by_handles() {
    for store in workers_with_every_backend() {
        for name in ["below", "changed", "deleted", "tree/file"] {
            store.write(
                &format!("layer/workspace/{name}"),
                1000,
                0o644,
                &format!("{name}\n"),
            );
        }
        for path in ["layer/workspace", "layer/workspace/tree"] {
            store.own(&store.path(path), 1000);
        }
        let script = "cd /workspace; echo more >> changed; rm deleted; mv tree/file moved; mkdir new; echo n > new/file; ln -s below link
            echo t > /tmp/t; (setsid sleep 1000 &) ";
        let lowers = vec![store.stored("layer"), store.skeleton()];
        let mut spec = store.spec("attempt", lowers.clone(), script);
        spec.handles = ["/workspace", "/tmp"].map(Into::into).into();
        let ended = changes(&store, &spec).await;
        let workspace = [
            "below: below\n",
            "changed: changed\nmore\n",
            "link -> below",
            "moved: tree/file\n",
            "new/",
            "new/file: n\n",
            "tree/",
        ];
        assert_eq!(
            ended.handles,
            [workspace.to_vec(), vec!["t: t\n"]],
            "{store}"
        );
        let meta = std::fs::metadata(store.path("attempt/upper/workspace/new/file")).unwrap();
        let owner = (
            std::os::unix::fs::MetadataExt::uid(&meta),
            std::os::unix::fs::MetadataExt::gid(&meta),
        );
        assert_eq!(owner, store.owner(1000), "{store}");

        // One layer further, with other ids.
        let above = [vec![upper(&store, "attempt")], lowers].concat();
        let mut spec = store.spec(
            "next",
            above,
            "cd /workspace; cat changed; [ -e deleted ] || echo x >> new/file; cat new/file",
        );
        spec.uid_base = SLOTS[1];
        assert_eq!(
            store.stdout(&spec).await,
            "changed\nmore\nn\nx\n",
            "{store}"
        );
    }
}

fn upper(store: &Store, name: &str) -> outwork_sandbox::Lower {
    outwork_sandbox::Lower {
        path: store.path(name).join("upper"),
        ids: outwork_sandbox::LayerIds::Stored,
    }
}

#[tokio::test]
async fn root_in_setup_owns_its_files_and_nothing_else() {
    for store in workers_with_every_backend() {
        let script = "echo secret > /root/secret; chmod 600 /root/secret; chmod 000 /var/closed; echo o > /var/closed; cat /var/closed
            chown 101:102 /var/given 2>/dev/null; (echo x >> /usr/bin/env) 2>/dev/null && echo wrote; chroot / true 2>/dev/null && echo chroot; true";
        for name in ["root/x", "var/closed", "var/given"] {
            store.write(&format!("layer/{name}"), 0, 0o644, "");
        }
        let lowers = vec![store.stored("layer"), store.skeleton()];
        let setup = store.setup("setup", lowers, script);
        assert_eq!(store.stdout(&setup).await, "o\n", "{store}");
        if store.worker == As::Root {
            let meta = std::fs::metadata(store.path("setup/upper/var/given")).unwrap();
            let owner = (
                std::os::unix::fs::MetadataExt::uid(&meta),
                std::os::unix::fs::MetadataExt::gid(&meta),
            );
            assert_eq!(owner, (store.owner(101).0, store.owner(102).1), "{store}");
        }
    }
}

#[tokio::test]
async fn input_output_and_limits_are_the_specs() {
    let script = "
import os, resource, sys
data = sys.stdin.buffer.read(); print(len(data), set(data))
open('/dev/stdout', 'w').write('again\\n'); print('error', file=sys.stderr)
print(resource.getrlimit(resource.RLIMIT_NOFILE), resource.getrlimit(resource.RLIMIT_CORE), resource.getrlimit(resource.RLIMIT_NPROC)[1] < 300)
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try: open('/tmp/f', 'wb').write(b'x' * 200000)
except OSError as e: print(e.strerror)";
    for store in workers_with_every_backend() {
        let mut spec = python(script);
        spec.environment
            .insert("PYTHONUNBUFFERED".to_owned(), "1".to_owned());
        spec.stdin = Stdin::Bytes(vec![7; 1_000_000]);
        spec.limits.open_files = 100;
        spec.limits.processes = 50;
        spec.limits.file_size_bytes = Some(100_000);
        let ended = store.run(&spec).await;
        let expected = "1000000 {7}\nagain\n(100, 100) (1, 1) True\nFile too large\n";
        assert_eq!(
            (&*ended.stdout, &*ended.stderr),
            (expected, "error\n"),
            "{store}"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_started_is_named() {
    for store in workers_with_every_backend() {
        let failure = store.failure(&Spec::new(["no-such-program"])).await;
        assert!(
            failure.contains("cannot execute: no-such-program (it does not exist inside"),
            "{store}: {failure}"
        );
        let mut spec = shell("true");
        spec.working_directory = "/nowhere".into();
        let failure = store.failure(&spec).await;
        assert!(
            failure.contains("cannot enter the working directory: /nowhere"),
            "{store}: {failure}"
        );
    }
}

/// Our program runs in a container that others have filled, before it has given up its privileges.
#[tokio::test]
async fn a_hostile_system_gets_no_hold_of_the_first_process() {
    for store in workers_with_every_backend() {
        store.write(
            "layer/etc/ld.so.preload",
            0,
            0o644,
            "/workspace/hostile.so\n",
        );
        store.link("layer/tmp", "/run");
        store.link("layer/dev", "/etc");
        store.link("layer/proc", "/etc");
        let mut spec = store.spec(
            "attempt",
            vec![store.stored("layer"), store.skeleton()],
            "cat /tmp/oci.log /tmp/exchange /run/exchange 2>/dev/null; echo ran",
        );
        spec.mounts
            .retain(|mount| mount.target() != std::path::Path::new("/tmp"));
        // With programs of the image's own the linker would say that it cannot load it; without a container, it does.
        let ended = store.run(&spec).await;
        assert_eq!(
            (ended.status, &*ended.stdout),
            (ExitStatus::Code(0), "ran\n"),
            "{store}"
        );
        let said = ended.stderr.contains("hostile.so");
        assert_eq!(
            said,
            store.backend == NAMESPACES,
            "{store}: {}",
            ended.stderr
        );
    }
}
