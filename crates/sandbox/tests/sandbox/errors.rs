//! What is refused, and how it is said.

use std::path::Path;

use outwork_sandbox::{
    Mount, PlanError, Sandbox, SandboxError, Spec, Step, UserNamespaces, plan, probe,
};

use crate::harness::{directory, shell, spawn};

async fn failure(spec: &Spec) -> SandboxError {
    match spawn(spec).await {
        Ok(_) => panic!("it started"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_missing_source_is_named() {
    let mut spec = shell("true");
    spec.mounts.push(Mount::Bind {
        source: "/nonexistent/workspace".into(),
        target: "/workspace".into(),
    });
    let error = failure(&spec).await;
    assert_eq!(
        (error.step, error.errno()),
        (Step::OpenSource, Some(libc::ENOENT))
    );
    assert_eq!(
        error.to_string(),
        "sandbox: cannot open what is to be mounted: /nonexistent/workspace (it does not exist on the host)"
    );
}

#[tokio::test]
async fn a_missing_program_or_directory_is_named() {
    let error = failure(&Spec::new(["no-such-program"])).await;
    assert_eq!(
        (error.step, error.errno(), &*error.detail),
        (Step::Execute, Some(libc::ENOENT), "no-such-program")
    );
    let error = failure(&Spec::new(["/etc/passwd"])).await;
    assert_eq!(
        (error.step, error.errno(), &*error.detail),
        (Step::Execute, Some(libc::EACCES), "/etc/passwd")
    );
    let mut spec = shell("true");
    spec.working_directory = "/workspace".into();
    let error = failure(&spec).await;
    assert_eq!(
        (error.step, &*error.detail),
        (Step::ChangeDirectory, "/workspace")
    );
    assert_eq!(
        error.hint.as_deref(),
        Some("it does not exist inside the sandbox")
    );
}

#[tokio::test]
async fn a_target_that_cannot_be_made_is_named() {
    let file = directory();
    let mut spec = shell("true");
    spec.mounts.push(Mount::ReadOnlyBind {
        source: file.path().to_owned(),
        target: "/usr/no/such/place".into(),
    });
    let error = failure(&spec).await;
    assert_eq!(
        (error.step, &*error.detail),
        (Step::BuildRoot, "/usr/no/such/place")
    );
}

#[tokio::test]
async fn a_program_that_is_no_launcher_is_an_error_not_a_wait() {
    let plan = plan(&shell("true"), &probe()).unwrap();
    let error = Sandbox::spawn(plan.clone(), Path::new("/bin/true"))
        .await
        .unwrap_err();
    assert_eq!(error.step, Step::Supervise);
    let error = Sandbox::spawn(plan, Path::new("/nonexistent/outwork"))
        .await
        .unwrap_err();
    assert_eq!(
        (error.step, error.errno()),
        (Step::StartLauncher, Some(libc::ENOENT))
    );
}

#[test]
fn by_hand_the_launcher_says_what_it_is() {
    let output = std::process::Command::new(crate::harness::launcher())
        .arg("sandbox-init")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "sandbox-init is started by the worker, not by hand\n"
    );
}

#[test]
fn wishes_that_make_no_sense_are_refused() {
    let capabilities = probe();
    let refusal = |change: &dyn Fn(&mut Spec)| {
        let mut spec = shell("true");
        change(&mut spec);
        plan(&spec, &capabilities).unwrap_err()
    };
    assert_eq!(
        refusal(&|spec| spec.command.clear()),
        PlanError::EmptyCommand
    );
    assert_eq!(
        refusal(&|spec| spec.hostname = "a b".into()),
        PlanError::Hostname("a b".into())
    );
    assert_eq!(
        refusal(&|spec| spec.user.name = "a:0:0".into()),
        PlanError::UserName("a:0:0".into())
    );
    assert_eq!(refusal(&|spec| spec.uid_base = 0), PlanError::UidBase(0));
    for target in ["relative", "/a/../b", "/"] {
        let bind = Mount::Symlink {
            points_to: "x".into(),
            target: target.into(),
        };
        let error = refusal(&|spec| spec.mounts.push(bind.clone()));
        assert!(
            matches!(error, PlanError::Path { .. } | PlanError::TargetIsRoot),
            "{target}: {error:?}"
        );
    }
}

#[test]
fn what_the_machine_lacks_is_said_with_what_to_enable() {
    let mut capabilities = probe();
    capabilities.user_namespaces = UserNamespaces::Refused { errno: 1 };
    let error = plan(&shell("true"), &capabilities).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("sysctl kernel.unprivileged_userns_clone=1"),
        "{error}"
    );
}
