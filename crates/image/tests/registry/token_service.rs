//! A token service as Docker Hub has one: JSON web tokens (RS256, with the certificate in `x5c`) that the real registry
//! verifies. Anybody may pull what is below `public/`; users may do all below their own name.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;

use crate::authority::Authority;
use crate::lab::Registry;

const USER: (&str, &str) = ("alice", "secret:word");
pub(crate) const REFRESH: &str = "a-refresh-token";
/// How long the registry takes a token that has expired, by its own allowance for clocks.
const LEEWAY: i64 = 60;

/// One request for a token, as it came.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) user: Option<String>,
    pub(crate) scopes: Vec<String>,
    /// All parameters, of the query and of the form.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) token: String,
}

/// A registry and the service that it sends its clients to.
pub(crate) struct Guarded {
    pub(crate) registry: Registry,
    pub(crate) asked: Arc<Mutex<Vec<Asked>>>,
    /// While it is set, tokens are valid for a second or two only.
    pub(crate) brief: Arc<AtomicBool>,
}

impl Guarded {
    pub(crate) fn start() -> Self {
        let tmp = tempfile::tempdir().unwrap();
        let authority = Authority::new(&tmp.path().join("authority"));
        authority.sign("token");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let brief = Arc::new(AtomicBool::new(false));
        let (log, short) = (Arc::clone(&asked), Arc::clone(&brief));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                answer(&client.unwrap(), &authority, &log, short.load(Ordering::Relaxed));
            }
        });
        let registry = Registry::start_in(
            tmp,
            &format!(
                "auth:\n  token:\n    realm: http://127.0.0.1:{port}/token\n    service: test-service\n    \
                 issuer: test-issuer\n    rootcertbundle: ROOT/authority/ca.crt\n"
            ),
        );
        Self { registry, asked, brief }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Whether the registry takes a token.
    pub(crate) fn takes(&self, token: &str) -> bool {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.registry.port)).unwrap();
        let head = "GET /v2/ HTTP/1.1\r\nHost: r\r\nConnection: close\r\nAuthorization: Bearer";
        write!(stream, "{head} {token}\r\n\r\n").unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line.contains(" 200 ")
    }
}

fn answer(client: &TcpStream, authority: &Authority, log: &Mutex<Vec<Asked>>, brief: bool) {
    let (head, body) = read(client);
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default());
    let url = reqwest::Url::parse(&format!("http://service{target}?{body}")).unwrap();
    let url = if target.contains('?') { url.join(target).unwrap() } else { url };
    let fields: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let all = |key: &str| fields.iter().filter(|(k, _)| k == key).map(|(_, v)| v.clone()).collect::<Vec<_>>();
    let user = match who(&head, &all("refresh_token")) {
        Ok(user) => user,
        Err(()) => {
            return reply(client, "401 Unauthorized", r#"{"details":"incorrect username or password"}"#);
        }
    };
    let scopes: Vec<String> =
        all("scope").iter().flat_map(|s| s.split(' ').map(str::to_owned).collect::<Vec<_>>()).collect();
    let mut log = log.lock().unwrap();
    let life = if brief { 2 - LEEWAY } else { 300 };
    let token = sign(authority, user.as_deref(), &scopes, life);
    let mut json = json!({"token": token, "access_token": token, "expires_in": 300});
    if !all("offline_token").is_empty() {
        json["refresh_token"] = REFRESH.into();
    }
    log.push(Asked { method, user, scopes, fields: fields.clone(), token });
    reply(client, "200 OK", &json.to_string());
}

fn read(client: &TcpStream) -> (String, String) {
    let mut reader = BufReader::new(client);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap() == 0 || line == "\r\n" {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
        head += &line;
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (head, String::from_utf8(body).unwrap())
}

fn reply(mut client: &TcpStream, status: &str, body: &str) {
    let length = body.len();
    let _ =
        write!(client, "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
}

/// The user who asks; none for anonymous requests, an error for wrong ones.
fn who(head: &str, refresh: &[String]) -> Result<Option<String>, ()> {
    if let Some(token) = refresh.first() {
        return if token == REFRESH { Ok(Some(USER.0.to_owned())) } else { Err(()) };
    }
    let header = head.lines().find(|line| line.to_lowercase().starts_with("authorization: basic "));
    let Some(given) = header.and_then(|line| line.rsplit(' ').next()) else { return Ok(None) };
    let right = STANDARD.encode(format!("{}:{}", USER.0, USER.1));
    if given == right { Ok(Some(USER.0.to_owned())) } else { Err(()) }
}

fn sign(authority: &Authority, user: Option<&str>, scopes: &[String], life: i64) -> String {
    let pem = std::fs::read_to_string(authority.path("token.crt")).unwrap();
    let der: String = pem.lines().filter(|line| !line.starts_with("---")).collect();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let now = i64::try_from(now).unwrap();
    let claims = json!({
        "iss": "test-issuer", "sub": user.unwrap_or_default(), "aud": "test-service", "jti": "1",
        "iat": now - 100, "nbf": now - 100, "exp": now + life, "access": grants(user, scopes),
    });
    let part = |json: &serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let text = format!("{}.{}", part(&json!({"typ": "JWT", "alg": "RS256", "x5c": [der]})), part(&claims));
    let mut openssl = Command::new("openssl")
        .args(["dgst", "-sha256", "-sign"])
        .arg(authority.path("token.key"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    openssl.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let signature = openssl.wait_with_output().unwrap().stdout;
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn grants(user: Option<&str>, scopes: &[String]) -> Vec<serde_json::Value> {
    let mut out = Vec::new();
    for scope in scopes {
        let (name, actions) = scope.strip_prefix("repository:").unwrap().rsplit_once(':').unwrap();
        let own = user.is_some_and(|user| name.starts_with(&format!("{user}/")));
        let may = |action: &&str| own || (*action == "pull" && name.starts_with("public/"));
        let actions: Vec<&str> = actions.split(',').filter(may).collect();
        if !actions.is_empty() {
            out.push(json!({"type": "repository", "name": name, "actions": actions}));
        }
    }
    out
}
