//! Container runtimes: whether they work here, what they do not do, and what is said about it.

use outwork_sandbox::{
    Backend, Kernel, Mount, OciRuntime, PlanError, Sandbox, Spec, Step, SystemRoot, probe,
};

use crate::harness::{launcher, privileged, shell, within};
use crate::store::SLOTS;

#[tokio::test]
async fn a_runtime_is_tried_before_it_is_used() {
    let capabilities = probe();
    let spec = shell("ls -d /tmp");
    for name in ["namespaces", "oci:crun", "oci:runc", "oci:runsc"] {
        let backend: Backend = name.parse().expect("install what scripts/bootstrap lists");
        let probed = within(
            "the probe",
            backend.probe(&capabilities, launcher(), SLOTS[0]),
        )
        .await;
        let plan = backend.plan(&spec, &capabilities).unwrap();
        let mut running = Sandbox::spawn(plan, launcher()).await.unwrap();
        // An old gVisor under a newer system.
        let lists = within("the end", running.wait()).await.unwrap().success();
        match probed {
            Ok(()) => assert!(lists, "{name}"),
            Err(unusable) => {
                assert!(
                    !lists && name == "oci:runsc",
                    "{unusable}: {}",
                    unusable.remedy
                );
                assert!(
                    unusable.remedy.contains("install a newer gVisor"),
                    "{}",
                    unusable.remedy
                );
            }
        }
    }
}

#[tokio::test]
async fn a_program_that_is_no_runtime_is_said() {
    let runtime = |program: &str| {
        Backend::Oci(OciRuntime {
            name: "other".to_owned(),
            program: program.into(),
            arguments: Vec::new(),
            devices: Vec::new(),
            kernel: Kernel::Shared,
        })
    };
    let capabilities = probe();
    for (program, reason) in [
        (
            "/bin/false",
            "other: it ended with Code(1) and said nothing",
        ),
        ("/bin/true", "other: it ended with Code(0) and said nothing"),
        (
            "/usr/bin/no-such-runtime",
            "cannot start the command: /usr/bin/no-such-runtime",
        ),
        (
            "/nowhere/runtime",
            "/nowhere/runtime (it does not exist on the host)",
        ),
    ] {
        let backend = runtime(program);
        let tried = within(
            "the probe",
            backend.probe(&capabilities, launcher(), SLOTS[0]),
        )
        .await;
        let unusable = tried.unwrap_err();
        assert_eq!(unusable.backend, "oci:other");
        assert!(unusable.reason.contains(reason), "{unusable}");
        assert!(!unusable.remedy.is_empty());
    }
    let error = runtime("crun")
        .plan(&shell("true"), &capabilities)
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("\"crun\" must be an absolute path"),
        "{error}"
    );
}

#[test]
fn what_a_runtime_mounts_itself_must_be_asked_for_and_left_alone() {
    let backend: Backend = "oci:crun".parse().unwrap();
    let mut spec = shell("true");
    spec.mounts.retain(|mount| !matches!(mount, Mount::Proc));
    let refused = |path: &str| Err(PlanError::RuntimeMount(path.into()));
    assert_eq!(backend.plan(&spec, &probe()), refused("/proc"));
    let mut spec = shell("true");
    spec.mounts.push(Mount::File {
        target: "/dev/extra".into(),
        contents: String::new(),
        mode: 0o644,
    });
    assert_eq!(backend.plan(&spec, &probe()), refused("/dev"));
    let mut spec = shell("true");
    spec.nested_namespaces = true;
    assert_eq!(
        backend.plan(&spec, &probe()),
        Err(PlanError::RuntimeNesting)
    );
    let mut spec = Spec::new(["true"]);
    spec.system = SystemRoot::Empty;
    spec.mounts.clear();
    assert_eq!(backend.plan(&spec, &probe()), refused("/proc"));
    assert!(Backend::Namespaces.plan(&spec, &probe()).is_ok());
}

#[tokio::test]
async fn a_failure_before_the_command_has_its_step() {
    let backend: Backend = "oci:crun".parse().unwrap();
    let plan = backend
        .plan(&privileged(Spec::new(["/etc/passwd"])), &probe())
        .unwrap();
    let error = Sandbox::spawn(plan, launcher()).await.unwrap_err();
    assert_eq!(
        (error.step, error.errno()),
        (Step::Execute, Some(libc::EACCES))
    );
}
