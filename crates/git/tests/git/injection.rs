//! Names that would run as commands if any of them reached a shell, or be options if they reached git in their place: through the ways that
//! branches, addresses and credentials really go.

use crate::fixture::{World, git_command, git_in, put};
use outwork_git::{CommitRef, Credentials, Git, Mirror, RefName, RefSpec, RepoUrl, Resolved};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Ways to leave a file `executed`, where the place of the file needs no slash.
const COMMANDS: [&str; 12] = [
    "$(touch${IFS}executed)",
    "`touch${IFS}executed`",
    "main;touch${IFS}executed",
    "main|touch${IFS}executed",
    "main&&touch${IFS}executed",
    "main>executed",
    "'$(touch${IFS}executed)'",
    "\"$(touch${IFS}executed)\"",
    "'\"'\"'$(touch${IFS}executed)'\"'\"'",
    "%s%n$(touch${IFS}executed)",
    "${IFS}touch${IFS}executed",
    "!touch-executed",
];

/// What no name may be.
const REFUSED: [&str; 12] = [
    "main\u{3000}||\u{3000}touch\u{3000}executed",
    "main\u{a0}touch",
    "main\ntouch executed",
    "main\rtouch executed",
    "main\0touch",
    "main touch",
    "-oProxyCommand=touch executed",
    "--upload-pack=touch${IFS}executed",
    "--exec=touch${IFS}executed",
    "\u{202e}main",
    "main\u{200b}",
    "\u{1b}[2Jmain",
];

fn executed_in(folders: &[&Path]) -> bool {
    folders
        .iter()
        .any(|folder| folder.join("executed").exists())
}

#[tokio::test]
async fn a_branch_is_never_a_command() {
    let world = World::with_files(&[("a", "1\n")]);
    let mut taken = 0;
    for name in COMMANDS {
        let upstream = world.upstream();
        let made = git_command(&upstream)
            .args(["branch", "--", name])
            .output()
            .expect("git starts");
        let Ok(branch) = RefName::parse(name) else {
            continue;
        };
        assert!(made.status.success(), "{name} is more than git takes");
        taken += 1;
        let spec = RefSpec::Branch(branch.clone());
        let found = world
            .git
            .resolve(&world.url(), &spec, Credentials::None)
            .await
            .unwrap_or_else(|fault| panic!("{name}: {fault}"));
        assert_eq!(
            found,
            Resolved {
                commit: CommitRef::Full(world.head()),
                branch: Some(branch.clone()),
            }
        );
        let mirror = world.mirror();
        let (commit, _) = mirror
            .newest(Some(&branch))
            .await
            .unwrap_or_else(|fault| panic!("{name}: {fault}"));
        let mut request = world.request(&format!("tree{taken}"), &mirror);
        request.branch = Some(branch);
        let checkout = mirror
            .checkout(&commit, &request)
            .await
            .expect("a checkout");
        let shown = git_in(&request.directory, &["symbolic-ref", "--short", "HEAD"]);
        assert_eq!(shown.trim_end(), name);
        drop(checkout);
        let here = [Path::new("."), Path::new("/"), &*upstream, world.dir.path()];
        assert!(!executed_in(&here), "{name}");
    }
    assert!(taken >= 9, "{taken}");
    for name in REFUSED {
        assert!(RefName::parse(name).is_err(), "{name:?}");
    }
}

#[tokio::test]
async fn a_folder_is_never_a_command() {
    let world = World::with_files(&[("a", "1\n")]);
    for (number, name) in COMMANDS.iter().enumerate() {
        let folder = world.path(&format!("{number}")).join(name);
        fs::create_dir_all(folder.parent().expect("a folder")).expect("folders");
        git_in(
            world.dir.path(),
            &[
                "clone".as_ref(),
                "-q".as_ref(),
                "--bare".as_ref(),
                world.upstream().as_os_str(),
                folder.as_os_str(),
            ],
        );
        let url = RepoUrl::parse(folder.to_str().expect("UTF-8"))
            .unwrap_or_else(|fault| panic!("{name}: {fault}"));
        let mirror = Mirror::new(
            world.git.clone(),
            &world.path("mirrors"),
            url,
            Credentials::None,
        );
        let commit = mirror
            .ensure_commit(&CommitRef::Full(world.head()))
            .await
            .unwrap_or_else(|fault| panic!("{name}: {fault}"));
        assert_eq!(commit, world.head());
        let here = [Path::new("."), Path::new("/"), world.dir.path()];
        assert!(!executed_in(&here), "{name}");
    }
    for name in REFUSED {
        for address in [
            format!("/srv/{name}"),
            format!("https://example.com/{name}"),
            format!("git@example.com:{name}"),
            format!("ssh://example.com/{name}"),
            name.to_owned(),
        ] {
            // Behind a slash it is no option, and a folder of this machine may have a space in its name.
            let is_harmless = (address.contains("/-") && !address.contains(' '))
                || (address.starts_with('/')
                    && !name.chars().any(|c| c != ' ' && !c.is_ascii_graphic()));
            assert!(
                RepoUrl::parse(&address).is_err() || is_harmless,
                "{address:?}"
            );
        }
    }
}

/// An ssh that notes what it was started with, each argument in a line.
fn noting_ssh(world: &World) -> Git {
    let program = world.path("bin/ssh");
    put(
        &world.path("bin"),
        "ssh",
        format!(
            "#!/bin/sh\nprintf '%s\\n' \"$@\" > {}\nexit 1\n",
            world.path("arguments").display()
        ),
    );
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("set");
    let mut path = world.path("bin").into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").expect("PATH is set"));
    Git::isolated("git", &path, &world.path("private-ssh")).expect("git is made")
}

/// Git hands an address to ssh as arguments, and the path to the shell of the other side, in quotes.
#[tokio::test]
async fn an_ssh_address_is_never_a_command() {
    let world = World::new();
    let git = noting_ssh(&world);
    for name in COMMANDS.iter().filter(|name| !name.contains('!')) {
        for address in [
            format!("git@example.com:a/{name}"),
            format!("ssh://git@example.com/a/{name}"),
        ] {
            let Ok(url) = RepoUrl::parse(&address) else {
                continue;
            };
            let asked = git
                .resolve(&url, &RefSpec::DefaultBranch, Credentials::None)
                .await;
            assert!(asked.is_err(), "{asked:?}");
            let noted = fs::read_to_string(world.path("arguments")).expect("ssh was started");
            let mut arguments = noted.lines().rev();
            let command = arguments.next().expect("the command of the other side");
            assert_eq!(arguments.next(), Some("git@example.com"), "{noted}");
            let slash = if address.starts_with("ssh") { "/" } else { "" };
            let quoted = format!("{slash}a/{name}").replace('\'', "'\\''");
            assert_eq!(command, format!("git-upload-pack '{quoted}'"));
            assert!(!executed_in(&[Path::new("."), Path::new("/")]), "{name}");
            fs::remove_file(world.path("arguments")).expect("removed");
        }
    }
    for host in COMMANDS.iter().chain(&REFUSED) {
        for address in [
            format!("ssh://{host}/a"),
            format!("git@{host}:a"),
            format!("ssh://{host}@example.com/a"),
            format!("https://{host}/a"),
        ] {
            if let Ok(url) = RepoUrl::parse(&address) {
                panic!("{address:?} is taken as {url:?}");
            }
        }
    }
}
