//! Dockerfiles and contexts that want more than the build's own files.

use std::fs;
use std::path::PathBuf;

use crate::support::{Lab, text};
use crate::{Host, lab};

/// A lab, its host folder, and an empty context.
fn build_lab() -> (Lab, Host, PathBuf) {
    let lab = lab(&[], |_| {});
    let host = Host::new(&lab);
    let context = lab.folder.join("context");
    fs::create_dir(&context).unwrap();
    (lab, host, context)
}

/// Builds; whatever comes of it, what it said.
fn build(lab: &Lab, context: &PathBuf, steps: &str, more: &[&str]) -> (bool, String) {
    fs::write(context.join("Dockerfile"), format!("FROM busybox\n{steps}")).unwrap();
    let mut command = lab.command(&["build", "--no-cache", "--progress", "plain"]);
    let output = command.args(more).arg(context).output().unwrap();
    (output.status.success(), text(&output))
}

/// A cache mount whose `source` is a link that an earlier step, or one that runs beside it, has put there.
#[test]
fn cve_2024_23651_cache_source_is_a_link() {
    let (lab, host, context) = build_lab();
    let path = host.path();
    let put = format!(
        "RUN --mount=type=cache,id=c,target=/c mkdir /c/real; ln -s {path} /c/sub; ln -s ../../../../../../../..{path} /c/up\n"
    );
    for source in ["sub", "up", "sub/../sub", "real/../up"] {
        let take = format!(
            "RUN --mount=type=cache,id=c,source={source},target=/m cat /m/secret; echo owned >/m/written; rm -f /m/secret\n"
        );
        let (_, said) = build(&lab, &context, &format!("{put}{take}"), &[]);
        host.holds(&said);
    }
    // Beside it: one stage swaps what the other one mounts.
    let steps = format!(
        "AS swap\nRUN --mount=type=cache,id=r,target=/c mkdir -p /c/a; for i in $(seq 200); do mv /c/a /c/b; ln -s {path} /c/a; \
         rm /c/a; mv /c/b /c/a; done; echo > /done\nFROM busybox AS read\n{}FROM busybox\nCOPY --from=swap /done /1\nCOPY --from=read \
         /bin/busybox /2\n",
        "RUN --mount=type=cache,id=r,source=a,target=/m cat /m/secret; echo owned >/m/written; true\n"
            .repeat(5)
    );
    fs::write(context.join("Dockerfile"), format!("FROM busybox {steps}")).unwrap();
    let said = text(&lab.command(&["build", "--no-cache"]).arg(&context).output().unwrap());
    host.holds(&said);
}

/// Removing the mount points that a step needed follows links that the step left in their place.
#[test]
fn cve_2024_23652_cleaning_up_follows_links() {
    let (lab, host, context) = build_lab();
    let victim = lab.folder.join("victim");
    fs::create_dir_all(victim.join("folder")).unwrap();
    fs::write(victim.join("file"), "").unwrap();
    let to = victim.display();
    let steps = format!(
        "RUN --mount=type=tmpfs,target=/x/folder --mount=type=bind,source=Dockerfile,target=/y/file \
         mv /x /x2; ln -s {to} /x; mv /y /y2; ln -s ../../../../../../../..{to} /y\n\
         RUN --mount=type=cache,target=/z/folder mv /z /z2; ln -s {to} /z\n"
    );
    let (_, said) = build(&lab, &context, &steps, &[]);
    assert!(victim.join("folder").is_dir() && victim.join("file").is_file(), "{said}");
    host.holds(&said);
}

/// More rights than the person gave: `--security=insecure` without `--allow`.
#[test]
fn cve_2024_23653_rights_that_nobody_allowed() {
    let (lab, _, context) = build_lab();
    let look = "grep CapEff /proc/self/status";
    let (done, said) = build(&lab, &context, &format!("RUN --security=insecure {look}\n"), &[]);
    assert!(!done && said.contains("security.insecure"), "{said}");
    // The same from an image's trigger, which is no line of the person's Dockerfile.
    let (done, said) =
        build(&lab, &context, &format!("ONBUILD RUN --security=insecure {look}\n"), &["-t", "trigger"]);
    assert!(done, "{said}");
    fs::write(context.join("Dockerfile"), "FROM trigger\n").unwrap();
    let said = lab.fails(1, &["build", context.to_str().unwrap()]);
    assert!(said.contains("security.insecure"), "{said}");
    let (_, said) = build(&lab, &context, &format!("RUN {look}\n"), &[]);
    assert!(!said.contains("CapEff:\t000001ffffffffff"), "{said}");
}

/// A bind mount of the context whose source is a link to a file or folder of the host.
#[test]
fn a_bind_mount_follows_no_link_out_of_the_context() {
    let (lab, host, context) = build_lab();
    let path = host.path();
    // What the link means within the context is what a step may see.
    fs::create_dir_all(context.join(path.trim_start_matches('/'))).unwrap();
    fs::write(context.join(path.trim_start_matches('/')).join("secret"), "decoy").unwrap();
    std::os::unix::fs::symlink(format!("{path}/secret"), context.join("file")).unwrap();
    std::os::unix::fs::symlink(path, context.join("folder")).unwrap();
    std::os::unix::fs::symlink(format!("../../../../../../../..{path}"), context.join("up")).unwrap();
    for (source, target) in [("file", "/m"), ("folder", "/m/x"), ("up", "/m/x"), ("folder/secret", "/m")] {
        let steps = format!(
            "RUN --mount=type=bind,source={source},target={target},rw cat /m /m/x/secret; echo owned >/m; echo owned >/m/x/secret; \
             echo owned >/m/x/written; true\n"
        );
        let (_, said) = build(&lab, &context, &steps, &[]);
        host.holds(&said);
    }
}

/// What a step writes into a bind mount of its context is thrown away.
#[test]
fn a_bind_mount_leaves_the_context_as_it_is() {
    let (lab, _, context) = build_lab();
    fs::create_dir(context.join("folder")).unwrap();
    fs::write(context.join("folder/inner"), "mine").unwrap();
    fs::write(context.join("file"), "mine").unwrap();
    let steps = "RUN --mount=type=bind,source=file,target=/m,rw echo changed >/m && cat /m\n\
                 RUN --mount=type=bind,target=/c,rw echo changed >/c/folder/inner && rm /c/file && echo new >/c/new\n";
    let (done, said) = build(&lab, &context, steps, &[]);
    assert!(done && said.contains("changed"), "the steps could not write: {said}");
    for file in ["file", "folder/inner"] {
        assert_eq!(fs::read_to_string(context.join(file)).unwrap(), "mine", "{file}");
    }
    assert!(!context.join("new").exists());
}
