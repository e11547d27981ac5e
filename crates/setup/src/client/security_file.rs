//! The security file: saved from a meter, shown as what it would change in one, loaded once accepted.

use api::routes;
use hyper::Method;
use hyper::body::Bytes;
use hyper::header::CONTENT_TYPE;
use security::{AccountId, Password};

use super::{ANSWER, Client, document, logged, queried, with_passwords};
use crate::error::SetupError;

/// A security file with what goes along.
pub struct SecurityFile<'a> {
    /// Its text.
    pub text: &'a str,
    /// New passwords, for users that it activates while theirs is `0`.
    pub new_passwords: &'a [(AccountId, Password)],
    /// Whether to load it even if nobody could edit security afterwards (B19).
    pub force: bool,
}

impl Client {
    /// The meter's security setup, as the text of a `.scf` file.
    pub async fn security_file(&mut self) -> Result<String, SetupError> {
        let request = self.request(Method::GET, routes::SECURITY_FILE);
        let answer = self.ask(request, Bytes::new(), ANSWER).await?;
        String::from_utf8(answer.body).map_err(|_| SetupError::Answer("a security file that is not text".to_owned()))
    }

    /// What loading a file would change.
    pub async fn plan_security(&mut self, file: &SecurityFile<'_>) -> Result<api::SecurityPlan, SetupError> {
        self.send_security(file, None).await
    }

    /// Loads a file if what it changes is still what was accepted.
    pub async fn load_security(
        &mut self,
        file: &SecurityFile<'_>,
        accept: &str,
    ) -> Result<api::SecurityPlan, SetupError> {
        let done = self.send_security(file, Some(accept)).await;
        let given = logged::passwords(file.new_passwords.iter().map(|(account, _)| account));
        self.note(&format!("load security file, changes {accept}{given}"), &done).await;
        done
    }

    async fn send_security(
        &mut self,
        file: &SecurityFile<'_>,
        accept: Option<&str>,
    ) -> Result<api::SecurityPlan, SetupError> {
        let accept = accept.map(|digest| ("accept", digest.to_owned()));
        let force = file.force.then(|| ("force", "true".to_owned()));
        let query: Vec<_> = accept.into_iter().chain(force).collect();
        let request = self.request(Method::POST, &queried(routes::SECURITY_FILE, &query));
        let passwords: Vec<_> = file.new_passwords.iter().map(|(account, password)| (*account, password)).collect();
        let request = with_passwords(request.header(CONTENT_TYPE, routes::TEMPLATE_TYPE), &passwords);
        document(&self.ask(request, file.text.to_owned(), ANSWER).await?)
    }
}
