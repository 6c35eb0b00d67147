//! Who asks: user and password with each request, and tokens.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tare_image::auth::Login;
use tare_image::registry::{Subject, log_in};
use tare_image::{Error, LayerStatus, PullOptions, PullProgress, RegistryConfig, RegistryError, Silent};

use crate::lab::{Recorder, Registry, reply, serve};
use crate::support::{image, name, store};
use crate::token_service::{Guarded, REFRESH};

fn with_login(registry: &Registry, login: Login) -> PullOptions {
    let mut options = PullOptions::default();
    options.credentials.insert(&format!("127.0.0.1:{}", registry.port), login);
    options
}

fn alice() -> Login {
    Login { user: "alice".into(), password: "secret:word".into(), identity_token: None }
}

fn refusal(error: Error) -> RegistryError {
    match error {
        Error::Registry(error) => error,
        other => panic!("{other}"),
    }
}

#[test]
fn basic_authentication() {
    let registry = Registry::start("auth:\n  htpasswd:\n    realm: test\n    path: ROOT/htpasswd\n");
    // «secret:word», hashed with bcrypt; the file is read at each request.
    let line = "user:$2y$05$abcdefghijklmnopqrstuuCFAENiKBlCyBuDPzJAoyIPDH7szvmzC\n";
    std::fs::write(registry.tmp.path().join("htpasswd"), line).unwrap();
    let (_one, from) = store();
    let tag = registry.image("app:1");
    image(&from, &tag, &[("f", 1)]);
    let refused = from.push(&name(&tag), &PullOptions::default(), &Silent).unwrap_err();
    let Error::Registry(refused) = refused else { panic!("{refused}") };
    assert!(matches!(refused, RegistryError::Denied { status: 401, .. }), "{refused}");
    assert!(refused.hint().unwrap().contains("docker login"));
    let mut options = PullOptions::default();
    let login = Login { user: "user".into(), password: "secret:word".into(), identity_token: None };
    options.credentials.insert(&format!("127.0.0.1:{}", registry.port), login);
    from.push(&name(&tag), &options, &Silent).unwrap();
    let (_two, to) = store();
    to.pull(&name(&tag), &options, &Silent).unwrap();
}

#[test]
fn a_token_is_fetched_when_the_registry_asks_for_one() {
    let port = serve(move |head, port| {
        if head.starts_with("get /token?service=s&scope=repository%3aapp%3apull&account=user ") {
            // «user:word»: the login goes to the token service, and there only.
            assert!(head.contains("authorization: basic dxnlcjp3b3jk"), "{head}");
            reply("200 OK", "", r#"{"token":"abc"}"#)
        } else if head.contains("authorization: bearer abc") {
            reply("404 Not Found", "", r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"no such tag"}]}"#)
        } else {
            let realm = format!(
                r#"Bearer realm="http://127.0.0.1:{port}/token",service="s",scope="repository:app:pull""#
            );
            reply("401 Unauthorized", &format!("WWW-Authenticate: {realm}\r\n"), "")
        }
    });
    let mut options = PullOptions::default();
    let login = Login { user: "user".into(), password: "word".into(), identity_token: None };
    options.credentials.insert(&format!("127.0.0.1:{port}"), login);
    let (_tmp, store) = store();
    let error = store.pull(&name(&format!("127.0.0.1:{port}/app:9")), &options, &Silent).unwrap_err();
    let Error::Registry(error) = error else { panic!("{error}") };
    assert!(matches!(error, RegistryError::ManifestUnknown { .. }), "{error}");
    assert!(error.to_string().contains("no such tag"), "{error}");
}

/// Copies what alice pushed to where anybody may pull it: the registry keeps repositories as folders.
fn publish(guarded: &Guarded, from: &str, to: &str) {
    let repositories = guarded.registry.tmp.path().join("data/docker/registry/v2/repositories");
    std::fs::create_dir_all(repositories.join(to).parent().unwrap()).unwrap();
    std::fs::rename(repositories.join(from), repositories.join(to)).unwrap();
}

#[test]
fn tokens_let_anybody_pull_and_users_push() {
    let guarded = Guarded::start();
    let tag = guarded.registry.image("alice/app:1");
    let (_one, from) = store();
    let pushed = image(&from, &tag, &[("f", 200_000), ("g", 100)]);

    let refused = refusal(from.push(&name(&tag), &PullOptions::default(), &Silent).unwrap_err());
    let RegistryError::Denied { subject: Subject::Upload, status: 401, .. } = &refused else {
        panic!("{refused}")
    };
    assert!(refused.to_string().starts_with("push access denied for 127.0.0.1"), "{refused}");
    from.push(&name(&tag), &with_login(&guarded.registry, alice()), &Silent).unwrap();
    let last = guarded.asked().pop().unwrap();
    assert_eq!((last.user.as_deref(), last.method.as_str()), (Some("alice"), "GET"));
    assert_eq!(last.scopes, ["repository:alice/app:pull,push"]);
    assert!(last.fields.contains(&("service".into(), "test-service".into())));

    let (_two, to) = store();
    let refused = refusal(to.pull(&name(&tag), &PullOptions::default(), &Silent).unwrap_err());
    let text = refused.to_string();
    assert!(
        text.contains("alice/app, repository does not exist or may require 'docker login': unauthorized:"),
        "{text}"
    );
    publish(&guarded, "alice/app", "public/app");
    let public = guarded.registry.image("public/app:1");
    let pulled = to.pull(&name(&public), &PullOptions::default(), &Silent).unwrap();
    assert_eq!(pulled.image.id, pushed.id);
    let last = guarded.asked().pop().unwrap();
    assert_eq!((last.user, last.scopes), (None, vec!["repository:public/app:pull".to_owned()]));
}

#[test]
fn a_login_gives_a_refresh_token_that_does_for_the_password() {
    let guarded = Guarded::start();
    let domain = format!("127.0.0.1:{}", guarded.registry.port);
    let config = RegistryConfig::default();
    let wrong = Login { password: "word".into(), ..alice() };
    let refused = refusal(log_in(&domain, &wrong, &config).unwrap_err());
    assert!(matches!(refused, RegistryError::Denied { subject: Subject::Login, .. }), "{refused}");
    assert!(refused.to_string().contains("incorrect username or password"), "{refused}");

    let kept = log_in(&domain, &alice(), &config).unwrap();
    assert_eq!((kept.identity_token.as_deref(), kept.password.as_str()), (Some(REFRESH), ""));
    let asked = guarded.asked().pop().unwrap();
    assert!(asked.fields.contains(&("account".into(), "alice".into())));

    let tag = guarded.registry.image("alice/app:1");
    let (_tmp, from) = store();
    image(&from, &tag, &[("f", 10)]);
    from.push(&name(&tag), &with_login(&guarded.registry, kept), &Silent).unwrap();
    let asked = guarded.asked().pop().unwrap();
    assert_eq!((asked.method.as_str(), asked.user.as_deref()), ("POST", Some("alice")));
    assert!(asked.fields.contains(&("grant_type".into(), "refresh_token".into())));
    assert_eq!(asked.scopes, ["repository:alice/app:pull,push"]);
}

#[test]
fn layers_of_another_repository_are_mounted_with_a_token_for_both() {
    let guarded = Guarded::start();
    let options = with_login(&guarded.registry, alice());
    let base = guarded.registry.image("alice/base:1");
    let (_one, from) = store();
    let pushed = image(&from, &base, &[("a", 400_000), ("b", 400_000), ("c", 10)]);
    from.push(&name(&base), &options, &Silent).unwrap();

    let app = guarded.registry.image("alice/app:1");
    from.tag(&base, &name(&app)).unwrap();
    let recorder = Recorder::default();
    from.push(&name(&app), &options, &recorder).unwrap();
    assert_eq!(recorder.count(LayerStatus::Mounted), 3);
    let both = ["repository:alice/app:pull,push", "repository:alice/base:pull"];
    assert!(guarded.asked().iter().any(|asked| asked.scopes == both), "{}", guarded.asked().len());
    let (_two, to) = store();
    assert_eq!(to.pull(&name(&app), &options, &Silent).unwrap().image.id, pushed.id);

    // One that alice may not read any more: her layers are sent after all.
    publish(&guarded, "alice/base", "bob/base");
    let bobs = guarded.registry.image("bob/base:1");
    let (tmp, from) = store();
    image(&from, &base, &[("x", 500)]);
    from.tag(&base, &name(&bobs)).unwrap();
    note_digest(&tmp, &bobs, &from);
    let third = guarded.registry.image("alice/third:1");
    from.tag(&base, &name(&third)).unwrap();
    let recorder = Recorder::default();
    from.push(&name(&third), &options, &recorder).unwrap();
    assert_eq!((recorder.count(LayerStatus::Mounted), recorder.count(LayerStatus::Pushed)), (0, 1));
    assert!(guarded.asked().iter().any(|a| a.scopes.contains(&"repository:bob/base:pull".to_owned())));
}

/// Lets a store believe that its image was pushed there.
fn note_digest(tmp: &tempfile::TempDir, tag: &str, store: &tare_image::Store) {
    let image = store.require(tag).unwrap();
    let named = name(tag).with_digest(tare_oci::Digest::of(b"some manifest")).canonical();
    let db = rusqlite::Connection::open(tmp.path().join("tare/image.db")).unwrap();
    db.execute("INSERT INTO repo_digest (name, image) VALUES (?1, ?2)", [named, image.id.to_string()])
        .unwrap();
}

/// Holds a pull up before its first layer until its token has expired.
struct Expiry<'a> {
    guarded: &'a Guarded,
    held: AtomicBool,
    /// Tokens asked for until then.
    asked: AtomicUsize,
}

impl PullProgress for Expiry<'_> {
    fn layer(&self, _id: &str, status: LayerStatus) {
        if status == LayerStatus::Pulling && !self.held.swap(true, Ordering::Relaxed) {
            let token = self.guarded.asked().pop().unwrap().token;
            let start = std::time::Instant::now();
            while self.guarded.takes(&token) {
                assert!(start.elapsed().as_secs() < 30, "the token does not expire");
                std::thread::yield_now();
            }
            self.guarded.brief.store(false, Ordering::Relaxed);
            self.asked.store(self.guarded.asked().len(), Ordering::Relaxed);
        }
    }
    fn message(&self, _text: &str) {}
}

#[test]
fn a_token_that_expires_in_the_middle_is_asked_for_again() {
    let guarded = Guarded::start();
    let options = with_login(&guarded.registry, alice());
    let tag = guarded.registry.image("alice/app:1");
    let (_one, from) = store();
    let pushed = image(&from, &tag, &[("a", 100_000), ("b", 100_000)]);
    from.push(&name(&tag), &options, &Silent).unwrap();
    guarded.brief.store(true, Ordering::Relaxed);
    let (_two, to) = store();
    let expiry = Expiry { guarded: &guarded, held: AtomicBool::new(false), asked: AtomicUsize::new(0) };
    assert_eq!(to.pull(&name(&tag), &options, &expiry).unwrap().image.id, pushed.id);
    let before = expiry.asked.load(Ordering::Relaxed);
    assert!(before > 0, "it was held up");
    assert_eq!(guarded.asked().len(), before + 1, "one new token does for all layers");
}
