//! Whether a login is right: asked of the registry itself, as `docker login` does.

use reqwest::header::AUTHORIZATION;
use reqwest::{Client, Response, StatusCode, Url};

use super::challenge::Challenge;
use super::reach::Host;
use super::runtime;
use super::target::Target;
use super::token::{Access, Purpose, Scopes, basic, challenge};
use crate::RegistryConfig;
use crate::auth::Login;
use crate::error::{RegistryError, Result};
use crate::refusal::Subject;

/// Logs in to the registry of `domain` (`docker.io` is the Hub) and returns the login to keep: with a refresh token in
/// the password's place where the registry gives one. [`RegistryError::Denied`] when it is refused. Blocks.
pub fn log_in(domain: &str, login: &Login, config: &RegistryConfig) -> Result<Login> {
    runtime()?.block_on(async {
        let host = Host::find(domain, config, None).await?;
        let target = Target {
            registry: host.name.clone(),
            image: login.user.clone(),
            repository: login.user.clone(),
            no_login: None,
        };
        Ok(check(&host, &target, login).await?)
    })
}

async fn check(host: &Host, target: &Target, login: &Login) -> Result<Login, RegistryError> {
    let anonymous = ping(&host.http, &host.base, target, None).await?;
    if anonymous.status() != StatusCode::UNAUTHORIZED {
        return accepted(target, anonymous).await.map(|()| login.clone());
    }
    let (header, refresh) = match challenge(&anonymous) {
        None => return Err(target.refusal(Subject::Login, anonymous).await),
        Some(Challenge::Basic) => (Some(basic(login)), None),
        Some(Challenge::Bearer { realm, service, .. }) => {
            let access = Access::new(
                host.http.clone(),
                target.clone(),
                Subject::Login,
                Some(login.clone()),
                Scopes::default(),
            );
            let token = access.token(&realm, service.as_deref(), &Scopes::default(), Purpose::Login).await?;
            (token.bearer(), token.refresh_token)
        }
    };
    let answer = ping(&host.http, &host.base, target, header).await?;
    accepted(target, answer).await?;
    Ok(match refresh.filter(|token| !token.is_empty()) {
        Some(token) => {
            Login { user: login.user.clone(), password: String::new(), identity_token: Some(token) }
        }
        None => login.clone(),
    })
}

async fn ping(
    http: &Client,
    base: &Url,
    target: &Target,
    header: Option<String>,
) -> Result<Response, RegistryError> {
    let request =
        header.into_iter().fold(http.get(base.clone()), |r, header| r.header(AUTHORIZATION, header));
    request.send().await.map_err(|e| target.unreachable(Subject::Login.action(), e))
}

async fn accepted(target: &Target, answer: Response) -> Result<(), RegistryError> {
    if answer.status().is_success() {
        return Ok(());
    }
    Err(target.refusal(Subject::Login, answer).await)
}
