//! Stages of loading that `config` can leave out.

/// Whether a stage is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stage {
    /// It is.
    #[default]
    Run,
    /// It is left out.
    Skip,
}

/// What of the loading is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stages {
    /// Variables are replaced.
    pub interpolation: Stage,
    /// Names, the default network and implied dependencies are filled in.
    pub normalization: Stage,
    /// Paths become absolute.
    pub paths: Stage,
    /// Files of variables and labels are read.
    pub env_files: Stage,
    /// References between the parts are checked.
    pub consistency: Stage,
    /// What only an engine would refuse, such as `restart: sometimes`, is an error; left out, it is a warning.
    pub values: Stage,
}
