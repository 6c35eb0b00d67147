//! `.dockerignore`: the first line is a path, the rest the file. A path that is left in must be reached by a walk.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (path, text) = text.split_once('\n').unwrap_or(("a/b", text));
    let parts = path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    let (included, turned_back) = tare_dockerfile::fuzzing::ignore(text, path);
    if parts && included {
        assert_eq!(turned_back, None, "{path:?} is left in, and the walk never gets there");
    }
});
