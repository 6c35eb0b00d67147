//! What a warning is: its place, its kind, and what a Dockerfile says of it with `# check=`.

/// A warning about one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Line, from 1.
    pub line: u32,
    /// The last line of what it is about.
    pub last: u32,
    /// What is likely wrong.
    pub lint: Lint,
    /// It, in words: BuildKit's, where it has the check.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

macro_rules! lints {
    ($($(#[$about:meta])* $lint:ident $name:literal $page:literal $description:literal,)*) => {
        /// Kinds of warnings.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Lint {
            $($(#[$about])* $lint,)*
            /// A variable whose name is nearly that of a well-known one. No check of Docker's.
            MisspelledVariable,
            /// `CMD [ 'a' ]`: meant as exec form, and not JSON. No check of Docker's.
            InvalidJsonForm,
        }

        impl Lint {
            /// Its name, as `# check=skip=` takes it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$lint => $name,)*
                    Self::MisspelledVariable => "MisspelledVariable",
                    Self::InvalidJsonForm => "InvalidJsonForm",
                }
            }

            /// What it is about, as Docker says it; empty where Docker has no such check.
            #[must_use]
            pub fn description(self) -> &'static str {
                match self {
                    $(Self::$lint => $description,)*
                    Self::MisspelledVariable | Self::InvalidJsonForm => "",
                }
            }

            /// Its page in Docker's documentation.
            #[must_use]
            pub fn url(self) -> Option<String> {
                let page = match self {
                    $(Self::$lint => $page,)*
                    Self::MisspelledVariable | Self::InvalidJsonForm => return None,
                };
                Some(format!("https://docs.docker.com/go/dockerfile/rule/{page}/"))
            }
        }
    };
}

lints! {
    /// `AS Name`
    StageNameCasing "StageNameCasing" "stage-name-casing" "Stage names should be lowercase",
    /// `from x AS y`: capitals in one and not in the other.
    FromAsCasing "FromAsCasing" "from-as-casing" "The 'as' keyword should match the case of the 'from' keyword",
    /// An empty line in a continuation.
    NoEmptyContinuation "NoEmptyContinuation" "no-empty-continuation"
        "Empty continuation lines will become errors in a future release",
    /// `run` among `COPY`s.
    ConsistentInstructionCasing "ConsistentInstructionCasing" "consistent-instruction-casing"
        "All commands within the Dockerfile should use the same casing (either upper or lower)",
    /// Two stages with one name.
    DuplicateStageName "DuplicateStageName" "duplicate-stage-name" "Stage names should be unique",
    /// `AS scratch`
    ReservedStageName "ReservedStageName" "reserved-stage-name" "Reserved words should not be used as stage names",
    /// `CMD` or `ENTRYPOINT` in shell form, which does not get signals.
    JsonArgsRecommended "JSONArgsRecommended" "json-args-recommended"
        "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals",
    /// `MAINTAINER`
    MaintainerDeprecated "MaintainerDeprecated" "maintainer-deprecated"
        "The MAINTAINER instruction is deprecated, use a label instead to define an image author",
    /// A variable in `FROM` that no `ARG` before it sets.
    UndefinedArgInFrom "UndefinedArgInFrom" "undefined-arg-in-from" "FROM command must use declared ARGs",
    /// `WORKDIR app` before any absolute one.
    WorkdirRelativePath "WorkdirRelativePath" "workdir-relative-path"
        "Relative workdir without an absolute workdir declared within the build can have unexpected results if the base image changes",
    /// A variable that nothing sets.
    UndefinedVar "UndefinedVar" "undefined-var" "Variables should be defined before their use",
    /// An instruction of which only the last counts.
    MultipleInstructionsDisallowed "MultipleInstructionsDisallowed" "multiple-instructions-disallowed"
        "Multiple instructions of the same type should not be used in the same stage",
    /// `ENV key value`
    LegacyKeyValueFormat "LegacyKeyValueFormat" "legacy-key-value-format"
        "Legacy key/value format with whitespace separator should not be used",
    /// An image of another platform.
    InvalidBaseImagePlatform "InvalidBaseImagePlatform" "invalid-base-image-platform"
        "Base image platform does not match expected target platform",
    /// `FROM --platform=$TARGETPLATFORM`
    RedundantTargetPlatform "RedundantTargetPlatform" "redundant-target-platform"
        "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior",
    /// `ENV API_TOKEN=…`
    SecretsUsedInArgOrEnv "SecretsUsedInArgOrEnv" "secrets-used-in-arg-or-env"
        "Sensitive data should not be used in the ARG or ENV commands",
    /// `ARG TAG` and `FROM x:$TAG`
    InvalidDefaultArgInFrom "InvalidDefaultArgInFrom" "invalid-default-arg-in-from"
        "Default value for global ARG results in an empty or invalid base image name",
    /// `FROM --platform=linux/amd64`
    FromPlatformFlagConstDisallowed "FromPlatformFlagConstDisallowed" "from-platform-flag-const-disallowed"
        "FROM --platform flag should not use a constant value",
    /// `COPY` of what `.dockerignore` keeps out.
    CopyIgnoredFile "CopyIgnoredFile" "copy-ignored-file" "Attempting to Copy file that is excluded by .dockerignore",
    /// A comment above `ARG x` that does not begin with x.
    InvalidDefinitionDescription "InvalidDefinitionDescription" "invalid-definition-description"
        "Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If this is not intended to be a description comment, add an empty line or comment between the instruction and the comment.",
    /// `EXPOSE 80/TCP`
    ExposeProtoCasing "ExposeProtoCasing" "expose-proto-casing" "Protocol in EXPOSE instruction should be lowercase",
    /// `EXPOSE 8000:80`
    ExposeInvalidFormat "ExposeInvalidFormat" "expose-invalid-format"
        "IP address and host-port mapping should not be used in EXPOSE instruction. This will become an error in a future release",
}

impl Lint {
    /// Whether it is asked for only by `# check=experimental=`.
    #[must_use]
    pub fn is_experimental(self) -> bool {
        matches!(self, Self::CopyIgnoredFile | Self::InvalidDefinitionDescription)
    }

    /// Whether Docker has no such check.
    #[must_use]
    pub fn is_own(self) -> bool {
        matches!(self, Self::MisspelledVariable | Self::InvalidJsonForm)
    }
}

/// What a Dockerfile says of its warnings: `skip=NAME,…` or `skip=all`, `error=true` and `experimental=NAME,…`, with
/// semicolons between.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checks {
    skipped: Vec<String>,
    experimental: Vec<String>,
    /// Warnings are errors.
    pub is_error: bool,
}

impl Checks {
    /// Reads the value of `# check=`. What Docker does not know either is passed over.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let names = |value: &str| value.split(',').map(|name| name.trim().to_lowercase()).collect::<Vec<_>>();
        let mut checks = Self::default();
        for (key, value) in text.split(';').filter_map(|part| part.trim().split_once('=')) {
            match key.trim() {
                "skip" => checks.skipped.extend(names(value)),
                "experimental" => checks.experimental.extend(names(value)),
                "error" => checks.is_error = matches!(value.trim(), "true" | "1"),
                _ => {}
            }
        }
        checks
    }

    /// Whether nothing is to be said of this.
    #[must_use]
    pub fn skips(&self, lint: Lint) -> bool {
        let has =
            |list: &[String]| list.iter().any(|name| name == "all" || *name == lint.name().to_lowercase());
        has(&self.skipped) || (lint.is_experimental() && !has(&self.experimental))
    }
}
