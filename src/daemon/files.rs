//! The files of the configuration, read at start and again when told; and a copy of the last ones that were good.

use crate::config::{self, Problem, Settings, Source};
use crate::rules;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The directory in the data directory that holds the copy.
const LAST_GOOD: &str = "last-good";

/// Files of one configuration that are copied at most: what lies beyond has no copy.
const FILES_MAX: usize = 1000;

/// Where the configuration stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigurationFiles {
    /// The files, in their order.
    pub paths: Vec<PathBuf>,
    /// The data directory, where the copy is kept.
    pub data_directory: PathBuf,
}

/// Why a configuration cannot be used.
#[derive(Debug)]
pub enum ConfigurationError {
    /// A file cannot be read.
    Unreadable(PathBuf, io::Error),
    /// The files say something that makes no sense.
    Problems(Vec<Problem>),
    /// Tests of the rules fail: where each stands and what was otherwise than expected.
    FailedTests(Vec<(String, String)>),
}

impl ConfigurationError {
    /// What is wrong, a line or two for each mistake.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Unreadable(path, error) => vec![format!("cannot read {}: {error}", path.display())],
            Self::Problems(problems) => problems.iter().map(ToString::to_string).collect(),
            Self::FailedTests(failed) => failed.iter().map(|(place, what)| format!("{place}: {what}")).collect(),
        }
    }
}

/// Reads files that are one configuration.
///
/// # Errors
/// The first file that cannot be read.
pub fn read_sources(paths: &[PathBuf]) -> Result<Vec<Source>, ConfigurationError> {
    let read = |path: &PathBuf| match fs::read_to_string(path) {
        Ok(text) => Ok(Source::new(path.display().to_string(), text)),
        Err(error) => Err(ConfigurationError::Unreadable(path.clone(), error)),
    };
    paths.iter().map(read).collect()
}

/// Checks a configuration and runs the tests of its rules: both are needed before it may become active.
///
/// # Errors
/// All problems at once, else all tests that fail.
pub fn check_sources(sources: &[Source]) -> Result<Settings, ConfigurationError> {
    let settings = config::check(sources).map_err(ConfigurationError::Problems)?;
    let failed = rules::test::run_all(&settings.rules);
    if failed.is_empty() { Ok(settings) } else { Err(ConfigurationError::FailedTests(failed)) }
}

impl ConfigurationFiles {
    /// Reads and checks the files and runs the tests in them.
    ///
    /// # Errors
    /// See [`ConfigurationError`].
    pub fn check(&self) -> Result<Settings, ConfigurationError> {
        check_sources(&read_sources(&self.paths)?)
    }

    /// Reads and checks the files; keeps a copy of them if they are good.
    ///
    /// # Errors
    /// See [`ConfigurationError`].
    pub fn read(&self) -> Result<Settings, ConfigurationError> {
        let settings = self.check()?;
        self.keep_good();
        Ok(settings)
    }

    /// Keeps a copy of the files, which were found to be good.
    pub fn keep_good(&self) {
        let kept = read_sources(&self.paths).map(|sources| self.keep(&sources));
        if let Ok(Err(error)) = kept {
            tracing::warn!(%error, "no copy of the configuration could be kept");
        }
    }

    /// The directory of the copy.
    pub fn copy_directory(&self) -> PathBuf {
        self.data_directory.join(LAST_GOOD)
    }

    /// The last configuration that was good, if a copy of it was kept and is good today.
    pub fn last_good(&self) -> Option<Settings> {
        let paths: Vec<PathBuf> =
            (0..FILES_MAX).map(|number| self.copy(number)).take_while(|path| path.exists()).collect();
        if paths.is_empty() {
            return None;
        }
        config::check(&read_sources(&paths).ok()?).ok()
    }

    fn copy(&self, number: usize) -> PathBuf {
        self.data_directory.join(LAST_GOOD).join(format!("{number}.toml"))
    }

    /// Writes what differs from the copy: mostly nothing.
    fn keep(&self, sources: &[Source]) -> io::Result<()> {
        let text_of = |path: &Path| fs::read_to_string(path).ok();
        let is_kept = |(number, source): (usize, &Source)| text_of(&self.copy(number)).as_ref() == Some(&source.text);
        if sources.iter().enumerate().all(is_kept) && !self.copy(sources.len()).exists() {
            return Ok(());
        }
        fs::create_dir_all(self.data_directory.join(LAST_GOOD))?;
        for (number, source) in sources.iter().enumerate() {
            // A power cut leaves the old file or the new one, never half of it.
            let new = self.copy(number).with_extension("new");
            fs::write(&new, &source.text)?;
            fs::File::open(&new)?.sync_all()?;
            fs::rename(&new, self.copy(number))?;
        }
        for number in sources.len()..FILES_MAX {
            match fs::remove_file(self.copy(number)) {
                Ok(()) => {}
                Err(_) => break,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_good_files_are_kept_and_no_others() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        let files = |paths: Vec<PathBuf>| ConfigurationFiles { paths, data_directory: path("data") };
        let (one, two) = (path("one.toml"), path("two.toml"));
        fs::write(&one, "schema = 1\n[gateway]\nid = \"gw1\"\n").expect("a file");
        fs::write(&two, "schema = 1\n[device.lamp.out.light]\nline = \"GPIO1\"\n").expect("a file");
        let both = files(vec![one.clone(), two]);
        assert_eq!(both.last_good(), None);
        let settings = both.read().expect("good files");
        assert_eq!(both.last_good(), Some(settings));
        fs::write(&one, "schema = 1\n[gateway]\nid = 5\n").expect("a file");
        let lines = both.read().expect_err("a bad file").lines();
        assert!(lines[0].contains("one.toml:3:"), "{lines:?}");
        assert_eq!(both.last_good().map(|good| good.devices.len()), Some(1));
        let dark = "[rule.dark]\nwhen = [{ start = true }]\ndo = [{ set = \"lamp/light\", to = false }]\n\
                    [[test]]\nrule = \"dark\"\nsteps = [{ expect = \"lamp/light\", is = true }]\n";
        fs::write(&one, format!("schema = 1\n{dark}")).expect("a file");
        let lines = both.read().expect_err("a test that fails").lines();
        assert!(lines[0].contains("one.toml:5:"), "{lines:?}");
        assert_eq!(both.last_good().map(|good| good.rules.tests.len()), Some(0));
        fs::write(&one, "schema = 1\n[gateway]\nid = \"gw2\"\n").expect("a file");
        files(vec![one]).read().expect("a good file");
        assert_eq!(both.last_good().map(|good| good.devices.len()), Some(0));
    }
}
