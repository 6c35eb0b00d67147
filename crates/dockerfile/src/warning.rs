//! What a warning is: its place, its kind, and what a Dockerfile says of it with `# check=`.

/// A warning about one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Line, from 1.
    pub line: u32,
    /// What is likely wrong.
    pub lint: Lint,
    /// It, in words.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

/// Kinds of warnings; the names are those of Docker's build checks where it has the check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lint {
    /// A variable whose name is nearly that of a well-known one.
    MisspelledVariable,
    /// `ENV key value`
    LegacyKeyValueFormat,
    /// `from x AS y`: capitals in one and not in the other.
    FromAsCasing,
    /// `CMD` or `ENTRYPOINT` in shell form, which does not get signals.
    JsonArgsRecommended,
    /// `CMD [ 'a' ]`: meant as exec form, and not JSON.
    InvalidJsonForm,
    /// A variable in `FROM` that no `ARG` before it sets.
    UndefinedArgInFrom,
    /// A variable that nothing sets.
    UndefinedVar,
    /// An empty line in a continuation.
    NoEmptyContinuation,
    /// `MAINTAINER`
    MaintainerDeprecated,
    /// Two stages with one name.
    DuplicateStageName,
    /// An instruction of which only the last counts.
    MultipleInstructionsDisallowed,
}

impl Lint {
    /// Its name, as `# check=skip=` takes it.
    #[must_use]
    pub fn name(self) -> String {
        format!("{self:?}")
    }
}

/// What a Dockerfile says of its warnings: `skip=NAME,…` or `skip=all`, and `error=true`, with semicolons between.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checks {
    skipped: Vec<String>,
    /// Warnings are errors.
    pub is_error: bool,
}

impl Checks {
    /// Reads the value of `# check=`. What Docker does not know either is passed over.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut checks = Self::default();
        for (key, value) in text.split(';').filter_map(|part| part.trim().split_once('=')) {
            match key.trim() {
                "skip" => checks.skipped.extend(value.split(',').map(|name| name.trim().to_lowercase())),
                "error" => checks.is_error = matches!(value.trim(), "true" | "1"),
                _ => {}
            }
        }
        checks
    }

    /// Whether nothing is to be said of this.
    #[must_use]
    pub fn skips(&self, lint: Lint) -> bool {
        self.skipped.iter().any(|name| name == "all" || *name == lint.name().to_lowercase())
    }
}
