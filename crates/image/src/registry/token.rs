//! Proof of who asks, made when a registry asks for it: user and password, or a token for just these repositories.
//!
//! The scopes that a registry named are kept and asked for together from then on, so that threads which push to one
//! repository and mount from others do not take each other's token away.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;

use super::bounded::TOKEN;
use super::challenge::Challenge;
use super::patience::{Patience, TRIES, back_off, tries_after};
use super::target::{Target, retry_after};
use crate::auth::Login;
use crate::error::RegistryError;
use crate::refusal::Subject;

const CLIENT: &str = "tare";

/// What a token is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// For requests.
    Use,
    /// To learn whether a login is right, and to get a refresh token if the service gives one.
    Login,
}

/// What a token is for: `repository:me/app` and what may be done with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scopes(BTreeMap<String, BTreeSet<String>>);

impl Scopes {
    /// Adds `repository:me/app:pull,push`, or several such with blanks between. Returns whether anything was new.
    pub(super) fn add(&mut self, text: &str) -> bool {
        let mut new = false;
        for scope in text.split_whitespace() {
            let (object, actions) = scope.rsplit_once(':').unwrap_or((scope, ""));
            let known = self.0.entry(object.to_owned()).or_default();
            for action in actions.split(',') {
                new |= known.insert(action.to_owned());
            }
        }
        new
    }

    fn texts(&self) -> Vec<String> {
        let actions = |of: &BTreeSet<String>| of.iter().map(String::as_str).collect::<Vec<_>>().join(",");
        self.0.iter().map(|(object, of)| format!("{object}:{}", actions(of))).collect()
    }
}

/// How requests to one registry show who asks.
pub(super) struct Access {
    http: Client,
    target: Target,
    subject: Subject,
    login: Option<Login>,
    scopes: Mutex<Scopes>,
    header: Mutex<Option<String>>,
    /// One asks for all: held while a token is on its way.
    asking: tokio::sync::Mutex<()>,
}

/// What a token service gives.
#[derive(Deserialize)]
pub(super) struct Token {
    token: Option<String>,
    access_token: Option<String>,
    pub(super) refresh_token: Option<String>,
}

impl Token {
    pub(super) fn bearer(&self) -> Option<String> {
        let token = self.token.as_ref().or(self.access_token.as_ref()).filter(|token| !token.is_empty());
        token.map(|token| format!("Bearer {token}"))
    }
}

impl Access {
    /// `scopes`: what will be asked for anyway.
    pub(super) fn new(
        http: Client,
        target: Target,
        subject: Subject,
        login: Option<Login>,
        scopes: Scopes,
    ) -> Self {
        let (scopes, header) = (Mutex::new(scopes), Mutex::default());
        Self { http, target, subject, login, scopes, header, asking: tokio::sync::Mutex::default() }
    }

    /// The `Authorization` that was asked for last.
    pub(super) fn header(&self) -> Option<String> {
        self.header.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answers a 401 to a request that had shown `shown`; `None` when there is nothing better to show.
    pub(super) async fn answer(
        &self,
        refused: &Response,
        shown: Option<&str>,
    ) -> Result<Option<String>, RegistryError> {
        let _asking = self.asking.lock().await;
        let header = match (challenge(refused), &self.login) {
            (None, _) | (Some(Challenge::Basic), None) => return Ok(None),
            (Some(Challenge::Basic), Some(login)) => basic(login),
            (Some(Challenge::Bearer { realm, service, scope }), _) => {
                let (new, scopes) = {
                    let mut all = self.scopes.lock().unwrap_or_else(PoisonError::into_inner);
                    (all.add(scope.as_deref().unwrap_or_default()), all.clone())
                };
                // Another request got one for all of it meanwhile.
                let current = self.header().filter(|header| !new && shown != Some(header.as_str()));
                if current.is_some() {
                    return Ok(current);
                }
                match self.token(&realm, service.as_deref(), &scopes, Purpose::Use).await?.bearer() {
                    Some(header) => header,
                    None => return Ok(None),
                }
            }
        };
        *self.header.lock().unwrap_or_else(PoisonError::into_inner) = Some(header.clone());
        Ok(Some(header))
    }

    /// Asks a token service.
    pub(super) async fn token(
        &self,
        realm: &str,
        service: Option<&str>,
        scopes: &Scopes,
        purpose: Purpose,
    ) -> Result<Token, RegistryError> {
        let realm =
            Url::parse(realm).map_err(|e| self.target.protocol(format!("token realm {realm}: {e}")))?;
        let mut patience = Patience::default();
        let mut tries = 0;
        loop {
            tries += 1;
            let response = match self.request(realm.clone(), service, scopes, purpose).send().await {
                Ok(response) => response,
                Err(e) if tries < tries_after(&e) => {
                    back_off(tries).await;
                    continue;
                }
                Err(e) => return Err(self.target.unreachable("get a token for", e)),
            };
            let status = response.status();
            if status.is_success() {
                let body = self.target.body(response, "get a token for", "token", TOKEN).await?;
                let wrong = |e| self.target.protocol(format!("the token service's answer: {e}"));
                return serde_json::from_slice(&body).map_err(wrong);
            }
            let again = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
            if again && tries < TRIES && patience.wait(tries, retry_after(&response)).await {
                continue;
            }
            return Err(self.target.refusal(self.subject, response).await);
        }
    }

    fn request(
        &self,
        mut url: Url,
        service: Option<&str>,
        scopes: &Scopes,
        purpose: Purpose,
    ) -> RequestBuilder {
        if let Some(refresh) = self.login.as_ref().and_then(|l| l.identity_token.as_deref()) {
            let scopes = scopes.texts().join(" ");
            let fields = [
                ("grant_type", "refresh_token"),
                ("service", service.unwrap_or_default()),
                ("client_id", CLIENT),
                ("refresh_token", refresh),
            ];
            let form = {
                // A form's encoding is a query's.
                let mut form = url.clone();
                form.query_pairs_mut().clear().extend_pairs(fields);
                if !scopes.is_empty() {
                    form.query_pairs_mut().append_pair("scope", &scopes);
                }
                form.query().unwrap_or_default().to_owned()
            };
            return self.http.post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
        }
        {
            let mut query = url.query_pairs_mut();
            query.extend_pairs(service.map(|s| ("service", s)));
            query.extend_pairs(scopes.texts().iter().map(|s| ("scope", s)));
            query.extend_pairs(self.login.as_ref().map(|login| ("account", &login.user)));
            if purpose == Purpose::Login {
                query.extend_pairs([("client_id", CLIENT), ("offline_token", "true")]);
            }
        }
        let request = self.http.get(url);
        self.login.iter().fold(request, |r, login| r.header(AUTHORIZATION, basic(login)))
    }
}

/// What an answer wants to see.
pub(super) fn challenge(refused: &Response) -> Option<Challenge> {
    let headers = refused.headers().get_all(WWW_AUTHENTICATE);
    headers.iter().filter_map(|v| v.to_str().ok()).find_map(Challenge::parse)
}

pub(super) fn basic(login: &Login) -> String {
    let pair = format!("{}:{}", login.user, login.password);
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_of_one_repository_are_one() {
        let mut scopes = Scopes::default();
        assert!(scopes.add("repository:a/b:push,pull"));
        assert!(!scopes.add("repository:a/b:pull"));
        assert!(scopes.add("repository:a/b:pull repository:localhost:5000/x:pull registry:catalog:*"));
        assert_eq!(
            scopes.texts(),
            ["registry:catalog:*", "repository:a/b:pull,push", "repository:localhost:5000/x:pull"]
        );
    }
}
