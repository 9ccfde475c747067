//! Java: Maven and Gradle.

use outwork_domain::environment::RuntimeName;

use super::folder::Folder;
use super::{Pin, Project, part, version};

const GRADLE: [&str; 2] = ["build.gradle", "build.gradle.kts"];
const GRADLE_SETTINGS: [&str; 2] = ["settings.gradle", "settings.gradle.kts"];

/// Both fetch what tests need only when they run them: the setup does so once, and what comes of it is
/// not asked.
pub(super) fn find(folder: &Folder<'_>) -> Option<Project> {
    let gradle = folder
        .first(&GRADLE)
        .or_else(|| folder.first(&GRADLE_SETTINGS));
    let (setup, verify, stands_alone) = if let Some(file) = gradle {
        let program = match folder.has("gradlew") {
            true => "./gradlew",
            false => "gradle",
        };
        (
            part(
                format!("{program} --no-daemon --continue test || true"),
                format!("{file}: runs the tests once, so that everything they need is there"),
            ),
            part(format!("{program} --no-daemon --offline test"), file),
            folder.first(&GRADLE_SETTINGS).is_some(),
        )
    } else if folder.has("pom.xml") {
        let program = match folder.has("mvnw") {
            true => "./mvnw",
            false => "mvn",
        };
        (
            part(
                format!("{program} -B -ntp -Dmaven.test.failure.ignore=true test"),
                "pom.xml: runs the tests once, so that everything they need is there",
            ),
            part(format!("{program} -B -o test"), "pom.xml"),
            false,
        )
    } else {
        return None;
    };
    Some(Project {
        setup: vec![setup],
        verify: Some(verify),
        pins: pin(folder).into_iter().collect(),
        notes: Vec::new(),
        stands_alone,
    })
}

/// A JDK compiles for older versions too, so what a build compiles *for* pins nothing.
fn pin(folder: &Folder<'_>) -> Option<Pin> {
    let sdkman = || {
        let text = folder.read(".sdkmanrc")?;
        let version = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("java="))?;
        Some((version::leading(version, 1)?, ".sdkmanrc"))
    };
    let own = || {
        Some((
            version::leading(&folder.word(".java-version")?, 1)?,
            ".java-version",
        ))
    };
    let toolchain = || {
        let file = folder.first(&GRADLE)?;
        let text = folder.read(file)?;
        let (_, rest) = text.split_once("JavaLanguageVersion.of(")?;
        let number = rest.split(')').next()?.trim().trim_matches(['"', '\'']);
        Some((version::leading(number, 1)?, file))
    };
    let (version, reason) = own().or_else(sdkman).or_else(toolchain)?;
    Some(Pin {
        runtime: RuntimeName::Java,
        version,
        reason: reason.to_owned(),
    })
}
