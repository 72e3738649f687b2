//! Packages of a test's own, built with the versions that this workspace is locked to.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A workspace that is kept from run to run, so that its dependencies are built once.
#[derive(Debug)]
pub(crate) struct Workspace(PathBuf);

impl Workspace {
    /// The one of this name, without packages.
    pub(crate) fn new(name: &str) -> Workspace {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&folder).expect("a folder");
        let manifest = format!(
            "[workspace]\nmembers = [\"packages/*\"]\nresolver = \"3\"\n\
             [workspace.dependencies]\ncachekit = {{ path = {root:?} }}\n"
        );
        fs::write(folder.join("Cargo.toml"), manifest).expect("a manifest");
        fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).expect("a lock file");
        Workspace(folder)
    }

    /// Adds a library with a feature `refused`.
    pub(crate) fn package(&self, name: &str, dependencies: &str, code: &str) {
        let folder = self.0.join("packages").join(name);
        fs::create_dir_all(folder.join("src")).expect("a folder");
        let manifest = format!(
            "[package]\nname = {name:?}\nversion = \"0.0.0\"\nedition = \"2024\"\n\
             [features]\nrefused = []\n[dependencies]{dependencies}"
        );
        fs::write(folder.join("Cargo.toml"), manifest).expect("a manifest");
        fs::write(folder.join("src/lib.rs"), code).expect("the code");
    }

    /// Checks packages as one build, or says what the compiler said.
    pub(crate) fn check(&self, args: &[&str]) -> Result<Built, String> {
        let output = Command::new(env!("CARGO"))
            .args(["check", "--offline", "--quiet", "--message-format", "json-render-diagnostics"])
            .args(args)
            .arg("--target-dir")
            .arg(self.0.join("target"))
            .current_dir(&self.0)
            .output()
            .expect("cargo runs");
        if output.status.success() {
            Ok(Built(String::from_utf8_lossy(&output.stdout).into_owned()))
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }
}

/// What cargo says of a build, one JSON object a line.
#[derive(Debug)]
pub(crate) struct Built(String);

impl Built {
    /// The features that a library of the build has, as cargo lists them.
    ///
    /// # Panics
    /// When it is not built exactly once.
    pub(crate) fn features_of(&self, package: &str) -> &str {
        let name = format!("\"name\":\"{}\"", package.replace('-', "_"));
        let artifacts = self.0.lines().filter(|line| line.contains("\"compiler-artifact\""));
        let ours: Vec<_> = artifacts.filter(|line| line.contains(&name)).collect();
        let [artifact] = ours[..] else { panic!("{package} is built {} times", ours.len()) };
        let (_, features) = artifact.split_once("\"features\":[").expect("a list of features");
        features.split_once(']').expect("its end").0
    }
}
