//! Who asks: user and password with each request, and tokens.

use tare_image::auth::Login;
use tare_image::{Error, PullOptions, RegistryError, Silent};

use crate::lab::{Registry, serve};
use crate::support::{image, name, store};

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
    let reply = |status: &str, header: &str, body: &str| {
        let len = body.len();
        format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len}\r\n{header}\r\n{body}")
    };
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
