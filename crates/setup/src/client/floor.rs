//! The floor of a meter.

use api::routes;
use firmware::Version;

use super::Client;
use crate::error::SetupError;

impl Client {
    /// The oldest release that the meter goes to.
    pub async fn floor(&mut self) -> Result<api::Floor, SetupError> {
        self.get(routes::FLOOR).await
    }

    /// Raises it to a release, or to the one that runs; the floor then.
    pub async fn raise_floor(&mut self, to: Option<Version>) -> Result<api::Floor, SetupError> {
        let named = to.as_ref().map_or_else(|| "current".to_owned(), ToString::to_string);
        let done = self.post(routes::FLOOR, &api::FloorRequest { raise_to: to }, &[]).await;
        self.note(&format!("floor set {named}"), &done).await;
        done
    }
}
